"""What the senders' book says and what the ledger says, payment by payment."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa

from dunning_service.database.engines import Database, database_url
from dunning_service.ledger.models import ActionRow, AttemptRow, PaymentRow, ReceiptRow
from e2e.sender_book import Kept, Life
from e2e.senders import Account


@dataclass(slots=True)
class Compared:
    """A sentence for each payment that is not as it should be, by its name; none when all is well."""

    lost: dict[str, str] = field(default_factory=dict)
    doubled: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    """Neither, but an amount, a status or a count is not what it should be."""


def lost_so_far(url: str, account: Account, lives: Iterable[Life]) -> dict[str, str]:
    """What was acknowledged and is not there, before anything is sent again."""
    ledger = _ledger(url, account)
    lost = {}
    for life in lives:
        if life.payment is None:
            continue
        kept = ledger.get((life.provider, life.payment), Kept())
        if _missing(life.expected(len(life.answers)), kept):
            lost[life.name] = f"{_told(life)}, and the ledger has {kept}"
    return lost


def compared(url: str, account: Account, lives: Iterable[Life]) -> Compared:
    """Once everything has been acknowledged: the book and the ledger have to be the same."""
    ledger = _ledger(url, account)
    found = Compared()
    for life in lives:
        expected = life.expected(len(life.steps))
        kept = ledger.pop((life.provider, life.payment or ""), None)
        what = f"{_told(life)}, so {expected} is wanted, and the ledger has {kept}"
        if kept is None or _missing(expected, kept):
            found.lost[life.name] = what
        elif _missing(kept, expected):
            found.doubled[life.name] = what
        elif kept != expected:
            found.wrong[life.name] = what
    found.doubled |= {f"{key}": f"nobody sent {key}, and the ledger has {kept}" for key, kept in ledger.items()}
    return found


def _told(life: Life) -> str:
    kinds = [step.kind for step in life.steps]
    return f"{life.provider} {life.payment or life.name}: {len(life.answers)} of {kinds} were acknowledged"


def _missing(wanted: Kept, kept: Kept) -> bool:
    return bool(
        wanted.attempts - kept.attempts
        or Counter(wanted.verbs) - Counter(kept.verbs)
        or wanted.receipts > kept.receipts
    )


def _ledger(url: str, account: Account) -> dict[tuple[str, str], Kept]:
    """Every payment of a merchant, straight from the database: its facts, and what is derived from them."""
    database = Database(database_url(url))
    try:
        with database.write() as connection:
            merchant = account.merchant_id
            actions, receipts, attempts = defaultdict(list), Counter[str](), defaultdict(dict)
            chosen = sa.select(ActionRow.payment_id, ActionRow.verb).where(ActionRow.merchant_id == merchant)
            for payment, verb in connection.execute(chosen.order_by(ActionRow.number)):
                actions[payment].append(verb)
            # what is said of one receipt: another delivery that says the same must not have made it another one
            received = sa.select(ReceiptRow.provider_receipt_id, ReceiptRow.digest).distinct()
            of_merchant = received.where(ReceiptRow.merchant_id == merchant)
            receipts.update(row.provider_receipt_id for row in connection.execute(of_merchant))
            columns = (AttemptRow.payment_id, AttemptRow.provider_attempt_id, AttemptRow.digest)
            tried = sa.select(*columns, AttemptRow.outcome, AttemptRow.amount_minor)
            # every statement counts: the same one again must not have become another row
            for row in connection.execute(tried.where(AttemptRow.merchant_id == merchant)):
                attempts[row.payment_id][row.provider_attempt_id, row.digest] = (row.outcome, row.amount_minor)
            found = {}
            rows = sa.select(PaymentRow.__table__).where(PaymentRow.merchant_id == merchant)
            for row in connection.execute(rows):
                kept = Kept(
                    attempts=Counter(attempts[row.id].values()),
                    verbs=actions[row.id],
                    receipts=0 if row.provider_receipt_id is None else receipts[row.provider_receipt_id],
                    status=row.status,
                    amount_minor=row.amount_minor,
                    currency=row.currency,
                )
                if row.attempt_count != len(attempts[row.id]):
                    kept.status = f"{row.status}, with {row.attempt_count} attempts counted"
                found[row.provider, row.provider_payment_id] = kept
            return found
    finally:
        database.write_engine.dispose()
