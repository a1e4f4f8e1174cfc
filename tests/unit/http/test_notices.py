"""How a notice is counted, whichever way it ends."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.requests import ClientDisconnect

from dunning_service.errors import (
    BadSignature,
    BodyTooLarge,
    ConfigurationError,
    InvalidToken,
    NotFound,
    Unavailable,
    UnreadableNotice,
)
from dunning_service.http.notices import CountedNotice
from dunning_service.ledger.work import NoticeRecorded
from dunning_service.operation.metrics import Metrics


def counted(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Provider and outcome of what has been counted."""
    found = re.findall(
        r'^dunning_notices_total\{outcome="(\w+)",provider="(\w+)"\} (\S+)$', metrics.render().decode(), re.MULTILINE
    )
    return {(provider, outcome): float(count) for outcome, provider, count in found if float(count)}


@pytest.mark.parametrize(
    ("recorded", "outcome"),
    [
        (NoticeRecorded("recorded", True, 0), "recorded"),
        (NoticeRecorded("recorded", False, 0), "repeated"),
        (NoticeRecorded("ignored", True, 0), "ignored"),
        (NoticeRecorded("failed", True, 0), "failed"),
        (NoticeRecorded("failed", False, 0), "repeated"),
    ],
)
def test_an_acknowledged_notice_counts_as_what_the_ledger_said(recorded: NoticeRecorded, outcome: str) -> None:
    metrics = Metrics()
    line: dict[str, Any] = {}
    scope = {"dunning.log": line}
    with CountedNotice(metrics, scope=scope) as notice:
        notice.provider = "maple"
        notice.recorded = recorded
    assert counted(metrics) == {("maple", outcome): 1}
    assert line == {"notice": outcome}  # for the log line of the request


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NotFound("?"), "refused"),
        (BadSignature("?"), "refused"),
        (BodyTooLarge("?"), "refused"),
        (InvalidToken("?"), "refused"),
        (UnreadableNotice("?"), "refused"),
        (Unavailable("?"), "unavailable"),
        (sa.exc.OperationalError("SELECT", {}, Exception("it is gone")), "unavailable"),
        (sa.exc.TimeoutError("all connections are taken"), "unavailable"),
        (sa.exc.ProgrammingError("SELECT", {}, Exception("no such column")), "crashed"),
        (ConfigurationError("?"), "crashed"),
        (KeyError("?"), "crashed"),
    ],
)
def test_an_error_counts_as_what_its_sender_is_answered(error: Exception, outcome: str) -> None:
    metrics = Metrics()
    with pytest.raises(type(error)), CountedNotice(metrics, "goodparty", scope={}):
        raise error
    assert counted(metrics) == {("goodparty", outcome): 1}


@pytest.mark.parametrize("error", [ClientDisconnect(), asyncio.CancelledError()])
def test_a_notice_that_nobody_is_answered_is_not_counted(error: BaseException) -> None:
    metrics = Metrics()
    with pytest.raises(type(error)), CountedNotice(metrics, scope={}):
        raise error
    assert counted(metrics) == {}
