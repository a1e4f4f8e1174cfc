"""Everybody at once, everything again and again: one payment each, and the same reply every time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

import sqlalchemy as sa

from dunning_service.database.engines import Database, database_url
from dunning_service.ledger.models import AttemptRow, DeliveryRow
from e2e.processes import ServerProcess, serving
from e2e.senders import (
    GOODPARTY_REPLY,
    Account,
    Answer,
    Line,
    Posted,
    a_goodparty_notice,
    a_maple_notice,
    complaints,
    lines,
    listed,
    open_account,
    together,
)

CONNECTIONS = 50
NOTICES = 50
TIMES = 50


async def test_repeats_in_parallel_are_one_payment_each(database_url: str) -> None:
    account = open_account(database_url)
    with serving(database_url) as server:
        replies = await _post_repeatedly([server], account)
        _require_one_of_each(server, database_url, account, replies)


async def test_repeats_to_two_processes_are_one_payment_each(postgres_url: str) -> None:
    account = open_account(postgres_url)
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(postgres_url)) for _ in range(2)]
        replies = await _post_repeatedly(servers, account)
        for server in servers:
            _require_one_of_each(server, postgres_url, account, replies)


async def _post_repeatedly(servers: Sequence[ServerProcess], account: Account) -> Counter[tuple[str, int, bytes]]:
    """Posts every notice as often as it is to come, in a random order, an equal share to each of the servers."""
    notices = [a_goodparty_notice(account, f"in_{number}") for number in range(NOTICES // 2)]
    notices += [a_maple_notice(account, f"txn_{number}") for number in range(NOTICES - NOTICES // 2)]
    replies: Counter[tuple[str, int, bytes]] = Counter()

    async def post_all(line: Line, waiting: list[Posted]) -> None:
        while waiting:
            posted = waiting.pop()
            answer: Answer = await line.post(posted)
            replies[posted.path, answer.status, answer.body] += 1

    async def post_to(server: ServerProcess) -> None:
        waiting = notices * (TIMES // len(servers))
        random.shuffle(waiting)
        async with lines(server.port, CONNECTIONS // len(servers)) as opened:
            await together(*(post_all(line, waiting) for line in opened))

    await together(*(post_to(server) for server in servers))
    return replies


def _require_one_of_each(
    server: ServerProcess, url: str, account: Account, replies: Counter[tuple[str, int, bytes]]
) -> None:
    assert replies == {
        ("/api/ActionService/LogInvoicePaymentFailed", 200, GOODPARTY_REPLY): NOTICES // 2 * TIMES,
        (f"/webhooks/{account.source_id}", 200, b'{"received":true}'): NOTICES // 2 * TIMES,
    }
    payments = listed(server.base_url, account)
    assert len(payments) == NOTICES
    assert len({payment["provider_payment_id"] for payment in payments}) == NOTICES
    assert {payment["attempt_count"] for payment in payments} == {1}
    database = Database(database_url(url))
    with database.write() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(AttemptRow)) == NOTICES
        assert list(connection.scalars(sa.select(DeliveryRow.times_received))) == [TIMES] * NOTICES
    database.write_engine.dispose()
    assert complaints(url) == []
