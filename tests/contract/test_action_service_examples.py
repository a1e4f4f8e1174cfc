"""The examples of ActionService's actions are what it takes and what it replies, in every format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from contract._goodparty import LIST, LOG, PAYMENT, SUCCEEDED, encoded, post
from dunning_service.apis import goodparty
from running import RunningService

EXAMPLES = Path(goodparty.__file__).parent / "examples"
ACTIONS = {
    LOG: "log_invoice_payment_failed",
    SUCCEEDED: "invoice_payment_succeeded",
    LIST: "get_invoice_payment_failed",
}
FORM = "application/x-www-form-urlencoded"


def example(name: str) -> str:
    return (EXAMPLES / name).read_text("utf-8").rstrip("\n")


def without_number(reply: str) -> str:
    """The reply without the number that the ledger gives a payment."""
    if reply.startswith("{"):
        stated: dict[str, Any] = json.loads(reply)
        for failure in stated["Message"] if isinstance(stated["Message"], list) else ():
            failure["Id"] = 0
        return json.dumps(stated)
    root = ElementTree.fromstring(reply)
    for number in root.iter(f"{{{PAYMENT}}}Id"):
        number.text = "0"
    return ElementTree.tostring(root, "unicode")


@pytest.mark.parametrize("media_type", ["application/json", "text/xml", FORM])
async def test_actions_take_and_reply_what_their_examples_say(service: RunningService, media_type: str) -> None:
    suffix = "xml" if media_type == "text/xml" else "json"
    for path in (LOG, LIST, SUCCEEDED):
        name = ACTIONS[path]
        sent = example(f"{name}.request.{suffix}").encode()
        body = encoded(json.loads(sent), FORM) if media_type == FORM else sent
        response = await post(service, path, body, media_type=media_type)
        assert response.status_code == 200, response.text
        assert without_number(response.text) == without_number(example(f"{name}.200.{suffix}"))


@pytest.mark.parametrize("suffix", ["json", "xml"])
async def test_errors_are_written_as_their_examples(service: RunningService, suffix: str) -> None:
    accept = f"application/{suffix}"
    refused = await post(service, LOG, {"InvoiceId": "in_1", "AmountDue": "19.99"}, accept=accept)
    unknown = await post(service, LOG, {"InvoiceId": "in_1"}, accept=accept, authorization="Bearer nothing")
    plain = await post(service, LOG, b"in_1", media_type="text/plain", accept=accept)
    for response, status in ((refused, 400), (unknown, 401), (plain, 415)):
        assert response.status_code == status
        assert _shape(response.text) == _shape(example(f"{status}.{suffix}"))


def _shape(error: str) -> Any:
    """The members of an error, without the texts that depend on the request."""
    if error.startswith("{"):
        return {name: sorted(stated) if isinstance(stated, dict) else "" for name, stated in json.loads(error).items()}
    return [element.tag for element in ElementTree.fromstring(error).iter()]
