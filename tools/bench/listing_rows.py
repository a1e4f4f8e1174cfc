"""The rows that the lists are measured with: payments of one large merchant among others, with the facts they follow
from, so that `dunning ledger check` finds nothing wrong with them.

Two years of payments in the order in which they came. One day in the middle holds a tenth of them, so the page in the
middle of the list is the one that most rows of a single day come before. Half of them are of customers of one name. One
in fifty is told of up to a month late. After every ten of the large merchant comes one of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dunning_service.database.engines import Base
from dunning_service.ledger.fields import folded_name
from dunning_service.ledger.models import ActionRow, AttemptRow, PaymentRow

MERCHANT = 1
OTHERS = 20
FIRST_NUMBER = 100_000_001
FIRST_DAY = date(2024, 11, 21)
DAYS = 730
HEAVY_DAY = FIRST_DAY + timedelta(days=364)
COMMON_NAME = "Anna Hansen"
RARE_NAME = "Quintilian Zwart"
SHARDS = 2
"""As two processes leave them that commit at the same time; SQLite has one."""

_CHUNK = 20_000
_SPREAD = 2_654_435_761
_FIRST = ("Ada", "Bjørn", "Chiara", "Dagny", "Emil", "Frøya", "Grace", "Håkon", "Ines", "Jonas", "Kari", "Lars", "Mona")
_LAST = (
    "Berg",
    "Dahl",
    "Eide",
    "Foss",
    "Haugen",
    "Iversen",
    "Johansen",
    "Lie",
    "Moen",
    "Nygård",
    "Olsen",
    "Ruud",
    "Vik",
)
_STATUSES = ("failed",) * 8 + ("paid",) * 6 + ("invoiced",) * 4 + ("debt_collection",) + ("cancelled",)
_VERBS = {"invoiced": "invoice", "debt_collection": "send_to_collection"}
_SECOND = {"paid": "succeeded", "cancelled": "canceled"}

Rows = dict[type[Base], list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Written:
    """How a database takes what Python has no text for."""

    null: Any
    true: Any
    false: Any

    def digest(self, number: int) -> Any:
        return number.to_bytes(32, "big") if self.null is None else f"\\\\x{number:064x}"

    def lines(self, *texts: str) -> str:
        return ("\n" if self.null is None else "\\n").join(texts)


FOR_COPY = Written("\\N", "t", "f")
"""The text format of PostgreSQL's COPY."""
FOR_PARAMETERS = Written(None, 1, 0)
"""Parameters of SQLite."""

COLUMNS: dict[type[Base], tuple[str, ...]] = {
    model: tuple(column.name for column in model.__table__.columns) for model in (PaymentRow, AttemptRow, ActionRow)
}
"""The order of the values in a row."""


def subscription_of(customer: int) -> str:
    return f"SUB{customer:010d}"


def msisdn_of(customer: int) -> str:
    return f"{40_000_000 + customer}"


