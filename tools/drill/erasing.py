"""Erase one customer while notices come in, also about that customer's neighbours: the money stays."""

from __future__ import annotations

from drill.load import Load, post_all
from drill.places import Operator, Place
from drill.promises import Result
from dunning_service.database.engines import create_write_engine, database_url
from e2e.processes import serving
from e2e.senders import Account, Posted, a_goodparty_notice, a_maple_notice, listed
from ledgers import every_row

NAME = "erase a customer"

_CUSTOMER = "cus_drill_kari"
_EMAIL = "kari.drill@example.com"
_TRACES = (_CUSTOMER, _EMAIL, "kari drill", "4799887766")
_MONEY = ("id", "status", "amount_minor", "currency", "order_date", "attempt_count", "failed_attempt_count")


async def exercise(place: Place, before: int) -> Result:
    """The customer has a payment to every ten of the others'."""
    result = Result(NAME, place.kind.value)
    url = place.databases.create()
    operator = Operator(url)
    account = await operator.open_account()
    hers = [_of_kari(account, number) for number in range(max(before // 10, 5))]
    with serving(url) as server:
        load = Load(account, server.port)
        async with load.running():
            await load.more(before // 2)
            statuses = await post_all(server.port, hers, at_once=4)
            result.promise(set(statuses) == {200}, f"her notices were answered {dict(statuses)}")
            money = _money(server.base_url, account, hers)
            result.promise(len(money) == len(hers), f"the list has {len(money)} of her {len(hers)} payments")
            with result.timed(load, "`dunning customer erase`"):
                who = ("--customer", _CUSTOMER, "--email", _EMAIL)
                name = await operator.merchant_name()
                erased = (await operator("customer", "erase", "--merchant", name, *who, "--yes", "--json")).json
            await load.more(before // 4)
            statuses = await post_all(server.port, hers, at_once=4)  # old notices, which must not bring her back
            result.promise(set(statuses) == {200}, f"repeats were answered {dict(statuses)}")
        result.notes.append(f"{erased['payments']} payments and {sum(erased['deliveries'].values())} raw notices")
        result.nothing_refused(load)
        result.promise(erased["payments"] == len(hers), f"{erased['payments']} of {len(hers)} payments were erased")
        result.promise(_money(server.base_url, account, hers) == money, "her payments are not worth the same")
    left = _traces(url)
    result.promise(not left, f"there are still traces: {', '.join(left)}")
    result.each_once(url, account, load.book.sent.keys() | {posted.payment for posted in hers})
    await result.checked(url)
    return result


def _of_kari(account: Account, number: int) -> Posted:
    if number % 2:
        customer = {"id": _CUSTOMER, "name": "Kari Drill", "email": _EMAIL}
        return a_maple_notice(account, f"k{number}", customer_id=_CUSTOMER, customer=customer)
    told = {"ArtistName": "Kari Drill", "PhoneNumber": "+4799887766", "UserId": 99, "AmountDue": 1000 + number}
    return a_goodparty_notice(account, f"k{number}", StripeCustomerId=_CUSTOMER, CustomerEmail=_EMAIL, **told)


def _money(base_url: str, account: Account, hers: list[Posted]) -> list[tuple[object, ...]]:
    """What the list says her payments are worth."""
    names = {posted.payment for posted in hers}
    shown = [one for one in listed(base_url, account) if one["provider_payment_id"] in names]
    return sorted(tuple(str(one[name]) for name in _MONEY) for one in shown)


def _traces(url: str) -> list[str]:
    """Where in the database her name still stands: every row of every table is looked through."""
    engine = create_write_engine(database_url(url))
    found = set()
    try:
        with engine.connect() as connection:
            for table, values in every_row(connection):
                text = " ".join(map(_text, values.values())).casefold()
                found |= {f"{trace} in {table}" for trace in _TRACES if trace in text}
    finally:
        engine.dispose()
    return sorted(found)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
