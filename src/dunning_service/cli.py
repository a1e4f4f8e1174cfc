"""`dunning`: wires the commands together, and turns what goes wrong into one line and an exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import sqlalchemy as sa
import structlog
import typer
from typer.exceptions import Abort, TyperException

from dunning_service.commands import customer, events, ledger, merchant, payments, source, token
from dunning_service.commands.migrate import migrate
from dunning_service.commands.opening import explained
from dunning_service.commands.printing import say, warn
from dunning_service.commands.progress import INTERRUPTED
from dunning_service.commands.secret_key import secret_key
from dunning_service.commands.serve import serve
from dunning_service.commands.status import status
from dunning_service.commands.worker import worker
from dunning_service.errors import DunningError

FAILED = 1

app = typer.Typer(
    name="dunning",
    help="A self-hosted ledger of failed payments. Settings come from DUNNING_... variables or a .env file.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve)
app.command("worker")(worker)
app.command("migrate")(migrate)
app.command("status")(status)
app.add_typer(merchant.app, name="merchant")
app.add_typer(token.app, name="token")
app.add_typer(source.app, name="source")
app.add_typer(payments.app, name="payments")
app.add_typer(events.app, name="events")
app.add_typer(customer.app, name="customer")
app.add_typer(ledger.app, name="ledger")
app.command("secret-key")(secret_key)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        say(f"dunning-service {version('dunning-service')}")
        raise typer.Exit


@app.callback()
def dunning(
    is_version_wanted: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Every command starts here."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command and answers its exit code: 0, 1 when it was refused or failed, 2 when it was typed wrongly, 130
    after Ctrl-C."""
    command = typer.main.get_command(app)
    try:
        code = command.main(args=list(arguments), prog_name="dunning", standalone_mode=False)
    except TyperException as error:
        warn(_about_usage(error))
        return error.exit_code
    except Abort:  # Ctrl-C, where no command has more to say about it
        return INTERRUPTED
    except DunningError as error:
        warn(f"dunning: {_on_one_line(error.message)}")
        return FAILED
    except sa.exc.DBAPIError as error:
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
    return f"{path}: {complaint}. See `{path} --help`."


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    """The installed command."""
    # what parts of the service log meanwhile must not stand in the output; `serve` sets up logs of its own
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    sys.exit(run(sys.argv[1:]))
