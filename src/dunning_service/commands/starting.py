"""The checks of the database and the keys before a process begins to work."""

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
def checked_database(settings: Settings, url: URL) -> Iterator[tuple[Connection, Keyring]]:
    """A transaction on the database, and the keys, once both have been checked.

    Raises ConfigurationError for what would keep the process from its work, and warns of what would hinder it.
    """
    if schema_state(current_revision(url)) is SchemaState.AHEAD:
        warn("the database's schema is newer than this version; that works, and a newer version would know all of it")
    network_rules_of(settings)
    keyring = keyring_of(settings)
    engine = create_write_engine(url)
    try:
        with engine.begin() as connection:
            unsafe = require_durable(connection, is_waived=settings.allow_unsafe_durability)
            if unsafe:
                permitted = "as DUNNING_ALLOW_UNSAFE_DURABILITY permits"
                warn(f"notices may be lost in a power cut: {', '.join(unsafe)}, {permitted}")
            yield connection, keyring
            names = unreadable_gateways(connection, keyring)
            if names:
                warn(
                    f"the key that encrypted the signing secrets of {', '.join(map(repr, names))} is not at hand, so "
                    "their customers cannot be charged: put the key file back beside the database, add the key to "
                    "DUNNING_SECRET_KEY, or give each a new secret with `dunning merchant set NAME "
                    "--rotate-gateway-secret`"
                )
    finally:
        engine.dispose()
