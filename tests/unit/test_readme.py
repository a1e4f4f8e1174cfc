"""What README.md and the documents beside it say in tables, lists and links is what the code says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer
from pydantic import BaseModel

from dunning_service.apis.arise import routes as subscriptions
from dunning_service.apis.arise.filters import SubscriptionFilters
from dunning_service.apis.arise.numbers import NUMBERS, member_of, word_of
from dunning_service.apis.arise.schemas import CreateSubscription
from dunning_service.apis.frontpayment.routes import FailedOrderParameters
from dunning_service.apis.own.filters import ListParameters
from dunning_service.billing.states import AttemptState, PaymentState, SubscriptionState
from dunning_service.cli import app
from dunning_service.events import Category
from dunning_service.failed_payments.sorting import Sort
from dunning_service.ledger.status import APPLIES_TO, Status, Verb, decided_status
from dunning_service.merchants.tokens import Scope
from dunning_service.operation.metrics import CHARGE_OUTCOMES, OUTCOMES, Metrics
from dunning_service.providers import all_providers
from dunning_service.recovery.declines import ADVISED_WAITS
from dunning_service.recovery.ladder import MAX_RETRIES, MAX_SPAN
from dunning_service.recovery.policy import FEW_TRIES, NETWORK_LIMITS, Rule
from dunning_service.settings import Settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
OPERATIONS = ROOT / "docs" / "operations.md"
DOCUMENTS = [README, *sorted(DOCS.rglob("*.md"))]
SOURCE = ROOT / "src" / "dunning_service"


def rows_under(document: Path, heading: str) -> list[str]:
    """The rows of the table whose heading row is `heading`."""
    lines = document.read_text("utf-8").splitlines()
    assert lines.count(heading) == 1, f"{document.name} has {lines.count(heading)} tables under {heading}"
    start = lines.index(heading) + 2
    end = next((number for number in range(start, len(lines)) if not lines[number].startswith("|")), len(lines))
    return lines[start:end]


def require_table(document: Path, heading: str, expected: Sequence[str]) -> None:
    """Fails unless the table holds these rows in this order; says what it should hold, ready to be pasted."""
    assert rows_under(document, heading) == list(expected), f"{document.name} should say:\n" + "\n".join(
        [heading, *expected]
    )


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def code(*values: object) -> str:
    return ", ".join(f"`{value}`" for value in values)


def test_every_setting_is_in_the_table_and_nothing_else() -> None:
    expected = []
    for name, field in Settings.model_fields.items():
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        description = f"{field.description}: {code(*choices)}" if choices else str(field.description)
        expected.append(row(code(f"DUNNING_{name.upper()}"), _shown(field.default), description))
    require_table(REFERENCE / "settings.md", "| Setting | Default | What it is |", expected)


def _shown(default: object) -> str:
    if default in (None, ()):
        return "none"
    return code(str(default).lower() if isinstance(default, bool) else default)


def test_every_command_is_in_the_table_and_nothing_else() -> None:
    expected = [
        row(code(" ".join([*path, *_arguments(command)])), " ".join(str(command.help).split()))
        for path, command in _commands(typer.main.get_command(app), ["dunning"])
    ]
    require_table(REFERENCE / "commands.md", "| Command | What it does |", expected)


def _commands(command: Any, path: list[str]) -> Iterator[tuple[list[str], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, found in inner.items():
        yield from _commands(found, [*path, name])


def _arguments(command: Any) -> Iterator[str]:
    """As a synopsis has them: what must be given first, what may be left out in brackets."""
    wanted: list[str] = []
    optional: list[str] = []
    for parameter in command.params:
        value = parameter.metavar or parameter.name.rpartition("_")[2].upper()
        if parameter.param_type_name == "argument":
            wanted.append(value)
            continue
        written = parameter.opts[0] if parameter.is_flag else f"{parameter.opts[0]} {value}"
        written += "..." if parameter.multiple else ""
        (wanted if parameter.required else optional).append(written if parameter.required else f"[{written}]")
    yield from wanted
    yield from optional


def test_every_filter_of_our_list_is_in_the_table_and_nothing_else() -> None:
    expected = [row(code(name), str(field.description)) for name, field in ListParameters.model_fields.items()]
    require_table(REFERENCE / "failed-payments.md", "| Parameter | Which payments, or which page |", expected)


def test_every_filter_of_front_payments_list_is_in_the_table_and_nothing_else() -> None:
    expected = [row(code(name), str(field.description)) for name, field in FailedOrderParameters.model_fields.items()]
    require_table(REFERENCE / "frontpayment.md", "| Query | Which orders, or which page |", expected)


def test_every_filter_of_the_list_of_subscriptions_is_in_the_table_and_nothing_else() -> None:
    fields = SubscriptionFilters.model_fields.items()
    expected = [row(code(field.alias or name), str(field.description)) for name, field in fields]
    require_table(
        REFERENCE / "subscriptions.md", "| Query of the list | Which subscriptions, or which page |", expected
    )


def test_every_member_of_a_new_subscription_is_in_the_table_and_nothing_else() -> None:
    required = CreateSubscription.model_json_schema()["required"]
    expected = [
        row(code(field.alias), "yes" if field.alias in required else "no", str(field.description))
        for field in CreateSubscription.model_fields.values()
    ]
    require_table(REFERENCE / "subscriptions.md", "| Member | Has to be there | What it is |", expected)


def test_every_status_is_in_the_table_with_its_number() -> None:
    kinds = (SubscriptionState, PaymentState, AttemptState)
    expected = [
        row(code(number), *(word_of(member_of(kind, number)) for kind in kinds))
        for number in NUMBERS[SubscriptionState].values()
    ]
    assert {len(kind) for kind in kinds} == {len(expected)}
    require_table(
        REFERENCE / "subscriptions.md",
        "| `statusId` | `status` of a subscription | of a payment | of an attempt |",
        expected,
    )


def test_every_request_about_subscriptions_is_in_the_table_and_nothing_else() -> None:
    served = {
        f"{method} {route.path}" for route in subscriptions.router.routes for method in getattr(route, "methods", ())
    }
    shown = [line.split("`")[1] for line in rows_under(DOCS / "arise.md", "| Request | What it does |")]
    assert served == {*shown, *(line.replace("POST", "PUT") for line in shown if line.endswith("/terminate"))}


def test_every_rule_about_retries_is_explained() -> None:
    cells = [line.split(" | ")[0] for line in rows_under(DOCS / "charging.md", "| Rule | When | What happens |")]
    assert {rule for cell in cells for rule in re.findall(r"`(\w+)`", cell)} == set(Rule)
    waiting = rows_under(OPERATIONS, "| `next_attempt_rule` | Whose turn it is | What to do |")
    moving = {Rule.LADDER, Rule.NETWORK_LIMIT, Rule.POSTPONED, Rule.REQUESTED}
    assert {rule for line in waiting for rule in re.findall(r"`(\w+)`", line.split(" | ")[0])} == set(Rule) - moving


def test_the_limits_of_retries_that_are_named_are_those_that_hold() -> None:
    text = " ".join(rows_under(DOCS / "charging.md", "| Rule | When | What happens |"))
    assert {category: f"({tries} tries in all)" in text for category, tries in FEW_TRIES.items()} == {
        Category.UNKNOWN: True,
        Category.DO_NOT_HONOR: True,
    }
    named = [(limit.tries, limit.window) for limits in NETWORK_LIMITS.values() for limit in limits]
    assert named == [(20, timedelta(days=30)), (10, timedelta(hours=24)), (35, timedelta(days=30))]
    assert "20 tries in 30 days (Visa), 10 in 24 hours or 35 in 30 days (Mastercard)" in text
    shortest, longest = min(ADVISED_WAITS.values()), max(ADVISED_WAITS.values())
    assert (shortest, longest) == (timedelta(hours=1), timedelta(days=10))
    assert "(1 hour to 10 days)" in text
    assert f"up to {MAX_RETRIES} steps within {MAX_SPAN.days} days" in (DOCS / "charging.md").read_text("utf-8")


def test_every_action_is_in_the_table_with_where_it_applies() -> None:
    expected = []
    for verb in Verb:
        becomes = decided_status([verb]) or decided_status([Verb.CANCEL, verb])
        applies = [status for status in Status if status in APPLIES_TO.get(verb, {Status.FAILED})]
        says = "`failed` still, and it is tried again at once" if verb is Verb.RETRY else code(becomes)
        if verb is Verb.MOVE_RECEIPT:
            expected.append(row(code(verb), "any", "what the money comes to"))
        else:
            expected.append(row(code(verb), code(*applies), says))
    require_table(REFERENCE / "failed-payments.md", "| Action | Applies to | Becomes |", expected)


def test_every_option_of_a_maple_source_is_in_the_table() -> None:
    options: type[BaseModel] = all_providers()["maple"].options_model
    expected = [
        row(code(name), _shown(field.default), str(field.description)) for name, field in options.model_fields.items()
    ]
    require_table(REFERENCE / "sources.md", "| Option | Default | What it says |", expected)


def test_every_word_that_a_caller_may_send_is_said() -> None:
    text = "".join(document.read_text("utf-8") for document in DOCUMENTS)
    missing = [
        word for words in (Scope, Status, Verb, Category, Sort, Rule) for word in words if f"`{word}`" not in text
    ]
    assert missing == []


def test_every_metric_is_in_the_table_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    metrics = Metrics()
    metrics.request("GET", "/healthz", 200, 0.001)
    rendered = metrics.render().decode()
    metrics.close()
    expected = []
    for name, about in re.findall(r"^# HELP (dunning_\w+) (.+)$", rendered, re.MULTILINE):
        if name.endswith("_created"):
            continue
        kind = re.search(rf"^# TYPE {name} (\w+)$", rendered, re.MULTILINE)
        assert kind is not None
        labels = re.search(rf"^{name}(?:_count)?\{{([^}}]*)\}}", rendered, re.MULTILINE)
        names = sorted(re.findall(r'(\w+)="', labels[1])) if labels else []
        expected.append(row(code(name), kind[1], code(*names) if names else "none", about))
    require_table(OPERATIONS, "| Metric | Kind | Labels | What it says |", expected)


def test_every_outcome_that_a_metric_counts_is_explained() -> None:
    explained = [cell.split("`")[1] for cell in rows_under(OPERATIONS, "| Outcome of a notice | What it means |")]
    assert explained == list(OUTCOMES)


def test_every_outcome_of_a_charge_is_explained() -> None:
    explained = [cell.split("`")[1] for cell in rows_under(OPERATIONS, "| Outcome of a charge | What it means |")]
    assert explained == list(CHARGE_OUTCOMES)


def test_every_event_that_is_logged_is_explained() -> None:
    logged = {
        event
        for path in SOURCE.rglob("*.py")
        for event in re.findall(r'\b(?:log\.\w+|write)\(\s*"([a-z_.]+)"', path.read_text("utf-8"))
    }
    explained = {line.split("`")[1] for line in rows_under(OPERATIONS, "| Event | Level | What has happened |")}
    assert explained == logged


def test_the_tree_names_every_package_and_module() -> None:
    tree = re.search(
        r"^src/dunning_service/\n(.*?)^```", (DOCS / "contributing.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert tree is not None
    named = set(re.findall(r"^  ([\w.]+/?) ", tree[1], re.MULTILINE))
    there = {path.name for path in SOURCE.glob("*.py") if path.name != "__init__.py"}
    there |= {f"{path.parent.name}/" for path in SOURCE.glob("*/__init__.py")}
    assert named == there


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text("utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), target
        if anchor:
            assert anchor in _anchors(linked), target


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_make_target_that_is_mentioned_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for document in DOCUMENTS:
        for target in re.findall(r"`make ([\w-]+)", document.read_text("utf-8")):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_variable_that_is_mentioned_is_one_that_something_reads() -> None:
    known = {f"DUNNING_{name.upper()}" for name in Settings.model_fields}
    deployment = (ROOT / "docker-compose.yml").read_text("utf-8") + (ROOT / "tests" / "databases.py").read_text("utf-8")
    for document in DOCUMENTS:
        for name in set(re.findall(r"DUNNING_[A-Z_]*[A-Z]\b", document.read_text("utf-8"))):
            assert name in known or name in deployment, name
