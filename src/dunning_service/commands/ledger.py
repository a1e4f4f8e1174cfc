"""`dunning ledger check`: the check of the ledger, and the repair of what is derived from facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import sqlalchemy as sa
import typer
from sqlalchemy.engine import Connection

from dunning_service.commands.arguments import AsJson, OnlyMerchant
from dunning_service.commands.opening import explained, opened_database, read_as_requests
from dunning_service.commands.printing import print_json, say
from dunning_service.commands.progress import progress_of
from dunning_service.database.engines import Database
from dunning_service.database.long_work import lift_limits
from dunning_service.errors import Unavailable
from dunning_service.ledger.models import PaymentRow
from dunning_service.ledger.repair import FOLDED, Repaired, repair
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.service import merchants_named
from dunning_service.values.chunks import in_chunks
from dunning_service.values.clock import utc_now
from dunning_service.values.progress import Progress

_NAMES_AT_ONCE = 500
_KEPT = "what is repaired stays: run `dunning ledger check --repair` again"

app = typer.Typer()


@dataclass
class _Written(Repaired):
    """Counts of what a repair has written: in the ledger, and the folded names of subscriptions."""

    subscriptions: int = 0

    def __str__(self) -> str:
        counts = (
            (self.payments, "payment"),
            (self.days, "day of counts", "days of counts"),
            (self.subscriptions, "subscription"),
        )
        parts = [f"{count:,} {one if count == 1 else more[0] if more else f'{one}s'}" for count, one, *more in counts]
        return f"{', '.join(parts)} repaired"


@app.command("check")
def check(
    merchant: OnlyMerchant = None,
    repairs: Annotated[
        bool,
        typer.Option("--repair", help="First write again what is derived from facts, while the service runs."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fold and count everything again, and report what differs; exit code 1 when anything does."""
    found: dict[str, list[str]] = {}
    written = _Written()
    again = (
        _KEPT
        if repairs
        else "nothing was changed: run `dunning ledger check` again, with --merchant for one merchant at a time"
    )
    with (
        opened_database() as (_, database),
        progress_of("dunning ledger check", again, on_interrupt=lambda: _print_differences(found)) as progress,
    ):
        if repairs:
            _repair(database, merchant, written, progress)
        read_as_requests(database, lambda reading: reading.run_sync(_check, merchant, found, progress))
    total = sum(len(lines) for lines in found.values())
    if as_json:
        lines = [{"merchant": name, "difference": line} for name in found for line in found[name]]
        print_json(({"repaired": asdict(written)} if repairs else {}) | {"differences": lines})
    else:
        _print_differences(found)
        if repairs:
            say(str(written))
        merchants = "1 merchant" if len(found) == 1 else f"{len(found)} merchants"
        differing = "1 difference" if total == 1 else f"{total} differences"
        left = ", not derived from facts: no repair changes that" if repairs else ""
        say(f"{differing} in the ledger of {merchants}{left}" if total else f"the ledger of {merchants} adds up")
    if total:
        raise typer.Exit(1)


def _print_differences(found: Mapping[str, Sequence[str]]) -> None:
    for lines in found.values():
        for line in lines:
            say(line)


def _repair(database: Database, merchant: str | None, written: _Written, progress: Progress) -> None:
    """Repairs the merchants. Raises Unavailable, with how to go on, when the database is out of reach."""
    with database.read_blocking() as connection:
        lift_limits(connection, may_scan=True)
        wanted = merchants_named(connection, merchant)
        progress.begin(FOLDED, _payments_of(connection, wanted))
    try:
        for one in wanted:
            repair(database, one.id, one.time_zone, utc_now, written, progress)
            _repair_names(database, one, written)
    except (Unavailable, sa.exc.DBAPIError) as error:
        why = error.message if isinstance(error, Unavailable) else explained(error)
        raise Unavailable(f"{why}; {_KEPT}") from None


def _repair_names(database: Database, merchant: MerchantView, written: _Written) -> None:
    """Folds again the names that subscriptions are searched by, where they are not their customers'."""
    from dunning_service.billing.names import fold_again, misfolded  # here, because only a repair needs them

    with database.read_blocking() as connection:
        wrong = list(misfolded(connection, merchant.id))
    for some in in_chunks(wrong, _NAMES_AT_ONCE):
        with database.write() as connection:
            written.subscriptions += fold_again(connection, merchant.id, some)


def _payments_of(connection: Connection, merchants: Sequence[MerchantView]) -> int:
    """How many payments these merchants have."""
    of_merchants = PaymentRow.merchant_id.in_([one.id for one in merchants])
    return connection.scalar(sa.select(sa.func.count()).where(of_merchants)) or 0


def _check(connection: Connection, merchant: str | None, found: dict[str, list[str]], progress: Progress) -> None:
    """Adds the differences of each merchant to `found`."""
    from dunning_service.billing.names import misfolded
    from dunning_service.erasure.check import returned  # here, because no other command needs them
    from dunning_service.ledger.check import differences

    lift_limits(connection)
    wanted = merchants_named(connection, merchant)
    progress.begin("payments checked", _payments_of(connection, wanted))
    for one in wanted:
        lines = found.setdefault(one.name, [])
        lines.extend(differences(connection, one.id, progress))
        for subscription in misfolded(connection, one.id):
            lines.append(f"merchant {one.name}: subscription {subscription} is not searched by its customer's names")
        lines.extend(returned(connection, one))
