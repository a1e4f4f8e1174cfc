"""The public number of a payment: `ODR` and the payment's id."""

from __future__ import annotations

import re

_SHAPE = re.compile(r"ODR([1-9][0-9]{0,18})", re.ASCII)
MAX_PAYMENT_ID = 2**63 - 1


def public_number(payment_id: int) -> str:
    """The public number of the payment with that id, such as `ODR1276808511`."""
    return f"ODR{payment_id}"


def payment_id_of(number: str) -> int | None:
    """The payment's id in a public number; None for any other text."""
    found = _SHAPE.fullmatch(number)
    payment_id = int(found.group(1)) if found else 0
    return payment_id if 0 < payment_id <= MAX_PAYMENT_ID else None
