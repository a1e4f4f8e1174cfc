"""A source's options: checked when an operator gives them, completed when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic

from dunning_service.errors import ConfigurationError
from dunning_service.providers import Options, Provider
from dunning_service.values.reading import currency


def checked_currency(text: str) -> str:
    """An ISO 4217 code in upper case; raises ConfigurationError for anything else."""
    try:
        return currency(text.strip())
    except ValueError as error:
        raise ConfigurationError(f"{error}; write one such as NOK, EUR or USD") from None


def checked_options(provider: Provider, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a source as they are stored.

    Raises ConfigurationError saying which option is wrong, and which there are.
    """
    options = dict(given)
    if options.get("default_currency") is not None:
        options["default_currency"] = checked_currency(str(options["default_currency"]))
    return _validated(provider, options).model_dump(mode="json", exclude_unset=True)


def effective_options(provider: Provider, stored: Mapping[str, Any], merchant_currency: str | None) -> Options:
    """The options a notice is read with: where the source names no currency, the merchant's holds.

    Raises ConfigurationError when the provider no longer takes what was stored.
    """
    options = _validated(provider, stored)
    if options.default_currency is None and merchant_currency is not None:
        return options.model_copy(update={"default_currency": merchant_currency})
    return options


def _validated(provider: Provider, given: Mapping[str, Any]) -> Options:
    try:
        return provider.options_model.model_validate(given)
    except pydantic.ValidationError as error:
        wrong = []
        for detail in error.errors(include_url=False, include_context=False, include_input=False):
            name = ".".join(str(part) for part in detail["loc"]) or "options"
            if detail["type"] == "extra_forbidden":
                known = ", ".join(provider.options_model.model_fields)
                wrong.append(f"{provider.title} has no option {name!r}; it has {known}")
            else:
                wrong.append(f"option {name!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}")
        raise ConfigurationError("; ".join(wrong)) from None
