"""`dunning token`: the bearer tokens of merchants."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from dunning_service.commands.arguments import AsJson, OfMerchant, OnlyMerchant, duration
from dunning_service.commands.opening import reading, transaction
from dunning_service.commands.printing import print_fields, print_json, print_table, say, shown
from dunning_service.merchants.service import TokenView, add_token, list_tokens, merchant_named, revoke_token
from dunning_service.merchants.tokens import Scope

app = typer.Typer()


@app.command("add")
def add(
    merchant: OfMerchant,
    scope: Annotated[
        list[Scope],
        typer.Option(help="What it may do; give it several times. ingest: post notices; read: every GET; write: act."),
    ],
    name: Annotated[str, typer.Option(help="Who it is for, as `token list` shows it.")] = "token",
    expires: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="TIME", help="How long it is valid: 90d, 12h, 30m. For ever without it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token; it is printed once and never again."""
    with transaction() as opened:
        token = add_token(
            opened.connection,
            merchant=merchant_named(opened.connection, merchant),
            name=name,
            scopes=scope,
            expires_at=None if expires is None else opened.now + expires,
            now=opened.now,
        )
    fields = asdict(token)
    if as_json:
        print_json({**fields, "scopes": token.scopes.split()})
        return
    expires_at = fields.pop("expires_at")
    print_fields({**fields, "expires": expires_at or "never"})
    say("\nKeep the token now: only its digest is stored, so it cannot be shown again.")


@app.command("list")
def list_(merchant: OnlyMerchant = None, as_json: AsJson = False) -> None:
    """List tokens, without what is secret about them."""
    with reading() as opened:
        tokens = list_tokens(opened.connection, opened.merchant(merchant))
    if as_json:
        print_json([_plain(token, opened.now) for token in tokens])
        return
    print_table(
        ("ID", "NAME", "MERCHANT", "SCOPES", "CREATED", "EXPIRES", "STATE"),
        [
            (
                token.id,
                token.name,
                token.merchant,
                token.scopes,
                token.created_at,
                token.expires_at or "never",
                token.state(opened.now),
            )
            for token in tokens
        ],
        "no tokens; make one with `dunning token add --merchant NAME --scope ingest`",
    )


@app.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as `token list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """End a token; every process refuses it within 5 seconds."""
    with transaction() as opened:
        token = revoke_token(opened.connection, token_id, now=opened.now)
    if as_json:
        print_json(_plain(token, opened.now))
        return
    when = "" if token.revoked_at == opened.now else f" already, at {shown(token.revoked_at)}"
    say(f"token {token.id} ({token.name}, of {token.merchant}) is revoked{when}")


def _plain(token: TokenView, now: datetime) -> dict[str, Any]:
    return {**asdict(token), "scopes": token.scopes.split(), "state": token.state(now)}
