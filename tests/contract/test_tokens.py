"""Tokens as whoever posts and reads meets them: found at once, refused in time, and telling nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from dunning_service.database.engines import Database, database_url
from dunning_service.errors import ConfigurationError, InvalidToken
from dunning_service.merchants import lookup_cache
from dunning_service.merchants import service as merchants
from dunning_service.merchants.directory import Directory, MerchantView, Principal, Scope
from dunning_service.merchants.keyring import Keyring, new_key
from dunning_service.merchants.models import Token
from dunning_service.merchants.service import NewToken
from dunning_service.merchants.tokens import new_token
from running import FrozenClock
from sql_statements import statements

READ = frozenset({Scope.READ})


class House:
    """A migrated database with one merchant, and a directory on it."""

    def __init__(self, url: str) -> None:
        self.clock = FrozenClock()
        self.database = Database(database_url(url))
        self.directory = self.another_process()
        with self.database.write() as connection:
            self.merchant = merchants.add_merchant(
                connection, name="Sweden & Co", default_currency="NOK", time_zone="Europe/Oslo", now=self.clock()
            )

    def another_process(self) -> Directory:
        return Directory(self.database, Keyring(new_key()), self.clock)

    def add(self, merchant: MerchantView | None = None, **given: object) -> NewToken:
        wanted: dict = {"name": "t", "scopes": READ, "expires_at": None, "now": self.clock(), **given}
        with self.database.write() as connection:
            return merchants.add_token(connection, merchant=merchant or self.merchant, **wanted)

    def revoke(self, token: NewToken) -> None:
        with self.database.write() as connection:
            merchants.revoke_token(connection, token.id, now=self.clock())


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    house = House(database_url)
    yield house
    await house.database.close()


async def test_a_token_names_its_merchant_and_its_scopes(house: House) -> None:
    token = house.add(name="dashboard", scopes={Scope.WRITE, Scope.READ})
    assert await house.directory.principal(token.token) == Principal(
        MerchantView(house.merchant.id, "Sweden & Co", "NOK", "Europe/Oslo"),
        token.id,
        "dashboard",
        frozenset({Scope.READ, Scope.WRITE}),
    )


async def test_a_token_that_was_refused_is_accepted_as_soon_as_it_exists(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = new_token()
    with pytest.raises(InvalidToken):
        await house.directory.principal(later)
    monkeypatch.setattr(merchants, "new_token", lambda: later)
    house.add()
    assert (await house.directory.principal(later)).token_name == "t"


@pytest.mark.parametrize("text", ["", "dun_", "dun_" + "A" * 43, "x" * 100_000, "\x00", "\udcff", "' OR 1=1 --"])
async def test_whatever_is_no_token_is_refused_alike(house: House, text: str) -> None:
    house.add()
    with pytest.raises(InvalidToken) as refused:
        await house.directory.principal(text)
    assert refused.value.message == "the token is not known, has been revoked or has expired"


async def test_a_revoked_token_stops_within_five_seconds_in_every_process(house: House) -> None:
    token = house.add()
    processes = [house.directory, house.another_process()]
    for process in processes:
        await process.principal(token.token)
    house.revoke(token)
    house.clock.advance(timedelta(seconds=4.9))
    for process in processes:
        with pytest.raises(InvalidToken):
            await process.principal(token.token)


async def test_a_token_expires_to_the_moment_though_it_is_remembered(house: House) -> None:
    token = house.add(expires_at=house.clock() + timedelta(seconds=1))
    await house.directory.principal(token.token)
    house.clock.advance(timedelta(seconds=1))
    with pytest.raises(InvalidToken):
        await house.directory.principal(token.token)


async def test_a_clock_set_back_does_not_keep_a_revoked_token_alive(house: House) -> None:
    token = house.add()
    await house.directory.principal(token.token)
    house.revoke(token)
    house.clock.advance(timedelta(hours=-1))
    with pytest.raises(InvalidToken):
        await house.directory.principal(token.token)


async def test_a_token_is_looked_up_once_for_many_callers(house: House) -> None:
    token = house.add()
    with statements(house.database) as asked:
        found = await asyncio.gather(*(house.directory.principal(token.token) for _ in range(50)))
        await house.directory.principal(token.token)
    assert {one.token_id for one in found} == {token.id}
    assert sum("FROM tokens" in statement for statement, _ in asked) == 1


async def test_a_caller_who_hangs_up_does_not_take_the_answer_from_the_others(house: House) -> None:
    token = house.add()
    leaving = asyncio.create_task(house.directory.principal(token.token))
    staying = asyncio.create_task(house.directory.principal(token.token))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).token_id == token.id


async def test_what_is_remembered_is_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup_cache, "_MAX_ENTRIES", 3)
    for token in [house.add() for _ in range(5)]:
        await house.directory.principal(token.token)
    assert len(house.directory._principals._entries) == 3


async def test_only_the_digest_is_stored(house: House) -> None:
    token = house.add()
    with house.database.write() as connection:
        row = connection.execute(sa.select(*Token.__table__.c)).one()
    secret = token.token.removeprefix("dun_")
    assert all(secret not in str(value) and secret.encode() not in bytes(str(value), "utf-8") for value in row)


async def test_listed_tokens_say_how_they_stand(house: House) -> None:
    revoked, _valid = house.add(name="a"), house.add(name="b")
    house.add(name="c", expires_at=house.clock() + timedelta(hours=1))
    house.revoke(revoked)
    house.clock.advance(timedelta(hours=1))
    with house.database.write() as connection:
        states = {token.name: token.state(house.clock()) for token in merchants.list_tokens(connection)}
    assert states == {"a": "revoked", "b": "valid", "c": "expired"}


async def test_a_token_of_one_merchant_is_not_listed_with_another(house: House) -> None:
    house.add()
    with house.database.write() as connection:
        other = merchants.add_merchant(
            connection, name="Other", default_currency=None, time_zone="UTC", now=house.clock()
        )
        assert merchants.list_tokens(connection, other) == []
        assert len(merchants.list_tokens(connection, house.merchant)) == 1


async def test_revoking_twice_keeps_the_first_time(house: House) -> None:
    token = house.add()
    house.revoke(token)
    first = house.clock()
    house.clock.advance(timedelta(hours=1))
    with house.database.write() as connection:
        assert merchants.revoke_token(connection, token.id, now=house.clock()).revoked_at == first


async def test_the_token_itself_is_not_its_id_and_is_not_repeated(house: House) -> None:
    token = house.add()
    with house.database.write() as connection, pytest.raises(ConfigurationError) as refused:
        merchants.revoke_token(connection, token.token, now=house.clock())
    assert token.token not in refused.value.message


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"scopes": frozenset()}, "at least one scope"),
        ({"name": "  "}, "not empty"),
        ({"name": "a\nb"}, "printable"),
        ({"expires_at": FrozenClock()() - timedelta(days=1)}, "cannot expire before"),
    ],
)
async def test_a_token_that_makes_no_sense_is_refused(house: House, given: dict, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        house.add(**given)
