"""A client that openapi-python-client generates from the document: it compiles, and reads what every operation of a
running service really answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from e2e.processes import serving
from e2e.senders import open_account
from openapi_file import write

GENERATOR = Path(sys.prefix) / "client-generator" / "bin" / "python"
"""In an environment of its own, which `make install` makes."""

PROGRAM = Path(__file__).with_name("calls_by_generated_client.py")
UNREAD = {"text/json", "application/xml", "text/xml"}
"""What GoodParty may send beside JSON; the generator knows none of them and says so."""

ERRORS = {"Problem", "ErrorEnvelope", "ProblemDetails", "StripeErrorEnvelope", "ActionServiceError"}


def run(folder: Path, *arguments: object) -> str:
    assert GENERATOR.exists(), "the client generator is not installed: run `make install`"
    done = subprocess.run([GENERATOR, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_generated_client_reads_every_operation(sqlite_url: str, tmp_path: Path) -> None:
    write(tmp_path / "openapi.json")
    (tmp_path / "config.yaml").write_text("post_hooks: []\n", "utf-8")
    options = ("--path", "openapi.json", "--output-path", "dunning_client", "--meta", "none", "--config", "config.yaml")
    said = run(tmp_path, "-m", "openapi_python_client", "generate", *options)
    assert "omitted" not in said
    assert {line for line in said.splitlines() if "nsupported" in line or "annot" in line} == {
        f"Unsupported content type {unread}" for unread in UNREAD
    }

    account = open_account(sqlite_url)
    with serving(sqlite_url) as server:
        told = run(tmp_path, PROGRAM, tmp_path, server.base_url, account.token, account.source_id, account.secret)
    read = json.loads(told)
    documented = json.loads((tmp_path / "openapi.json").read_text("utf-8"))["paths"].values()
    assert len(read) == sum(len(methods) for methods in documented)
    assert [operation for operation, kinds in read.items() if not kinds] == []
    assert {kind for kinds in read.values() for kind in kinds} >= ERRORS
