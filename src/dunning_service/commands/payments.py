"""`dunning payments`: the list of failed payments and one of them, as the service's own API has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_service.apis.own.queries import detail_of, page_of
from dunning_service.apis.own.requests import ListParameters
from dunning_service.apis.own.wire import (
    ActionEntry,
    AttemptEntry,
    FailedPayment,
    FailedPaymentDetail,
    FailedPaymentPage,
    NoteEntry,
    TimelineEntry,
)
from dunning_service.commands.arguments import AsJson, OnlyMerchant
from dunning_service.commands.opening import opened_database, read_as_requests
from dunning_service.commands.printing import Cell, print_fields, print_json, print_table, say
from dunning_service.errors import ConfigurationError, FieldError, NotFound
from dunning_service.failed_payments.cursors import CursorError
from dunning_service.ledger.status import ReceiptDue
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.service import merchants_named
from dunning_service.values.money import InvalidAmount, Money
from dunning_service.values.reading import field_errors

app = typer.Typer()


def _option(member: str, metavar: str) -> Any:
    """An option that says what the API's parameter of that name does."""
    description = str(ListParameters.model_fields[member].description)
    return typer.Option(
        f"--{member.replace('_', '-')}", metavar=metavar, help=f"{description[:1].upper()}{description[1:]}."
    )


@app.command("list")
def list_(
    context: typer.Context,
    merchant: Annotated[
        str | None,
        typer.Option("--merchant", metavar="NAME", help="Whose payments; needed where there are several merchants."),
    ] = None,
    status: Annotated[list[str] | None, _option("status", "STATUS")] = None,
    provider: Annotated[list[str] | None, _option("provider", "PROVIDER")] = None,
    subscription: Annotated[str | None, _option("subscription", "ID")] = None,
    customer: Annotated[str | None, _option("customer", "ID")] = None,
    email: Annotated[str | None, _option("email", "ADDRESS")] = None,
    phone: Annotated[str | None, _option("phone", "NUMBER")] = None,
    q: Annotated[str | None, _option("q", "TEXT")] = None,
    amount_min: Annotated[str | None, _option("amount_min", "MINOR")] = None,
    amount_max: Annotated[str | None, _option("amount_max", "MINOR")] = None,
    currency: Annotated[list[str] | None, _option("currency", "CODE")] = None,
    category: Annotated[list[str] | None, _option("category", "CATEGORY")] = None,
    order_from: Annotated[str | None, _option("order_from", "DAY")] = None,
    order_to: Annotated[str | None, _option("order_to", "DAY")] = None,
    last_failed_since: Annotated[str | None, _option("last_failed_since", "MOMENT")] = None,
    last_failed_before: Annotated[str | None, _option("last_failed_before", "MOMENT")] = None,
    updated_since: Annotated[str | None, _option("updated_since", "MOMENT")] = None,
    next_attempt: Annotated[str | None, _option("next_attempt", "WHETHER")] = None,
    next_attempt_since: Annotated[str | None, _option("next_attempt_since", "MOMENT")] = None,
    next_attempt_before: Annotated[str | None, _option("next_attempt_before", "MOMENT")] = None,
    next_attempt_rule: Annotated[list[str] | None, _option("next_attempt_rule", "RULE")] = None,
    sort: Annotated[str | None, _option("sort", "ORDER")] = None,
    limit: Annotated[str | None, _option("limit", "COUNT")] = None,
    cursor: Annotated[str | None, _option("cursor", "CURSOR")] = None,
    as_json: AsJson = False,
) -> None:
    """List failed payments, a page at a time; the filters are those of GET /api/v1/failed-payments."""
    parameters = _checked(context.params)  # the options above, by the names of the API's parameters
    with opened_database() as (_, database):
        with database.read_blocking() as connection:
            whose = merchants_named(connection, merchant)
        if len(whose) != 1:
            raise ConfigurationError(_which(whose))
        try:
            page = read_as_requests(database, lambda reading: page_of(reading, whose[0].id, parameters))
        except CursorError as error:
            raise _wrong([FieldError("cursor", str(error))]) from None
    if as_json:
        print_json(page.model_dump(mode="json"))
    else:
        _print_page(page)


@app.command("show")
def show(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The public number: ODR and digits.")],
    merchant: OnlyMerchant = None,
    as_json: AsJson = False,
) -> None:
    """Show one failed payment, and what has happened to it in time order."""
    with opened_database() as (_, database):
        with database.read_blocking() as connection:
            whose = merchants_named(connection, merchant)
        found = read_as_requests(database, lambda reading: _found(reading, whose, number.strip().upper()))
    if found is None:
        raise ConfigurationError(
            f"there is no failed payment {number!r}; `dunning payments list` shows the numbers, such as ODR100000001"
        )
    owner, payment = found
    if as_json:
        print_json({"merchant": owner.name, **payment.model_dump(mode="json")})
        return
    print_fields(_fields(owner, payment))
    say()
    print_table(
        ("AT", "WHAT", "ID", "OUTCOME", "AMOUNT", "WHY"),
        [_entry(entry) for entry in payment.timeline],
        "nothing is known to have happened to it",
    )


