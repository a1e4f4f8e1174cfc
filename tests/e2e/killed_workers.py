"""Two workers and two API processes on one PostgreSQL work off what falls due, while the workers are killed."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import sqlalchemy as sa

from dunning_service.billing.models import ScheduledPaymentRow
from dunning_service.database.engines import create_write_engine
from dunning_service.database.engines import database_url as parsed_url
from dunning_service.gateways.service import choose_endpoint
from dunning_service.merchants.keyring import Keyring
from dunning_service.merchants.service import list_merchants
from dunning_service.outgoing.network import NetworkRules
from dunning_service.values.clock import utc_now
from e2e.charging_book import LADDER, Book, Conduct, Customer
from e2e.charging_endpoint import ANSWERED, CUT_OFF, LOOKED_UP, ChargingEndpoint, charging
from e2e.comparing_books import Agreed, differences
from e2e.processes import serving, working
from e2e.senders import Account, open_account
from running import SECRET_KEY

SUBSCRIPTIONS = "/sub-api/v1/subscriptions"

_POLL_S = 0.25
_TELLS_EVERY_S = 15
_SOON = timedelta(hours=1)
_TIMEOUT_S = 90
_FIRST_LIFE_S = 4.0
"""So much longer lives the first of each line of workers: when it dies there is something to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to happen, and how long it may take."""

    payments: int
    seed: int
    due_within_s: float
    """So long the payments keep falling due."""
    killing_s: float
    kills: int
    """So long and at least so often the workers are killed, if there is anything left to do."""
    patience_s: float
    """After this nothing may be left to do."""
    lives_s: tuple[float, float] = (0.1, 1.5)
    """How long a worker lives after it has become ready."""
    silent_s: float = 4.0
    """How long the endpoint is silent when it does not answer."""
    claim_s: int = 3
    timeout_s: float = 1.4
    callers: int = 16
    """How many subscriptions are created at once."""


@dataclass(slots=True)
class Findings:
    """What happened."""

    problems: list[str] = field(default_factory=list)
    payments: int = 0
    attempts: int = 0
    kills: int = 0
    seconds: float = 0.0
    """From the first subscription to the last outcome."""
    killed_before_asking: int = 0
    """Attempts that were claimed by a worker which was killed before it had asked for the charge."""
    killed_while_asking: int = 0
    killed_before_recording: int = 0
    """Attempts whose outcome a worker had been told when it was killed, and had not recorded."""
    pending: int = 0
    """Attempts that were looked up while the endpoint was still at them."""
    charged_after_all: int = 0
    """Charges that timed out undone, and were made once in the end."""
    conducts: Counter[Conduct] = field(default_factory=Counter)

    @property
    def swept(self) -> int:
        """How many attempts of killed workers were looked up by another."""
        return self.killed_before_asking + self.killed_while_asking + self.killed_before_recording

    def __str__(self) -> str:
        misbehaved = sum(self.conducts.values()) - self.conducts[Conduct.ANSWERS]
        return (
            f"{self.payments} payments, {self.attempts} attempts in {self.seconds:.1f} s; {self.kills} kills in the "
            f"middle of {self.swept} attempts, which were looked up: {self.killed_before_asking} not asked for yet, "
            f"{self.killed_while_asking} under way, {self.killed_before_recording} answered and not recorded; "
            f"{self.pending} were looked up while they were pending; the endpoint misbehaved {misbehaved} times, "
            f"{self.conducts[Conduct.TIMES_OUT_UNDONE]} of them it timed out undone, "
            f"and {self.charged_after_all} charges were made once after that"
        )


def work_off(url: str, plan: Plan, say: Callable[[str], None] = lambda _: None) -> Findings:
    """Does it on this database, which is empty but for its schema."""
    book = Book(Customer.some(plan.payments, plan.seed))
    findings = Findings(payments=plan.payments)
    with ExitStack() as stack:
        endpoint = stack.enter_context(charging(book, silent_s=plan.silent_s))
        account = open_account(url)
        endpoint.trust(_charge_at(endpoint, url, account))
        settings: dict[str, object] = {
            "claim_seconds": plan.claim_s,
            "gateway_timeout_seconds": plan.timeout_s,
            "retry_ladder": LADDER,
            "gateway_hosts": endpoint.host,
            "gateway_allow_http": "true",
            "gateway_allow_private": "true",
        }
        workers = _Workers(url, plan, settings)
        stack.callback(workers.stop)
        workers.start()
        servers = [stack.enter_context(serving(url, **settings)) for _ in range(2)]
        began = time.monotonic()
        workers.kill_from_now_on()
        addresses = [server.base_url for server in servers]
        agreed = asyncio.run(_subscribe(plan, account, addresses, list(book.customers.values())))
        say(f"{len(agreed)} subscriptions created")
        left = _settled(url, plan, began, workers, say)
        findings.seconds = time.monotonic() - began
        workers.stop()
        findings.kills = workers.kills
        findings.problems += [f"not settled after {findings.seconds:.0f} s: {row}" for row in left]
        findings.problems += workers.crashes
        for server in servers:
            findings.problems += [f"a server said: {line}" for line in server.crashes]
        findings.problems += asyncio.run(differences(url, account, addresses, agreed, book))
    _count(findings, book)
    return findings


def _count(findings: Findings, book: Book) -> None:
    taken = Counter(key for _, key in book.money)
    for entry in book.entries.values():
        findings.conducts.update(entry.conducts)
        findings.attempts += entry.answer is not None
        findings.charged_after_all += Conduct.TIMES_OUT_UNDONE in entry.conducts and taken[entry.key] == 1
        findings.pending += f"{LOOKED_UP}: pending" in entry.story
        if entry.story[0].startswith(LOOKED_UP):
            findings.killed_before_asking += 1
        elif entry.was_looked_up_after(CUT_OFF):
            findings.killed_while_asking += 1
        elif entry.was_looked_up_after(ANSWERED):
            findings.killed_before_recording += 1


def _charge_at(endpoint: ChargingEndpoint, url: str, account: Account) -> str:
    """Has the merchant's customers charged there; answers the secret."""
    engine = create_write_engine(parsed_url(url))
    rules = NetworkRules(hosts=[endpoint.host], allow_http=True, allow_private_addresses=True)
    with engine.begin() as connection:
        (merchant,) = [one for one in list_merchants(connection) if one.id == account.merchant_id]
        keyring = Keyring(SECRET_KEY)
        secret = choose_endpoint(connection, keyring, rules, merchant, endpoint.url, now=utc_now())
    engine.dispose()
    assert secret is not None
    return secret.text


