"""`dunning migrate`: the migration of the database's schema."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from dunning_service.commands.arguments import AsJson
from dunning_service.commands.printing import print_json, say, warn
from dunning_service.commands.progress import progress_of
from dunning_service.database.engines import database_url
from dunning_service.database.migrating import current_revision, head_revision, upgrade, upgrade_sql
from dunning_service.errors import ConfigurationError, DunningError
from dunning_service.settings import load_settings

_NO_WAY_BACK = (
    "; this command does not go back: `alembic downgrade` does, and loses what the older schema has no place for"
)


def migrate(
    to: Annotated[
        str,
        typer.Option(
            metavar="REV", help="The revision to go to; with --sql also A:B, from one to the other (base is none)."
        ),
    ] = "head",
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the statements that are missing instead of running them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database's schema to the newest revision; an SQLite database is made when it is missing."""
    url = database_url(load_settings(warn).database_url)
    if sql:
        typer.echo(upgrade_sql(url, to if ":" in to else f"{_where_it_is(url)}:{to}"), nl=False)
        return
    before = current_revision(url)
    unchanged = f"the schema is {'still missing' if before is None else f'at revision {before} still'}"
    with progress_of("dunning migrate", f"all was undone and {unchanged}: run `dunning migrate` again") as progress:
        upgrade(url, to, progress)
    after = current_revision(url)
    if as_json:
        print_json({"from": before, "to": after, "head": head_revision()})
    elif before == after:
        say(f"the schema is at revision {after} already" + ("" if to in ("head", after) else _NO_WAY_BACK))
    else:
        say(f"the schema went from {'nothing' if before is None else f'revision {before}'} to revision {after}")


def _where_it_is(url: URL) -> str:
    try:
        return current_revision(url) or "base"
    except (DunningError, SQLAlchemyError) as error:
        raise ConfigurationError(
            "the database cannot be asked for its revision; say from where to where, such as --to base:head for an "
            f"empty one: {error}"
        ) from error
