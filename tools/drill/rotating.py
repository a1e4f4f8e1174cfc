"""Rotate a source's secret while its sender signs: nothing is refused, and at the end the old secret is."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import replace

from drill.load import Load, PromiseBroken, post_all, webhooks
from drill.places import Operator, Place
from drill.promises import Result
from e2e.processes import serving
from e2e.senders import Account, a_maple_notice

NAME = "rotate a source's secret"

_HOLDS_WITHIN_S = 5.0


async def exercise(place: Place, before: int) -> Result:
    """The sender changes over half by half; only then is the old secret dropped."""
    result = Result(NAME, place.kind.value)
    url = place.databases.create()
    operator = Operator(url)
    account = await operator.open_account()
    with serving(url) as server:
        load = Load(account, server.port, webhooks)
        async with load.running():
            await load.more(before // 2)
            with result.timed(load, "from the rotation to the refusal of the old secret"):
                secret = (await operator("source", "rotate", account.source_id, "--json")).json["secret"]
                await load.more(before // 4)
                for share in (0.5, 1.0):
                    load.tell_secret(secret, share=share)
                    await load.more(before // 4)
                # the same secret anew, and no other beside it
                drop = ("source", "rotate", account.source_id, "--secret", "-", "--keep-old", "0", "--json")
                await operator(*drop, stdin=f"{secret}\n")
                refused_after = await _until_refused(server.port, account)
            await load.more(before // 4)
        result.notes.append(f"the old secret was refused {refused_after:.1f} s after it was dropped")
        result.nothing_refused(load)
        statuses = await post_all(server.port, [webhooks(replace(account, secret=secret), 0)])
        result.promise(set(statuses) == {200}, f"a repeat under the new secret was answered {dict(statuses)}")
    result.promise(refused_after <= _HOLDS_WITHIN_S, f"the old secret was good for {refused_after:.1f} s more")
    # what the old secret signed until it was refused was taken in as it should be
    result.holds_all(url, account, load.book.sent, load.book.sent.keys() | _PROBES)
    await result.checked(url)
    return result


_PROBES = {f"cmp_1/probe{number}" for number in range(1000)}


async def _until_refused(port: int, account: Account) -> float:
    """How long what the old secret signs is still taken."""
    began = time.monotonic()
    for number in itertools.count():
        statuses = await post_all(port, [a_maple_notice(account, f"probe{number}")], at_once=1)
        if 401 in statuses:
            return time.monotonic() - began
        if time.monotonic() - began > 2 * _HOLDS_WITHIN_S:
            raise PromiseBroken(f"the old secret is still good {2 * _HOLDS_WITHIN_S:.0f} s after it was dropped")
        await asyncio.sleep(0.05)
    raise AssertionError
