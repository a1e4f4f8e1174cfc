"""The types of Stripe's parameters: each reads the text of a form in Stripe's words, on top of `values.reading`.

A validator's message is the rest of a sentence that begins with the parameter's name: "must be ...".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from dunning_service.apis.stripe.errors import BLANK, EMPTY, NOT_AN_INTEGER, cut
from dunning_service.errors import FieldError
from dunning_service.events import MAX_IDENTIFIER
from dunning_service.values.money import MAX_MINOR
from dunning_service.values.reading import currency

MAX_TEXT = 5_000
"""Longest text in characters, as at Stripe."""

MAX_SECONDS = 253_402_300_799
"""The last second of the year 9999, the last that a date can hold."""

MAX_PAGE = 100
"""Most objects on one page of a list."""

DEFAULT_PAGE = 10
"""How many objects are on a page when nobody says."""

MAX_METADATA_KEYS = 50
"""Most keys that the metadata of one object has, after what is posted was merged into it."""

MAX_METADATA_KEY = 40
"""Longest key of metadata, in characters."""

MAX_METADATA_VALUE = 500
"""Longest value of metadata, in characters."""

_DEBITS = ("bancontact", "ideal", "sofort"), ("generated_sepa_debit", "generated_sepa_debit_mandate")

EXPANDABLE = (
    *(f"payment_method_details.{bank}.{debit}" for bank in _DEBITS[0] for debit in _DEBITS[1]),
    "payment_method_details.us_bank_account.mandate",
)
"""What `expand` may name. Records reported by a merchant hold none of it, so expanding changes nothing."""

NO_CODE = "invalid"
"""Of an error for which Stripe has no code."""

EMPTY_MESSAGE = "must not be empty"

_INTEGER = re.compile(r"(-?)0*([0-9]+)", re.ASCII)
_INDEX = re.compile(r"0|[1-9][0-9]{0,3}", re.ASCII)
_SHOWN = 40

ValueT = TypeVar("ValueT")


def wrong(message: str, code: str = NO_CODE, fields: Sequence[FieldError] = ()) -> PydanticCustomError:
    """What a validator raises: `code` is Stripe's, `fields` says where inside the value, if not all of it is meant."""
    return PydanticCustomError(code, "{message}", {"message": message, "fields": tuple(fields)})


def shown(text: str) -> str:
    """`text` as a message repeats it: in quotes, and cut when it is long."""
    return f"'{cut(text, _SHOWN)}'"


def _integer(text: str, expected: str) -> int | None:
    """The number; None for one of more digits than 64 bits have."""
    if text == "":
        raise wrong(EMPTY_MESSAGE, EMPTY)
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise wrong(f"must be {expected}, in digits only; {shown(text)} is not", NOT_AN_INTEGER)
    sign, digits = match.groups()
    return int(sign + digits) if len(digits) <= 19 else None


