"""README.md and the pages of docs/ against the code: reference tables, commands, requests, settings and links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from dunning_service.app import create_app
from dunning_service.cli import app
from dunning_service.events import Category
from dunning_service.merchants.tokens import Scope
from dunning_service.operation.metrics import CHARGE_OUTCOMES, OUTCOMES
from dunning_service.recovery.declines import ADVISED_WAITS
from dunning_service.recovery.ladder import MAX_RETRIES, MAX_SPAN
from dunning_service.recovery.policy import FEW_TRIES, NETWORK_LIMITS, Rule
from dunning_service.settings import Settings
from reference.examples import with_examples
from reference.pages import FOLDER, PAGES, rendered

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CHARGING = DOCS / "charging.md"
OPERATIONS = DOCS / "operations.md"
WATCHING = DOCS / "watching.md"
DOCUMENTS = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
SOURCE = ROOT / "src" / "dunning_service"
every_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda document: document.relative_to(ROOT).as_posix()
)


@pytest.mark.parametrize("name", PAGES)
def test_every_reference_page_is_what_make_docs_writes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert (FOLDER / name).read_text("utf-8") == rendered(name), "run make docs"


def test_no_other_reference_page_is_there() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


@every_document
def test_every_example_is_what_its_file_has(document: Path) -> None:
    text = document.read_text("utf-8")
    assert text == with_examples(text), "run make docs"
    markers = re.findall(r"^<!-- example: .*$", text, re.MULTILINE)
    assert len(re.findall(r"^<!-- example: \S+ -->\n\n```\w+\n", text, re.MULTILINE)) == len(markers)


def rows_under(document: Path, heading: str) -> list[str]:
    """The rows of the table whose heading row is `heading`."""
    lines = document.read_text("utf-8").splitlines()
    assert lines.count(heading) == 1, f"{document.name} has {lines.count(heading)} tables under {heading}"
    start = lines.index(heading) + 2
    end = next((number for number in range(start, len(lines)) if not lines[number].startswith("|")), len(lines))
    return lines[start:end]


def words_of(document: Path, heading: str) -> list[str]:
    """The words in code in the first column of that table."""
    return [word for line in rows_under(document, heading) for word in re.findall(r"`(\w+)`", line.split(" | ")[0])]


def test_every_scope_is_explained() -> None:
    assert words_of(DOCS / "connecting.md", "| Scope | What it allows |") == list(Scope)


def test_every_rule_about_retries_is_explained() -> None:
    assert set(words_of(CHARGING, "| Rule | When | What happens |")) == set(Rule)
    moving = {Rule.LADDER, Rule.NETWORK_LIMIT, Rule.POSTPONED, Rule.REQUESTED}
    waiting = words_of(OPERATIONS, "| `next_attempt_rule` | Whose turn it is | What to do |")
    assert set(waiting) == set(Rule) - moving


def test_the_limits_of_retries_that_are_named_are_those_that_hold() -> None:
    text = " ".join(rows_under(CHARGING, "| Rule | When | What happens |"))
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
    assert f"up to {MAX_RETRIES} steps within {MAX_SPAN.days} days" in CHARGING.read_text("utf-8")


def test_every_outcome_that_a_metric_counts_is_explained() -> None:
    assert words_of(WATCHING, "| Outcome of a notice | What it means |") == list(OUTCOMES)
    assert words_of(WATCHING, "| Outcome of a charge | What it means |") == list(CHARGE_OUTCOMES)


@every_document
def test_every_command_that_is_shown_is_understood(document: Path) -> None:
    for line in commands_in(document):
        try:
            parse(line)
        except Exception as error:
            pytest.fail(f"{line}: {error}")


def commands_in(document: Path) -> Iterator[str]:
    """The lines of its code blocks that run `dunning`, also in a container, without what a shell does around them."""
    text = document.read_text("utf-8")
    for block in re.findall(r"^( *)```(?:sh)?\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
        for line in block[1].replace("\\\n", " ").splitlines():
            found = re.search(r"(?:^\s*|\bapi |\$\()(dunning .*)", line)
            if found:
                yield re.split(r" \||\)$", found[1])[0]


def parse(line: str) -> None:
    """Parses a command line of `dunning` without running it."""
    command, words = resolve(shlex.split(line, comments=True))
    command.make_context(command.name, words).close()


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """The command of `dunning` that these words name, and what comes after its name."""
    command: Any = typer.main.get_command(app)
    rest = words[1:]
    while hasattr(command, "commands") and rest:
        command = command.commands[rest.pop(0)]
    return command, rest


@every_document
def test_every_command_in_a_sentence_exists_with_its_options(document: Path) -> None:
    for named in re.findall(r"`dunning ([^`.]+)`", document.read_text("utf-8")):
        command, rest = resolve(["dunning", *named.split()])
        known = {option for parameter in command.params for option in parameter.opts}
        given = {word.strip("[]").rstrip(".") for word in rest if word.strip("[]").startswith("--")}
        assert given <= known, f"dunning {named}"


@every_document
def test_every_request_that_is_named_is_served(document: Path) -> None:
    served = {
        f"{method.upper()} {re.sub(r'{.*?}', '{}', path)}"
        for path, operations in _openapi()["paths"].items()
        for method in operations
    }
    named = re.findall(r"`((?:GET|POST|PUT) /[^`?\s]*)", document.read_text("utf-8"))
    assert {re.sub(r"{.*?}", "{}", request) for request in named if not request.endswith("...")} <= served


@cache
def _openapi() -> Any:
    return create_app(Settings(_env_file=None, database_url="sqlite:///unused.db")).openapi()


def test_the_tree_names_every_package_and_module() -> None:
    text = (DOCS / "contributing.md").read_text("utf-8")
    tree = re.search(r"^src/dunning_service/\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert tree is not None
    named = set(re.findall(r"^  ([\w.]+/?) ", tree[1], re.MULTILINE))
    there = {path.name for path in SOURCE.glob("*.py") if path.name != "__init__.py"}
    there |= {f"{path.parent.name}/" for path in SOURCE.glob("*/__init__.py")}
    assert named == there


@every_document
def test_every_file_that_is_named_is_there(document: Path) -> None:
    for name in re.findall(r"`((?:[\w.]+/)+[\w.]+\.(?:py|csv))`", document.read_text("utf-8")):
        assert (ROOT / name).exists() or (SOURCE / name).exists(), name


@every_document
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


@every_document
def test_every_page_can_be_reached_from_the_readme(document: Path) -> None:
    reached, todo = set(), [DOCUMENTS[0]]
    while todo:
        page = todo.pop()
        if page not in reached:
            reached.add(page)
            links = re.findall(r"\]\((?!https?:)([^)\s#]+\.md)", page.read_text("utf-8"))
            todo += [(page.parent / link).resolve() for link in links]
    assert document.resolve() in {page.resolve() for page in reached}


def test_the_readme_has_at_most_250_lines() -> None:
    assert len(DOCUMENTS[0].read_text("utf-8").splitlines()) <= 250


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
