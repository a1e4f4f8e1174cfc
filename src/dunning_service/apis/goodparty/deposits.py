"""The refusal of a deposit under a known TransactionNo, in the fields of GoodParty's document."""

from __future__ import annotations

from dunning_service.errors import FieldError, ReceiptContradicted, UnreadableNotice
from dunning_service.ledger.fold import ERASED_PAYER

_PAYER = ("UserId", "StripeCustomerId")
"""What a payer's key is made of: see `providers/goodparty.py`."""


def refused_deposit(error: ReceiptContradicted) -> UnreadableNotice:
    """What the sender is told: each field that differs, with what is recorded, and what would be right."""
    number = error.provider_receipt_id
    problems: list[FieldError] = []
    for name, held, given in error.differences:
        if name == "payer_key":
            problems += _other_payer(number, str(held), str(given))
        elif name == "currency":
            recorded = "without a currency" if held is None else f"in {held}"
            problems.append(FieldError("Currency", f"the deposit {number} is recorded {recorded}"))
        else:
            recorded = "without an amount" if held is None else f"with another amount, {held} in minor units"
            problems.append(FieldError("DepositAmount", f"the deposit {number} is recorded {recorded}"))
    message = f"the deposit {number} is recorded and stays as it is; send another deposit with a number of its own"
    problems.append(FieldError("TransactionNo", message))
    return UnreadableNotice("; ".join(f"{problem.field}: {problem.message}" for problem in problems), problems)


def _other_payer(number: str, held: str, given: str) -> list[FieldError]:
    if held.startswith(ERASED_PAYER):
        message = f"the deposit {number} is recorded of a customer whose data were erased"
        return [FieldError(name, message) for name in _PAYER]
    parts = zip(_PAYER, held.partition(":")[::2], given.partition(":")[::2], strict=True)
    return [
        FieldError(name, f"the deposit {number} is recorded {f'with {recorded}' if recorded else 'without one'}")
        for name, recorded, sent in parts
        if recorded != sent
    ]