def _integer_between(least: int, most: int, expected: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        number = _integer(value, expected) if isinstance(value, str) else value
        if number is None or (isinstance(number, int) and not least <= number <= most):
            raise wrong(f"must be {expected}, from {least} to {most}; {shown(str(value))} is not", NOT_AN_INTEGER)
        return number

    return read


def _seconds(value: object) -> object:
    expected = "a time in Unix seconds"
    number = _integer(value, expected) if isinstance(value, str) else value
    if number is None or (isinstance(number, int) and number > MAX_SECONDS):
        raise wrong(
            f"must be {expected}, such as 1794398400; {shown(str(value))} is after the year 9999: "
            "send seconds, not milliseconds",
            NOT_AN_INTEGER,
        )
    if isinstance(number, int) and number < 0:
        raise wrong(f"must be {expected} since 1970, such as 1794398400; {shown(str(value))} is before", NOT_AN_INTEGER)
    return number


def _currency(value: object) -> object:
    if isinstance(value, str):
        if value == "":
            raise wrong(EMPTY_MESSAGE, EMPTY)
        try:
            return currency(value)
        except ValueError:
            expected = "the ISO 4217 code of a currency with a minor unit, such as nok"
            raise wrong(f"must be {expected}; {shown(value)} is not") from None
    return value


def _text_up_to(longest: int, *, is_required: bool = False) -> Callable[[object], object]:
    def read(value: object) -> object:
        if isinstance(value, str):
            if is_required and not value:
                raise wrong(EMPTY_MESSAGE, EMPTY)
            if is_required and not value.strip():
                raise wrong("must not be blank", BLANK)
            if len(value) > longest:
                raise wrong(f"must be at most {longest:,} characters long; it has {len(value):,}")
        return value

    return read


def empty_as(replacement: object) -> Callable[[object], object]:
    """A validator for what may be sent empty, which then means `replacement`."""

    def read(value: object) -> object:
        return replacement if value == "" else value

    return read


def _metadata(value: object) -> object:
    if value is None or value == "":
        return value
    if not isinstance(value, Mapping):
        raise wrong("must have keys: send metadata[order_id]=6735, or metadata= to clear it")
    errors = []
    for key, text in value.items():
        name = f"metadata[{key}]"
        if not isinstance(text, str):
            errors.append(FieldError(name, "must be text; a key of metadata cannot contain [ or ]"))
        elif "[" in key or "]" in key:
            errors.append(FieldError(name, "must not have [ or ] in its key"))
        elif len(key) > MAX_METADATA_KEY:
            errors.append(FieldError(name, f"must have a key of at most {MAX_METADATA_KEY} characters"))
        elif len(text) > MAX_METADATA_VALUE:
            errors.append(
                FieldError(name, f"must be at most {MAX_METADATA_VALUE} characters long; it has {len(text):,}")
            )
    set_keys = sum(1 for text in value.values() if text != "")
    if set_keys > MAX_METADATA_KEYS:
        errors.append(FieldError("metadata", f"must have at most {MAX_METADATA_KEYS} keys; {set_keys} are sent"))
    if errors:
        raise wrong("is wrong", fields=errors)
    return dict(value)


def _expand_of(allowed: Sequence[str]) -> Callable[[object], object]:
    def read(value: object) -> object:
        if value in (None, ""):
            return ()
        errors = []
        paths = []
        for name, path in _items(value):
            if path in allowed:
                paths.append(path)
            else:
                errors.append(FieldError(name, _not_expandable(path, allowed)))
        if errors:
            raise wrong("is wrong", fields=errors)
        return tuple(paths)

    return read


def _items(value: object) -> list[tuple[str, object]]:
    """The elements of `expand`, each with its name as it was written, in the order of their indexes."""
    if isinstance(value, Mapping) and all(_INDEX.fullmatch(key) for key in value):
        return [(f"expand[{key}]", value[key]) for key in sorted(value, key=int)]
    if isinstance(value, (list, tuple)):
        return [("expand[]", path) for path in value]
    raise wrong("must be an array: send expand[0]=..., expand[1]=..., or expand[]=... for each")


def _not_expandable(path: object, allowed: Sequence[str]) -> str:
    if not isinstance(path, str):
        return "must be the path of one property, as text"
    in_list = f"data.{path}"
    if in_list in allowed:
        return f"must begin with data. in a list: {in_list}"
    without = path.removeprefix("data.")
    if without in allowed:
        return f"must not begin with data. here, where the answer is one object: {without}"
    prefix = "data." if allowed[0].startswith("data.") else ""
    possible = " or ".join(
        (
            f"{prefix}payment_method_details.{{{','.join(_DEBITS[0])}}}.{{{','.join(_DEBITS[1])}}}",
            f"{prefix}payment_method_details.us_bank_account.mandate",
        )
    )
    return f"can be {possible}; {shown(path)} is nothing that can be expanded"


Text: TypeAlias = Annotated[
    str, BeforeValidator(_text_up_to(MAX_TEXT)), WithJsonSchema({"type": "string", "maxLength": MAX_TEXT})
]
"""Any text, as it was sent: nothing is trimmed."""

Identifier = Annotated[
    str, BeforeValidator(_text_up_to(MAX_IDENTIFIER)), WithJsonSchema({"type": "string", "maxLength": MAX_IDENTIFIER})
]
"""Text that the ledger can find: an address, a number, an id."""

RequiredText = Annotated[
    str,
    BeforeValidator(_text_up_to(MAX_TEXT, is_required=True)),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_TEXT}),
]
"""Text with something in it."""

RequiredIdentifier = Annotated[
    str,
    BeforeValidator(_text_up_to(MAX_IDENTIFIER, is_required=True)),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_IDENTIFIER}),
]
"""An identifier with something in it."""

Currency = Annotated[
    str,
    BeforeValidator(_currency),
    WithJsonSchema({"type": "string", "format": "currency", "pattern": "^[A-Za-z]{3}$"}),
]
"""ISO 4217, with a minor unit; sent in any case, upper case once read."""

AmountValue = Annotated[
    int,
    BeforeValidator(_integer_between(1, MAX_MINOR, "a whole number of minor units")),
    WithJsonSchema({"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_MINOR}),
]
"""Positive whole minor units that fit 64 bits."""

Seconds = Annotated[
    int,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "integer", "format": "unix-time", "minimum": 0, "maximum": MAX_SECONDS}),
]
"""A moment in whole Unix seconds, within what a datetime can hold."""

PageSize = Annotated[
    int,
    BeforeValidator(_integer_between(1, MAX_PAGE, "a whole number")),
    BeforeValidator(empty_as(DEFAULT_PAGE)),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE}),
]
"""How many objects a page has at most; an empty value is the default."""

Unsettable: TypeAlias = Annotated[ValueT | None, BeforeValidator(empty_as(None))]
"""An optional parameter: sent empty it is None, and among the model's `model_fields_set`."""

GivenMetadata: TypeAlias = dict[str, str] | Literal[""] | None
"""None: not sent. "": all keys are to go. Else what to merge: a value "" unsets its key."""

Metadata = Annotated[
    GivenMetadata,
    BeforeValidator(_metadata),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "maxProperties": MAX_METADATA_KEYS,
                    "additionalProperties": {"type": "string", "maxLength": MAX_METADATA_VALUE},
                },
                {"type": "string", "enum": [""]},
            ]
        }
    ),
]
"""The metadata of a request, within Stripe's limits."""

_EXPAND_SCHEMA: dict[str, Any] = {"type": "array", "items": {"type": "string"}}

Expand = Annotated[tuple[str, ...], BeforeValidator(_expand_of(EXPANDABLE)), WithJsonSchema(_EXPAND_SCHEMA)]
"""Properties of the answer to expand."""

ListExpand = Annotated[
    tuple[str, ...],
    BeforeValidator(_expand_of([f"data.{path}" for path in EXPANDABLE])),
    WithJsonSchema(_EXPAND_SCHEMA),
]
"""Properties of the listed objects to expand, each with `data.` before it."""
