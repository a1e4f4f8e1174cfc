"""Reading the request that creates a subscription: everything that is wrong with it is named at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from dunning_service.apis.arise.currencies import UnknownCurrency, currency_of
from dunning_service.apis.arise.numbers import word_of
from dunning_service.apis.arise.wire import CreateSubscription, CustomerDetails
from dunning_service.billing.calendar import MAX_PAYMENTS, NoSuchDate, due_at, require_step
from dunning_service.billing.pricing import Price, base_amount, price
from dunning_service.billing.terms import Customer, MerchantTerms, MethodProblem, NewSubscription
from dunning_service.errors import FieldError, InvalidInput, UnreadableNotice
from dunning_service.values.exact_json import read_json
from dunning_service.values.money import InvalidAmount

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far the clock of a caller who means "now" may be behind ours."""

MAX_AHEAD = timedelta(days=3_653)
"""How far ahead a first payment may lie: ten years. More is a slip of the keyboard."""

_NOTHING = Decimal(0)
_REQUIRED = (
    "payment_processor_id",
    "transaction_type",
    "amount",
    "currency_id",
    "payment_frequency_unit",
    "payment_frequency",
    "customer_id",
    "payment_method_id",
)


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
    reading = _Reading(body, content_type)
    sent = reading.sent
    reading.require_all()
    reading.check_choices(terms)
    priced = reading.priced(terms)
    reading.check_schedule(terms.zone, now)
    if sent.payment_method_id is not None and (problem := method_problem(sent.payment_method_id)) is not None:
        reading.refuse("payment_method_id", problem)
    if reading.wrong:
        raise _refused(reading.wrong)
    assert sent.payment_processor_id is not None
    assert sent.transaction_type is not None
    assert priced is not None
    assert sent.payment_frequency_unit is not None
    assert sent.payment_frequency is not None
    assert sent.customer_id is not None
    assert sent.payment_method_id is not None
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
        customer=_customer(sent.customer or CustomerDetails()),
    )


