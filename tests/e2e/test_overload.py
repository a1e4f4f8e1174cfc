"""More than can be served, in seconds; `make overload` does the same for minutes, and measures it."""

from __future__ import annotations

from databases import PostgresDatabases, SqliteDatabases
from overload import drills
from overload.drills import Finding, Plan, Setup

SMALL = Plan(
    connections=32,
    depth=8,
    seconds=1.0,
    slow_bodies=40,
    lingering=150,
    receive_timeout_s=1.0,
    burst=600,
    burst_connections=100,
    max_connections=40,
    quiet_notices=10,
    # others work on the same cores meanwhile
    back_within_s=20.0,
    noise_ms=1_000.0,
)


def require_kept(found: Finding) -> None:
    assert found.problems == []


async def test_a_full_queue_refuses_what_it_cannot_take_in_and_loses_nothing(sqlite_databases: SqliteDatabases) -> None:
    require_kept(await drills.overload_of_a_small_queue(Setup("SQLite", sqlite_databases), SMALL))


async def test_a_burst_is_taken_in_by_two_processes_when_what_they_refused_is_sent_again(
    postgres_databases: PostgresDatabases,
) -> None:
    found = await drills.burst(Setup("PostgreSQL", postgres_databases, processes=2), SMALL)
    require_kept(found)
    assert found.acknowledged == SMALL.burst


async def test_slow_bodies_keep_nobody_waiting_and_are_answered_408(sqlite_databases: SqliteDatabases) -> None:
    require_kept(await drills.slow_bodies(Setup("SQLite", sqlite_databases), SMALL))


async def test_idle_connections_keep_nobody_waiting_and_half_a_request_is_not_waited_for(
    sqlite_databases: SqliteDatabases,
) -> None:
    require_kept(await drills.idle_connections(Setup("SQLite", sqlite_databases), SMALL))


async def test_connections_beyond_the_limit_are_told_so_and_served_when_there_is_room(
    sqlite_databases: SqliteDatabases,
) -> None:
    require_kept(await drills.too_many_connections(Setup("SQLite", sqlite_databases), SMALL))
