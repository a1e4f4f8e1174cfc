"""The examples of the payment records' calls are what the service takes and replies."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contract._payment_records import ATTEMPTS, RECORDS, REPORT, Records, answer, refusal
from dunning_service.apis import stripe

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLES = Path(stripe.__file__).parent / "examples"
REPORTED_AT = datetime.fromtimestamp(1794398461, UTC)
TRIED_AGAIN_AT = datetime.fromtimestamp(1794657661, UTC)


def example(name: str, record: str = "") -> Any:
    """The example in a file, with the id of this record in place of its own."""
    text = (EXAMPLES / f"{name}.json").read_text("utf-8")
    return json.loads(text.replace("4mTzKq0ZcW8yLrX2vNbJd7Ha", record.removeprefix("pr_")))


async def post_example(records: Records, record: str, call: str) -> None:
    """Sends the example of a call about that record, and expects the example of its reply."""
    reply = answer(await records.post(f"{RECORDS}/{record}/{call}", example(f"{call}.request")))
    assert reply == example(f"{call}.200", record)


async def test_a_failed_payment_is_tried_again_and_refunded_as_in_the_examples(records: Records) -> None:
    records.service.clock.now = REPORTED_AT
    reported = answer(await records.post(REPORT, example("report_payment.request")))
    record = reported["id"]
    assert reported == example("report_payment.200", record)
    assert await records.listed() == example("list_payment_records.200", record)
    await post_example(records, record, "report_payment_attempt_informational")

    records.service.clock.now = TRIED_AGAIN_AT
    await post_example(records, record, "report_payment_attempt")
    assert await records.attempts(record) == example("list_payment_attempt_records.200", record)
    await post_example(records, record, "report_refund")


@pytest.mark.parametrize("outcome", ["failed", "guaranteed", "canceled"])
async def test_an_open_attempt_is_settled_as_in_the_examples(records: Records, outcome: str) -> None:
    records.service.clock.now = REPORTED_AT
    open_payment = example("report_payment.request")
    del open_payment["outcome"], open_payment["failed"]
    record = answer(await records.post(REPORT, open_payment))["id"]

    await post_example(records, record, f"report_payment_attempt_{outcome}")


async def test_errors_are_those_of_the_examples(records: Records) -> None:
    record = (await records.report())["id"]
    reader = Records(records.service, await records.service.add_token(records.service.merchant, ["read"]))

    missing = await records.post(f"{RECORDS}/{record}/report_payment_attempt_failed")
    assert refusal(missing, 400) == example("400")["error"]
    assert refusal(await records.client.get(ATTEMPTS), 401) == example("401")["error"]
    assert refusal(await reader.post(REPORT), 403) == example("403")["error"]
    assert refusal(await records.get(f"{RECORDS}/pr_x"), 404) == example("404")["error"]
    assert refusal(await records.client.put(RECORDS), 405) == example("default")["error"]