async def _found(
    connection: AsyncConnection, merchants: Sequence[MerchantView], number: str
) -> tuple[MerchantView, FailedPaymentDetail] | None:
    for merchant in merchants:
        try:
            return merchant, await detail_of(connection, merchant, number)
        except NotFound:
            continue
    return None


def _which(merchants: Sequence[MerchantView]) -> str:
    if not merchants:
        return "there is no merchant yet; make one with `dunning merchant add NAME`"
    names = ", ".join(repr(merchant.name) for merchant in merchants[:20])
    return f"there are several merchants; say whose payments with --merchant NAME: {names}"


def _checked(options: Mapping[str, Any]) -> ListParameters:
    """The filters among a command's options, read as the API reads its parameters.

    Raises BadParameter naming the options that are wrong.
    """
    filters = {
        name: value for name, value in options.items() if name in ListParameters.model_fields and value is not None
    }
    try:
        parameters = ListParameters.model_validate(filters)
    except ValidationError as error:
        raise _wrong(field_errors(error)) from None
    disagreements = parameters.disagreements()
    if disagreements:
        raise _wrong(disagreements)
    return parameters


def _wrong(errors: Sequence[FieldError]) -> typer.BadParameter:
    return typer.BadParameter("; ".join(f"--{error.field.replace('_', '-')} {error.message}" for error in errors))


def _print_page(page: FailedPaymentPage) -> None:
    print_table(
        ("NUMBER", "STATUS", "ORDER DATE", "AMOUNT", "PROVIDER", "CUSTOMER", "NEXT ATTEMPT"),
        [
            (
                payment.id,
                payment.status,
                payment.order_date.isoformat(),
                _amount(payment.amount_minor, payment.currency),
                payment.provider,
                payment.customer.name or payment.customer.email or payment.customer.id,
                payment.next_attempt_at,
            )
            for payment in page.data
        ],
        "no failed payment matches" if page.total == 0 else "there are no more",
    )
    if page.next is not None:
        say(f"({len(page.data):,} of {page.total:,}; for the next page the same with --cursor {page.next})")
    elif page.total > len(page.data):
        say(f"(the last of {page.total:,})")


def _fields(merchant: MerchantView, payment: FailedPayment) -> dict[str, Cell]:
    return {
        "number": payment.id,
        "merchant": merchant.name,
        "status": payment.status,
        "order date": payment.order_date.isoformat(),
        "amount": _amount(payment.amount_minor, payment.currency),
        "paid": _amount(payment.paid_minor, payment.currency),
        "attempts": f"{payment.attempt_count}, of which {payment.failed_attempt_count} failed",
        "declined": payment.category,
        "message": payment.message,
        "provider": f"{payment.provider} {payment.provider_payment_id}",
        "subscription": payment.subscription,
        "customer": " ".join(filter(None, (payment.customer.name, payment.customer.id))),
        "e-mail": payment.customer.email,
        "phone": payment.customer.phone,
        "description": payment.description,
        "next attempt": payment.next_attempt_at,
        "because": payment.next_attempt_reason,
        "changed": payment.updated_at,
    }


def _entry(entry: TimelineEntry) -> Sequence[Cell]:
    if isinstance(entry, ActionEntry):
        return entry.at, "action", entry.id, entry.action, None, _decided(entry)
    if isinstance(entry, NoteEntry):
        return entry.at, "note", entry.receipt_id, entry.note, None, entry.message
    amount = _amount(entry.amount_minor, entry.currency)
    if isinstance(entry, AttemptEntry):
        outcome = f"{entry.outcome} (superseded)" if entry.superseded else entry.outcome
        return entry.at, "attempt", entry.id, outcome, amount, entry.message or entry.code
    return entry.at, entry.type, entry.id, None, amount, None


def _decided(entry: ActionEntry) -> str:
    """The words for an action: its receipt, then its reason or its actor: `receipt T-1 to ODR100000002; by ann`."""
    said = entry.reason or f"by {entry.actor}"
    if entry.receipt_id is not None:
        return f"receipt {entry.receipt_id} to {entry.to}; {said}"
    return f"receipt expected; {said}" if entry.receipt == ReceiptDue.EXPECTED else said


def _amount(minor: int | None, currency: str | None) -> str | None:
    """An amount such as `2499.00 NOK`; in minor units where the decimals of the currency are not known."""
    if minor is None:
        return None
    try:
        return (
            f"{minor} (currency unknown)" if currency is None else f"{Money(minor, currency).to_major():f} {currency}"
        )
    except InvalidAmount:
        return f"{minor} minor units of {currency}"
