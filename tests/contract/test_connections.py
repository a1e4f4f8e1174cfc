"""How the service is connected to its database: how often, how isolated, and what its errors tell."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from dunning_service.database.engines import Database, create_write_engine
from dunning_service.database.engines import database_url as parsed


async def test_there_are_never_more_readers_than_were_asked_for(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dunning_service.database.engines._POOL_TIMEOUT_S", 0.05)
    database = Database(parsed(database_url), read_connections=1)
    async with database.read() as connection:
        await connection.execute(sa.text("SELECT 1"))
        with pytest.raises(sa.exc.TimeoutError):
            async with database.read():
                pytest.fail("there was a second connection")
    await database.close()


async def test_an_error_does_not_tell_the_values_of_a_statement(database_url: str) -> None:
    database = Database(parsed(database_url))
    statement, values = sa.text("SELECT :email FROM nowhere"), {"email": "kari@example.com"}
    with pytest.raises(sa.exc.DBAPIError) as of_write, database.write() as connection:
        connection.execute(statement, values)
    with pytest.raises(sa.exc.DBAPIError) as of_read:
        async with database.read() as reading:
            await reading.execute(statement, values)
    await database.close()
    for told in (of_write, of_read):
        assert "kari@example.com" not in str(told.value)


def test_a_writer_sees_what_was_committed_while_it_waited_whatever_the_servers_default(postgres_url: str) -> None:
    url = parsed(postgres_url)
    engine = create_write_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"ALTER DATABASE \"{url.database}\" SET default_transaction_isolation = 'serializable'"
        )
    engine.dispose()  # the next connection has it as its default
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "read committed"
    engine.dispose()


def test_a_command_that_only_reads_does_not_wait_for_a_writer(database_url: str) -> None:
    one, other = Database(parsed(database_url)), Database(parsed(database_url))
    with one.write() as writing:
        writing.exec_driver_sql("UPDATE merchants SET name = name")
        with other.read_blocking() as reading:
            assert reading.exec_driver_sql("SELECT count(*) FROM merchants").scalar_one() == 0
    for database in (one, other):
        database.write_engine.dispose()


def test_what_has_only_read_may_write_afterwards(database_url: str) -> None:
    database = Database(parsed(database_url))
    with database.read_blocking() as reading:
        reading.exec_driver_sql("SELECT 1")
    with database.write() as writing:
        if not database.is_sqlite:
            assert writing.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "off"
            assert writing.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "read committed"
        writing.exec_driver_sql("DELETE FROM merchants")
    database.write_engine.dispose()


async def test_a_statement_that_takes_long_is_not_taken_for_a_server_that_hangs(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dunning_service.database.watching._SILENT_S", 0.05)
    database = Database(parsed(postgres_url))
    with database.write() as connection:
        assert connection.exec_driver_sql("SELECT 1, pg_sleep(0.2)").scalar_one() == 1
    async with database.read() as reading:
        assert (await reading.execute(sa.text("SELECT 1, pg_sleep(0.2)"))).scalar_one() == 1
    await database.close()


async def test_whoever_reads_is_not_kept_waiting_for_ever_by_a_server_that_answers_others(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dunning_service.database.watching._SILENT_S", 0.05)
    monkeypatch.setattr("dunning_service.database.watching._READER_S", 0.2)
    database = Database(parsed(postgres_url))
    async with asyncio.timeout(5):
        with pytest.raises(sa.exc.OperationalError):
            async with database.read() as reading:
                await reading.execute(sa.text("SELECT pg_sleep(20)"))
        async with database.read() as reading:
            assert (await reading.execute(sa.text("SELECT 1"))).scalar_one() == 1
    await database.close()
