"""Changes of a merchant by an operator, on a connection of the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dunning_service.errors import ConfigurationError
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.models import Merchant
from dunning_service.merchants.service import merchant_named, name_taken
from dunning_service.values.money import decimal_text
from dunning_service.values.rates import InvalidRate, rate_from_units, rate_units


def change_merchant(connection: Connection, merchant: MerchantView, changes: Mapping[str, Any]) -> MerchantView:
    """Updates columns of a merchant, and returns the merchant.

    Raises ConfigurationError when another merchant has the name.
    """
    if changes:
        try:
            with connection.begin_nested():
                connection.execute(sa.update(Merchant).where(Merchant.id == merchant.id).values(**changes))
        except sa.exc.IntegrityError:
            raise name_taken(changes["name"]) from None
    return merchant_named(connection, changes.get("name", merchant.name))


def checked_discount(text: str) -> int:
    """A percentage in ten-thousandths; raises ConfigurationError unless it is more than 0 and less than 100."""
    try:
        units = rate_units(Decimal(text.strip().removesuffix("%").rstrip()))
    except (InvalidOperation, InvalidRate) as error:
        why = f"it {error}" if isinstance(error, InvalidRate) else "it is no number"
        raise ConfigurationError(_about_discount(text, why)) from None
    if not 0 < units < rate_units(Decimal(100)):
        raise ConfigurationError(_about_discount(text, "it must be more than 0 and less than 100"))
    return units


def percent_text(units: int) -> str:
    """A stored percentage as a person writes it: `2.5`."""
    return decimal_text(rate_from_units(units))


def _about_discount(text: str, why: str) -> str:
    return f"{text[:40]!a} is no cash discount: {why}; write a percentage such as 2.5, or none for no dual pricing"
