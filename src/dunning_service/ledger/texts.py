"""The search texts of a payment: its names, contacts and ids, folded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol

from dunning_service.ledger.fields import folded, folded_name, phone_key
from dunning_service.senders import sender_named


class FoldedTexts(NamedTuple):
    """The columns of a payment that only searching goes by."""

    customer_name_folded: str | None
    customer_email_folded: str | None
    customer_phone_key: str | None
    description_folded: str | None
    identifiers_folded: str


class Shown(Protocol):
    """A payment as it is shown."""

    @property
    def provider_receipt_id(self) -> str | None: ...
    @property
    def customer_name(self) -> str | None: ...
    @property
    def customer_email(self) -> str | None: ...
    @property
    def customer_phone(self) -> str | None: ...
    @property
    def description(self) -> str | None: ...


class Identified(Protocol):
    """What a revision of an attempt has that can be an id."""

    @property
    def provider_attempt_id(self) -> str: ...
    @property
    def provider_customer_id(self) -> str | None: ...
    @property
    def provider_subscription_id(self) -> str | None: ...
    @property
    def details(self) -> Mapping[str, Any]: ...


def fold_texts(provider: str, provider_payment_id: str, shown: Shown, revisions: Iterable[Identified]) -> FoldedTexts:
    """What is searched of a payment: what is shown of it, and every id that its notices held, whichever holds now."""
    ids: set[str | None] = {provider_payment_id, shown.provider_receipt_id}
    names_attempts, paths = _where_ids_are(provider)
    for revision in revisions:
        ids.add(revision.provider_customer_id)
        ids.add(revision.provider_subscription_id)
        if names_attempts:
            ids.add(revision.provider_attempt_id)
        details = revision.details
        for name, within in paths:
            value = details.get(name)
            for key in within:
                value = value.get(key) if isinstance(value, dict) else None
            if isinstance(value, str):
                ids.add(value)
            elif value:
                _add(ids, value)
    return FoldedTexts(
        customer_name_folded=folded_name(shown.customer_name),
        customer_email_folded=folded(shown.customer_email),
        customer_phone_key=phone_key(shown.customer_phone),
        description_folded=folded_name(shown.description),
        identifiers_folded="\n".join(sorted({text.casefold() for text in ids if text})),
    )


@cache
def _where_ids_are(provider: str) -> tuple[bool, tuple[tuple[str, tuple[str, ...]], ...]]:
    """Whether the sender names its attempts, and the ways to the details that are ids: a member, and those within."""
    names = sender_named(provider).identifiers
    ways = (name.split(".") for name in names - {"provider_attempt_id"})
    return "provider_attempt_id" in names, tuple((name, tuple(within)) for name, *within in ways)


def _add(ids: set[str | None], value: Any) -> None:
    """Adds what is in a detail; a number that was never set is 0."""
    if isinstance(value, str):
        ids.add(value)
    elif isinstance(value, dict):
        for inner in value.values():
            _add(ids, inner)
    elif isinstance(value, int) and value and not isinstance(value, bool):
        ids.add(str(value))
