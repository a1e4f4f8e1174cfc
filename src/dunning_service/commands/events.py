"""`dunning events`: stored deliveries, shown, read again and pruned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, get_args

import typer

from dunning_service.commands.arguments import AsJson, IsAgreed, OnlyMerchant, duration
from dunning_service.commands.deliveries import (
    Key,
    body_for_people,
    body_for_programs,
    delivery_keys,
    found_delivery,
    newest_deliveries,
    prunable,
    prune_once,
    stored_delivery,
)
from dunning_service.commands.opening import opened_database, reading
from dunning_service.commands.printing import print_fields, print_json, print_table, say
from dunning_service.commands.progress import confirm, progress_of, require_terminal_or_yes
from dunning_service.database.engines import Database
from dunning_service.errors import ConfigurationError, DunningError
from dunning_service.ledger.commit import Committer
from dunning_service.ledger.work import ERASED_AT, DeliveryOutcome, Notice, NoticeRecorded
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.service import list_merchants, merchant_named, merchants_named
from dunning_service.merchants.sources import source_options
from dunning_service.values.chunks import in_chunks
from dunning_service.values.clock import utc_now
from dunning_service.values.progress import Progress

app = typer.Typer()

_SHORT_ID = 12
_READ_AT_ONCE = 100
_PRUNED_AT_ONCE = 1_000
_NOT_REPLAYED = "not replayed"
_LABELS = {
    "received_at": "received",
    "last_received_at": "last received",
    "times_received": "times received",
    "reading": "times read",
}
_NOT_IN_SUMMARY = ("merchant_id", "digest", "headers", "body")

_Outcome = Annotated[DeliveryOutcome | None, typer.Option("--outcome", help="Only those of this outcome.")]


@app.command("list")
def list_(
    merchant: OnlyMerchant = None,
    outcome: _Outcome = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List deliveries, the newest first."""
    with reading() as opened:
        rows = newest_deliveries(opened.connection, opened.merchant(merchant), outcome, limit + 1)
    shown = rows[:limit]
    if as_json:
        print_json([_summary(row) for row in shown])
        return
    print_table(
        ("ID", "RECEIVED", "MERCHANT", "PROVIDER", "ORIGIN", "OUTCOME", "TIMES", "REASON"),
        [
            (
                row.digest.hex()[:_SHORT_ID],
                row.received_at,
                row.merchant,
                row.provider,
                row.origin,
                row.outcome,
                row.times_received,
                row.reason,
            )
            for row in shown
        ],
        "no deliveries" if outcome is None else f"no deliveries are {outcome}",
    )
    if len(rows) > limit:
        say(f"(the newest {limit}; --limit shows more)")


@app.command("show")
def show(
    delivery_id: Annotated[str, typer.Argument(metavar="ID", help="The delivery's id, or its first 8 digits or more.")],
    merchant: OnlyMerchant = None,
    as_json: AsJson = False,
) -> None:
    """Show one delivery: its headers, its body, and what became of it."""
    with reading() as opened:
        row = found_delivery(opened.connection, delivery_id, opened.merchant(merchant))
    if as_json:
        print_json({**_summary(row), "headers": row.headers, **body_for_programs(row.body)})
        return
    print_fields({_LABELS.get(name, name): value for name, value in _summary(row).items()})
    say()
    for name, value in row.headers.items():
        say(f"{name}: {value}")
    say()
    say("(erased)" if ERASED_AT in row.headers else body_for_people(row.body))


