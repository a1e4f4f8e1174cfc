"""Each way to write a name, a number or an id finds the payment, on both databases alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unicodedata import normalize

import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat as Form

from building import NOON, a_failure, a_notice
from dunning_service.failed_payments.queries import FailedPaymentsQuery
from dunning_service.ledger.fields import folded_name, phone_key
from ledgers import Ledger
from property._stories import several_examples

HARD = "aAéÉøØßẞæÆłŁđðıIİiσςΣǰŉﬁåÅÿ\u0301\u0308\u0307\u00a0\u2003\u200b\u00ad '’-_%\"*\\/한がяйЁ"
letters = st.one_of(st.sampled_from(HARD), st.characters(exclude_categories=["Cs", "Cc"]))
texts = st.text(letters, min_size=1, max_size=12)

WRITINGS: tuple[Callable[[str], str], ...] = (
    str,
    str.upper,
    str.lower,
    str.title,
    lambda text: normalize("NFC", text),
    lambda text: normalize("NFD", text.upper()),
    lambda text: text.replace(" ", "\u00a0 "),
    lambda text: f"\u202a{text}\u202c",
)
WRITTEN_WITH_COUNTRY: tuple[Callable[[Any], str], ...] = (
    lambda number: phonenumbers.format_number(number, Form.E164),
    lambda number: phonenumbers.format_number(number, Form.INTERNATIONAL),
    lambda number: phonenumbers.format_number(number, Form.RFC3966),
    lambda number: phonenumbers.format_number(number, Form.E164).replace("+", "00"),
    lambda number: f"\u202a{phonenumbers.format_number(number, Form.INTERNATIONAL)}\u202c",
    lambda number: f"(+{number.country_code}) {phonenumbers.national_significant_number(number)}",
    lambda number: "".join(chr(ord(sign) + 0xFEE0) for sign in phonenumbers.format_number(number, Form.E164)),
)
WRITTEN_WITHOUT: tuple[Callable[[Any], str], ...] = (
    lambda number: phonenumbers.format_number(number, Form.NATIONAL),
    phonenumbers.national_significant_number,
)
NUMBERS = [
    number
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
    if (number := phonenumbers.example_number_for_type(region, kind)) is not None
    and region == phonenumbers.region_code_for_country_code(number.country_code)
]
several = settings(several_examples, max_examples=5)


@dataclass
class Both:
    """The same ledger on each database."""

    ledgers: tuple[Ledger, Ledger]

    def tell(self, told: list[dict[str, Any]]) -> int:
        """Records a failure of each for a merchant of their own, whose number it answers."""
        merchant_id = self.ledgers[0].new_merchant()
        failures = [
            a_failure(f"in_{number}", **({"occurred_at": NOON - timedelta(minutes=number)} | fields))
            for number, fields in enumerate(told)
        ]
        for ledger in self.ledgers:
            ledger.committer.commit([a_notice(*failures, merchant_id=merchant_id)], NOON)
        return merchant_id

    async def found(self, merchant_id: int, **filters: Any) -> set[str]:
        """The payments that both find."""
        query = FailedPaymentsQuery(merchant_id=merchant_id, **filters)
        answers = []
        for ledger in self.ledgers:
            async with ledger.database.read() as connection:
                rows = await query.numbered_page(connection, offset=0, limit=200)
                assert await query.total(connection) == len(rows)
            answers.append({row.provider_payment_id for row in rows})
        assert answers[0] == answers[1], filters
        return answers[0]


@pytest.fixture
async def both(sqlite_url: str, postgres_url: str) -> AsyncIterator[Both]:
    ledgers = (Ledger(sqlite_url), Ledger(postgres_url))
    yield Both(ledgers)
    for ledger in ledgers:
        await ledger.database.close()


@several
@given(names=st.lists(texts, min_size=5, max_size=15), data=st.data())
async def test_each_part_of_a_name_or_a_description_is_found_however_it_is_written(
    both: Both, names: list[str], data: st.DataObject
) -> None:
    merchant_id = both.tell([{"customer_name": name, "description": name} for name in names])
    for number, name in enumerate(names):
        start = data.draw(st.integers(0, len(name) - 1))
        part = data.draw(st.sampled_from(WRITINGS))(name[start : start + data.draw(st.integers(1, 6))])
        if folded_name(part) is None:
            assert await both.found(merchant_id, name=part) == set()
            continue
        expected = {
            f"in_{at}" for at, other in enumerate(names) if str(folded_name(part)) in (folded_name(other) or "")
        }
        assert f"in_{number}" in expected
        assert await both.found(merchant_id, name=part) == expected
        assert await both.found(merchant_id, text=part) >= expected


@several
@given(ids=st.lists(texts, min_size=3, max_size=8), data=st.data())
async def test_each_part_of_an_id_or_an_address_is_found_in_any_case(
    both: Both, ids: list[str], data: st.DataObject
) -> None:
    merchant_id = both.tell(
        [
            {
                "provider_customer_id": f"cus{text}",
                "provider_subscription_id": f"sub{text}",
                "customer_email": f"{text}@example.com",
                "provider_attempt_id": f"txn{text}",
                "details": {"provider_transaction_id": f"ch{text}"},
            }
            for text in ids
        ]
    )
    for number, text in enumerate(ids):
        for whole in (f"cus{text}", f"SUB{text}", f"{text}@EXAMPLE.com", f"txn{text}", f"ch{text}"):
            asked = data.draw(st.sampled_from([str, str.upper, str.lower, str.casefold]))(whole)
            assume(asked.casefold() == whole.casefold())
            part = asked[data.draw(st.integers(0, 3)) :] or asked
            assert f"in_{number}" in await both.found(merchant_id, text=part)


@several
@given(numbers=st.lists(st.sampled_from(NUMBERS), min_size=5, max_size=10), data=st.data())
async def test_a_number_is_found_however_it_and_what_is_asked_for_are_written(
    both: Both, numbers: list[Any], data: st.DataObject
) -> None:
    ways = st.sampled_from(WRITTEN_WITH_COUNTRY)
    merchant_id = both.tell(
        [{"customer_phone": data.draw(ways)(number)} for number in numbers]
        + [{"customer_phone": WRITTEN_WITHOUT[0](number)} for number in numbers]
    )
    for at, number in enumerate(numbers):
        same = {f"in_{other}" for other, one in enumerate(numbers) if one == number}
        assert await both.found(merchant_id, phone_key=phone_key(data.draw(ways)(number))) == same
        for way in WRITTEN_WITHOUT:
            assert f"in_{at}" in await both.found(merchant_id, phone_key=phone_key(way(number)))
        as_sent = phone_key(WRITTEN_WITHOUT[0](number))
        assert f"in_{at + len(numbers)}" in await both.found(merchant_id, phone_key=as_sent)
