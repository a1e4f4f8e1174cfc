"""The pages of docs/reference/, each made from the code that it describes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

from dunning_service.apis.arise.numbers import NUMBERS, member_of, word_of
from dunning_service.app import create_app
from dunning_service.billing.states import AttemptState, PaymentState, SubscriptionState
from dunning_service.cli import app as command_line
from dunning_service.errors import DunningError
from dunning_service.http.problems import STATUS
from dunning_service.ledger.status import APPLIES_TO, ActionKind, Status, decided_status
from dunning_service.providers import all_providers
from dunning_service.settings import Settings
from reference.markdown import code, page, shown, table
from reference.operation import operation

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"


def settings() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        description = f"{field.description}: {code(*choices)}" if choices else str(field.description)
        rows.append((code(f"DUNNING_{name.upper()}"), shown(field.default), description))
    return page(
        "Settings",
        "How they are given is in [running.md](../running.md#settings).",
        table(("Setting", "Default", "What it is"), rows),
    )


def commands() -> str:
    rows = [
        (code(" ".join([*path, *_arguments(command)])), " ".join(str(command.help).split()))
        for path, command in _commands(typer.main.get_command(command_line), ["dunning"])
    ]
    return page(
        "Commands",
        "What holds for all of them is in [running.md](../running.md#the-command-line).",
        table(("Command", "What it does"), rows),
    )


def _commands(command: Any, path: list[str]) -> Iterator[tuple[list[str], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, found in inner.items():
        yield from _commands(found, [*path, name])


def _arguments(command: Any) -> Iterator[str]:
    """A synopsis: the required arguments first, the optional ones in brackets."""
    required: list[str] = []
    optional: list[str] = []
    for parameter in command.params:
        value = parameter.metavar or parameter.name.rpartition("_")[2].upper()
        if parameter.param_type_name == "argument":
            required.append(value)
            continue
        written = parameter.opts[0] if parameter.is_flag else f"{parameter.opts[0]} {value}"
        written += "..." if parameter.multiple else ""
        (required if parameter.required else optional).append(written if parameter.required else f"[{written}]")
    yield from required
    yield from optional


def requests() -> str:
    rows = [
        (code(f"{method.upper()} {path}"), operation["summary"])
        for path, operations in _document()["paths"].items()
        for method, operation in operations.items()
    ]
    return page(
        "Requests",
        "Parameters, bodies, answers and examples of each are in `/openapi.json` of a running service.",
        table(("Request", "What it does"), rows),
    )


def failed_payments() -> str:
    parameters = _parameters("/api/v1/failed-payments")
    return page(
        "The list of failed payments",
        "Of `GET /api/v1/failed-payments`; how they work together is in [dashboard.md](../dashboard.md).",
        "## Parameters",
        table(("Parameter", "Default", "Which payments, or which page"), _described(parameters)),
        "## Values",
        table(
            ("Parameter", "Values"),
            [(code(found["name"]), code(*values)) for found in parameters if (values := _values(found["schema"]))],
        ),
        "## Actions",
        table(("Action", "Applies to", "Becomes"), _actions()),
    )


def _actions() -> Iterator[tuple[str, str, str]]:
    for action in ActionKind:
        if action is ActionKind.MOVE_RECEIPT:
            yield code(action), "any", "what the money comes to"
            continue
        becomes = decided_status([action]) or decided_status([ActionKind.CANCEL, action])
        applies = [status for status in Status if status in APPLIES_TO.get(action, {Status.FAILED})]
        yield (
            code(action),
            code(*applies),
            "`failed` still, and it is tried again at once" if action is ActionKind.RETRY else code(becomes),
        )


def frontpayment() -> str:
    parameters = _parameters("/api/v1/connect/subscriptions/failed/list")
    return page(
        "Front Payment's failed list",
        "Of `GET /api/v1/connect/subscriptions/failed/list`; more is in [frontpayment.md](../frontpayment.md).",
        table(("Parameter", "Default", "Which orders, or which page"), _described(parameters)),
    )


def subscriptions() -> str:
    schema = _document()["components"]["schemas"]["CreateSubscription"]
    kinds = (SubscriptionState, PaymentState, AttemptState)
    return page(
        "Subscriptions",
        "Of `/sub-api/v1/subscriptions`; what they mean together is in [arise.md](../arise.md).",
        "## Members of a new subscription",
        table(
            ("Member", "Required", "What it is"),
            [
                (code(name), "yes" if name in schema["required"] else "no", member["description"])
                for name, member in schema["properties"].items()
            ],
        ),
        "## Statuses",
        table(
            ("`statusId`", "`status` of a subscription", "of a payment", "of an attempt"),
            [
                (code(number), *(word_of(member_of(kind, number)) for kind in kinds))
                for number in NUMBERS[SubscriptionState].values()
            ],
        ),
        "## Filters of the list",
        table(
            ("Parameter", "Default", "Which subscriptions, or which page"),
            _described(_parameters("/sub-api/v1/subscriptions")),
        ),
    )


def sources() -> str:
    parts = []
    for provider in all_providers().values():
        if provider.takes_webhooks:
            fields = provider.options_model.model_fields.items()
            rows = [(code(name), shown(field.default), str(field.description)) for name, field in fields]
            parts += [f"## {provider.title}", table(("Option", "Default", "What it says"), rows)]
    return page(
        "Options of sources", "Given as `--option NAME=VALUE` to `dunning source add --provider PROVIDER`.", *parts
    )


def errors() -> str:
    rows = {(str(_status(kind)), code(kind.code), _what_is_wrong(kind)) for kind in _kinds(DunningError)}
    return page(
        "Error codes",
        "The `code` of an error in the answers of the own API and of subscriptions, and in the log. Other callers "
        "get the same status, or the one that their format has for it.",
        table(("Status", "Code", "What is wrong"), sorted(rows)),
    )


def _kinds(kind: type[DunningError]) -> Iterator[type[DunningError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _kinds(inner)


def _status(kind: type[DunningError]) -> int:
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)


def _what_is_wrong(kind: type[DunningError]) -> str:
    """The first paragraph of its docstring, without the words that all of them begin with."""
    text = " ".join(str(kind.__doc__).split("\n\n")[0].split()).removeprefix("The error for ")
    return text[:1].upper() + text[1:]


@cache
def _document() -> Any:
    """The OpenAPI document of a service without settings."""
    return create_app(Settings(_env_file=None, database_url="sqlite:///unused.db")).openapi()


def _parameters(path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _document()["paths"][path]["get"]["parameters"]
    return found


def _described(parameters: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(code(found["name"]), shown(found["schema"].get("default")), found["description"]) for found in parameters]


def _values(schema: Mapping[str, Any]) -> list[str]:
    values: list[str] = schema.get("enum") or schema.get("items", {}).get("enum") or []
    return values


PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings,
    "commands.md": commands,
    "requests.md": requests,
    "failed-payments.md": failed_payments,
    "frontpayment.md": frontpayment,
    "subscriptions.md": subscriptions,
    "sources.md": sources,
    "errors.md": errors,
    "operation.md": operation,
}


def rendered(name: str) -> str:
    """The page as it should be."""
    return PAGES[name]()
