"""The search of subscriptions by their customers' names, and the check and repair of what it goes by."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.billing.models import SubscriptionRow
from dunning_service.ledger.fields import folded_name, folded_names

_SUBSCRIPTIONS = SubscriptionRow.__table__.c
_NAMES = (
    _SUBSCRIPTIONS.id,
    _SUBSCRIPTIONS.customer_name,
    _SUBSCRIPTIONS.company_name,
    _SUBSCRIPTIONS.names_folded,
)


def has_name_like(part: str) -> sa.ColumnElement[bool]:
    """True of a subscription with this part in a name, in any case and with any accents."""
    return _SUBSCRIPTIONS.names_folded.contains(folded_name(part) or "", autoescape=True)


def misfolded(connection: Connection, merchant_id: int) -> Iterator[str]:
    """The ids of the subscriptions whose folded names are not those of their customers."""
    statement = sa.select(*_NAMES).where(_SUBSCRIPTIONS.merchant_id == merchant_id).order_by(_SUBSCRIPTIONS.id)
    for row in connection.execute(statement.execution_options(yield_per=500)):
        if row.names_folded != folded_names(row.customer_name, row.company_name):
            yield row.id


def fold_again(connection: Connection, merchant_id: int, ids: Collection[str]) -> int:
    """Folds the names of these subscriptions again; returns how many were wrong."""
    rows = connection.execute(
        sa.select(*_NAMES)
        .where(_SUBSCRIPTIONS.merchant_id == merchant_id, _SUBSCRIPTIONS.id.in_(ids))
        .with_for_update()  # so that none is erased in the meantime
    ).all()
    changed = 0
    for row in rows:
        names = folded_names(row.customer_name, row.company_name)
        if names != row.names_folded:
            this = (_SUBSCRIPTIONS.merchant_id == merchant_id, _SUBSCRIPTIONS.id == row.id)
            connection.execute(sa.update(SubscriptionRow).where(*this).values(names_folded=names))
            changed += 1
    return changed
