"""Sends a running service what its own OpenAPI document allows, and what it does not; and follows what it answers."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from fuzz.schemathesis_runs import run, settings
from fuzz.target import Target

_CHECKS = ("not_a_server_error", "response_schema_conformance", "speaks_its_dialect", "tells_no_secret")
_SUBSCRIPTION = "^/sub-api/v1/subscriptions/{id}"
_PLACES = {
    "^/api/v1/failed-payments/{id}": {"path.id": "numbers"},
    "^/api/v1/connect/subscriptions/failed/details": {"path.orderUuid": "numbers"},
    _SUBSCRIPTION: {"path.id": "subscriptions"},
    "^/webhooks": {"path.source_id": "sources"},
    "^/v1/payment_records/{id}$": {"path.id": "records"},
    "^/v1/payment_records/{id}/report_payment_attempt$": {"path.id": "failed"},
    "^/v1/payment_records/{id}/report_payment_attempt_": {"path.id": "open_failed"},
    "^/v1/payment_records/{id}/report_refund$": {"path.id": "guaranteed"},
    "^/v1/payment_attempt_records": {"path.id": "attempts", "query.payment_record": "records"},
}
_HOW = """
[phases.fuzzing]
extra-data-sources.responses = false
generation.max-examples = {examples}
[phases.stateful.generation]
max-examples = {stories}
mode = "positive"
"""
"""Ids come from the lists above: those that are picked up on the way are few, and after a dozen nothing new is tried.
A story goes on only where a call was accepted."""


def fuzz(
    attacked: Target, folder: Path, phases: Sequence[str], *, examples: int, stories: int, without: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs these phases of schemathesis: `examples`, `coverage`, `fuzzing`, `stateful`. Leaves alone what is under the
    addresses that `without` begins."""
    return run(
        attacked,
        folder,
        f"{attacked.server.base_url}/openapi.json",
        checks=_CHECKS,
        hooks="fuzz.own_checks",
        settings=settings(attacked.ids, _PLACES, _HOW.format(examples=examples, stories=stories)),
        arguments=[
            *("--phases", ",".join(phases)),
            *(["--exclude-path-regex", f"^({'|'.join(without)})"] if without else []),
        ],
    )
