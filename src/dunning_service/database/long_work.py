"""Statements of long work, which the limits for requests would end."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout")


def lift_limits(connection: Connection, *, may_scan: bool = False) -> None:
    """Lets the statements of this transaction take as long as they need; SQLite has no limits to lift.

    With `may_scan` PostgreSQL may read whole tables, where there is no index for what is looked for: the engine that
    writes finds rows by key only, see `engines.py`.
    """
    if connection.dialect.name != "postgresql":
        return
    for limit in _LIMITS:
        connection.execute(sa.text(f"SET LOCAL {limit} = 0"))
    if may_scan:
        connection.execute(sa.text("SET LOCAL enable_seqscan = on"))
