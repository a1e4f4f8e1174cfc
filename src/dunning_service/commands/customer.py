"""`dunning customer`: what is kept about one customer of a merchant."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import typer

from dunning_service.clock import utc_now
from dunning_service.commands.arguments import AsJson
from dunning_service.commands.opening import opened_database
from dunning_service.commands.printing import print_fields, print_json, say
from dunning_service.ledger.work import DeliveryOutcome
from dunning_service.merchants.service import merchant_named

app = typer.Typer(help="Customers: the people whose payments failed.", no_args_is_help=True)


@app.callback()
def customer() -> None:
    """Customers: the people whose payments failed."""


@app.command("erase")
def erase(
    merchant: Annotated[str, typer.Option("--merchant", metavar="NAME", help="Whose customer it is.")],
    customer_id: Annotated[
        list[str] | None, typer.Option("--customer", metavar="ID", help="The sender's id of the customer; repeatable.")
    ] = None,
    email: Annotated[
        list[str] | None,
        typer.Option("--email", metavar="ADDRESS", help="An e-mail address of the customer, in any case; repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be erased, and erase nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase what is kept about a customer; what was owed, tried, paid and decided stays. It cannot be undone."""
    from dunning_service.erasure.person import Person  # here, for no other command needs them
    from dunning_service.erasure.service import erase_person, survey

    person = Person.named(customer_id or [], email or [])
    with opened_database() as (_, database):
        with database.read_blocking() as connection:
            one = merchant_named(connection, merchant)
        erased = survey(database, one, person) if dry_run else erase_person(database, one, person, utc_now)
    counts: dict[str, Any] = {
        "payments": erased.payments,
        "open_payments": erased.open_payments,
        "attempts": erased.attempts,
        "receipts": erased.receipts,
        "subscriptions": erased.subscriptions,
        "actions": erased.actions,
        "answers": erased.answers,
        "deliveries": {outcome: erased.deliveries[outcome] for outcome in get_args(DeliveryOutcome)},
    }
    if dry_run:  # known only once they are erased
        counts = {name: count for name, count in counts.items() if name not in ("attempts", "actions", "answers")}
    if as_json:
        print_json({"dry_run": dry_run, **counts, "named_beside": sorted(erased.others), "too_short": person.short_ids})
        return
    if erased.is_nothing:
        say(f"nothing about a customer of {one.name} was found under these names: spell them as the sender does")
    else:
        _print_counts(counts, one.name, dry_run)
    _print_advice(erased.others, erased.open_payments, erased.deliveries["failed"], person.short_ids, dry_run)


def _print_counts(counts: dict[str, Any], merchant: str, is_dry_run: bool) -> None:
    deliveries = counts.pop("deliveries")
    say(f"{'Would be erased' if is_dry_run else 'Erased'} about a customer of {merchant}:")
    print_fields(
        {name.replace("_", " "): count for name, count in counts.items() if name != "open_payments"}
        | {f"deliveries {outcome}": count for outcome, count in deliveries.items()}
    )


def _print_advice(others: set[str], still_open: int, failed: int, short_ids: list[str], is_dry_run: bool) -> None:
    """What whoever erases should know before, or do now."""
    if still_open:
        say(
            f"{still_open} of the payments {'are' if is_dry_run else 'were'} still open; a deposit that names only its "
            "payer will not find them any more"
        )
    if failed:
        say(f"{failed} of the deliveries had never been understood, and cannot be replayed afterwards")
    if short_ids:
        say(
            f"too short to be looked for in raw notices: {', '.join(short_ids)}; look through "
            "`dunning events list --outcome failed` and `--outcome ignored`"
        )
    if others:
        say(f"named beside the customer, so perhaps the same person: {', '.join(sorted(others))}")
