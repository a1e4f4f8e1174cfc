"""The command line `dunning`: its commands, imported when called, and errors as one line and an exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import Abort, TyperException

from dunning_service.commands.printing import INTERRUPTED, say, warn
from dunning_service.errors import DunningError

FAILED = 1

COMMANDS = {
    "serve": (
        "serve:serve",
        "Run the service. An SQLite database is migrated on the way, and made where none is configured; PostgreSQL is "
        "left as it is.",
    ),
    "worker": ("worker:worker", "Charge what is due: scheduled payments and retries."),
    "migrate": (
        "migrate:migrate",
        "Bring the database's schema to the newest revision; an SQLite database is made when it is missing.",
    ),
    "status": (
        "status:status",
        "Show the database, its revision, the settings that differ from their defaults, what is due and what failed.",
    ),
    "secret-key": ("secret_key:secret_key", "Print a new key for DUNNING_SECRET_KEY."),
    "merchant": ("merchant:app", "Merchants: every payment, token and source belongs to one."),
    "token": ("token:app", "Bearer tokens: who may post notices, read and decide."),
    "source": ("source:app", "Sources: the webhook addresses of payment providers."),
    "payments": ("payments:app", "Failed payments: one merchant's list, and what has happened to one."),
    "events": ("events:app", "Deliveries: every notice as it arrived, understood or not."),
    "customer": ("customer:app", "Customers: the people whose payments failed."),
    "ledger": ("ledger:app", "The ledger as a whole."),
}
"""Where each command is, below `commands`, and what it is for: so that `--help` imports none of them."""


class _Commands(Mapping[str, Any]):
    """The commands by name, each imported when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


@cache
def _command(name: str) -> Any:
    """A function, or a noun with commands of its own, as the parser of arguments wants it."""
    place, purpose = COMMANDS[name]
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"dunning_service.commands.{module}"), attribute)
    wrapped = typer.Typer(**_PLAIN)
    if isinstance(found, typer.Typer):
        wrapped.add_typer(found, name=name, help=purpose, no_args_is_help=True)
        return typer.main.get_group(wrapped).commands[name]
    wrapped.command(name)(found)
    return typer.main.get_command(wrapped)


class _LazyGroup(TyperGroup):
    """The commands, of which `--help` imports none and every other call the one it runs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = cast(Any, _Commands())  # nothing is added to them

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = formatter.width - 6 - max(map(len, COMMANDS))
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, TyperCommand(name, help=purpose).get_short_help_str(width))
                    for name, (_, purpose) in COMMANDS.items()
                ]
            )


_PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}

app = typer.Typer(
    name="dunning",
    cls=_LazyGroup,
    help="A self-hosted ledger of failed payments. Settings come from DUNNING_... variables or a .env file.",
    no_args_is_help=True,
    **_PLAIN,
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        say(f"dunning-service {version('dunning-service')}")
        raise typer.Exit


@app.callback()
def dunning(
    context: typer.Context,
    is_version_wanted: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options before a command, and what is prepared for every command."""
    prepare: Callable[[], None] | None = context.obj
    if prepare is not None:
        prepare()


def run(arguments: Sequence[str], prepare: Callable[[], None] | None = None) -> int:
    """Runs one command and answers its exit code: 0, 1 when it was refused or failed, 2 when it was typed wrongly, 130
    after Ctrl-C.

    `prepare` is called before a command is, and not for `--version` and `--help`.
    """
    command = typer.main.get_command(app)
    try:
        code = command.main(args=list(arguments), prog_name="dunning", standalone_mode=False, obj=prepare)
    except TyperException as error:
        warn(_about_usage(error))
        return error.exit_code
    except Abort:  # Ctrl-C, where no command has more to say about it
        return INTERRUPTED
    except DunningError as error:
        warn(f"dunning: {_on_one_line(error.message)}")
        return FAILED
    except Exception as error:
        from sqlalchemy.exc import DBAPIError  # here, and not for `--version`: they take long to import

        if not isinstance(error, DBAPIError):
            raise
        from dunning_service.commands.opening import explained

        warn(f"dunning: {_on_one_line(explained(error))}")
        return FAILED
    return code if isinstance(code, int) else 0


def _about_usage(error: TyperException) -> str:
    message = error.format_message()
    if message.startswith("Usage:"):  # a noun without a verb: the message is its help
        return message
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "dunning"
    complaint = _on_one_line(message.replace("Value error, ", "")).rstrip(".")
    return f"{path}: {complaint}{'' if complaint.endswith('?') else '.'} See `{path} --help`."


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _keep_logs_out() -> None:
    """Sends log lines to standard error, so that they stay out of the output; `serve` sets up logs of its own."""
    import structlog  # here, and not for `--version`: it takes long to import

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def main() -> None:
    """The entry point of the installed command."""
    sys.exit(run(sys.argv[1:], _keep_logs_out))