def chunks(rows: int, written: Written) -> Iterator[Rows]:
    """All of it, some thousand payments at a time. `rows` counts those of the large merchant."""
    customers = max(rows // 10, 1)
    found: Rows = {model: [] for model in COLUMNS}
    number = FIRST_NUMBER
    for k in range(rows):
        day = _day(k, rows)
        _add(found, written, MERCHANT, number, k, k * _SPREAD % customers, day)
        number += 1
        if k % 10 == 9:
            _add(found, written, 2 + k // 10 % OTHERS, number, k, k * _SPREAD % customers, day)
            number += 1
        if len(found[PaymentRow]) >= _CHUNK:
            yield found
            found = {model: [] for model in COLUMNS}
    yield found


def numbers_used(rows: int) -> int:
    return rows + rows // 10


def _day(k: int, rows: int) -> int:
    """The day, counted from the first, on which payment `k` comes."""
    heavy_from, heavy_to = rows * 45 // 100, rows * 55 // 100
    if heavy_from <= k < heavy_to:
        return 364
    at = k if k < heavy_from else k - (heavy_to - heavy_from)
    day = at * (DAYS - 1) // max(rows - (heavy_to - heavy_from), 1)
    return day if day < 364 else day + 1


def _add(found: Rows, written: Written, merchant_id: int, number: int, k: int, customer: int, day: int) -> None:
    """One payment, with its attempts and what was decided about it."""

    def add(model: type[Base], **values: Any) -> None:
        found[model].append(tuple(values.get(name, written.null) for name in COLUMNS[model]))

    true = written.true
    came_on = FIRST_DAY + timedelta(days=day)
    seconds = k * 7919 % 80_000
    came_at = f"{came_on}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.000001+00:00"
    order_on = came_on - timedelta(days=k % 1500 // 50) if k % 50 == 0 and day > 30 else came_on
    failed_at = f"{order_on}T00:00:00+00:00"
    status = _STATUSES[k * 7919 % 104_729 % 20]
    second = _SECOND.get(status)
    amount = 100 + k * 31 % 90_000
    name = RARE_NAME if customer == 1 else COMMON_NAME if customer % 2 == 0 else _name(customer)
    folded = folded_name(name)
    ids = written.lines("1", *(("2",) if second else ()), f"cus_{customer}", f"in_{number}", f"sub{customer:010d}")
    email = f"c{customer}@example.com"
    phone = f"+47{msisdn_of(customer)}"
    subscription = subscription_of(customer)
    payment_id = f"in_{number}"
    said = {
        "merchant_id": merchant_id,
        "amount_minor": amount,
        "currency": "NOK",
        "provider_customer_id": f"cus_{customer}",
        "provider_subscription_id": subscription,
        "customer_name": name,
        "customer_email": email,
        "customer_phone": phone,
        "description": "Monthly plan",
        "code": "insufficient_funds",
        "message": "Your card has insufficient funds.",
        "category": "insufficient_funds",
        "details": "{}",
    }
    add(
        PaymentRow,
        **said,
        id=number,
        provider="maple",
        provider_payment_id=payment_id,
        status=status,
        order_on=str(order_on),
        first_failed_at=failed_at,
        last_failed_at=failed_at,
        attempt_count=2 if second else 1,
        failed_attempt_count=1,
        paid_minor=amount if status == "paid" else 0,
        customer_name_folded=folded,
        customer_email_folded=email,
        customer_phone_key=phone,
        description_folded="monthly plan",
        identifiers_folded=ids,
        created_at=came_at,
        updated_at=came_at,
    )
    attempt = {"payment_id": number, "is_superseded": written.false, "occurred_at_known": true, "sequence": 0}
    attempt |= {"digest": written.digest(number), "stated_at": failed_at, "received_at": came_at}
    add(AttemptRow, **said, **attempt, number=1, provider_attempt_id="1", outcome="failed", occurred_at=failed_at)
    if second is not None:
        attempt |= {"stated_at": came_at, "merchant_id": merchant_id, "amount_minor": amount, "currency": "NOK"}
        add(
            AttemptRow,
            **attempt,
            number=2,
            provider_attempt_id="2",
            outcome=second,
            occurred_at=came_at,
            details="{}",
        )
    if status in _VERBS:
        add(
            ActionRow,
            merchant_id=merchant_id,
            payment_id=number,
            number=1,
            verb=_VERBS[status],
            actor="dashboard",
            decided_at=came_at,
        )


def _name(customer: int) -> str:
    return f"{_FIRST[customer % 13]} {_LAST[customer // 13 % 13]}"


def insert_directory(connection: sa.Connection, rows: int) -> None:
    """The other merchants, and where the next payment's number is. The large one has been made with its token."""
    now = datetime(2024, 11, 20, tzinfo=UTC).isoformat()
    connection.execute(
        sa.text("INSERT INTO merchants (id, name, time_zone, created_at) VALUES (:id, :name, 'UTC', :now)"),
        [{"id": number, "name": f"Other {number}", "now": now} for number in range(2, 2 + OTHERS)],
    )
    connection.execute(
        sa.text("UPDATE number_blocks SET next_number = :next"), {"next": FIRST_NUMBER + numbers_used(rows)}
    )


def insert_counts(connection: sa.Connection) -> None:
    """The counts of all that has been loaded, spread over some shards."""
    shard = "0" if connection.dialect.name == "sqlite" else f"(id >> 13) % {SHARDS}"
    per_day = "merchant_id, order_on, status"
    for statement in (
        f"INSERT INTO daily_counts ({per_day}, shard, payments) "
        f"SELECT {per_day}, {shard}, count(*) FROM payments GROUP BY 1, 2, 3, 4",
        f"INSERT INTO block_counts ({per_day}, block, shard, payments) "
        f"SELECT {per_day}, id >> 13, {shard}, count(*) FROM payments GROUP BY 1, 2, 3, 4, 5",
        f"INSERT INTO daily_amounts ({per_day}, currency, shard, payments, amount_high, amount_low, without_amount) "
        f"SELECT {per_day}, currency, {shard}, count(*), 0, sum(amount_minor), 0 "
        f"FROM payments GROUP BY 1, 2, 3, 4, 5",
    ):
        connection.execute(sa.text(statement))
