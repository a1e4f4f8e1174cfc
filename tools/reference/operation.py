"""The page of metrics and log events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import dunning_service
from dunning_service.operation.metrics import Metrics
from reference.log_events import LOG_EVENTS
from reference.markdown import code, page, table

_LOGGED = re.compile(r'\b(?:log\.(\w+)|write)\(\s*"([a-z_.]+)"')
_LEVELS_OF_WRITE = {"request": "info, warning from 500", "log": "any"}
"""Events whose level is chosen when they are written."""


def operation() -> str:
    return page(
        "Metrics and log events",
        "What to watch among them, and how a log line is written, is in [watching.md](../watching.md#is-it-well).",
        "## Metrics",
        table(("Metric", "Kind", "Labels", "What it says"), _metrics()),
        "## Log events",
        table(("Event", "Level", "What has happened"), _log_events()),
    )


def _metrics() -> Iterator[tuple[str, str, str, str]]:
    metrics = Metrics()
    metrics.request("GET", "/healthz", 200, 0.001)  # without one its labels are not rendered
    rendered = metrics.render().decode()
    metrics.close()
    for name, about in re.findall(r"^# HELP (dunning_\w+) (.+)$", rendered, re.MULTILINE):
        if name.endswith("_created"):
            continue
        (kind,) = re.findall(rf"^# TYPE {name} (\w+)$", rendered, re.MULTILINE)
        labels = re.search(rf"^{name}(?:_count)?\{{([^}}]*)\}}", rendered, re.MULTILINE)
        names = sorted(re.findall(r'(\w+)="', labels[1])) if labels else []
        yield code(name), kind, code(*names) if names else "none", about


def _log_events() -> Iterator[tuple[str, str, str]]:
    levels: dict[str, set[str]] = {}
    for path in sorted(Path(dunning_service.__file__).parent.rglob("*.py")):
        for level, event in _LOGGED.findall(path.read_text("utf-8")):
            levels.setdefault(event, set()).add(level or _LEVELS_OF_WRITE[event])
    if set(levels) != set(LOG_EVENTS):
        difference = ", ".join(sorted(set(levels) ^ set(LOG_EVENTS)))
        raise ValueError(
            f"tools/reference/log_events.py does not describe just the events that are logged: {difference}"
        )
    for event, about in LOG_EVENTS.items():
        yield code(event), ", ".join(sorted(levels[event])), about
