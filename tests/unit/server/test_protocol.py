"""The protocol class overrides members that the pinned uvicorn really has."""

from __future__ import annotations

import asyncio
import re
from inspect import isfunction
from pathlib import Path
from unittest.mock import create_autospec

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from dunning_service.server import protocol
from dunning_service.server.protocol import ServerProtocol

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
SOURCE = Path(protocol.__file__).read_text("utf-8")
OWN = {name for name, member in vars(ServerProtocol).items() if isfunction(member)} - {"__init__"}


def _is_marked(name: str) -> bool:
    return getattr(getattr(ServerProtocol, name), "__override__", False)


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_method_is_marked_as_an_override_exactly_where_uvicorn_has_it(name: str) -> None:
    assert _is_marked(name) == hasattr(HttpToolsProtocol, name)


async def test_uvicorn_has_every_attribute_that_is_read() -> None:
    own = set(vars(ServerProtocol)) | set(re.findall(r"self\.(\w+)(?:: [^=\n]+)? = ", SOURCE))
    read = set(re.findall(r"\bself\.(\w+)", SOURCE)) - own
    config = uvicorn.Config(lambda: None, ws="none")
    base = HttpToolsProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    flow = FlowControl(create_autospec(asyncio.Transport))
    assert {name for name in read if not hasattr(base, name) and not hasattr(flow, name)} == set()
    assert read >= {"cycle", "pipeline", "headers", "connections", "timeout_keep_alive", "read_paused"}


def test_uvicorn_is_pinned_to_a_minor_version() -> None:
    assert re.search(r'"uvicorn\[standard\]>=(\d+\.\d+),<0\.\d+"', PYPROJECT.read_text("utf-8"))
