from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest

from dunning_service.failed_payments.cursors import MAX_CURSOR, CursorError, decode_cursor, encode_cursor
from dunning_service.failed_payments.queries import FailedPaymentsQuery
from dunning_service.failed_payments.sorting import Position, Sort

MOMENTS = (datetime(2026, 11, 21, 12, tzinfo=UTC), datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC))
KEYS: dict[Sort, tuple[Any, ...]] = {
    Sort.NEWEST_ORDER: (date(2026, 11, 21), date.max),
    Sort.OLDEST_ORDER: (date.min,),
    Sort.LATEST_CHANGE: MOMENTS,
    Sort.EARLIEST_CHANGE: MOMENTS,
    Sort.LARGEST_AMOUNT: (0, 2**63 - 1, None),
    Sort.SMALLEST_AMOUNT: (-5, None),
}


@pytest.mark.parametrize("sort", Sort)
def test_position_comes_back(sort: Sort) -> None:
    for key in KEYS[sort]:
        position = Position(key, 2**63 - 1)
        cursor = encode_cursor(sort, "f" * 16, position)
        assert decode_cursor(cursor, sort, "f" * 16) == position
        assert len(cursor) <= MAX_CURSOR
        assert cursor.replace("-", "").replace("_", "").isalnum()


def test_every_change_of_a_character_is_noticed() -> None:
    cursor = encode_cursor(Sort.LARGEST_AMOUNT, "f" * 16, Position(1999, 7))

    for index in range(len(cursor)):
        for other in "Ab9":
            changed = cursor[:index] + other + cursor[index + 1 :]
            if _bytes(changed) != _bytes(cursor):
                with pytest.raises(CursorError):
                    decode_cursor(changed, Sort.LARGEST_AMOUNT, "f" * 16)


def _bytes(cursor: str) -> bytes:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


@pytest.mark.parametrize(
    ("sort", "payload"),
    [
        ("amount", ["amount", "f", 2**63, 1]),
        ("amount", ["amount", "f", 1.5, 1]),
        ("amount", ["amount", "f", True, 1]),
        ("amount", ["amount", "f", "1", 1]),
        ("amount", ["amount", "f", 1, 2**63]),
        ("amount", ["amount", "f", 1, 0]),
        ("amount", ["amount", "f", 1, "1"]),
        ("amount", ["amount", 1, 1, 1]),
        ("amount", ["amount", "f", 1]),
        ("amount", ["name", "f", 1, 1]),
        ("amount", [["amount"], "f", 1, 1]),
        ("amount", {"a": 1}),
        ("amount", 5),
        ("order_date", ["order_date", "f", None, 1]),
        ("order_date", ["order_date", "f", "2026-02-30", 1]),
        ("order_date", ["order_date", "f", 20260201, 1]),
        ("updated_at", ["updated_at", "f", "2026-02-01T00:00:00", 1]),
        ("updated_at", ["updated_at", "f", "0001-01-01T00:00:00+01:00", 1]),
        ("updated_at", ["updated_at", "f", None, 1]),
    ],
)
def test_cursor_that_somebody_made_up_is_refused(sort: str, payload: object) -> None:
    raw = json.dumps(payload).encode()
    check = hashlib.sha256(b"failed-payments cursor\x00" + raw).digest()[:6]
    cursor = base64.urlsafe_b64encode(check + raw).decode().rstrip("=")

    with pytest.raises(CursorError):
        decode_cursor(cursor, Sort(sort), "f")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterQuery(FailedPaymentsQuery):
    """The query of a later version, with one more filter."""

    channel: str | None = None


def test_a_cursor_survives_a_filter_that_is_added_later() -> None:
    filters: dict[str, Any] = {
        "merchant_id": 1,
        "statuses": frozenset({"failed", "paid"}),
        "order_from": date(2026, 1, 2),
    }
    position = Position(date(2026, 11, 21), 7)
    cursor = encode_cursor(Sort.NEWEST_ORDER, FailedPaymentsQuery(**filters).digest, position)

    assert decode_cursor(cursor, Sort.NEWEST_ORDER, LaterQuery(**filters).digest) == position
    with pytest.raises(CursorError, match="other filters"):
        decode_cursor(cursor, Sort.NEWEST_ORDER, LaterQuery(**filters, channel="web").digest)
