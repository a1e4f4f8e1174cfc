"""The change of a merchant's time zone: the order date of each payment is a day in it, and moves.

Every batch reads the time zone under a lock that it shares with other batches and not with a change of the zone. So
once the change is committed, whatever was recorded with the old zone can be seen, and whatever is recorded from then on
has the new one: what is left to do is a walk over the payments that are there.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.database.bulk import bulk_for
from dunning_service.database.engines import Database
from dunning_service.ledger.commit import Committer
from dunning_service.ledger.fold import day_in_zone
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.repair import refold
from dunning_service.values.clock import Clock

_PAYMENTS = PaymentRow.__table__.c
_READ_AT_ONCE = 2_000


@dataclass
class Redated:
    """How far the order dates have been moved."""

    payments: int = 0
    """Failed payments looked at."""
    moved: int = 0


def hold_time_zone(connection: Connection, merchant_id: int) -> None:
    """To be called in the transaction that changes the zone, before it does: waits for the batches of the merchant that
    are under way, and keeps others waiting until the commit."""
    bulk_for(connection).hold_time_zone(merchant_id)


def move_order_dates(database: Database, merchant_id: int, time_zone: str, clock: Clock, redated: Redated) -> None:
    """Moves the order dates of a merchant's payments, and the counts with them, to the days of its time zone.

    Runs while notices come in, once the change of the zone is committed; run again it finishes what an earlier run has
    left. `redated` counts what is done. Raises Unavailable when the database does not take it.
    """
    committer = Committer(database)
    last = 0
    while True:
        with database.read_blocking() as connection:
            rows = connection.execute(
                sa.select(_PAYMENTS.id, _PAYMENTS.first_failed_at, _PAYMENTS.order_on)
                .where(
                    _PAYMENTS.merchant_id == merchant_id, _PAYMENTS.id > last, _PAYMENTS.first_failed_at.is_not(None)
                )
                .order_by(_PAYMENTS.id)
                .limit(_READ_AT_ONCE)
            ).all()
        if not rows:
            return
        last = rows[-1].id
        to_move = [row.id for row in rows if day_in_zone(row.first_failed_at, time_zone) != row.order_on]
        for moved in refold(committer, merchant_id, time_zone, to_move, clock):
            redated.moved += moved
        redated.payments += len(rows)
