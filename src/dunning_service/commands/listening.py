"""Where a process listens, and how its HTTP server behaves."""

from __future__ import annotations

import socket
from typing import Any

from dunning_service.commands.bounded_http import BoundedHttp
from dunning_service.errors import ConfigurationError

_DRAIN_S = 30
_KEEP_ALIVE_S = 65
"""Longer than the minute after which load balancers let go of an idle connection: the one who reuses it must be the
one who closes it, or a notice is lost on the way now and then."""


def bound(host: str, port: int, options: str) -> socket.socket:
    """A socket that has the address but takes no calls yet, so that a port in use is known before anything is made.

    Raises ConfigurationError naming the `options` that choose another address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; choose another with {options}"
        ) from None
    listening.set_inheritable(True)
    return listening


def server_options() -> dict[str, Any]:
    """Of every server, whatever it serves."""
    return {
        "ws": "none",
        "log_config": None,  # the service's own log takes what the server says
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # links begin with DUNNING_PUBLIC_URL; what a caller says of itself decides nothing
        "backlog": 2048,
        "http": BoundedHttp,
        "timeout_keep_alive": _KEEP_ALIVE_S,
        "timeout_graceful_shutdown": _DRAIN_S,
    }