@app.command("replay")
def replay(
    delivery_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Deliveries, by their ids or first 8 digits or more.")
    ] = None,
    outcome: _Outcome = None,
    merchant: OnlyMerchant = None,
    as_json: AsJson = False,
) -> None:
    """Read stored deliveries again, with what the service has learnt since, and print those that still fail; exit code
    1 when one does. With --json, print all of them."""
    if bool(delivery_ids) == (outcome is not None):
        raise typer.BadParameter(
            "give the ids of deliveries, or --outcome failed for all that failed, --outcome recorded for all that are "
            "recorded"
        )
    with opened_database() as (_, database):
        with database.read_blocking() as connection:
            merchants = {one.id: one for one in list_merchants(connection)}
            only = None if merchant is None else merchant_named(connection, merchant)
            pruned = 0
            if outcome is not None:
                keys, pruned = delivery_keys(connection, only, outcome)
            else:
                rows = [found_delivery(connection, given, only) for given in delivery_ids or []]
                keys = list(dict.fromkeys((row.merchant_id, row.digest) for row in rows))
        replayed: list[_Replayed] = []
        again = "run the same command again: what was read already changes nothing"
        with progress_of("dunning events replay", again, on_interrupt=lambda: _print_failures(replayed)) as progress:
            progress.begin("deliveries read again", len(keys))
            for some in in_chunks(keys, _READ_AT_ONCE):
                replayed += _replay_chunk(database, some, merchants)
                progress.advance(len(some))
    _print_replayed(replayed, pruned, as_json)


@app.command("prune")
def prune(
    older_than: Annotated[timedelta, typer.Option(parser=duration, metavar="TIME", help="Age to keep: 400d.")],
    merchant: OnlyMerchant = None,
    also_failed: Annotated[
        bool, typer.Option("--also-failed", help="Drop also what was never understood, and may be after an upgrade.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be dropped, and drop nothing.")] = False,
    is_agreed: IsAgreed = False,
    as_json: AsJson = False,
) -> None:
    """Drop the raw bytes of old deliveries that were understood. What they said stays in the ledger; they cannot be
    replayed any more."""
    if not older_than:
        raise typer.BadParameter("it has to be a span of time, such as 400d; 0 would drop everything")
    before = utc_now() - older_than
    pruned: Counter[str] = Counter()
    with opened_database() as (_, database):
        with database.read_blocking() as connection:
            wanted = merchants_named(connection, merchant)
        require_terminal_or_yes(is_agreed or dry_run)
        there: Counter[str] = Counter()
        with database.read_blocking() as connection:
            for one in wanted:
                there.update(prunable(connection, one, before))
        kept = 0 if also_failed else there.pop("failed", 0)
        total = sum(there.values())
        if total and not dry_run:
            if not is_agreed:
                what = f"{_deliveries(there)} that arrived before {before:%Y-%m-%d %H:%M}Z"
                confirm(f"Drop the raw bytes of {what}, for good?", "nothing was dropped")
            with progress_of("dunning events prune", "run the same command again for the rest") as progress:
                progress.begin("deliveries pruned", total)
                for one in wanted:
                    _prune(database, one, before, also_failed, pruned, progress)
    _print_pruned(there if dry_run else pruned, kept, before, dry_run, as_json)


def _prune(
    database: Database,
    merchant: MerchantView,
    before: datetime,
    also_failed: bool,
    pruned: Counter[str],
    progress: Progress,
) -> None:
    """Prunes chunk by chunk, so that the service is never kept waiting for long."""
    since = None
    while True:
        with database.write() as connection:
            rows = prune_once(connection, merchant, since, before, _PRUNED_AT_ONCE, also_failed=also_failed)
        if not rows:
            return
        since = rows[-1].received_at
        pruned.update(row.outcome for row in rows)
        progress.advance(len(rows))


def _print_pruned(counts: Counter[str], kept: int, before: datetime, is_dry_run: bool, as_json: bool) -> None:
    if as_json:
        by_outcome = {outcome: counts[outcome] for outcome in get_args(DeliveryOutcome)}
        print_json({"dry_run": is_dry_run, "pruned": counts.total(), **by_outcome, "kept_failed": kept})
        return
    dropped = "would drop" if is_dry_run else "dropped"
    say(f"{dropped} the raw bytes of {_deliveries(counts)} that arrived before {before:%Y-%m-%d %H:%M}Z")
    if counts["failed"]:
        say(
            f"{counts['failed']} of them {'have' if is_dry_run else 'had'} never been understood, and cannot be "
            f"replayed {'afterwards' if is_dry_run else 'now'}"
        )
    if kept:
        say(
            f"{kept} more were never understood and keep their bytes: `dunning events replay --outcome failed` reads "
            "them again, and --also-failed drops them too"
        )


