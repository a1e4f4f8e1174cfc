"""Customers' names as the list of subscriptions searches them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.billing.models import SubscriptionRow
from dunning_service.ledger.fields import folded_name, folded_names

_SUBSCRIPTIONS = SubscriptionRow.__table__.c


def has_name_like(part: str) -> sa.ColumnElement[bool]:
    """Part of either name, in any case and with any accents; as an older version folded it, until the next recount."""
    wanted = {folded_name(part) or "", part.casefold()}
    return sa.or_(*(_SUBSCRIPTIONS.names_folded.contains(text, autoescape=True) for text in sorted(wanted)))


def fold_again(connection: Connection, merchant_id: int) -> int:
    """Folds what a version before this one wrote; answers how many subscriptions that were."""
    this = _SUBSCRIPTIONS.merchant_id == merchant_id
    rows = connection.execute(
        sa.select(
            _SUBSCRIPTIONS.id, _SUBSCRIPTIONS.customer_name, _SUBSCRIPTIONS.company_name, _SUBSCRIPTIONS.names_folded
        ).where(this)
    ).all()
    changed = 0
    for row in rows:
        names = folded_names(row.customer_name, row.company_name)
        if names != row.names_folded:  # and not erased in the meantime
            is_as_read = (this, _SUBSCRIPTIONS.id == row.id, _SUBSCRIPTIONS.names_folded == row.names_folded)
            changed += connection.execute(
                sa.update(SubscriptionRow).where(*is_as_read).values(names_folded=names)
            ).rowcount
    return changed
