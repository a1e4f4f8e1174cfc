"""Tables of merchants, tokens and sources.

These are the directory: small, and looked up before the merchant is known, so tokens and sources are the only tables
that may be found without a merchant's id.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from dunning_service.database.engines import Base, UtcDateTime


class Merchant(Base):
    """A tenant. Every other row belongs to one."""

    __tablename__ = "merchants"

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    name: Mapped[str] = mapped_column(sa.Text, unique=True)
    default_currency: Mapped[str | None] = mapped_column(sa.String(3))
    time_zone: Mapped[str] = mapped_column(sa.Text)
    retry_ladder: Mapped[str | None] = mapped_column(sa.Text)
    """When failed payments are tried again, as `recovery/ladder.py` reads it; None: as the operator's setting says."""
    cash_discount_units: Mapped[int | None] = mapped_column(sa.Integer)
    """Dual pricing: by how much the cash price is below the card price, in ten-thousandths of a percent; None: none."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Token(Base):
    """A bearer credential; the token itself is never stored, only its SHA-256."""

    __tablename__ = "tokens"
    __table_args__ = (sa.UniqueConstraint("digest"),)

    merchant_id: Mapped[int] = mapped_column(sa.ForeignKey("merchants.id"), primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    name: Mapped[str] = mapped_column(sa.Text)
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    scopes: Mapped[str] = mapped_column(sa.Text)
    """Space-separated, in the order of the `Scope` enum."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Source(Base):
    """A merchant's webhook endpoint for one provider; the id is unguessable and part of the URL."""

    __tablename__ = "sources"
    __table_args__ = (sa.UniqueConstraint("id"),)

    merchant_id: Mapped[int] = mapped_column(sa.ForeignKey("merchants.id"), primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    provider: Mapped[str] = mapped_column(sa.Text)
    options: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    number: Mapped[int] = mapped_column(sa.BigInteger)
    """1, 2, 3... in the order in which the sources of all merchants were made: the id is part of a secret address."""


class SourceSecret(Base):
    """One of a source's secrets, encrypted; several are valid at once while one is being rotated."""

    __tablename__ = "source_secrets"
    __table_args__ = (sa.ForeignKeyConstraint(["merchant_id", "source_id"], ["sources.merchant_id", "sources.id"]),)

    merchant_id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    ciphertext: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it stops being valid; None for the newest."""
