"""`dunning ledger`: whether the ledger adds up, and its counts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
import typer
from sqlalchemy.engine import Connection

from dunning_service.commands.arguments import AsJson, OnlyMerchant
from dunning_service.commands.opening import opened_database
from dunning_service.commands.printing import print_json, say
from dunning_service.commands.progress import progress_of
from dunning_service.database.engines import Database
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.service import list_merchants, merchant_named
from dunning_service.values.progress import Progress

app = typer.Typer(help="The ledger as a whole.", no_args_is_help=True)


@app.callback()
def ledger() -> None:
    """The ledger as a whole."""


@app.command("check")
def check(merchant: OnlyMerchant = None, as_json: AsJson = False) -> None:
    """Fold and count everything again, and report what differs; exit code 1 when anything does."""
    found: dict[str, list[str]] = {}
    again = "nothing was changed: run `dunning ledger check` again, with --merchant for one merchant at a time"
    with (
        opened_database() as (_, database),
        progress_of("dunning ledger check", again, on_interrupt=lambda: _print_differences(found)) as progress,
    ):
        asyncio.run(_checked(database, merchant, found, progress))
    total = sum(len(lines) for lines in found.values())
    if as_json:
        print_json({"differences": [{"merchant": name, "difference": line} for name in found for line in found[name]]})
    else:
        _print_differences(found)
        merchants = "1 merchant" if len(found) == 1 else f"{len(found)} merchants"
        differing = "1 difference" if total == 1 else f"{total} differences"
        say(f"{differing} in the ledger of {merchants}" if total else f"the ledger of {merchants} adds up")
    if total:
        raise typer.Exit(1)


def _print_differences(found: Mapping[str, Sequence[str]]) -> None:
    for lines in found.values():
        for line in lines:
            say(line)


@app.command("recount")
def recount(merchant: OnlyMerchant = None, as_json: AsJson = False) -> None:
    """Count and fold again what an older version wrote before this one or beside it; for the end of an upgrade."""
    from dunning_service.ledger import counting

    days: dict[str, int] = {}
    texts: dict[str, int] = {}
    with opened_database() as (_, database):
        with database.read_blocking() as connection:
            wanted = list_merchants(connection) if merchant is None else [merchant_named(connection, merchant)]
            found = {
                one: [(day, int(payments)) for day, payments in connection.execute(counting.uncounted_days(one.id))]
                for one in wanted
            }
        for one, uncounted in found.items():
            for some in counting.portions_of(uncounted):
                with database.write() as connection:  # a few days at a time: nobody waits for long
                    counting.recount(connection, one.id, some)
            days[one.name] = len(uncounted)
            texts[one.name] = fold_texts(database, one)
    if as_json:
        print_json({"days": days, "texts": texts})
    else:
        total, rows = sum(days.values()), sum(texts.values())
        counted = "1 day was" if total == 1 else f"{total} days were"
        say(f"{counted} counted again" if total else "there was nothing to count again")
        if rows:
            say(f"what {'1 row is' if rows == 1 else f'{rows} rows are'} searched by was folded again")


def fold_texts(database: Database, merchant: MerchantView) -> int:
    """The texts of payments and subscriptions by which they are searched; answers of how many."""
    from dunning_service.billing.names import fold_again
    from dunning_service.ledger import refolding

    with database.write() as connection:
        rows = fold_again(connection, merchant.id)
    after = 0
    while True:
        with database.read_blocking() as connection:
            ids = refolding.payments_to_fold(connection, merchant.id, after)
        if not ids:
            return rows
        with database.write() as connection:
            rows += refolding.fold_texts(connection, merchant.id, merchant.time_zone, ids)
        after = ids[-1]


async def _checked(database: Database, merchant: str | None, found: dict[str, list[str]], progress: Progress) -> None:
    """Puts into `found` what differs for each merchant: in one view of the database, as it was at one moment, and
    without keeping the service from writing."""
    try:
        async with database.read() as connection:
            await connection.run_sync(_check, merchant, found, progress)
    finally:
        await database.close()


def _check(connection: Connection, merchant: str | None, found: dict[str, list[str]], progress: Progress) -> None:
    from dunning_service.erasure.check import returned  # here, for no other command needs them
    from dunning_service.ledger.check import differences
    from dunning_service.ledger.models import PaymentRow

    if connection.dialect.name == "postgresql":  # folding a large ledger again takes longer than a request may
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    wanted = list_merchants(connection) if merchant is None else [merchant_named(connection, merchant)]
    payments = sa.select(sa.func.count()).where(PaymentRow.merchant_id.in_([one.id for one in wanted]))
    progress.begin("payments checked", connection.scalar(payments))
    for one in wanted:
        lines = found.setdefault(one.name, [])
        for line in differences(connection, one.id, progress):
            lines.append(line)
        lines.extend(returned(connection, one.id))
