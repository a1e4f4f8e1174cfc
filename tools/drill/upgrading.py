"""An upgrade over a made-up next migration while notices come in, this version and the next one side by side."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from databases import ROOT
from drill.load import Load, post_all
from drill.places import NEXT_REVISION, Operator, Place, next_version, version
from drill.promises import Result
from dunning_service.database.migrating import head_revision
from e2e.processes import ServerProcess, serving
from e2e.senders import Account

NAME = "upgrade"


async def exercise(place: Place, before: int) -> Result:
    """On SQLite, which serves one process, the old one stops before the new one starts, and senders send again."""
    result = Result(NAME, place.kind.value)
    with TemporaryDirectory(dir=place.folder) as folder:
        following = next_version(Path(folder))
        result.notes.append(f"from the code here (schema {head_revision()}) to one more migration ({NEXT_REVISION})")
        url = place.databases.create()
        account = await Operator(url).open_account()
        upgrade = _one_after_the_other if place.is_sqlite else _side_by_side
        load = await upgrade(result, url, account, following, before)
        result.promise(await _is_migrated(url, following), "the database has not the revision of the new version")
    result.nothing_refused(load)
    result.each_once(url, account, load.book.sent)
    await result.checked(url)
    return result


async def _side_by_side(result: Result, url: str, account: Account, following: Path, before: int) -> Load:
    with ExitStack() as stack:
        old = await started(stack, url)
        load = Load(account, old.port)
        async with load.running():
            await load.more(before)
            with result.timed(load, "from `dunning migrate` to the end of the old process"):
                migrated = await Operator(url, following)("migrate")
                await load.more(before // 4)  # the old code on the new schema
                new = await started(stack, url, following)
                load.ports = [old.port, new.port]
                await load.more(before // 2)
                load.ports = [new.port]  # as a proxy does before it lets go of a server
                await load.more(before // 4)
                await stopped(result, old)
            result.notes.append(f"`dunning migrate` took {migrated.seconds:.1f} s")
            await load.more(before // 4)
        await _repeat(result, new.port, load)
    return load


async def _one_after_the_other(result: Result, url: str, account: Account, following: Path, before: int) -> Load:
    with ExitStack() as stack:
        old = await started(stack, url)
        load = Load(account, old.port)
        async with load.running():
            await load.more(before)
            with result.timed(load, "from the stop of the old process until the backlog was taken in"):
                began = time.monotonic()
                await stopped(result, old)
                new = await started(stack, url, following)
                load.ports = [new.port]
                away = time.monotonic() - began
                await load.more(before // 4)
            result.notes.append(f"nobody answered for {away:.1f} s")
            await load.more(before // 4)
        await _repeat(result, new.port, load)
    return load


async def _is_migrated(url: str, following: Path) -> bool:
    status = (await Operator(url, following)("status", "--json")).json
    return (status["state"], status["revision"]) == ("current", NEXT_REVISION)


async def _repeat(result: Result, port: int, load: Load) -> None:
    """What the old process took in comes to the new one again."""
    statuses = await post_all(port, list(load.book.sent.values()))
    result.promise(set(statuses) == {200}, f"repeats were answered {dict(statuses)}")


async def started(stack: ExitStack, url: str, code: Path = ROOT) -> ServerProcess:
    """A service of that version, while the load goes on."""
    with version(code):
        return await asyncio.to_thread(stack.enter_context, serving(url))


async def stopped(result: Result, server: ServerProcess) -> None:
    """Asks it to stop, and waits until it has."""
    server.terminate()
    code = await asyncio.to_thread(server.wait)
    result.promise(code == 0, f"the process that was stopped ended with {code}")
