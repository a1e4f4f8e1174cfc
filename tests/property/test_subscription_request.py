"""Whatever is sent to create a subscription is either read or refused by field; what was read can be charged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from dunning_service.apis.arise.rules import read_new_subscription
from dunning_service.apis.arise.wire import CreateSubscription
from dunning_service.billing.calendar import due_at
from dunning_service.billing.terms import MerchantTerms
from dunning_service.errors import InvalidInput

NOW = datetime(2027, 3, 28, 0, 30, tzinfo=UTC)
TERMS = st.builds(
    MerchantTerms,
    st.sampled_from(["UTC", "Europe/Oslo", "Pacific/Apia"]).map(ZoneInfo),
    st.none() | st.integers(0, 9999).map(lambda hundredths: Decimal(hundredths).scaleb(-2)),
)
FIELDS = [str(field.alias) for field in CreateSubscription.model_fields.values()]

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
LIKELY = {
    "transactionType": st.sampled_from([1, 2, 11]),
    "amount": st.integers(-1, 10**16).map(lambda minor: minor / 100),
    "percentageOffRate": st.integers(-1, 101) | st.none(),
    "surchargeRate": st.integers(-1, 101) | st.none(),
    "useCardPrice": st.booleans() | st.none(),
    "currencyId": st.sampled_from([1, 578, 392, 48, 959, 0]),
    "paymentFrequencyUnit": st.integers(0, 4),
    "paymentFrequency": st.integers(-1, 4000),
    "paymentStartDateTime": st.none() | st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    "numberOfPayments": st.integers(-1, 1300) | st.none(),
    "isFasterProcessing": st.booleans() | st.none(),
    "customer": st.none() | st.fixed_dictionaries({"customerName": ANY_JSON, "emailAddress": ANY_JSON}),
}


def value_of(field: str) -> st.SearchStrategy[Any]:
    return LIKELY.get(field, st.uuids().map(str)) | ANY_JSON


BODIES = st.fixed_dictionaries({}, optional={field: value_of(field) for field in FIELDS}) | st.fixed_dictionaries(
    {field: LIKELY.get(field, st.uuids().map(str)) for field in FIELDS}
)


def any_method(method: UUID) -> str | None:
    return None


@given(body=BODIES, terms=TERMS)
def test_a_request_is_read_or_refused_by_field(body: dict[str, Any], terms: MerchantTerms) -> None:
    try:
        read = read_new_subscription(json.dumps(body).encode(), None, terms, NOW, any_method)
    except InvalidInput as error:
        named = [wrong.field.partition(".")[0] for wrong in error.fields]
        assert named
        assert set(named) <= {*FIELDS, ""}
        return
    assert read.price.total.minor > 0
    last = read.number_of_payments or 2
    start = read.start_at or NOW
    assert due_at(start, read.unit, read.every, last, terms.zone) >= start
    assert (read.is_faster_processing is None) == read.transaction_type.is_card
    assert (read.use_card_price is None) == (terms.cash_discount_rate is None)


@given(body=st.binary(max_size=200) | ANY_JSON.map(lambda value: json.dumps(value).encode()), terms=TERMS)
def test_anything_else_is_refused(body: bytes, terms: MerchantTerms) -> None:
    try:
        read_new_subscription(body, None, terms, NOW, any_method)
    except InvalidInput as error:
        assert error.fields  # noqa: PT017
    else:
        raise AssertionError("it was read")
