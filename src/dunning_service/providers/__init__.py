"""Adapters of providers, one file each, found by file name: a new file is a new provider."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from dunning_service.errors import ConfigurationError
from dunning_service.providers._base import Options, Provider, Reply

__all__ = ["Options", "Provider", "Reply", "all_providers", "provider_named"]


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
