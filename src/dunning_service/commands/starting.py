"""What is looked at before a process begins to work, and said to whoever starts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import URL, Connection

from dunning_service.commands.printing import warn
from dunning_service.database.durability import require_durable
from dunning_service.database.engines import create_write_engine
from dunning_service.database.migrating import SchemaState, current_revision, schema_state
from dunning_service.gateways.service import network_rules_of, unreadable_gateways
from dunning_service.merchants.keyring import Keyring, keyring_of
from dunning_service.settings import Settings


@contextmanager
def looked_at(settings: Settings, url: URL) -> Iterator[tuple[Connection, Keyring]]:
    """The database and the keys, looked at before a process begins to work; a transaction for the rest.

    Raises ConfigurationError for what would keep it from its work, and warns of what would hinder it.
    """
    _warn_of_newer_schema(url)
    network_rules_of(settings)
    keyring = keyring_of(settings)
    engine = create_write_engine(url)
    try:
        with engine.begin() as connection:
            _check_durability(connection, settings)
            yield connection, keyring
            _warn_of_unreadable_gateways(connection, keyring)
    finally:
        engine.dispose()


def _warn_of_newer_schema(url: URL) -> None:
    """Says so when the database was migrated by a newer version."""
    if schema_state(current_revision(url)) is SchemaState.AHEAD:
        warn("the database's schema is newer than this version; that works, and a newer version would know all of it")


def _check_durability(connection: Connection, settings: Settings) -> None:
    """Raises ConfigurationError where a power cut would undo what was committed, or says so where that is allowed."""
    unsafe = require_durable(connection, is_waived=settings.allow_unsafe_durability)
    if unsafe:
        warn(f"notices may be lost in a power cut: {', '.join(unsafe)}, as DUNNING_ALLOW_UNSAFE_DURABILITY permits")


def _warn_of_unreadable_gateways(connection: Connection, keyring: Keyring) -> None:
    """Says whose customers cannot be charged because the key to the signing secret is missing."""
    names = unreadable_gateways(connection, keyring)
    if names:
        warn(
            f"the key that encrypted the signing secrets of {', '.join(map(repr, names))} is not at hand, so their "
            "customers cannot be charged: put the key file back beside the database, add the key to "
            "DUNNING_SECRET_KEY, or give each a new secret with `dunning merchant set NAME --rotate-gateway-secret`"
        )
