"""`dunning merchant`: the tenants."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from dunning_service.commands.arguments import AsJson
from dunning_service.commands.opening import reading, transaction
from dunning_service.commands.printing import print_fields, print_json, print_table
from dunning_service.merchants.service import add_merchant, list_merchants

app = typer.Typer(help="Merchants: every payment, token and source belongs to one.", no_args_is_help=True)


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
        print_json(asdict(merchant))
        return
    print_fields(
        {
            "id": merchant.id,
            "name": merchant.name,
            "currency": merchant.default_currency or "unknown",
            "timezone": merchant.time_zone,
        }
    )


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the merchants."""
    with reading() as opened:
        merchants = list_merchants(opened.connection)
    if as_json:
        print_json([asdict(merchant) for merchant in merchants])
        return
    print_table(
        ("ID", "NAME", "CURRENCY", "TIMEZONE"),
        [(merchant.id, merchant.name, merchant.default_currency, merchant.time_zone) for merchant in merchants],
        "no merchants yet; make one with `dunning merchant add NAME`",
    )
