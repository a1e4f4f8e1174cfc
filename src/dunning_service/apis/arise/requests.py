"""Reading the requests of ARISE's API: the body of a new subscription, the filters of the list, ids and keys."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from starlette.requests import Request

from dunning_service.apis.arise.numbers import member_of
from dunning_service.apis.arise.wire import CreateSubscription, CreateSubscriptionCustomer
from dunning_service.billing.commands import NO_SUCH_SUBSCRIPTION
from dunning_service.billing.states import SubscriptionState
from dunning_service.billing.views import SubscriptionOrder, SubscriptionQuery
from dunning_service.errors import FieldError, InvalidInput, NotFound, UnreadableNotice
from dunning_service.http.body import content_type_of
from dunning_service.http.idempotency import idempotency_key, key_parameter
from dunning_service.http.parameters import Parameters, Text, WholeNumber
from dunning_service.ledger.work import IdempotencyKey
from dunning_service.values.exact_json import read_json
from dunning_service.values.reading import uuid

KEY: dict[str, Any] = {
    "parameters": [
        key_parameter("the same key with the same request is answered again and done once", "order-1009-subscribe")
    ]
}
"""The Idempotency-Key in the OpenAPI document."""

CREATE_REQUEST: dict[str, Any] = {
    **KEY,
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": CreateSubscription.model_json_schema()}},
    },
}
"""The key and the body of a new subscription in the OpenAPI document."""

MAX_PAGE_SIZE = 200
MAX_PAGE = 10_000
"""The last page of the list, as the rows of the pages before it have to be read."""


_ORDERS = {
    "creationDate": SubscriptionOrder.CREATED,
    "subscriptionStartDate": SubscriptionOrder.START,
    "customerName": SubscriptionOrder.CUSTOMER_NAME,
    "status": SubscriptionOrder.STATE,
    "numberOfPayments": SubscriptionOrder.NUMBER_OF_PAYMENTS,
}
"""The members of a subscription that the list can be ordered by."""

_ORDERS_IN_LOWER_CASE = {name.lower(): order for name, order in _ORDERS.items()}


def _order(value: object) -> object:
    """The order of that name, in any case; the default for another one, as clients of ARISE know more columns."""
    return _ORDERS_IN_LOWER_CASE.get(value.lower(), SubscriptionOrder.CREATED) if isinstance(value, str) else value


def _yes_or_no(value: object) -> object:
    if isinstance(value, str):
        if value.lower() not in ("true", "false"):
            raise ValueError("must be true or false")
        return value.lower() == "true"
    return value


def _uuids(values: object) -> object:
    return tuple(uuid(value) for value in values) if isinstance(values, list) else values


def _statuses(values: object) -> object:
    if not isinstance(values, list):
        return values
    numbers = [int(value) if value.isascii() and value.isdigit() and len(value) < 4 else 0 for value in values]
    return tuple(member_of(SubscriptionState, number) for number in numbers)


class SubscriptionFilters(Parameters):
    """Query parameters of the list. `customerIds` and `statusIds` may be sent several times: any of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    page: WholeNumber = Field(1, ge=1, le=MAX_PAGE, description="which page; 1 is the first")
    page_size: WholeNumber = Field(
        50,
        alias="pageSize",
        ge=1,
        le=MAX_PAGE_SIZE,
        description="subscriptions a page: 50 unless it says otherwise, 200 at the most",
    )
    customer_ids: Annotated[
        tuple[UUID, ...],
        BeforeValidator(_uuids),
        WithJsonSchema({"type": "array", "items": {"type": "string", "format": "uuid"}}),
    ] = Field((), alias="customerIds", description="only of these customers")
    status_ids: Annotated[
        tuple[SubscriptionState, ...],
        BeforeValidator(_statuses),
        WithJsonSchema({"type": "array", "items": {"type": "integer", "enum": [1, 2, 3, 4, 5]}}),
    ] = Field(
        (), alias="statusIds", description="only of these statuses; several by repeating it: `statusIds=1&statusIds=5`"
    )
    search: Text | None = Field(
        None, description="part of the customer's or the company's name, whatever its case and accents"
    )
    order: Annotated[
        SubscriptionOrder, BeforeValidator(_order), WithJsonSchema({"type": "string", "enum": [*_ORDERS]})
    ] = Field(
        SubscriptionOrder.CREATED,
        alias="orderBy",
        json_schema_extra={"default": "creationDate"},
        description="by `creationDate`, `subscriptionStartDate`, `customerName`, `status` or `numberOfPayments`; "
        "anything else is as the first of them",
    )
    is_ascending: Annotated[bool, BeforeValidator(_yes_or_no), WithJsonSchema({"type": "boolean"})] = Field(
        False, alias="asc", description="true: the earliest or smallest first"
    )

    @property
    def query(self) -> SubscriptionQuery:
        """These parameters in the domain's own terms."""
        return SubscriptionQuery(
            customer_ids=self.customer_ids,
            states=self.status_ids,
            search=self.search,
            order=self.order,
            is_ascending=self.is_ascending,
            offset=(self.page - 1) * self.page_size,
            limit=self.page_size,
        )


