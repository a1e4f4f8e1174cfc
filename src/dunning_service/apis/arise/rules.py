"""Rules of a new subscription across its members: which go together, what it costs and when it is charged.

Everything that is wrong with a request is named at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from dunning_service.apis.arise.numbers import currency_of, word_of
from dunning_service.apis.arise.requests import Reading
from dunning_service.apis.arise.wire import REQUIRED, CreateSubscriptionCustomer
from dunning_service.billing.calendar import MAX_PAYMENTS, NoSuchDate, due_at, require_step
from dunning_service.billing.pricing import Price, base_amount, price
from dunning_service.billing.terms import Customer, MerchantTerms, MethodProblem, NewSubscription
from dunning_service.errors import InvalidInput
from dunning_service.values.money import InvalidAmount

CLOCK_TOLERANCE = timedelta(minutes=5)
"""The most that the clock of a caller who means "now" may be behind this service's."""

MAX_AHEAD = timedelta(days=3_653)
"""The latest first payment, ten years ahead. A later one is a slip of the keyboard."""

_NOTHING = Decimal(0)


def read_new_subscription(
    body: bytes,
    content_type: bytes | None,
    terms: MerchantTerms,
    now: datetime,
    method_problem: MethodProblem,
) -> NewSubscription:
    """The subscription that a request asks for.

    Raises InvalidInput naming every field that is wrong by itself or beside another, as the caller wrote it.
    """
    reading = Reading(body, content_type)
    sent = reading.sent
    _require_all(reading)
    _check_choices(reading, terms)
    priced = _priced(reading, terms)
    _check_schedule(reading, terms.zone, now)
    if sent.payment_method_id is not None and (problem := method_problem(sent.payment_method_id)) is not None:
        reading.refuse("payment_method_id", problem)
    if reading.wrong:
        raise InvalidInput.of(reading.wrong)
    assert sent.payment_processor_id is not None
    assert sent.transaction_type is not None
    assert priced is not None
    assert sent.payment_frequency_unit is not None
    assert sent.payment_frequency is not None
    assert sent.customer_id is not None
    assert sent.payment_method_id is not None
    customer = sent.customer or CreateSubscriptionCustomer()
    return NewSubscription(
        payment_processor_id=sent.payment_processor_id,
        transaction_type=sent.transaction_type,
        price=priced,
        unit=sent.payment_frequency_unit,
        every=sent.payment_frequency,
        start_at=sent.payment_start_date_time,
        number_of_payments=sent.number_of_payments or None,
        customer_id=sent.customer_id,
        payment_method_id=sent.payment_method_id,
        is_faster_processing=sent.is_faster_processing,
        use_card_price=sent.use_card_price,
        customer=Customer(
            name=customer.customer_name,
            company_name=customer.company_name,
            email=customer.email_address,
            phone=customer.phone_number,
        ),
    )


def _require_all(reading: Reading) -> None:
    for name in REQUIRED:
        if getattr(reading.sent, name) is None and not reading.is_wrong(name):
            reading.refuse(name, "is required")


def _check_choices(reading: Reading, terms: MerchantTerms) -> None:
    """Checks `isFasterProcessing` and `useCardPrice`, each of which is required of some callers and null for others."""
    sent = reading.sent
    if sent.transaction_type is not None and not reading.is_wrong("is_faster_processing"):
        if sent.transaction_type.is_card and sent.is_faster_processing is not None:
            reading.refuse(
                "is_faster_processing", f"must be null for {word_of(sent.transaction_type)}; it is for AchDebit"
            )
        elif not sent.transaction_type.is_card and sent.is_faster_processing is None:
            reading.refuse("is_faster_processing", "is required for AchDebit: true or false")
    if not reading.is_wrong("use_card_price"):
        if terms.cash_discount_rate is None and sent.use_card_price is not None:
            reading.refuse("use_card_price", "must be null: the merchant has no dual pricing")
        elif terms.cash_discount_rate is not None and sent.use_card_price is None:
            reading.refuse("use_card_price", "is required, because the merchant has dual pricing: true or false")


def _priced(reading: Reading, terms: MerchantTerms) -> Price | None:
    """The price of one payment; None when a member that it needs is wrong."""
    sent = reading.sent
    currency = _currency(reading)
    if sent.amount is None:
        return None
    if sent.amount <= 0:
        reading.refuse("amount", "must be more than 0")
        return None
    if currency is None:
        return None
    try:
        base = base_amount(sent.amount, currency)
    except InvalidAmount as error:
        reading.refuse("amount", str(error))
        return None
    if reading.is_wrong("percentage_off_rate") or reading.is_wrong("surcharge_rate"):
        return None
    is_cash_price = sent.use_card_price is False and terms.cash_discount_rate is not None
    try:
        return price(
            base,
            percentage_off_rate=sent.percentage_off_rate or _NOTHING,
            surcharge_rate=sent.surcharge_rate or _NOTHING,
            cash_discount_rate=terms.cash_discount_rate or _NOTHING if is_cash_price else _NOTHING,
        )
    except InvalidInput as error:
        for one in error.fields:
            if one.field == "cashDiscountRate":  # the merchant's, so the caller's part in it is the cash price
                reading.refuse("use_card_price", f"false: the merchant's cash discount {one.message}")
            else:
                reading.refuse(one.field, one.message)
        return None


def _check_schedule(reading: Reading, zone: ZoneInfo, now: datetime) -> None:
    """Checks the step, the start and the number of payments."""
    sent, start = reading.sent, reading.sent.payment_start_date_time
    unit, every, count = sent.payment_frequency_unit, sent.payment_frequency, sent.number_of_payments
    if every is not None and every < 1:
        reading.refuse("payment_frequency", "must be 1 or more")
        every = None
    if unit is not None and every is not None:
        try:
            require_step(unit, every)
        except NoSuchDate as error:
            reading.refuse("payment_frequency", str(error))
            every = None
    if count is not None and not 0 <= count <= MAX_PAYMENTS:
        reading.refuse(
            "number_of_payments",
            "must not be negative; 0 or null: until terminated"
            if count < 0
            else f"must not be more than {MAX_PAYMENTS}; 0 or null: until terminated",
        )
        count = None
    if start is not None and not _is_fit_start(reading, start, zone, now):
        start = None
    if unit is not None and every is not None and count:
        try:
            due_at(start or now, unit, every, count, zone)
        except NoSuchDate as error:
            reading.refuse("number_of_payments", str(error))


def _is_fit_start(reading: Reading, start: datetime, zone: ZoneInfo, now: datetime) -> bool:
    """False, with an error, for a start too far ahead or on an earlier day. An earlier hour of the merchant's today is
    taken: the payment is due at once. An earlier day would charge a customer for a time that has passed."""
    if start > now + MAX_AHEAD:
        reading.refuse("payment_start_date_time", "must not be more than ten years ahead")
        return False
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if start < now - CLOCK_TOLERANCE and start < today.astimezone(UTC):
        reading.refuse("payment_start_date_time", "must not be on an earlier day than today; null: now")
        return False
    return True


def _currency(reading: Reading) -> str | None:
    if reading.sent.currency_id is None:
        return None
    try:
        return currency_of(reading.sent.currency_id)
    except InvalidAmount as error:
        reading.refuse("currency_id", str(error))
        return None
