"""The options of `dunning payments list` beside the filters of the API."""

from __future__ import annotations

import inspect

from dunning_service.apis.own.requests import ListParameters
from dunning_service.commands.payments import list_


def test_every_filter_of_the_api_is_an_option() -> None:
    options = set(inspect.signature(list_).parameters) - {"context", "merchant", "as_json"}
    assert options == set(ListParameters.model_fields)
