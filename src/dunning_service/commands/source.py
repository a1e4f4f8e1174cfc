"""`dunning source`: the webhook addresses that payment providers post to."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer

from dunning_service.commands.addresses import address_of
from dunning_service.commands.arguments import (
    AsJson,
    OfMerchant,
    OnlyMerchant,
    duration,
    given_options,
    given_secret,
)
from dunning_service.commands.opening import reading, transaction
from dunning_service.commands.printing import print_fields, print_json, print_table, say, shown, warn
from dunning_service.merchants.keyring import keyring_of
from dunning_service.merchants.service import merchant_named
from dunning_service.merchants.sources import (
    NewSecret,
    add_source,
    disable_source,
    list_sources,
    rotate_source,
    source_id_of,
)
from dunning_service.settings import Settings

app = typer.Typer()

_SourceId = Annotated[str, typer.Argument(metavar="ID", help="The source's id or number, as `source list` shows them.")]
_Secret = Annotated[
    str | None,
    typer.Option(metavar="SECRET", help="The signing secret; `-` reads it from standard input; made without it."),
]


@app.command("add")
def add(
    merchant: OfMerchant,
    provider: Annotated[str, typer.Option(help="Who posts to it, such as maple.")],
    secret: _Secret = None,
    default_currency: Annotated[
        str | None, typer.Option(help="ISO 4217 code for notices that name none; the merchant's without it.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="One of the provider's own options; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a source; its secret is printed once and never again."""
    options = given_options(option or [])
    if default_currency is not None:
        options["default_currency"] = default_currency
    secret = given_secret(secret)
    with transaction() as opened:
        made = add_source(
            opened.connection,
            keyring_of(opened.settings),
            merchant=merchant_named(opened.connection, merchant),
            provider=provider,
            secret=secret,
            options=options,
            now=opened.now,
        )
    _print_secret(made, opened.settings, as_json)


@app.command("list")
def list_(merchant: OnlyMerchant = None, as_json: AsJson = False) -> None:
    """List sources, without their secrets. The log names a source by its number."""
    with reading() as opened:
        sources = list_sources(opened.connection, opened.merchant(merchant), now=opened.now)
    if as_json:
        print_json([{**asdict(source), "path": source.path} for source in sources])
        return
    print_table(
        ("ID", "NUMBER", "MERCHANT", "PROVIDER", "OPTIONS", "SECRETS", "CREATED", "DISABLED"),
        [
            (
                source.id,
                source.number,
                source.merchant,
                source.provider,
                " ".join(f"{key}={value}" for key, value in source.options.items()),
                source.valid_secrets,
                source.created_at,
                source.disabled_at,
            )
            for source in sources
        ],
        "no sources; make one with `dunning source add --merchant NAME --provider maple`",
    )


@app.command("rotate")
def rotate(
    source_id: _SourceId,
    secret: _Secret = None,
    keep_old: Annotated[
        timedelta,
        typer.Option(
            parser=duration, metavar="TIME", help="How long the old secret stays valid: 24h, 30m, 0 for not at all."
        ),
    ] = "24h",  # type: ignore[assignment]  # a default is parsed as if it were typed
    as_json: AsJson = False,
) -> None:
    """Give a source a new secret; the old one stays valid for a day."""
    secret = given_secret(secret)
    with transaction() as opened:
        source_id = source_id_of(opened.connection, source_id)
        made = rotate_source(
            opened.connection,
            keyring_of(opened.settings),
            source_id,
            secret=secret,
            keep_old=keep_old,
            now=opened.now,
        )
        (source,) = list_sources(opened.connection, source_id=source_id, now=opened.now)
    _print_secret(made, opened.settings, as_json)
    if source.disabled_at is not None:
        warn(f"source {source_id} is disabled, for good: its address answers 404; `dunning source add` makes another")


@app.command("disable")
def disable(source_id: _SourceId, as_json: AsJson = False) -> None:
    """Close a source: its address answers 404 within 5 seconds. What it delivered stays."""
    with transaction() as opened:
        source = disable_source(opened.connection, source_id_of(opened.connection, source_id), now=opened.now)
    if as_json:
        print_json({**asdict(source), "path": source.path})
        return
    when = "" if source.disabled_at == opened.now else f" already, since {shown(source.disabled_at)}"
    say(f"source {source.id} ({source.provider}, of {source.merchant}) is disabled{when}")


def _print_secret(made: NewSecret, settings: Settings, as_json: bool) -> None:
    fields: dict[str, Any] = {
        "id": made.id,
        "number": made.number,
        "merchant": made.merchant,
        "provider": made.provider,
        "path": made.path,
        "url": f"{address_of(settings)}{made.path}",
        "secret": made.secret,
    }
    if as_json:
        print_json({**fields, "old_valid_until": made.old_valid_until})
        return
    if made.old_valid_until is not None:
        fields["old secret"] = f"valid until {shown(made.old_valid_until)}"
    print_fields(fields)
    say("\nGive the provider the address and the secret now: the secret is stored encrypted and not shown again.")