class Reading:
    """The body of a new subscription: the members that could be read, and the errors so far.

    A member that is wrong by itself is None in `sent`, so that the rest can still be looked at.
    """

    def __init__(self, body: bytes, content_type: bytes | None) -> None:
        self._spelling: dict[str, str] = {}
        self.wrong: list[FieldError] = []
        self.sent = self._read(body, content_type)
        self._wrong_fields = {error.field.partition(".")[0] for error in self.wrong}

    def refuse(self, name: str, message: str) -> None:
        """Adds an error about the member that the model calls `name`, or the document: `amount`, `surchargeRate`."""
        self.wrong.append(FieldError(self._written(name), message))

    def is_wrong(self, name: str) -> bool:
        """True when the member could not be read."""
        return self._written(name) in self._wrong_fields

    def _read(self, body: bytes, content_type: bytes | None) -> CreateSubscription:
        try:
            value = read_json(body, content_type, _is_exact)
        except UnreadableNotice as error:
            raise InvalidInput.of(error.fields or [FieldError("", error.message)]) from None
        if not isinstance(value, dict):
            raise InvalidInput.of([FieldError("", "the body must be a JSON object")])
        known = self._known(value, CreateSubscription)
        if isinstance(known.get("customer"), dict):
            known["customer"] = self._known(known["customer"], CreateSubscriptionCustomer, "customer")
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
        self, value: Mapping[str, Any], model: type[CreateSubscription | CreateSubscriptionCustomer], inside: str = ""
    ) -> dict[str, Any]:
        """The members that the model has, under the document's names. ASP.NET finds them whatever their case."""
        names = {str(field.alias).lower(): str(field.alias) for field in model.model_fields.values()}
        path, written_path = (f"{inside}.", f"{self._spelling[inside]}.") if inside else ("", "")
        known: dict[str, Any] = {}
        for written, member in value.items():
            name = names.get(written.lower())
            if name is None:
                continue
            if name in known:
                other = self._spelling[path + name]
                problem = FieldError(written_path + written, f"was sent as {other} too; send it once")
                raise InvalidInput.of([problem])
            known[name] = member
            self._spelling[path + name] = written_path + written
        return known

    def _written(self, name: str) -> str:
        """The member as the caller wrote it."""
        field = CreateSubscription.model_fields.get(name)
        alias = name if field is None else str(field.alias)
        return self._spelling.get(alias, alias)


def key_of(request: Request, body: bytes) -> IdempotencyKey | None:
    """The request's idempotency key; bodies are compared by their JSON values, or by their bytes where they are nested
    too deeply for that.

    A body that is no JSON is no error here, as `Reading` refuses it.
    """
    try:  # no member has to be exact, as the values are only compared
        return idempotency_key(request, _canonical(read_json(body, content_type_of(request), lambda _path: False)))
    except UnreadableNotice:
        return idempotency_key(request, None)
    except RecursionError:
        return idempotency_key(request, body.hex())


def subscription_id_of(text: str) -> str:
    """The id in a path. Raises NotFound for text that is no UUID."""
    try:
        return str(uuid(text))
    except ValueError:
        raise NotFound(NO_SUCH_SUBSCRIPTION) from None


def _canonical(value: Any) -> Any:
    """A JSON value with its numbers as texts, each number always as the same one: 25, 25.0 and 2.5e1 are equal. Texts
    are marked, so that a number is not mistaken for a text of its digits."""
    if isinstance(value, dict):
        return {name: _canonical(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, str):
        return f"'{value}"
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return _number(Decimal(value))
    return value


def _number(value: Decimal) -> str:
    """Digits without zeros at the end, and the power of ten: exact, whatever the size."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    significant = text.rstrip("0")
    return f"{'-' * sign}{significant}e{exponent + len(text) - len(significant)}" if significant else "0"


def _is_exact(path: str) -> bool:
    """True for addresses: members in which an unkeepable character is refused, not replaced. Ids are UUIDs anyway."""
    return path.lower() in ("customer.emailaddress", "customer.phonenumber")
