"""`make drill`: what docs/operations.md tells operators to do, done while notices come in, on both databases.

Prints a Markdown table and writes JSON. Exits with 1 when a promise does not hold, and stops by itself.
`make drill ARGS="--only upgrade --database postgresql --notices 5000"`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import machine
from drill import backing_up, erasing, replaying, rotating, upgrading
from drill.load import PromiseBroken
from drill.places import Kind, Place, places, postgres_version
from drill.promises import Result, table
from machine import say

EXERCISES: dict[str, ModuleType] = {
    "backup": backing_up,
    "rotate": rotating,
    "upgrade": upgrading,
    "replay": replaying,
    "erase": erasing,
}
_LIMIT_S = 300.0
"""For one exercise on one database."""


def main() -> int:
    chosen = _arguments()
    machine.use_a_disk()
    described = machine.describe() | {"postgresql": postgres_version()}
    results = asyncio.run(_drill(chosen.only or list(EXERCISES), chosen.database or list(Kind), chosen.notices))
    broken = [f"{one.exercise}, {one.database}: {what}" for one in results for what in one.broken]
    say("\n" + table(results))
    say(f"\n{machine.sentence(described)}")
    if chosen.json is not None:
        content = {"machine": described, "results": [asdict(one) for one in results], "broken": broken}
        chosen.json.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        say(f"Written to {chosen.json}.")
    for line in broken:
        say(f"FAIL: {line}")
    if not broken:
        say("Every promise held.")
    return 1 if broken else 0


async def _drill(names: Sequence[str], kinds: Sequence[Kind], notices: int) -> list[Result]:
    results = []
    with places(kinds) as found:
        for name in names:
            for place in found:
                say(f"{EXERCISES[name].NAME}, {place.kind.value} ...")
                results.append(await _exercised(EXERCISES[name], place, notices))
    return results


async def _exercised(exercise: ModuleType, place: Place, notices: int) -> Result:
    """What cannot even be finished is a promise that does not hold."""
    run: Callable[[Place, int], Awaitable[Result]] = exercise.exercise
    try:
        async with asyncio.timeout(_LIMIT_S):
            return await run(place, notices)
    except (PromiseBroken, AssertionError, OSError) as error:
        return Result(exercise.NAME, place.kind.value, broken=[str(error) or type(error).__name__])
    except TimeoutError:
        return Result(exercise.NAME, place.kind.value, broken=[f"it was not over after {_LIMIT_S:.0f} s"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/drill", description="Does what an operator does, under load.")
    parser.add_argument("--only", action="append", choices=list(EXERCISES), help="this exercise; repeatable")
    parser.add_argument(
        "--database",
        action="append",
        type=lambda text: Kind[{"sqlite": "SQLITE", "postgresql": "POSTGRES"}[text]],
        metavar="{sqlite,postgresql}",
        help="on this database; repeatable",
    )
    parser.add_argument("--notices", type=int, default=2_000, help="before each exercise (%(default)s)")
    parser.add_argument("--json", type=Path, default=Path("drill.json"), help="where the figures go (%(default)s)")
    chosen = parser.parse_args()
    if not 40 <= chosen.notices <= 200_000:
        parser.error("--notices must be from 40 to 200000")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
