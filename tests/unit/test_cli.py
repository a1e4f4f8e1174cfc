"""The command `dunning` before any of its commands runs."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from dunning_service.cli import COMMANDS, app, run

HEAVY = (
    "alembic", "asyncio", "cryptography", "dunning_service.settings", "fastapi", "httpx", "orjson", "prometheus_client",
    "psycopg", "pydantic", "rich", "sqlalchemy", "structlog", "uvicorn",
)  # fmt: skip
"""Modules that take long to import."""

_CALLED = """
import sys
from dunning_service.cli import run
code = run(sys.argv[1].split())
print("imported:", *[name for name in sys.argv[2:] if name in sys.modules])
sys.exit(code)
"""


@pytest.mark.parametrize("typed", ["--version", "--help"])
def test_what_runs_no_command_imports_nothing_that_takes_long(typed: str) -> None:
    called = subprocess.run([sys.executable, "-c", _CALLED, typed, *HEAVY], capture_output=True, check=False, text=True)
    assert called.returncode == 0, called.stderr
    assert called.stdout.splitlines()[-1] == "imported:"


def test_help_says_of_each_command_what_the_command_says_of_itself() -> None:
    group = typer.main.get_command(app)
    assert list(group.commands) == list(COMMANDS)
    for name, (_, purpose) in COMMANDS.items():
        command = group.commands[name]
        assert command.name == name
        assert " ".join(str(command.help).split()).startswith(purpose)


def test_a_mistyped_command_hears_which_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["wroker"]) == 2
    assert (
        capsys.readouterr().err == "dunning: No such command 'wroker'. Did you mean 'worker'? See `dunning --help`.\n"
    )
