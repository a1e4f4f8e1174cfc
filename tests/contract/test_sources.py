"""Sources: their secrets, their rotation, their options, and what happens when something of them is missing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from dunning_service.database.engines import Database, database_url
from dunning_service.errors import ConfigurationError, NotFound, Unavailable
from dunning_service.merchants import service as merchants
from dunning_service.merchants import sources
from dunning_service.merchants.directory import Directory, MerchantView
from dunning_service.merchants.keyring import Keyring, new_key
from dunning_service.merchants.models import Source, SourceSecret
from dunning_service.merchants.sources import NewSecret
from running import FrozenClock


class House:
    """A migrated database with one merchant, and a directory on it."""

    def __init__(self, url: str) -> None:
        self.clock = FrozenClock()
        self.database = Database(database_url(url))
        self.keyring = Keyring(new_key())
        self.directory = Directory(self.database, self.keyring, self.clock)
        self.merchant = self.add_merchant("Sweden & Co", "NOK")

    def add_merchant(self, name: str, currency: str | None) -> MerchantView:
        with self.database.write() as connection:
            return merchants.add_merchant(
                connection, name=name, default_currency=currency, time_zone="UTC", now=self.clock()
            )

    def add(self, secret: str | None = None, merchant: MerchantView | None = None, **options: Any) -> NewSecret:
        return self.add_for("maple", secret, merchant, options)

    def add_for(
        self, provider: str, secret: str | None, merchant: MerchantView | None, options: dict[str, Any]
    ) -> NewSecret:
        with self.database.write() as connection:
            return sources.add_source(
                connection,
                self.keyring,
                merchant=merchant or self.merchant,
                provider=provider,
                secret=secret,
                options=options,
                now=self.clock(),
            )

    def rotate(self, source_id: str, secret: str | None = None, keep_old: timedelta = timedelta(days=1)) -> NewSecret:
        with self.database.write() as connection:
            return sources.rotate_source(
                connection, self.keyring, source_id, secret=secret, keep_old=keep_old, now=self.clock()
            )

    async def secrets(self, source_id: str) -> list[str]:
        return [secret.decode() for secret in (await self.directory.source(source_id)).secrets]


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    house = House(database_url)
    yield house
    await house.database.close()


async def test_a_source_knows_its_merchant_its_provider_and_its_secret(house: House) -> None:
    made = house.add("whsec_0123456789")
    found = await house.directory.source(made.id)
    assert found.merchant == house.merchant
    assert found.provider.name == "maple"
    assert found.secrets == (b"whsec_0123456789",)
    assert made.path == f"/webhooks/{made.id}"


async def test_a_secret_is_made_when_none_is_given(house: House) -> None:
    first, second = house.add(), house.add()
    assert first.secret != second.secret
    assert len(first.secret) >= 43
    assert first.id != second.id
    assert await house.secrets(first.id) == [first.secret]


async def test_a_secret_is_not_stored_as_it_is(house: House) -> None:
    house.add("whsec_0123456789")
    with house.database.write() as connection:
        assert b"whsec" not in connection.execute(sa.select(SourceSecret.ciphertext)).scalar_one()


async def test_the_old_secret_stays_valid_for_as_long_as_was_said(house: House) -> None:
    made = house.add("old-secret")
    rotated = house.rotate(made.id, "new-secret", timedelta(hours=2))
    assert rotated.old_valid_until == house.clock() + timedelta(hours=2)
    house.clock.advance(timedelta(hours=2) - timedelta(seconds=1))
    assert await house.secrets(made.id) == ["new-secret", "old-secret"]
    house.clock.advance(timedelta(seconds=1))
    assert await house.secrets(made.id) == ["new-secret"]


async def test_a_secret_that_leaked_can_be_ended_at_once(house: House) -> None:
    made = house.add("leaked")
    house.rotate(made.id, "second", timedelta(days=1))
    rotated = house.rotate(made.id, "third", timedelta(0))
    assert rotated.old_valid_until is None
    assert await house.secrets(made.id) == ["third"]


async def test_rotating_again_does_not_make_the_oldest_live_longer(house: House) -> None:
    made = house.add("first")
    house.rotate(made.id, "second", timedelta(hours=1))
    house.rotate(made.id, "third", timedelta(days=1))
    assert await house.secrets(made.id) == ["third", "second", "first"]
    house.clock.advance(timedelta(hours=1))
    assert await house.secrets(made.id) == ["third", "second"]


async def test_a_new_secret_is_known_within_five_seconds(house: House) -> None:
    made = house.add("first")
    assert await house.secrets(made.id) == ["first"]
    house.rotate(made.id, "second")
    house.clock.advance(timedelta(seconds=4.9))
    assert await house.secrets(made.id) == ["second", "first"]


async def test_a_disabled_source_is_not_found(house: House) -> None:
    made = house.add()
    await house.directory.source(made.id)
    with house.database.write() as connection:
        sources.disable_source(connection, made.id, now=house.clock())
    house.clock.advance(timedelta(seconds=4.9))
    with pytest.raises(NotFound):
        await house.directory.source(made.id)


@pytest.mark.parametrize("source_id", ["", "0" * 32, "x" * 10_000, "\x00", "\udcff", "../x", "\u0663"])
async def test_whatever_is_no_source_is_not_found(house: House, source_id: str) -> None:
    with pytest.raises(NotFound):
        await house.directory.source(source_id)


async def test_the_merchants_currency_holds_where_the_source_names_none(house: House) -> None:
    plain, own = house.add(), house.add(default_currency="usd", tolerance_seconds="600")
    assert (await house.directory.source(plain.id)).options.default_currency == "NOK"
    options = (await house.directory.source(own.id)).options
    assert (options.default_currency, options.tolerance_seconds) == ("USD", 600)


async def test_an_unknown_currency_stays_unknown(house: House) -> None:
    made = house.add(merchant=house.add_merchant("No currency", None))
    assert (await house.directory.source(made.id)).options.default_currency is None


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"tolerance": "5"}, r"Maple.* has no option 'tolerance'; it has default_currency, tolerance_seconds"),
        ({"tolerance_seconds": "soon"}, "'tolerance_seconds': input should be a valid integer"),
        ({"tolerance_seconds": "0"}, "greater than or equal to 1"),
        ({"default_currency": "XXZ"}, "'XXZ' is not an ISO 4217 currency code; write one such as"),
    ],
)
async def test_a_wrong_option_is_explained(house: House, options: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        house.add(**options)


async def test_an_empty_secret_is_refused(house: House) -> None:
    with pytest.raises(ConfigurationError, match="empty secret"):
        house.add(" ")


async def test_a_provider_that_does_not_exist_is_answered_with_those_that_do(house: House) -> None:
    with pytest.raises(ConfigurationError, match=r"known ones are: .*maple"):
        house.add_for("no-such-provider", None, None, {})


async def test_a_provider_that_posts_with_a_token_is_told_so(house: House) -> None:
    with pytest.raises(ConfigurationError, match="dunning token add --merchant 'Sweden & Co' --scope ingest"):
        house.add_for("goodparty", None, None, {})


async def test_a_key_that_is_missing_asks_the_sender_to_come_again(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    made = house.add()
    elsewhere = Directory(house.database, Keyring(new_key()), house.clock)
    with pytest.raises(Unavailable):
        await elsewhere.source(made.id)
    logged = capfd.readouterr().out
    assert re.search(r"source\.secret_unreadable\b.*\bsource\W{1,2}1\b", logged), logged
    assert made.id not in logged


async def test_options_this_version_does_not_know_ask_the_sender_to_come_again(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    made = house.add()
    with house.database.write() as connection:
        connection.execute(sa.update(Source).values(options={"from_the_future": 1}))
    with pytest.raises(Unavailable):
        await house.directory.source(made.id)
    logged = capfd.readouterr().out
    assert re.search(r"source\.unusable\b.*\bsource\W{1,2}1\b", logged), logged
    assert made.id not in logged


async def test_listed_sources_count_their_secrets_and_do_not_show_them(house: House) -> None:
    made = house.add("whsec_0123456789", tolerance_seconds=600)
    house.rotate(made.id, "whsec_second")
    with house.database.write() as connection:
        (listed,) = sources.list_sources(connection, now=house.clock())
    assert (listed.id, listed.merchant, listed.provider) == (made.id, "Sweden & Co", "maple")
    assert (listed.options, listed.valid_secrets, listed.disabled_at) == ({"tolerance_seconds": 600}, 2, None)
    assert "whsec" not in repr(listed)


async def test_what_is_not_there_is_refused_by_name(house: House) -> None:
    with house.database.write() as connection:
        for verb in (
            lambda: sources.disable_source(connection, "nowhere", now=house.clock()),
            lambda: sources.rotate_source(
                connection, house.keyring, "nowhere", secret=None, keep_old=timedelta(0), now=house.clock()
            ),
        ):
            with pytest.raises(ConfigurationError, match="there is no source 'nowhere'; see `dunning source list`"):
                verb()
