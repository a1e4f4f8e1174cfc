"""`dunning secret-key`: a new key for DUNNING_SECRET_KEY."""

from __future__ import annotations

from dunning_service.commands.arguments import AsJson
from dunning_service.commands.printing import print_json, say
from dunning_service.merchants.keyring import new_key


def secret_key(as_json: AsJson = False) -> None:
    """Print a new key for DUNNING_SECRET_KEY. To rotate, put it before the old one, with a comma between."""
    key = new_key()
    if as_json:
        print_json({"secret_key": key})
    else:
        say(key)
