"""The shell blocks of README.md and of pages in docs/, each page in one shell against a real server: they get the
replies that are shown."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from serving import environment, served

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
MAPLE = ROOT / "docs" / "maple.md"
WALK = ROOT / "docs" / "walk.md"
_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PRINTED_ADDRESS = "http://127.0.0.1:8000"
_END = "--- end of a block ---"


@dataclass
class Block:
    """Commands, and the reply that the page shows under them; None where it shows none."""

    commands: str
    shown: str | None = None
    reply: str = ""


def blocks_of(page: Path) -> list[Block]:
    """The page's blocks of shell, in order; a block in a language of its own right after one is its reply."""
    blocks: list[Block] = []
    for language, content in _FENCED.findall(page.read_text("utf-8")):
        if language == "sh":
            blocks.append(Block(content))
        else:
            assert blocks, "a reply to nothing"
            assert blocks[-1].shown is None, "a second reply to the same commands"
            blocks[-1].shown = content
    return blocks


def run_in(folder: Path, blocks: list[Block], address: str) -> None:
    """Runs the blocks in one POSIX shell and gives each its reply; a command that fails ends it."""
    activate = folder / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f'PATH="{Path(sys.executable).parent}:$PATH"\n')
    script = "set -e\n" + "".join(f"{block.commands}\necho '{_END}'\n" for block in blocks)
    done = subprocess.run(
        ["sh", "-c", script.replace(_PRINTED_ADDRESS, address)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0, done.stdout
    replies = done.stdout.split(f"{_END}\n")
    for block, reply in zip(blocks, replies[:-1], strict=True):
        block.reply = reply


def settled(text: str) -> str:
    """`text` without what is another each time: moments of recording, request ids, numbers, ports."""
    for pattern, instead in (
        (r"\r", ""),
        (r"(?!2025-)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "NOW"),  # the moments that are sent are of 2025
        (r"(?m)^date: .*$", "date: NOW"),
        (r"\b[0-9a-f]{24,64}\b", "ID"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID"),
        (r"\bODR\d+", "ODR1"),
        (r"127\.0\.0\.1:\d+", "HERE"),
        (r'"title":"[^"]*"', '"title":""'),  # Python's words for a status, which change with its version
    ):
        text = re.sub(pattern, instead, text)
    return text.strip()


def walk(page: Path, folder: Path) -> list[Block]:
    """The page's blocks with the replies they got from a new server, started as `make serve` does."""
    blocks = blocks_of(page)
    with served(folder, "--with-worker") as service:
        run_in(folder, blocks, service.address)
    return blocks


def require_shown_replies(blocks: list[Block]) -> None:
    for block in blocks:
        assert settled(block.reply) == settled(block.shown or ""), f"after:\n{block.commands}\nit said:\n{block.reply}"


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> list[Block]:
    """The blocks of the walk with the replies they got."""
    return walk(WALK, tmp_path_factory.mktemp("walk"))


def reply_to(walked: list[Block], words: str) -> str:
    """The reply to the only block whose commands hold these words."""
    (block,) = (block for block in walked if words in block.commands)
    return block.reply


@pytest.mark.parametrize("page", [README, MAPLE], ids=lambda page: page.name)
def test_every_reply_in_a_page_is_the_one_that_is_shown(page: Path, tmp_path: Path) -> None:
    require_shown_replies(walk(page, tmp_path))


def test_every_reply_in_the_walk_is_the_one_that_is_shown(walked: list[Block]) -> None:
    require_shown_replies(walked)


def test_a_repeat_is_answered_as_the_first_was(walked: list[Block]) -> None:
    first, again = reply_to(walked, '"InvoiceId": "in_1001"').splitlines()
    assert first == again == '{"status":"Success","Message":{"Success":true}}'


def test_what_was_recorded_is_listed(walked: list[Block]) -> None:
    assert json.loads(reply_to(walked, "X-Maple-Signature")) == {"received": True}
    (own,) = json.loads(reply_to(walked, "failed-payments?provider=maple"))["data"]
    assert (own["status"], own["amount_minor"], own["currency"]) == ("failed", 4900, "EUR")
    (order,) = json.loads(reply_to(walked, "customerName=grace"))["data"]
    assert (order["status"], order["amount"], order["orderDate"]) == ("FAILED", 99, "05.02.2025")


def test_the_decision_is_taken_once(walked: list[Block]) -> None:
    reply = reply_to(walked, "Idempotency-Key: walk-1")
    first, again = (json.loads(line) for line in reply.splitlines() if line.startswith("{"))
    assert first == again
    assert (first["status"], first["action"]["id"]) == ("invoiced", 1)
    assert reply.lower().count("idempotent-replayed: true") == 1


def test_the_subscription_fails_at_first_and_a_retry_pays_it_within_a_minute(walked: list[Block]) -> None:
    failed = reply_to(walked, '"Idempotency-Key: walk-2"')
    assert "status: failed\nattempt_count: 1\nnext_attempt_at: 20" in failed
    assert "retry 1 of 3 is 10s after the first failure" in failed
    assert "status: paid\nattempt_count: 3\n" in reply_to(walked, "seq 60")
    paid, following = json.loads(reply_to(walked, "/payments"))
    assert [attempt["status"] for attempt in paid["attempts"]] == ["Declined", "Declined", "Succeeded"]
    assert (paid["status"], following["status"]) == ("Paid", "Scheduled")
    tries = [datetime.fromisoformat(attempt["executionDateTime"]) for attempt in paid["attempts"]]
    assert tries[-1] - tries[0] < timedelta(minutes=1)


def test_the_summary_says_what_became_of_each(walked: list[Block]) -> None:
    summary = json.loads(reply_to(walked, "/summary"))
    assert {(line["status"], line["currency"], line["amount_minor"]) for line in summary["data"]} == {
        ("failed", "EUR", 4900),
        ("invoiced", "NOK", 249900),
        ("paid", "NOK", 9900 + 44910),
    }


def test_each_error_is_in_its_callers_dialect(walked: list[Block]) -> None:
    goodparty, invalid, frontpayment, wrong, own, conflict = reply_to(walked, "page=0").splitlines()
    assert (invalid, wrong, conflict) == ("400", "417", "409")
    assert list(json.loads(goodparty)["ModelState"]) == ["request.AmountDue"]
    assert json.loads(frontpayment)["message"] == "payloadValidationErrors"
    assert json.loads(own)["code"] == "action_does_not_apply"
