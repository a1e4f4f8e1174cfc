"""The listening socket of a process, and the options of its HTTP server."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from dunning_service.errors import ConfigurationError
from dunning_service.server.connection_limit import most_sockets
from dunning_service.server.protocol import ServerProtocol
from dunning_service.settings import Settings

_DRAIN_S = 30
_KEEP_ALIVE_S = 65
"""Longer than the minute after which load balancers let go of an idle connection: the side that
reuses it must be the side that closes it, or a notice is lost on the way now and then."""

_OTHER_FILES = 128
"""Open files left for the database, the log and all else but callers' connections."""

_BACKLOG = 2048
"""Most connections that wait to be accepted."""


def bound(host: str, port: int, options: str) -> socket.socket:
    """A socket that is bound but does not listen yet, so that a port in use is known before anything is made.

    Raises ConfigurationError naming the `options` that choose another address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise _in_use(host, port, options, error) from None
    listening.set_inheritable(True)
    return listening


def start_listening(listening: socket.socket, options: str) -> None:
    """Starts to listen: connections now wait for a server to accept them, instead of being refused.

    Raises ConfigurationError when another process listens there already.
    """
    try:
        listening.listen(_BACKLOG)
    except OSError as error:
        host, port = listening.getsockname()[:2]
        raise _in_use(host, port, options, error) from None


def _in_use(host: str, port: int, options: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"cannot listen on {host} port {port}: {error.strerror or error}; choose another with {options}"
    )


def server_options(settings: Settings, warn: Callable[[str], None]) -> dict[str, Any]:
    """The options of every server of this service; `warn` is called when fewer connections can be served."""
    return {
        "ws": "none",
        "log_config": None,  # the service's own log takes what the server says
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # links begin with DUNNING_PUBLIC_URL; what a caller says of itself decides nothing
        "backlog": _BACKLOG,
        "http": partial(
            ServerProtocol,
            receive_timeout_s=settings.receive_timeout_seconds,
            max_connections=_affordable(settings.max_connections, warn),
        ),
        "timeout_keep_alive": _KEEP_ALIVE_S,
        "timeout_graceful_shutdown": _DRAIN_S,
    }


def _affordable(wanted: int, warn: Callable[[str], None]) -> int:
    """How many connections this process can serve with the files that it may have open; it allows itself as many as it
    needs, where it may. A process with none left could not accept a call, nor reach its database."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = most_sockets(wanted) + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    allowed = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed == needed:
        return wanted
    found = max(1, (allowed - _OTHER_FILES) * 4 // 5)
    warn(
        f"this process may have {allowed:,} files open, which is enough for {found:,} connections and not for the "
        f"{wanted:,} of DUNNING_MAX_CONNECTIONS: allow it {needed:,} (`ulimit -n`, or LimitNOFILE= of systemd)"
    )
    return found
