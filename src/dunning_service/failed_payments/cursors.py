"""Cursors: the position at which the next page begins, as an opaque text.

A cursor is bound to its sort and its filters. It keeps no secret and gives no access: every query is restricted to the
caller's merchant anyway. Its checksum recognises a damaged cursor.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from datetime import date, datetime
from typing import Any

from dunning_service.failed_payments.public_number import MAX_PAYMENT_ID
from dunning_service.failed_payments.sorting import Position, Sort, SortKey

MAX_CURSOR = 300
"""More characters than any cursor has."""

_CHECK_BYTES = 6


class CursorError(ValueError):
    """The error for a cursor that does not continue this list; the message says why, and what to do."""


def encode_cursor(sort: Sort, filters_digest: str, position: Position) -> str:
    """The cursor for a position in the list with these filters."""
    key = position.key.isoformat() if isinstance(position.key, date) else position.key
    payload = json.dumps([sort, filters_digest, key, position.payment_id], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(payload) + payload).decode().rstrip("=")


def decode_cursor(cursor: str, sort: Sort, filters_digest: str) -> Position:
    """The position in a cursor. Raises CursorError unless it was made for this sort and these filters."""
    try:
        made_sort, made_filters, key, payment_id = _read(cursor)
        position = Position(_read_key(Sort(made_sort), key), payment_id)
    except (ValueError, TypeError, binascii.Error, RecursionError, OverflowError):
        raise CursorError("this is not a cursor that this list gave out; begin again without a cursor") from None
    if made_sort != sort:
        raise CursorError(f"this cursor belongs to sort={made_sort}, not to sort={sort}; follow `next` as it was given")
    if made_filters != filters_digest:
        raise CursorError("this cursor belongs to other filters; send the filters it was made with, or no cursor")
    return position


def _read(cursor: str) -> tuple[str, str, Any, int]:
    if len(cursor) > MAX_CURSOR:
        raise ValueError("too long")
    raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    check, payload = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
    if check != _check(payload):
        raise ValueError("damaged")
    sort, filters, key, payment_id = json.loads(payload)
    if not isinstance(filters, str) or type(payment_id) is not int or not 0 < payment_id <= MAX_PAYMENT_ID:
        raise ValueError("malformed")
    return sort, filters, key, payment_id


def _read_key(sort: Sort, key: Any) -> SortKey:
    if sort in (Sort.LARGEST_AMOUNT, Sort.SMALLEST_AMOUNT):
        if key is None or (type(key) is int and -(2**63) <= key < 2**63):
            return key
        raise ValueError("not an amount")
    if sort in (Sort.LATEST_CHANGE, Sort.EARLIEST_CHANGE):
        moment = datetime.fromisoformat(key)
        if moment.utcoffset() is None or moment.utcoffset():
            raise ValueError("not in UTC")
        return moment
    return date.fromisoformat(key)


def _check(payload: bytes) -> bytes:
    return hashlib.sha256(b"failed-payments cursor\x00" + payload).digest()[:_CHECK_BYTES]
