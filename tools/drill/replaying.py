"""Replay what could not be read, after the mapping was put right, while notices come in."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from drill.load import Load, mixed
from drill.places import Operator, Place, with_a_gap
from drill.promises import Result
from drill.upgrading import started, stopped
from e2e.senders import Account, Posted, a_maple_notice

NAME = "replay failed deliveries"


def with_small_letters(account: Account, number: int) -> Posted:
    """Every third notice names its currency as `nok`, which the version with the gap cannot read."""
    if number % 3:
        return mixed(account, number)
    return a_maple_notice(account, f"p{number}", total_amount={"currency": "nok", "value_in_cents": 4900})


async def exercise(place: Place, before: int) -> Result:
    """The version with the gap acknowledges what it cannot read, and keeps it; the one without it reads it again."""
    result = Result(NAME, place.kind.value)
    with TemporaryDirectory(dir=place.folder) as folder, ExitStack() as stack:
        gap = with_a_gap(Path(folder))
        url = place.databases.create()
        operator = Operator(url)
        account = await operator.open_account()
        old = await started(stack, url, gap)
        load = Load(account, old.port, with_small_letters)
        async with load.running():
            await load.more(before)
            if place.is_sqlite:
                await stopped(result, old)
                new = await started(stack, url)
                load.ports = [new.port]
            else:
                new = await started(stack, url)
                load.ports = [new.port]
                await load.more(before // 4)
                await stopped(result, old)
            failed = await _failed(operator)
            with result.timed(load, "`dunning events replay --outcome failed`"):
                replayed = (await operator("events", "replay", "--outcome", "failed", "--json")).json["replayed"]
            await load.more(before // 4)
        result.notes.append(f"{len(replayed)} deliveries were read again")
        result.nothing_refused(load)
    result.promise(len(failed) >= before // 4, f"only {len(failed)} deliveries had failed, so it was no drill")
    result.promise(len(replayed) == len(failed), f"{len(failed)} had failed and {len(replayed)} were read again")
    left = await _failed(operator)
    result.promise(not left, f"{len(left)} deliveries still fail")
    result.each_once(url, account, load.book.sent)
    await result.checked(url)
    return result


async def _failed(operator: Operator) -> list[object]:
    listed = await operator("events", "list", "--outcome", "failed", "--limit", "100000", "--json")
    found: list[object] = json.loads(listed.out)
    return found