async def _subscribe(
    plan: Plan, account: Account, addresses: Sequence[str], customers: Sequence[Customer]
) -> list[Agreed]:
    """Creates a subscription for each of the customers, through one API process or the other or both."""
    began = time.monotonic()
    chance = random.Random(plan.seed)
    waiting = [(number, customer, chance.random(), chance.random()) for number, customer in enumerate(customers)]
    made: list[Agreed] = []
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=plan.callers)
    async with httpx.AsyncClient(headers=account.auth, trust_env=False, timeout=_TIMEOUT_S, limits=limits) as client:

        async def call() -> None:
            while waiting:
                number, customer, when, how = waiting.pop()
                asked = _request(customer, number)
                if how > 0.25:  # else it is paid within the request
                    starts_in = max(1.0, plan.due_within_s * when - (time.monotonic() - began))
                    asked["paymentStartDateTime"] = (utc_now() + timedelta(seconds=starts_in)).isoformat()
                headers = {"Idempotency-Key": str(uuid4())}
                # a caller that hears nothing sends again, and need not reach the same process
                order = addresses if number % 2 else addresses[::-1]
                chosen = order if when * 8 % 1 < 0.125 else order[:1]
                answers = await asyncio.gather(
                    *(client.post(f"{address}{SUBSCRIPTIONS}", json=asked, headers=headers) for address in chosen)
                )
                assert [answer.status_code for answer in answers] == [200] * len(answers), answers[0].text
                told = [answer.json() for answer in answers]
                assert len({one["id"] for one in told}) == 1, told
                made.append(Agreed(told[0]["id"], customer, asked, told))

        async with asyncio.TaskGroup() as callers:
            for _ in range(plan.callers):
                callers.create_task(call())
    return made


def _request(customer: Customer, number: int) -> dict[str, Any]:
    """A monthly payment of an amount that nobody else pays."""
    return {
        "paymentProcessorId": str(uuid4()),
        "transactionType": 2,
        "amount": 10 + number,
        "currencyId": 578,
        "paymentFrequencyUnit": 3,
        "paymentFrequency": 1,
        "numberOfPayments": (1, 1, 12, 0)[number % 4],
        "customerId": customer.id,
        "paymentMethodId": str(uuid4()),
    }


def _settled(
    url: str, plan: Plan, began: float, workers: _Workers, say: Callable[[str], None]
) -> Sequence[dict[str, Any]]:
    """Waits until nothing is due or in flight or will soon be; answers what is left when patience is over."""
    engine = create_write_engine(parsed_url(url))
    table = ScheduledPaymentRow.__table__
    told = began
    try:
        while True:
            workers.require_going_on()
            with engine.begin() as connection:
                due = sa.select(table).where(table.c.wake_at < utc_now() + _SOON).order_by(table.c.wake_at)
                left = [dict(row) for row in connection.execute(due).mappings()]
            now = time.monotonic()
            if not left or now > began + plan.patience_s:
                return left
            if now > began + plan.killing_s and workers.kills >= plan.kills:
                workers.spare()
            if now > told + _TELLS_EVERY_S:
                say(f"{now - began:4.0f} s: {len(left)} payments left, {workers.kills} kills")
                told = now
            time.sleep(_POLL_S)
    finally:
        engine.dispose()


class _Workers:
    """Two of them, each killed and replaced again and again."""

    def __init__(self, url: str, plan: Plan, settings: dict[str, object]) -> None:
        self.kills = 0
        self.crashes: list[str] = []
        self._url = url
        self._plan = plan
        self._settings = settings
        self._endangered = threading.Event()
        self._spared = threading.Event()
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="worker")
        self._lines: list[Future[None]] = []

    def start(self) -> None:
        self._lines = [self._pool.submit(self._replace, random.Random(self._plan.seed + number)) for number in range(2)]

    def kill_from_now_on(self) -> None:
        self._endangered.set()

    def spare(self) -> None:
        """No more of them are killed."""
        self._spared.set()

    def stop(self) -> None:
        """Ends them. What went wrong with them is raised."""
        self._stopped.set()
        self._spared.set()
        self._endangered.set()
        self._pool.shutdown()
        for line in self._lines:
            line.result()

    def require_going_on(self) -> None:
        for line in self._lines:
            if line.done():
                line.result()

    def _replace(self, chance: random.Random) -> None:
        longer_s = _FIRST_LIFE_S
        while not self._stopped.is_set():
            with working(self._url, "--concurrency", "16", **self._settings) as worker:
                self._endangered.wait()
                is_spared = self._spared.wait(longer_s + chance.uniform(*self._plan.lives_s))
                longer_s = 0.0
                if is_spared:
                    self._stopped.wait()
                worker.kill()
                self.kills += not is_spared
                self.crashes += [f"a worker said: {line}" for line in worker.crashes]