class _Reading:
    """A request that is being read: what could be read of it, and what is wrong so far.

    A field that is wrong by itself is None in `sent`, so that the rest can still be looked at.
    """

    def __init__(self, body: bytes, content_type: bytes | None) -> None:
        self._spelling: dict[str, str] = {}
        self.wrong: list[FieldError] = []
        self.sent = self._read(body, content_type)
        self._wrong_fields = {error.field.partition(".")[0] for error in self.wrong}

    def refuse(self, name: str, message: str) -> None:
        """Notes what is wrong with the field that the model calls `name`."""
        self.wrong.append(FieldError(self._written(name), message))

    def is_wrong(self, name: str) -> bool:
        """True when the field could not be read."""
        return self._written(name) in self._wrong_fields

    def require_all(self) -> None:
        for name in _REQUIRED:
            if getattr(self.sent, name) is None and not self.is_wrong(name):
                self.refuse(name, "is required")

    def check_choices(self, terms: MerchantTerms) -> None:
        """The two switches, each of which some callers must set and the others must not."""
        sent = self.sent
        if sent.transaction_type is not None and not self.is_wrong("is_faster_processing"):
            if sent.transaction_type.is_card and sent.is_faster_processing is not None:
                self.refuse(
                    "is_faster_processing", f"must be null for {word_of(sent.transaction_type)}; it is for AchDebit"
                )
            elif not sent.transaction_type.is_card and sent.is_faster_processing is None:
                self.refuse("is_faster_processing", "is required for AchDebit: true or false")
        if not self.is_wrong("use_card_price"):
            if terms.cash_discount_rate is None and sent.use_card_price is not None:
                self.refuse("use_card_price", "must be null: the merchant has no dual pricing")
            elif terms.cash_discount_rate is not None and sent.use_card_price is None:
                self.refuse("use_card_price", "is required, because the merchant has dual pricing: true or false")

    def priced(self, terms: MerchantTerms) -> Price | None:
        """The price of one payment, if enough is right to reckon it."""
        sent = self.sent
        currency = self._currency()
        if sent.amount is None:
            return None
        if sent.amount <= 0:
            self.refuse("amount", "must be more than 0")
            return None
        if currency is None:
            return None
        try:
            base = base_amount(sent.amount, currency)
        except InvalidAmount as error:
            self.refuse("amount", str(error))
            return None
        if self.is_wrong("percentage_off_rate") or self.is_wrong("surcharge_rate"):
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
                    self.refuse("use_card_price", f"false: the merchant's cash discount {one.message}")
                else:
                    self.wrong.append(FieldError(self._spelling.get(one.field, one.field), one.message))
            return None

    def check_schedule(self, zone: ZoneInfo, now: datetime) -> None:
        """The step, the start and the end."""
        sent, start = self.sent, self.sent.payment_start_date_time
        unit, every, count = sent.payment_frequency_unit, sent.payment_frequency, sent.number_of_payments
        if every is not None and every < 1:
            self.refuse("payment_frequency", "must be 1 or more")
            every = None
        if unit is not None and every is not None:
            try:
                require_step(unit, every)
            except NoSuchDate as error:
                self.refuse("payment_frequency", str(error))
                every = None
        if count is not None and not 0 <= count <= MAX_PAYMENTS:
            self.refuse(
                "number_of_payments",
                "must not be negative; 0 or null: until terminated"
                if count < 0
                else f"must not be more than {MAX_PAYMENTS}; 0 or null: until terminated",
            )
            count = None
        if start is not None and not self._is_fit_start(start, zone, now):
            start = None
        if unit is not None and every is not None and count:
            try:
                due_at(start or now, unit, every, count, zone)
            except NoSuchDate as error:
                self.refuse("number_of_payments", str(error))

    def _is_fit_start(self, start: datetime, zone: ZoneInfo, now: datetime) -> bool:
        """An earlier hour of the merchant's today is no past: the payment is due at once. An earlier day would charge
        a customer for what nobody asked to have charged at the time."""
        if start > now + MAX_AHEAD:
            self.refuse("payment_start_date_time", "must not be more than ten years ahead")
            return False
        if start < now - CLOCK_TOLERANCE and start < _start_of_today(zone, now):
            self.refuse("payment_start_date_time", "must not be on an earlier day than today; null: now")
            return False
        return True

    def _currency(self) -> str | None:
        if self.sent.currency_id is None:
            return None
        try:
            return currency_of(self.sent.currency_id)
        except UnknownCurrency as error:
            self.refuse("currency_id", str(error))
            return None

    def _read(self, body: bytes, content_type: bytes | None) -> CreateSubscription:
        try:
            value = read_json(body, content_type, _is_exact)
        except UnreadableNotice as error:
            raise _refused(list(error.fields) or [FieldError("", error.message)]) from None
        if not isinstance(value, dict):
            raise _refused([FieldError("", "the body must be a JSON object")])
        known = self._known(value, CreateSubscription)
        if isinstance(known.get("customer"), dict):
            known["customer"] = self._known(known["customer"], CustomerDetails, "customer")
        try:
            return CreateSubscription.model_validate(known)
        except ValidationError as error:
            for found in error.errors(include_url=False, include_input=False):
                path = ".".join(str(part) for part in found["loc"])
                message = found["msg"].removeprefix("Value error, ")
                if found["type"] != "value_error":  # the one member that is not a single value
                    message = "must be an object"
                self.wrong.append(FieldError(self._spelling.get(path, path), message))
                known[str(found["loc"][0])] = None
            return CreateSubscription.model_validate(known)

    def _known(
        self, value: Mapping[str, Any], model: type[CreateSubscription | CustomerDetails], inside: str = ""
    ) -> dict[str, Any]:
        """The members that the model has, under the document's names. ASP.NET finds them whatever their case."""
        names = {str(field.alias).lower(): str(field.alias) for field in model.model_fields.values()}
        path, told = (f"{inside}.", f"{self._spelling[inside]}.") if inside else ("", "")
        known: dict[str, Any] = {}
        for written, member in value.items():
            name = names.get(written.lower())
            if name is None:
                continue
            if name in known:
                other = self._spelling[path + name]
                raise _refused([FieldError(told + written, f"was sent as {other} too; send it once")])
            known[name] = member
            self._spelling[path + name] = told + written
        return known

    def _written(self, name: str) -> str:
        alias = str(CreateSubscription.model_fields[name].alias)
        return self._spelling.get(alias, alias)


def _is_exact(path: str) -> bool:
    """True for addresses: members in which an unkeepable character is refused, not replaced. Ids are UUIDs anyway."""
    return path.lower() in ("customer.emailaddress", "customer.phonenumber")


def _start_of_today(zone: ZoneInfo, now: datetime) -> datetime:
    return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def _refused(wrong: list[FieldError]) -> InvalidInput:
    return InvalidInput("; ".join(f"{one.field}: {one.message}" if one.field else one.message for one in wrong), wrong)


def _customer(sent: CustomerDetails) -> Customer:
    return Customer(
        name=sent.customer_name,
        company_name=sent.company_name,
        email=sent.email_address,
        phone=sent.phone_number,
    )
