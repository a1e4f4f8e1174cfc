"""Progress of long commands: a bar on a terminal, a count every ten seconds in a log, and an end after Ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import typer

from dunning_service.commands.printing import INTERRUPTED, warn
from dunning_service.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_LOGGED_EVERY_S = 10.0


def is_terminal() -> bool:
    """Whether a person sits there, who can be asked and can watch: both input and messages are a terminal's."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def require_terminal_or_yes(is_agreed: bool) -> None:
    """Raises ConfigurationError where nobody could be asked and `--yes` was not given, before any work is done."""
    if not is_agreed and not is_terminal():
        raise ConfigurationError(
            "this cannot be undone, and there is no terminal to ask on: add --yes to do it, or --dry-run to see what "
            "it would do"
        )


def confirm(question: str, nothing_done: str) -> None:
    """Asks on the terminal before what cannot be undone. Exits with 1 when the answer is no, with 130 after Ctrl-C."""
    try:
        if typer.confirm(question, err=True):
            return
    except typer.Abort:
        warn(f"\ndunning: interrupted; {nothing_done}")
        raise typer.Exit(INTERRUPTED) from None
    warn(f"dunning: {nothing_done}")
    raise typer.Exit(1)


class ShownProgress:
    """Bars on a terminal and lines in a log, both on standard error: standard output is for results."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._done: dict[str, int] = {}
        self._totals: dict[str, int | None] = {}
        self._step = ""
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._logged_at = time.monotonic()

    def begin(self, step: str, total: int | None = None) -> None:
        self._step = step
        known = self._totals.get(step)
        self._totals[step] = known if total is None else total
        self._done.setdefault(step, 0)
        if self._bars is not None:
            if step not in self._tasks:
                self._tasks[step] = self._bars.add_task(step, total=total)
            elif total is not None:
                self._bars.update(self._tasks[step], total=total)

    def advance(self, count: int = 1) -> None:
        self._done[self._step] += count
        if self._bars is not None:
            self._bars.advance(self._tasks[self._step], count)
        elif time.monotonic() - self._logged_at >= _LOGGED_EVERY_S:
            self._logged_at = time.monotonic()
            self._log()

    def __str__(self) -> str:
        """What is done so far: `1,200 of 60,000 deliveries read again`."""
        return ", ".join(
            f"{done:,}{'' if (total := self._totals[step]) is None else f' of {total:,}'} {step}"
            for step, done in self._done.items()
        )

    def _log(self) -> None:
        line: dict[str, Any] = {"at": datetime.now(UTC), "level": "info", "event": "progress", "command": self._command}
        line |= {"step": self._step, "done": self._done[self._step], "total": self._totals[self._step]}
        warn(orjson.dumps(line, option=orjson.OPT_UTC_Z).decode())

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows a bar for each step meanwhile, where messages go to a terminal."""
        if not sys.stderr.isatty():
            yield
            return
        with _bars() as self._bars:
            try:
                yield
            finally:
                self._bars = None


@contextmanager
def progress_of(
    command: str, how_to_go_on: str, *, on_interrupt: Callable[[], None] | None = None
) -> Iterator[ShownProgress]:
    """The progress of one command's work.

    After Ctrl-C it says what was done and how to go on, `on_interrupt` having printed what was found, and exits with
    130.
    """
    progress = ShownProgress(command)
    try:
        with progress.shown():
            yield progress
    except KeyboardInterrupt:
        if on_interrupt is not None:
            on_interrupt()
        warn(f"dunning: interrupted after {str(progress) or 'nothing was done'}; {how_to_go_on}")
        raise typer.Exit(INTERRUPTED) from None


def _bars() -> Bars:
    # here, for it takes a while to load and only terminals need it
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
