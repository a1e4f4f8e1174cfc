"""`dunning merchant`: merchants, and how each charges its customers."""

from __future__ import annotations

from enum import StrEnum
from shlex import quote
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from dunning_service.commands.arguments import AsJson
from dunning_service.commands.opening import Opened, explained, opened_database, reading, transaction
from dunning_service.commands.printing import INTERRUPTED, Cell, print_fields, print_json, print_table, say, warn
from dunning_service.errors import ConfigurationError, Unavailable
from dunning_service.gateways.models import GatewayKind
from dunning_service.gateways.service import (
    GatewayView,
    SigningSecret,
    choose_endpoint,
    choose_none,
    choose_sandbox,
    gateways_by_merchant,
    network_rules_of,
    rotate_signing_secret,
)
from dunning_service.ledger.time_zone import Redated, hold_time_zone, move_order_dates
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.keyring import keyring_of
from dunning_service.merchants.options import checked_currency
from dunning_service.merchants.service import (
    add_merchant,
    change_merchant,
    checked_discount,
    checked_merchant_name,
    checked_time_zone,
    list_merchants,
    merchant_named,
    percent_text,
)
from dunning_service.recovery.ladder import parse_ladder
from dunning_service.values.clock import utc_now

app = typer.Typer()

_NONE = "none"
_DEFAULT = "default"


class _Choice(StrEnum):
    """The values of --gateway."""

    SANDBOX = GatewayKind.SANDBOX
    HTTP = GatewayKind.HTTP
    NONE = _NONE


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Its name, as lists show it.")],
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217 code for notices that name none, such as NOK; unknown without it.")
    ] = None,
    timezone: Annotated[str, typer.Option(help="Zone whose days its order dates are, such as Europe/Oslo.")] = "UTC",
    as_json: AsJson = False,
) -> None:
    """Make a merchant."""
    with transaction() as opened:
        merchant = add_merchant(
            opened.connection, name=name, default_currency=currency, time_zone=timezone, now=opened.now
        )
    if as_json:
        print_json(_as_json(merchant, None))
        return
    print_fields(_identity(merchant))


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="The merchant's name, as `merchant list` shows it.")],
    gateway: Annotated[
        _Choice | None,
        typer.Option(help="How its customers are charged: sandbox, which only pretends; http, its own endpoint."),
    ] = None,
    gateway_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Its charging endpoint, at a host of DUNNING_GATEWAY_HOSTS.")
    ] = None,
    rotate_gateway_secret: Annotated[
        bool,
        typer.Option(
            "--rotate-gateway-secret",
            help="Make a new signing secret; the old one signs beside it until the next rotation.",
        ),
    ] = False,
    even_under_way: Annotated[
        bool,
        typer.Option(
            "--even-under-way",
            help="Charges that have no outcome yet are looked up at the new gateway too, because it knows of them.",
        ),
    ] = False,
    retry_ladder: Annotated[
        str | None,
        typer.Option(
            metavar="LADDER",
            help='When failed payments are tried again: "1d 3d 5d 7d at 09:00", "1h 6h 2d", none; '
            "default: as DUNNING_RETRY_LADDER says.",
        ),
    ] = None,
    cash_discount: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT",
            help="Dual pricing: by how much the cash price is below the card price, such as 2.5; none.",
        ),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217 code for notices from now on that name none, such as NOK; none.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="Zone whose days its order dates are, such as Europe/Oslo; those of all payments are moved."),
    ] = None,
    new_name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Its new name; tokens and sources stay its own.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change a merchant, and how it charges and retries; prints what holds now."""
    changes: dict[str, Any] = {}
    if new_name is not None:
        changes["name"] = checked_merchant_name(new_name)
    if timezone is not None:
        changes["time_zone"] = checked_time_zone(timezone)
    if retry_ladder is not None:
        changes["retry_ladder"] = None if _is(_DEFAULT, retry_ladder) else str(parse_ladder(retry_ladder))
    if cash_discount is not None:
        changes["cash_discount_units"] = None if _is(_NONE, cash_discount) else checked_discount(cash_discount)
    if currency is not None:
        changes["default_currency"] = None if _is(_NONE, currency) else checked_currency(currency)
    with transaction() as opened:
        merchant = merchant_named(opened.connection, name)
        if timezone is not None:
            hold_time_zone(opened.connection, merchant.id)
        merchant = change_merchant(opened.connection, merchant, changes)
        secret = _change_gateway(opened, merchant, gateway, gateway_url, even_under_way)
        if rotate_gateway_secret and secret is None:
            secret = rotate_signing_secret(opened.connection, keyring_of(opened.settings), merchant, now=opened.now)
        chosen = gateways_by_merchant(opened.connection).get(merchant.id)
    if as_json:
        printed = _as_json(merchant, chosen) | ({} if secret is None else {"gateway_secret": secret.text})
        if timezone is not None:
            printed["order_dates_moved"] = _move_order_dates(merchant).moved
        print_json(printed)
        return
    fields = _identity(merchant) | {
        "gateway": _gateway_text(chosen) or _NONE,
        "retries": merchant.retry_ladder or f"{opened.settings.retry_ladder} (the default)",
        "cash discount": _discount_text(merchant) or _NONE,
    }
    print_fields(fields if secret is None else fields | {"signing secret": secret.text})
    if secret is not None:
        say("\nGive the endpoint the signing secret now: it is stored encrypted and not shown again.")
        if secret.has_old_beside:
            say("Requests are signed with the old one as well, until the secret is rotated again.")
    if merchant.name != name.strip():
        say(
            f"\nCommands and Front Payment's list call it {merchant.name!r} from now on; its tokens, sources and "
            "payments stay as they are."
        )
    if currency is not None:
        say(
            "\nIt holds for notices from now on. Those that are there already are read with it by `dunning events "
            f"replay --outcome recorded --merchant {quote(merchant.name)}`."
        )
    if timezone is not None:
        redated = _move_order_dates(merchant)
        say(
            f"\n{redated.moved:,} of {redated.payments:,} failed payments have another order date now. Payments that "
            "are scheduled keep their time."
        )


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the merchants."""
    with reading() as opened:
        merchants = list_merchants(opened.connection)
        gateways = gateways_by_merchant(opened.connection)
    if as_json:
        print_json([_as_json(merchant, gateways.get(merchant.id)) for merchant in merchants])
        return
    print_table(
        ("ID", "NAME", "CURRENCY", "TIMEZONE", "GATEWAY", "RETRIES", "CASH DISCOUNT"),
        [
            (
                merchant.id,
                merchant.name,
                merchant.default_currency,
                merchant.time_zone,
                _gateway_text(gateways.get(merchant.id)),
                merchant.retry_ladder or _DEFAULT,
                _discount_text(merchant),
            )
            for merchant in merchants
        ],
        "no merchants yet; make one with `dunning merchant add NAME`",
    )


