"""What the kills came to, as a table for the documentation and as JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from e2e.killed_services import Findings, Killed

_HEADS = ("Database", "API processes", "Rounds", "Notices", "Acknowledged at once", "Sent again", "503")
_KILLS = tuple(f"Killed: {kind}" for kind in Killed)
_VERDICTS = ("Lost", "Doubled", "Wrong", "Seconds")
_NAMES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}


def table(found: Sequence[Findings]) -> str:
    """Markdown, as it stands in docs/evidence.md."""
    heads = (*_HEADS, *_KILLS, *_VERDICTS)
    lines = [heads, ["---", *(["---:"] * (len(heads) - 1))]]
    lines += [_cells(_NAMES[one.setting.database], str(one.setting.processes), one) for one in found]
    lines.append(_cells("all", "", total(found)))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def total(found: Sequence[Findings]) -> Findings:
    """All settings together."""
    added = Findings(found[0].setting)
    for one in fields(Findings):
        if one.name != "setting":
            first: Any = Counter() if one.name == "kills" else [] if one.name == "problems" else 0
            setattr(added, one.name, sum((getattr(each, one.name) for each in found), first))
    return added


def as_json(found: Sequence[Findings], about: dict[str, object], seed: int) -> dict[str, object]:
    return {
        "machine": about,
        "seed": seed,
        "settings": [
            {"database": one.setting.database, "processes": one.setting.processes, **_figures(one)} for one in found
        ],
        "all": _figures(total(found)),
    }


def _figures(one: Findings) -> dict[str, object]:
    kills = {kind.value: one.kills[kind] for kind in Killed}
    figures = {each.name: getattr(one, each.name) for each in fields(Findings) if each.name not in ("setting", "kills")}
    return figures | {"kills": kills, "seconds": round(one.seconds, 1)}


def _cells(database: str, processes: str, one: Findings) -> Sequence[str]:
    counts = (one.rounds, one.notices, one.acknowledged, one.repeated, one.refused)
    verdicts = (one.lost, one.doubled, one.wrong, round(one.seconds))
    figures = (*counts, *(one.kills[kind] for kind in Killed), *verdicts)
    return (database, processes, *(f"{figure:,}" for figure in figures))
