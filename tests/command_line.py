"""`dunning ...` as it is typed, in this process: arguments in; exit code, output and error line out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from dunning_service.cli import run


@dataclass(frozen=True)
class Typed:
    """What came of one command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def refusal(self) -> str:
        """The one line that says what is wrong."""
        assert self.code == 1
        assert self.out == ""
        assert self.err.startswith("dunning: ")
        assert self.err.count("\n") == 1
        return self.err


class CommandLine:
    """Types commands."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Typed:
        self._capsys.readouterr()
        code = run(arguments)
        written = self._capsys.readouterr()
        return Typed(code, written.out, written.err)

    def json(self, *arguments: str) -> Any:
        return self(*arguments, "--json").json

    def table(self, *arguments: str) -> Sequence[str]:
        typed = self(*arguments)
        assert typed.code == 0, typed.err
        return typed.out.splitlines()
