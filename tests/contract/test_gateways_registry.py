"""Each merchant's gateway as the running service finds it, on both databases."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook

from contract._gateways import use_sandbox
from dunning_service.errors import ConfigurationError, Unavailable
from dunning_service.gateways import ChargeOutcome, ChargeRequest, Gateway, OutcomeUnknown
from dunning_service.gateways.models import SandboxChargeRow
from dunning_service.gateways.registry import MerchantGateways, SandboxBook
from dunning_service.gateways.sandbox import PAYS, TIMES_OUT_UNDONE
from dunning_service.gateways.service import (
    choose_endpoint,
    choose_none,
    choose_sandbox,
    network_rules_of,
    rotate_signing_secret,
)
from dunning_service.ledger.models import DeliveryRow, PaymentRow
from dunning_service.merchants.directory import MerchantView
from dunning_service.merchants.keyring import Keyring, new_key
from dunning_service.values.money import Money
from running import SECRET_KEY, RunningService, run_service

HOST = {"gateway_hosts": ("127.0.0.1:9",), "gateway_allow_http": True, "gateway_allow_private": True}
URL = "http://127.0.0.1:9/charges"


def gateways(service: RunningService) -> MerchantGateways:
    found: MerchantGateways = service.app.state.services.gateways
    return found


def endpoint(service: RunningService, url: str = URL) -> str:
    """Answers the signing secret that was made; "" when there was one."""
    with service.database.write() as connection:
        keyring, rules = Keyring(SECRET_KEY), network_rules_of(service.settings)
        made = choose_endpoint(connection, keyring, rules, service.merchant, url, now=service.clock())
    return "" if made is None else made.text


def forget(service: RunningService) -> None:
    """Lets the time pass for which an answer is believed."""
    service.clock.advance(timedelta(seconds=3))


async def gateway(service: RunningService, merchant: MerchantView | None = None) -> Gateway:
    found = await gateways(service).chosen((merchant or service.merchant).id)
    assert found is not None
    return found.gateway


def a_request(**given: Any) -> ChargeRequest:
    known: dict[str, Any] = {
        "payment_id": "p",
        "attempt_number": 1,
        "money": Money(1, "EUR"),
        "payment_method_id": PAYS,
    }
    return ChargeRequest(**(known | given))


async def test_a_merchant_without_a_gateway_has_none_and_one_that_is_given_holds_at_once(
    service: RunningService,
) -> None:
    assert await gateways(service).chosen(service.merchant.id) is None
    use_sandbox(service)
    assert (await gateway(service)).name == "sandbox"


async def test_a_gateway_that_is_taken_away_is_gone_within_seconds(service: RunningService) -> None:
    use_sandbox(service)
    await gateway(service)
    with service.database.write() as connection:
        choose_none(connection, service.merchant)
    forget(service)
    assert await gateways(service).chosen(service.merchant.id) is None


async def test_the_sandbox_remembers_in_the_database_and_keeps_nothing_else(service: RunningService) -> None:
    use_sandbox(service)
    charged = await (await gateway(service)).charge("p:1", a_request())
    assert charged.outcome is ChargeOutcome.SUCCEEDED
    other = MerchantGateways(
        service.database, Keyring(new_key()), service.writer, service.clock, network_rules_of(service.settings)
    )
    found = await other.chosen(service.merchant.id)
    assert found is not None
    elsewhere = found.gateway
    assert await elsewhere.lookup("p:1") == charged
    assert await elsewhere.lookup("p:2") is None
    with service.database.write() as connection:
        counts = [
            connection.scalar(sa.select(sa.func.count()).select_from(model))
            for model in (SandboxChargeRow, PaymentRow, DeliveryRow)
        ]
    assert counts == [1, 0, 0]


async def test_merchants_do_not_see_each_others_charges(service: RunningService) -> None:
    other = await service.add_merchant("Denmark")
    use_sandbox(service)
    use_sandbox(service, other)
    await (await gateway(service)).charge("p:1", a_request())
    assert await (await gateway(service, other)).lookup("p:1") is None


async def test_of_two_at_once_the_first_is_kept_and_told_to_both(service: RunningService) -> None:
    book = SandboxBook(service.database, service.writer, service.merchant.id, service.merchant.time_zone)
    kept = await asyncio.gather(*(book.put("p:1", json.dumps(number)) for number in range(20)))
    assert len(set(kept)) == 1
    assert await book.get("p:1") == kept[0]


async def test_a_time_out_is_one_in_every_process(service: RunningService) -> None:
    use_sandbox(service)
    found = await gateway(service)
    with pytest.raises(OutcomeUnknown, match="did not answer in time"):
        await found.charge("p:1", a_request(payment_method_id=TIMES_OUT_UNDONE))
    assert await found.lookup("p:1") is None
    charged = await found.charge("p:1", a_request(payment_method_id=TIMES_OUT_UNDONE))
    assert charged.outcome is ChargeOutcome.SUCCEEDED


async def test_an_endpoint_is_made_once_and_again_when_it_is_changed(database_url: str) -> None:
    async with run_service(database_url, **HOST) as service:
        endpoint(service)
        first = await gateway(service)
        forget(service)
        assert await gateway(service) is first
        assert endpoint(service, f"{URL}/v2") == ""
        forget(service)
        assert await gateway(service) is not first


async def test_what_was_begun_at_a_former_gateway_is_looked_for_there(database_url: str) -> None:
    async with run_service(database_url, **HOST) as service:
        merchant = service.merchant.id
        endpoint(service)
        former = await gateways(service).chosen(merchant)
        use_sandbox(service)
        forget(service)
        chosen = await gateways(service).chosen(merchant)
        assert former is not None
        assert chosen is not None
        assert chosen.gateway.name == "sandbox"
        assert await gateways(service).gateway(merchant, former.id) is former.gateway
        assert await gateways(service).gateway(merchant, chosen.id) is chosen.gateway
        with service.database.write() as connection:
            choose_none(connection, service.merchant)
        assert await gateways(service).gateway(merchant, former.id) is former.gateway
        endpoint(service)
        forget(service)
        again = await gateways(service).chosen(merchant)
        assert again == former


async def test_one_that_took_over_the_book_is_asked_for_what_is_under_way_as_well(database_url: str) -> None:
    async with run_service(database_url, **HOST) as service:
        endpoint(service)
        former = await gateways(service).chosen(service.merchant.id)
        assert former is not None
        with service.database.write() as connection:
            choose_sandbox(connection, service.merchant, now=service.clock(), even_under_way=True)
        forget(service)
        assert (await gateways(service).gateway(service.merchant.id, former.id)).name == "sandbox"
        assert (await gateway(service)).name == "sandbox"


async def test_after_a_rotation_both_secrets_sign_and_after_another_the_last_two(database_url: str) -> None:
    async with run_service(database_url, **HOST) as service:
        secrets = [endpoint(service)]
        for _ in range(2):
            with service.database.write() as connection:
                made = rotate_signing_secret(connection, Keyring(SECRET_KEY), service.merchant, now=service.clock())
            secrets.append(made.text)
            assert made.has_old_beside
            forget(service)
            found: Any = await gateway(service)
            signed = found._client._headers("p:1", "")["webhook-signature"].split()
            expected = [Webhook(secret).sign("p:1", service.clock(), "") for secret in reversed(secrets[-2:])]
            assert signed == expected


async def test_a_secret_that_cannot_be_decrypted_names_the_way_out(database_url: str) -> None:
    async with run_service(database_url, **HOST) as service:
        endpoint(service)
        other = MerchantGateways(
            service.database, Keyring(new_key()), service.writer, service.clock, network_rules_of(service.settings)
        )
        with pytest.raises(ConfigurationError, match="--rotate-gateway-secret"):
            await other.chosen(service.merchant.id)


async def test_a_host_that_is_not_allowed_any_more_is_refused(database_url: str) -> None:
    async with run_service(database_url, **HOST) as service:
        endpoint(service)
        forbidding = MerchantGateways(
            service.database,
            Keyring(SECRET_KEY),
            service.writer,
            service.clock,
            network_rules_of(service.settings.model_copy(update={"gateway_hosts": ()})),
        )
        with pytest.raises(ConfigurationError, match="DUNNING_GATEWAY_HOSTS"):
            await forbidding.chosen(service.merchant.id)


async def test_a_database_out_of_reach_is_unavailable(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise sa.exc.OperationalError("SELECT", {}, Exception("connection refused"))

    monkeypatch.setattr("dunning_service.database.engines.Database.read", refuse)
    with pytest.raises(Unavailable):
        await gateways(service).chosen(service.merchant.id)
