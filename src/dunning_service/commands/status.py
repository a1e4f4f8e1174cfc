"""`dunning status`: the database, the settings that were chosen, and what is due or has failed."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

import sqlalchemy as sa
import typer
from sqlalchemy.engine import URL

from dunning_service.billing.charging import Charging
from dunning_service.billing.due_payments import stuck_attempts
from dunning_service.commands.addresses import address_of
from dunning_service.commands.arguments import AsJson
from dunning_service.commands.opening import HIDDEN, explained, shown_url
from dunning_service.commands.printing import Cell, print_fields, print_json, say, warn
from dunning_service.database.engines import Database, database_url
from dunning_service.database.migrating import (
    SchemaState,
    current_revision,
    head_revision,
    require_current,
    schema_state,
)
from dunning_service.due.leases import backlog
from dunning_service.environment import PREFIX
from dunning_service.errors import ConfigurationError
from dunning_service.ledger.models import DailyCountRow, DeliveryRow
from dunning_service.merchants.keyring import require_keys
from dunning_service.merchants.service import list_merchants
from dunning_service.settings import Settings, load_settings
from dunning_service.values.clock import utc_now

_CREDENTIALS = re.compile(r"(?<=//)[^/@]*@")


@dataclass
class _Ledger:
    """Counts from the database."""

    merchants: int
    failed_payments: dict[str, int]
    """By status."""
    deliveries_failed: int
    due: int
    """Attempts that are due and have not been made."""
    due_since: datetime | None
    stuck: int
    """Attempts whose outcome the gateway could not be asked for."""


@dataclass(kw_only=True)
class _Status:
    """The output of the command."""

    version: str
    database: str
    state: str = SchemaState.MISSING
    """A SchemaState, or `unreachable`."""
    revision: str | None = None
    newest_revision: str
    problem: str | None = None
    address: str
    settings: dict[str, Any]
    """Those that differ from their defaults, by the variable's name; what is secret about them is not here."""
    ledger: _Ledger | None = None
    """None where the database has to be migrated, or reached, first."""


def status(as_json: AsJson = False) -> None:
    """Show the database, its revision, the settings that differ from their defaults, what is due and what failed.
    The exit code is 1 when the database cannot be used, or DUNNING_SECRET_KEY."""
    settings = load_settings(warn)
    found = _looked_up(settings, database_url(settings.database_url))
    if as_json:
        print_json(asdict(found))
    else:
        _print(found)
    if found.problem is not None:
        raise typer.Exit(1)


def _looked_up(settings: Settings, url: URL) -> _Status:
    found = _Status(
        version=version("dunning-service"),
        database=shown_url(url),
        newest_revision=head_revision(),
        address=_without_credentials(address_of(settings)),
        settings=_chosen(settings),
    )
    try:
        found.revision = current_revision(url)
        found.state = schema_state(found.revision)
        require_current(url)
        found.ledger = _counted(url, utc_now())
        require_keys(settings)
    except ConfigurationError as error:
        found.problem = error.message
    except sa.exc.DBAPIError as error:
        found.state = "unreachable"
        found.problem = explained(error)
    return found


def _counted(url: URL, now: datetime) -> _Ledger:
    counts, deliveries = DailyCountRow.__table__.c, DeliveryRow.__table__.c
    by_status = sa.select(counts.status, sa.func.sum(counts.payments)).group_by(counts.status).order_by(counts.status)
    # the second condition is the one that the partial index has
    failed = sa.select(sa.func.count()).where(deliveries.outcome == "failed", deliveries.outcome != "recorded")
    database = Database(url)
    try:
        with database.read_blocking() as connection:
            waiting = backlog(connection, Charging.table, now)
            return _Ledger(
                merchants=len(list_merchants(connection)),
                failed_payments={name: int(count) for name, count in connection.execute(by_status).all() if count},
                deliveries_failed=connection.execute(failed).scalar_one(),
                due=waiting.items,
                due_since=waiting.oldest,
                stuck=stuck_attempts(connection, now),
            )
    finally:
        database.write_engine.dispose()


def _chosen(settings: Settings) -> dict[str, Any]:
    """The settings that differ from their defaults, without secrets."""
    chosen = {}
    for name, about in Settings.model_fields.items():
        value = getattr(settings, name)
        if value == about.default:
            continue
        if not about.repr:
            value = HIDDEN
        elif name == "database_url":
            value = shown_url(database_url(value))
        elif isinstance(value, str):
            value = _without_credentials(value)
        chosen[f"{PREFIX}{name.upper()}"] = value
    return chosen


def _without_credentials(text: str) -> str:
    return _CREDENTIALS.sub(f"{HIDDEN}@", text)


def _print(found: _Status) -> None:
    fields: dict[str, Cell] = {
        "version": found.version,
        "database": found.database,
        "revision": _revision(found),
        "address": found.address,
    }
    if found.ledger is not None:
        fields |= _ledger_fields(found.ledger)
    print_fields(fields)
    if found.problem is not None:
        say(f"\n{found.problem}")
    if not found.settings:
        say("\nEvery setting has its default.")
        return
    say("\nSettings that differ from their defaults:")
    print_fields({name: _shown_value(value) for name, value in found.settings.items()})


def _revision(found: _Status) -> str:
    if found.state == SchemaState.CURRENT:
        return f"{found.revision} (the newest)"
    newest = f"this version's newest is {found.newest_revision}"
    return f"{found.revision or 'none'} ({newest})" if found.state != "unreachable" else f"unknown ({newest})"


def _ledger_fields(ledger: _Ledger) -> dict[str, Cell]:
    by_status = ", ".join(f"{count:,} {name}" for name, count in ledger.failed_payments.items())
    hint = "; see `dunning events list --outcome failed`" if ledger.deliveries_failed else ""
    since = (
        f", the oldest since {ledger.due_since:%Y-%m-%d %H:%M:%SZ}; run `dunning worker`" if ledger.due_since else ""
    )
    return {
        "merchants": ledger.merchants,
        "failed payments": by_status or "none",
        "deliveries": f"{ledger.deliveries_failed:,} failed{hint}",
        "due attempts": f"{ledger.due:,}{since}",
        "stuck attempts": f"{ledger.stuck:,}",
    }


def _shown_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, tuple) else str(value)