def _deliveries(counts: Counter[str]) -> str:
    """`12,345 deliveries (12,000 recorded, 345 ignored)`."""
    total = counts.total()
    outcomes = (*get_args(DeliveryOutcome), _NOT_REPLAYED)
    listed = ", ".join(f"{counts[outcome]:,} {outcome}" for outcome in outcomes if counts[outcome])
    return f"{total:,} {'delivery' if total == 1 else 'deliveries'}{f' ({listed})' if listed else ''}"


@dataclass(frozen=True, slots=True)
class _Replayed:
    """The result of reading one delivery again."""

    id: str
    merchant: str
    outcome: str | None
    reason: str | None

    @property
    def is_failure(self) -> bool:
        return self.outcome in (None, "failed")


def _replay_chunk(database: Database, keys: Sequence[Key], merchants: Mapping[int, MerchantView]) -> list[_Replayed]:
    read = [(key, _read_again(database, key, merchants[key[0]])) for key in keys]
    notices = [notice for _, notice in read if isinstance(notice, Notice)]
    answers = iter(Committer(database).commit(notices, utc_now()))
    replayed = []
    for (merchant_id, digest), notice in read:
        result = next(answers) if isinstance(notice, Notice) else notice
        name = merchants[merchant_id].name
        if isinstance(result, DunningError):
            replayed.append(_Replayed(digest.hex(), name, None, result.message))
        else:
            assert isinstance(notice, Notice)
            assert isinstance(result, NoticeRecorded)
            replayed.append(_Replayed(digest.hex(), name, *_outcome_of(notice, result)))
    return replayed


def _outcome_of(notice: Notice, result: NoticeRecorded) -> tuple[str | None, str | None]:
    """The outcome and the reason; no outcome where the delivery keeps its earlier reading."""
    if result.refusal is not None:
        return (None if result.outcome == "recorded" else result.outcome), result.refusal.message
    if result.outcome == "ignored" and result.was_recorded:
        return result.outcome, f"{notice.reason}; what it said before does not count any more"
    return result.outcome, notice.reason


def _read_again(database: Database, key: Key, merchant: MerchantView) -> Notice | DunningError:
    from dunning_service.intake.service import replayed_notice  # here, because it imports the web application

    try:
        with database.read_blocking() as connection:
            row = stored_delivery(connection, key)
            if row is None:
                return ConfigurationError("it is gone")
            options = source_options(connection, merchant, row.origin)
        return replayed_notice(row, merchant, options, utc_now())
    except DunningError as error:
        return error


def _print_replayed(replayed: Sequence[_Replayed], pruned: int, as_json: bool) -> None:
    if as_json:
        print_json({"replayed": [asdict(one) for one in replayed], "pruned": pruned})
    else:
        _print_failures(replayed)
        outcomes = Counter(one.outcome or _NOT_REPLAYED for one in replayed)
        say(f"read {_deliveries(outcomes)} again" if replayed else "nothing to replay")
        if pruned:
            say(f"({pruned} more cannot be replayed: their raw bytes have been pruned or erased)")
    if any(one.is_failure for one in replayed):
        raise typer.Exit(1)


def _print_failures(replayed: Sequence[_Replayed]) -> None:
    """Prints the deliveries that could not be read."""
    failures = [one for one in replayed if one.is_failure]
    if failures:
        print_table(
            ("ID", "MERCHANT", "OUTCOME", "REASON"),
            [(one.id[:_SHORT_ID], one.merchant, one.outcome or _NOT_REPLAYED, one.reason) for one in failures],
            "",
        )


def _summary(row: Any) -> dict[str, Any]:
    shown = {name: value for name, value in row._mapping.items() if name not in _NOT_IN_SUMMARY}
    return {"id": row.digest.hex(), **shown}
