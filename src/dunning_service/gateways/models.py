"""Tables of the gateways: those of each merchant, and the charges of the sandbox."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from dunning_service.database.engines import Base, UtcDateTime


class GatewayKind(StrEnum):
    """A kind of gateway; another one needs a migration, as the tables allow no others."""

    SANDBOX = "sandbox"
    HTTP = "http"


class GatewayRow(Base):
    """A present or former gateway of a merchant: an attempt is looked up at the gateway where it was begun.

    At most one of a merchant's is current; without one a merchant charges no payments.
    """

    __tablename__ = "gateways"
    __table_args__ = (
        sa.Index(
            None,
            "merchant_id",
            unique=True,
            postgresql_where=sa.text("is_current"),
            sqlite_where=sa.text("is_current"),
        ),
        sa.CheckConstraint(f"kind IN ({', '.join(map(repr, map(str, GatewayKind)))})", name="kind_known"),
        sa.CheckConstraint("(kind = 'http') = (url IS NOT NULL)", name="url_of_http"),
    )

    merchant_id: Mapped[int] = mapped_column(sa.ForeignKey("merchants.id"), primary_key=True)
    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    """1, 2, 3... among the gateways of the merchant."""
    is_current: Mapped[bool] = mapped_column(sa.Boolean)
    kind: Mapped[str] = mapped_column(sa.String(16))
    url: Mapped[str | None] = mapped_column(sa.Text)
    secrets: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    """The signing secrets, newest first, a line each, encrypted together."""
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SandboxChargeRow(Base):
    """The sandbox's record under one key."""

    __tablename__ = "sandbox_charges"

    merchant_id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(160), primary_key=True)
    value: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
