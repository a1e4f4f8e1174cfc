"""`dunning ledger check` on a ledger in which somebody put back what had been erased."""

from __future__ import annotations

from dataclasses import replace

from contract._erasure import Kari, a_failure_of_kari, erase
from contract._goodparty import A_DEPOSIT, LOG, SUCCEEDED
from dunning_service.erasure.check import returned
from running import RunningService

PUT_BACK = [
    ("UPDATE deliveries SET body = CAST('Kari' AS {bytes})", "was erased, but its bytes are there"),
    ("UPDATE deliveries SET body = CAST('Kari' AS {bytes})", "was erased, but has the bytes of its delivery"),
    ("UPDATE deliveries SET body = CAST('Kari' AS {bytes})", "receipt ch_1 was erased, but has the bytes of its"),
    (
        'UPDATE deliveries SET headers = \'{{"x-dunning-erased-at": "2026", "host": "kari"}}\'',
        "its headers are there",
    ),
    ("UPDATE attempts SET customer_name = 'Kari'", "was erased, but has customer_name;"),
    ("UPDATE attempts SET customer_email = '', message = 'x'", "but has message, customer_email;"),
    ("UPDATE attempts SET payer_key = '9:cus_kari'", "but has payer_key;"),
    ('UPDATE attempts SET details = \'{{"ProfileUrl": "kari"}}\'', "but has ProfileUrl in its details;"),
    ('UPDATE receipts SET details = \'{{"Who": "kari"}}\'', "receipt ch_1 was erased, but has Who in its details;"),
]


async def test_it_finds_bytes_and_names_that_are_back(service: RunningService) -> None:
    kari = Kari(service, await service.add_source(service.merchant))
    await kari.goodparty(LOG, **a_failure_of_kari())
    await kari.goodparty(SUCCEEDED, **A_DEPOSIT | {"StripeCustomerId": "cus_kari"})
    erase(service)
    await kari.goodparty(LOG, **a_failure_of_kari(InvoiceId="in_new"))  # new, so it may say whose it is
    await kari.goodparty(LOG, **a_failure_of_kari(AmountDue=7))
    with service.database.write() as connection:
        assert list(returned(connection, service.merchant)) == []
        for statement, complaint in PUT_BACK:
            damage = connection.begin_nested()
            only = " WHERE delivery_digest" if "deliveries" not in statement else " WHERE digest"
            where = f"{only} IN (SELECT digest FROM deliveries WHERE CAST(headers AS text) LIKE '%%erased-at%%')"
            kind = "BLOB" if service.database.is_sqlite else "BYTEA"
            connection.exec_driver_sql(statement.format(bytes=kind) + where)
            found = list(returned(connection, service.merchant))
            assert any(complaint in one for one in found), (statement, found)
            assert all("Sweden & Co: " in one and "run `dunning customer erase`" in one for one in found)
            damage.rollback()
        assert list(returned(connection, replace(service.merchant, id=service.merchant.id + 1))) == []
