"""Sends a running service what Stripe's contract for payment records allows, and what it does not."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contract._payment_records import ATTEMPTS, OUTCOMES, RECORDS
from contract._stripe_contract import CONTRACT
from fuzz.schemathesis_runs import run, settings
from fuzz.target import Target, seeded

_FORM = "application/x-www-form-urlencoded"
_EACH = 8
"""How many records there are of each outcome to begin with."""

_CHECKS = ("not_a_server_error", "content_type_conformance", "response_schema_conformance", "keeps_the_contract")
_KNOWN_IDS = {
    f"^{RECORDS}$": {"query.starting_after": "records", "query.ending_before": "records"},
    f"^{RECORDS}/{{id}}$": {"path.id": "records"},
    f"^{RECORDS}/{{id}}/report_payment_attempt$": {"path.id": "failed"},
    **{f"^{RECORDS}/{{id}}/report_payment_attempt_{outcome}$": {"path.id": f"open_{outcome}"} for outcome in OUTCOMES},
    f"^{RECORDS}/{{id}}/report_payment_attempt_informational$": {"path.id": "records"},
    f"^{RECORDS}/{{id}}/report_refund$": {
        "path.id": "guaranteed",
        "body.amount.value": "parts",
        "body.amount.currency": "currencies",
    },
    f"^{ATTEMPTS}": {"path.id": "attempts", "query.starting_after": "attempts", "query.payment_record": "records"},
}
"""From which lists what is sent is taken, more often than not, in the calls under these addresses."""

_PARTS = {"parts": [1, 999, 1999], "currencies": ["usd"]}


def fuzz(attacked: Target, folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Runs schemathesis over the contract, with `arguments` of its own.

    The merchant gets records of every outcome first, so that not only unknown ids are asked for.
    """
    known = seeded(attacked.server.base_url, attacked.account, _EACH)
    (folder / "contract.json").write_text(json.dumps(as_forms_can_say()), "utf-8")
    return run(
        attacked,
        folder,
        "contract.json",
        checks=_CHECKS,
        hooks="fuzz.schemathesis_checks",
        settings=settings({**known, **_PARTS}, _KNOWN_IDS),
        arguments=arguments,
    )


def as_forms_can_say() -> dict[str, Any]:
    """The contract, with its requests as a form can say them, and numbers of the size that they may have.

    Otherwise hardly any of the requests that the contract allows would be accepted: a form has no way to write an
    empty hash, schemathesis writes arrays without brackets, and few of all integers are amounts or moments. What it
    says of answers stays as it is.
    """
    contract = copy.deepcopy(CONTRACT)
    for methods in contract["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "expand":
                    parameter |= {"name": "expand[]", "style": "form"}
                _narrow(parameter["schema"])
            if "requestBody" in operation:
                body = operation["requestBody"]["content"][_FORM]
                _narrow(body["schema"])
                _tie_outcomes(body["schema"])
                body["schema"]["properties"]["expand[]"] = body["schema"]["properties"].pop("expand")
                body["encoding"]["expand[]"] = {"style": "form", "explode": True}
                del body["encoding"]["expand"]
    return contract


def _narrow(schema: dict[str, Any], name: str = "") -> None:
    """Changes a schema of a request in place."""
    if schema.get("format") == "unix-time":
        schema |= {"minimum": 0, "maximum": 253_402_300_799}
    elif schema.get("format") == "currency":
        schema["enum"] = ["usd", "JPY", "kwd"]
    elif name == "value":
        schema |= {"minimum": 1, "maximum": 2**63 - 1}
    elif name in ("payment_reference", "refund_reference"):
        schema["minLength"] = 1
    elif name == "expand":
        schema["items"]["enum"] = ["payment_method_details.us_bank_account.mandate"]
    elif "properties" in schema:
        schema["minProperties"] = 1
    for inner, described in schema.get("properties", {}).items():
        _narrow(described, inner)
    for one in schema.get("anyOf", ()):
        _narrow(one)


def _tie_outcomes(schema: dict[str, Any]) -> None:
    """Changes a schema in place: an outcome and its moment come together, or neither does."""
    if OUTCOMES.keys() <= schema["properties"].keys():
        nothing: dict[str, Any] = {"not": {}}
        schema["anyOf"] = [{"properties": dict.fromkeys(("outcome", *OUTCOMES), nothing)}]
        for outcome in OUTCOMES:
            others = dict.fromkeys(OUTCOMES.keys() - {outcome}, nothing)
            told = {"outcome": {"enum": [outcome]}, **others}
            schema["anyOf"].append({"properties": told, "required": ["outcome", outcome]})
