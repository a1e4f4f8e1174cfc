"""`dunning customer`: the erasure of a customer's personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from dunning_service.commands.arguments import AsJson, IsAgreed
from dunning_service.commands.opening import opened_database
from dunning_service.commands.printing import print_fields, print_json, say
from dunning_service.commands.progress import confirm, progress_of, require_terminal_or_yes
from dunning_service.ledger.work import DeliveryOutcome
from dunning_service.merchants.service import merchant_named
from dunning_service.values.clock import utc_now

if TYPE_CHECKING:
    from dunning_service.erasure.person import Person
    from dunning_service.erasure.service import Erased

_COMMAND = "dunning customer erase"

app = typer.Typer()


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
    is_agreed: IsAgreed = False,
    as_json: AsJson = False,
) -> None:
    """Erase what is kept about a customer; what was owed, tried, paid and decided stays. It cannot be undone."""
    from dunning_service.erasure.person import Person  # here, for no other command needs them
    from dunning_service.erasure.service import erase_person, survey

    person = Person.named(customer_id or [], email or [])
    with opened_database() as (_, database):
        with database.read_blocking() as connection:
            one = merchant_named(connection, merchant)
        require_terminal_or_yes(is_agreed or dry_run)
        erased = None
        if not is_agreed:
            with progress_of(_COMMAND, "nothing was erased: run the command again") as progress:
                erased = survey(database, one, person, progress)
        if not dry_run and (erased is None or not erased.is_nothing):
            if erased is not None:
                if not as_json:
                    _print_erased(erased, one.name, person, is_dry_run=True)
                confirm(f"Erase what is kept about this customer of {one.name}, for good?", "nothing was erased")
            with progress_of(_COMMAND, "run the same command again: it finds the rest") as progress:
                erased = erase_person(database, one, person, utc_now, progress)
    assert erased is not None
    if as_json:
        beside = {"named_beside": sorted(erased.others), "too_short": person.short_ids}
        print_json({"dry_run": dry_run, **_counts(erased, dry_run), **beside})
    else:
        _print_erased(erased, one.name, person, is_dry_run=dry_run)


def _counts(erased: Erased, is_dry_run: bool) -> dict[str, Any]:
    hidden = ["others"]
    if is_dry_run:  # known only once they are erased
        hidden += ["attempts", "actions", "answers"]
    deliveries = {outcome: erased.deliveries[outcome] for outcome in get_args(DeliveryOutcome)}
    return {name: count for name, count in vars(erased).items() if name not in hidden} | {"deliveries": deliveries}


def _print_erased(erased: Erased, merchant: str, person: Person, *, is_dry_run: bool) -> None:
    if erased.is_nothing:
        say(f"nothing about a customer of {merchant} was found under these names: spell them as the sender does")
    else:
        counts = _counts(erased, is_dry_run)
        deliveries = counts.pop("deliveries")
        say(f"{'Would be erased' if is_dry_run else 'Erased'} about a customer of {merchant}:")
        print_fields(
            {name.replace("_", " "): count for name, count in counts.items() if name != "open_payments"}
            | {f"deliveries {outcome}": count for outcome, count in deliveries.items()}
        )
    _print_advice(erased, person.short_ids, is_dry_run)


def _print_advice(erased: Erased, short_ids: list[str], is_dry_run: bool) -> None:
    """Prints what remains to be known or done about an erasure."""
    if erased.open_payments:
        say(
            f"{erased.open_payments} of the payments {'are' if is_dry_run else 'were'} still open; a deposit that "
            "names only its payer will not find them any more"
        )
    if failed := erased.deliveries["failed"]:
        say(f"{failed} of the deliveries had never been understood, and cannot be replayed afterwards")
    if short_ids:
        say(
            f"too short to be looked for in raw notices: {', '.join(short_ids)}; look through "
            "`dunning events list --outcome failed` and `--outcome ignored`"
        )
    if erased.others:
        say(f"named beside the customer, so perhaps the same person: {', '.join(sorted(erased.others))}")
