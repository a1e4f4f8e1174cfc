"""Every sender that code puts into the ledger has an entry among the senders."""

from __future__ import annotations

from dunning_service.providers import all_providers
from dunning_service.senders import PAYMENT_RECORDS, SUBSCRIPTIONS, all_senders, impersonal, sender_named


def test_adapters_and_our_own_senders_are_all_of_them() -> None:
    assert set(all_senders()) == {*all_providers(), PAYMENT_RECORDS.name, SUBSCRIPTIONS.name}


def test_details_of_an_adapter_that_is_gone_are_all_personal() -> None:
    assert impersonal("gone", {"reference": "42"}) == {}
    assert sender_named("gone").identifiers == frozenset()
    assert impersonal(SUBSCRIPTIONS.name, {"reference": "42"}) == {"reference": "42"}
