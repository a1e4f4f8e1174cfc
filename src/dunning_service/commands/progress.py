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
    import rich.progress

_LOGGED_EVERY_S = 10.0


def require_terminal_or_yes(is_agreed: bool) -> None:
    """Raises ConfigurationError where there is no terminal to ask on and `--yes` was not given."""
    if not is_agreed and not (sys.stdin.isatty() and sys.stderr.isatty()):
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
    """The progress of one command: bars on a terminal, or else lines of a log, both on standard error."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._step = ""
        self._steps: dict[str, rich.progress.TaskID] = {}
        self._logged_at = time.monotonic()
        self.bars = _bars()

    def begin(self, step: str, total: int | None = None) -> None:
        """A step begins, or goes on."""
        self._step = step
        if step not in self._steps:
            self._steps[step] = self.bars.add_task(step, total=total)
        elif total is not None:
            self.bars.update(self._steps[step], total=total)

    def advance(self, count: int = 1) -> None:
        """So much more of the step is done."""
        self.bars.advance(self._steps[self._step], count)
        if self.bars.disable and time.monotonic() - self._logged_at >= _LOGGED_EVERY_S:
            self._logged_at = time.monotonic()
            self._log()

    def __str__(self) -> str:
        """What is done so far: `1,200 of 60,000 deliveries read again`."""
        return ", ".join(
            f"{task.completed:,}{'' if task.total is None else f' of {task.total:,}'} {task.description}"
            for task in self.bars.tasks
        )

    def _log(self) -> None:
        (task,) = (task for task in self.bars.tasks if task.description == self._step)
        line: dict[str, Any] = {"at": datetime.now(UTC), "level": "info", "event": "progress", "command": self._command}
        line |= {"step": self._step, "done": task.completed, "total": task.total}
        warn(orjson.dumps(line, option=orjson.OPT_UTC_Z).decode())


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
        with progress.bars:
            yield progress
    except KeyboardInterrupt:
        if on_interrupt is not None:
            on_interrupt()
        warn(f"dunning: interrupted after {str(progress) or 'nothing was done'}; {how_to_go_on}")
        raise typer.Exit(INTERRUPTED) from None


def _bars() -> rich.progress.Progress:
    """Bars that count the steps; nothing is drawn where messages do not go to a terminal."""
    # imported here because it takes long, and few commands need it
    import rich.console
    import rich.progress

    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
        console=rich.console.Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
