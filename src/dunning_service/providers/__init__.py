"""Adapters of providers, one file each, found by file name: a new file is a new provider; and their protocol."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from dunning_service.errors import ConfigurationError
from dunning_service.events import Delivery, Event


class Options(BaseModel):
    """The options of a source. An adapter that needs more subclasses it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default_currency: str | None = Field(
        None, pattern="^[A-Z]{3}$", description="ISO 4217 code for notices that name no currency"
    )
    tolerance_seconds: int = Field(300, ge=1, le=86_400, description="how far a signature's time may be off, both ways")


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to a notice that is committed, as its provider expects it."""

    status: int = 200
    body: bytes = b'{"received":true}'
    media_type: str = "application/json"


class Provider(Protocol):
    """The adapter of one provider. Pure: no clock, no network, no database."""

    name: ClassVar[str]
    title: ClassVar[str]
    """How people write the name."""
    takes_webhooks: ClassVar[bool]
    """True when sources can be made for it; False when it posts with a token to an API of its own."""
    options_model: ClassVar[type[Options]]
    kept_headers: ClassVar[frozenset[str]]
    """Headers beside Content-Type and User-Agent that `parse` needs again on replay."""
    impersonal_details: ClassVar[frozenset[str]]
    """Of the details of its events, those that stay when a customer's data are erased: they say nothing of a person."""
    identifiers: ClassVar[frozenset[str]]
    """Of the details of its events, those that are ids, and `provider_attempt_id` where the sender itself names its
    attempts: free text finds a payment by them, as by its payment, customer, subscription and receipt ids."""
    reply: ClassVar[Reply]
    signature_header: ClassVar[str]
    """The header that `verify` reads, as the OpenAPI document names it; "" where nothing is signed."""
    notice_schemas: ClassVar[Sequence[Mapping[str, Any]]]
    """JSON Schemas of the bodies it sends to a webhook, any of them: for the OpenAPI document, not for reading."""

    def verify(self, delivery: Delivery, secrets: Sequence[bytes], options: Any, now: datetime) -> None:
        """Raises BadSignature unless the bytes are signed with one of `secrets` at an acceptable time."""
        ...

    def parse(self, delivery: Delivery, options: Any) -> Sequence[Event]:
        """The events of one notice; none when it is of a kind the ledger does not record.

        Raises UnreadableNotice when it cannot be understood.
        """
        ...


@cache
def all_providers() -> dict[str, Provider]:
    """Every adapter by its name: the `PROVIDER` of each module here that does not begin with an underscore."""
    modules = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    adapters = [importlib.import_module(f"{__name__}.{module}").PROVIDER for module in modules]
    return {adapter.name: adapter for adapter in adapters}


def provider_named(name: str) -> Provider:
    """The adapter of that name; raises ConfigurationError naming those that exist."""
    try:
        return all_providers()[name]
    except KeyError:
        known = ", ".join(sorted(all_providers()))
        raise ConfigurationError(f"there is no provider {name!r}; the known ones are: {known}") from None