def _move_order_dates(merchant: MerchantView) -> Redated:
    """Moves order dates to the new zone. Where it cannot finish, the error says how to go on: the zone is changed."""
    redated = Redated()
    again = f"dunning merchant set {quote(merchant.name)} --timezone {merchant.time_zone}"
    try:
        with opened_database() as (_, database):
            move_order_dates(database, merchant.id, merchant.time_zone, utc_now, redated)
    except KeyboardInterrupt:
        warn(f"stopped after {redated.payments:,} failed payments, {redated.moved:,} of them moved; to go on: {again}")
        raise typer.Exit(INTERRUPTED) from None
    except (Unavailable, sa.exc.DBAPIError) as error:
        why = error.message if isinstance(error, Unavailable) else explained(error)
        raise Unavailable(f"{why}; the order dates are moved in part, to go on: {again}") from None
    return redated


def _change_gateway(
    opened: Opened, merchant: MerchantView, choice: _Choice | None, url: str | None, even_under_way: bool
) -> SigningSecret | None:
    """Changes how the merchant charges; returns the signing secret, if one was made."""
    connection, now = opened.connection, opened.now
    if even_under_way and choice is not _Choice.SANDBOX and url is None:
        raise ConfigurationError("--even-under-way goes with another gateway: add --gateway or --gateway-url")
    if choice in (_Choice.SANDBOX, _Choice.NONE) and url is not None:
        raise ConfigurationError(f"--gateway-url goes with --gateway http, and not with {choice}")
    if choice is _Choice.SANDBOX:
        choose_sandbox(connection, merchant, now=now, even_under_way=even_under_way)
    if choice is _Choice.NONE:
        choose_none(connection, merchant)
    held = gateways_by_merchant(connection).get(merchant.id)
    has_endpoint = held is not None and held.kind is GatewayKind.HTTP
    if choice is _Choice.HTTP and url is None and not has_endpoint:
        raise ConfigurationError(
            "--gateway http needs the address of the merchant's charging endpoint: add --gateway-url URL"
        )
    if url is None:
        return None
    if choice is None and not has_endpoint:
        raise ConfigurationError("--gateway-url is the address of a charging endpoint: add --gateway http")
    return choose_endpoint(
        connection,
        keyring_of(opened.settings),
        network_rules_of(opened.settings),
        merchant,
        url,
        now=now,
        even_under_way=even_under_way,
    )


def _identity(merchant: MerchantView) -> dict[str, Cell]:
    return {
        "id": merchant.id,
        "name": merchant.name,
        "currency": merchant.default_currency or "unknown",
        "timezone": merchant.time_zone,
    }


def _as_json(merchant: MerchantView, gateway: GatewayView | None) -> dict[str, Any]:
    return {
        "id": merchant.id,
        "name": merchant.name,
        "default_currency": merchant.default_currency,
        "time_zone": merchant.time_zone,
        "gateway": None if gateway is None else gateway.kind,
        "gateway_url": None if gateway is None else gateway.url,
        "retry_ladder": merchant.retry_ladder,
        "cash_discount_percent": None
        if merchant.cash_discount_units is None
        else percent_text(merchant.cash_discount_units),
    }


def _gateway_text(gateway: GatewayView | None) -> str | None:
    if gateway is None:
        return None
    return gateway.kind if gateway.url is None else f"{gateway.kind} {gateway.url}"


def _discount_text(merchant: MerchantView) -> str | None:
    return None if merchant.cash_discount_units is None else f"{percent_text(merchant.cash_discount_units)} %"


def _is(word: str, text: str) -> bool:
    return text.strip().lower() == word
