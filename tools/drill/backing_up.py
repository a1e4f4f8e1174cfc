"""Back up and restore while notices come in: nothing is lost that was acknowledged before the backup began."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from sqlalchemy.engine import make_url

from drill.load import Load, post_all
from drill.places import Operator, Place, postgres_tool, run
from drill.promises import Result
from e2e.processes import serving

NAME = "back up and restore"

_BACKUP = "import sqlite3; sqlite3.connect('file:{}?mode=ro', uri=True).backup(sqlite3.connect('{}'))"


async def exercise(place: Place, before: int) -> Result:
    """`before` notices come first, and as many while the backup is made and after it."""
    result = Result(NAME, place.kind.value)
    url = place.databases.create()
    account = await Operator(url).open_account()
    with serving(url) as server:
        load = Load(account, server.port)
        async with load.running():
            await load.more(before)
            safe = set(load.book.acknowledged)
            with result.timed(load, "the backup"):
                backup = await _back_up(place, url)
            known = set(load.book.sent)
            await load.more(before // 4)
        result.nothing_refused(load)

    restored = await _restore(place, url, backup)
    await result.checked(restored)
    result.holds_all(restored, account, safe, known)
    with serving(restored) as server:
        # senders post again what the backup does not have, and a good deal that it has
        statuses = await post_all(server.port, list(load.book.sent.values()))
        result.promise(set(statuses) == {200}, f"repeats were answered {dict(statuses)}")
        fresh = Load(account, server.port, first=len(load.book.sent))
        async with fresh.running():
            await fresh.more(before // 4)
        result.nothing_refused(fresh)
    result.each_once(restored, account, load.book.sent.keys() | fresh.book.sent.keys())
    await result.checked(restored)
    return result


async def _back_up(place: Place, url: str) -> Path:
    if place.is_sqlite:
        backup = place.folder / "backup.db"
        await run(sys.executable, "-c", _BACKUP.format(make_url(url).database, backup))
    else:
        backup = place.folder / "dunning.dump"
        await run(postgres_tool("pg_dump"), "--format", "custom", "--file", str(backup), url)
    return backup


async def _restore(place: Place, url: str, backup: Path) -> str:
    """As docs/operations.md says; answers where the restored database is."""
    if place.is_sqlite:
        _put_in_place(backup, str(make_url(url).database))
        return url
    empty = place.databases.create_empty()
    await run(postgres_tool("pg_restore"), "--no-owner", "--exit-on-error", "--dbname", empty, str(backup))
    return empty


def _put_in_place(backup: Path, file: str) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(file + suffix).unlink(missing_ok=True)
    shutil.copy(backup, file)
