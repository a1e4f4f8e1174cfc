"""The book of those who send: what each payment has still to tell, what was acknowledged, and what that comes to."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from dunning_service.ledger.status import ActionKind, Status
from e2e.reporters import FORM, Report, a_payment, an_attempt
from e2e.senders import LOG_FAILURE, Account, Answer, Line, Posted, a_goodparty_notice, a_maple_notice

DEPOSIT = "/api/ActionService/InvoicePaymentSucceeded"
ACTIONS = "/api/v1/failed-payments"

_XML = "http://schemas.datacontract.org/2004/07/PartyMusic.BusinessObject.Messages.Payment"
_ACTIONS = (ActionKind.INVOICE, ActionKind.SEND_TO_COLLECTION, ActionKind.MARK_PAID, ActionKind.CANCEL)
_DECIDED = dict(zip(_ACTIONS, (Status.INVOICED, Status.DEBT_COLLECTION, Status.PAID, Status.CANCELLED), strict=True))

Build = Callable[["Life"], Posted]


@dataclass(slots=True)
class Kept:
    """What the ledger holds of one payment, or has to."""

    attempts: Counter[tuple[str, int | None]] = field(default_factory=Counter)
    """Outcomes with their amounts."""
    verbs: list[str] = field(default_factory=list)
    receipts: int = 0
    status: str = Status.FAILED
    amount_minor: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is told about a payment: posted until it is acknowledged."""

    kind: str
    build: Build
    outcome: str | None = None
    """Of the attempt that it tells of."""
    verb: ActionKind | None = None
    pays: bool = False
    """It is the deposit that pays it."""


@dataclass(slots=True)
class Life:
    """One payment, and all that is told about it, one thing after the other."""

    provider: str
    name: str
    """Unique; its customer has it too."""
    amount_minor: int
    account: Account
    steps: Sequence[Step] = ()
    answers: list[Answer] = field(default_factory=list)
    """What was acknowledged: an answer for each step, from the first on."""
    payment: str | None = None
    """The `provider_payment_id` in the ledger, once it is known."""
    number: str | None = None
    """Its public number, once somebody has looked it up."""
    is_refused: bool = False
    """It got an answer that nobody should get, and nothing more is told."""

    @property
    def next_step(self) -> Step | None:
        return None if self.is_refused or len(self.answers) == len(self.steps) else self.steps[len(self.answers)]

    async def tell(self, line: Line) -> Answer:
        """Posts the next step. What was acknowledged is noted. Raises HungUpError when no whole answer came."""
        step = self.next_step
        assert step is not None
        if step.verb is not None and self.number is None:
            answer = await line.get(f"{ACTIONS}?customer={quote(self.customer)}", self.account.auth)
            if answer.status != 200:
                return answer
            found = json.loads(answer.body)["data"]
            if len(found) != 1:
                return Answer(404, {}, answer.body)
            self.number = found[0]["id"]
        answer = await line.post(step.build(self))
        if answer.status == 200:
            self.answers.append(answer)
            if self.payment is None:
                self.payment = json.loads(answer.body)["id"]
        return answer

    @property
    def customer(self) -> str:
        return f"cus_{self.name}"

    def expected(self, steps: int) -> Kept:
        """What the ledger has to hold when so many steps are in it."""
        kept = Kept(amount_minor=self.amount_minor, currency="NOK")
        for step in self.steps[:steps]:
            if step.outcome is not None:
                kept.attempts[step.outcome, self.amount_minor] += 1
                if step.outcome in ("succeeded", "guaranteed"):
                    kept.status = Status.PAID
            if step.verb is not None:
                kept.verbs.append(step.verb)
                kept.status = _DECIDED[step.verb]
            if step.pays:
                kept.receipts += 1
                kept.status = Status.PAID
        return kept


def a_life(account: Account, name: str, chance: random.Random) -> Life:
    """A payment that fails once or more often; some are paid in the end, and about some somebody decides."""
    make = chance.choices((_goodparty, _goodparty_xml, _maple, _payment_record), (3, 2, 3, 3))[0]
    return make(account, name, chance)


def _goodparty(account: Account, name: str, chance: random.Random, kind: str = "GoodParty, JSON") -> Life:
    life = Life("goodparty", name, chance.randrange(100, 1_000_000), account, payment=f"in_{name}")
    as_xml = kind.endswith("XML")
    steps = [
        Step(kind, lambda life, number=number: _invoice(life, number, as_xml), outcome="failed")  # type: ignore[misc]
        for number in range(1, chance.choice((2, 2, 3)))
    ]
    ending = chance.random()
    if ending < 0.25:
        steps.append(Step("GoodParty, deposit", _deposit, pays=True))
    elif ending < 0.5:
        steps.append(_an_action(chance))
    life.steps = steps
    return life


def _goodparty_xml(account: Account, name: str, chance: random.Random) -> Life:
    return _goodparty(account, name, chance, "GoodParty, XML")


def _invoice(life: Life, number: int, as_xml: bool) -> Posted:
    told: dict[str, Any] = {
        "AmountDue": life.amount_minor,
        "AttemptCount": number,
        "StripeCustomerId": life.customer,
        "FailedTimeStamp": f"2026-01-1{number}T19:31:58Z",
        "ArtistName": f"Kari & {life.name}",
    }
    posted = a_goodparty_notice(life.account, f"in_{life.name}", **told)
    if not as_xml:
        return posted
    root = ElementTree.Element(f"{{{_XML}}}PaymentIntentFailed")
    for field_name, value in json.loads(posted.body).items():
        ElementTree.SubElement(root, f"{{{_XML}}}{field_name}").text = str(value)
    headers = posted.headers | {"Accept": "application/xml"}
    return Posted(posted.payment, LOG_FAILURE, headers, ElementTree.tostring(root), "application/xml")


def _deposit(life: Life) -> Posted:
    told = {
        "UserId": 7,
        "StripeCustomerId": life.customer,
        "DepositAmount": life.amount_minor / 100,
        "Currency": "NOK",
        "TransactionNo": f"ch_{life.name}",
    }
    return Posted(f"in_{life.name}", DEPOSIT, life.account.auth, json.dumps(told).encode())


def _maple(account: Account, name: str, chance: random.Random) -> Life:
    life = Life("maple", name, chance.randrange(100, 1_000_000), account, payment=f"cmp_1/inv_{name}")
    steps = [
        Step("Maple, payment.failed", lambda life, number=number: _transaction(life, number, "failed"), "failed")  # type: ignore[misc]
        for number in range(1, chance.choice((2, 2, 3)))
    ]
    ending = chance.random()
    if ending < 0.25:
        steps.append(Step("Maple, payment.success", lambda life: _transaction(life, 9, "success"), "succeeded"))
    elif ending < 0.5:
        steps.append(_an_action(chance))
    life.steps = steps
    return life


def _transaction(life: Life, number: int, event: str) -> Posted:
    return a_maple_notice(
        life.account,
        f"txn_{life.name}_{number}",
        f"payment.{event}",
        invoice_uuid=f"inv_{life.name}",
        customer_id=life.customer,
        total_amount={"currency": "NOK", "value_in_cents": life.amount_minor},
    )


def _payment_record(account: Account, name: str, chance: random.Random) -> Life:
    life = Life("payment_records", name, chance.randrange(100, 1_000_000), account)
    steps = [Step("Stripe, report_payment", _first_report, outcome="failed")]
    if chance.random() < 0.4:
        steps.append(Step("Stripe, report_payment_attempt", lambda life: _report(life, "failed"), outcome="failed"))
    ending = chance.random()
    if ending < 0.3:
        steps.append(
            Step("Stripe, report_payment_attempt", lambda life: _report(life, "guaranteed"), outcome="guaranteed")
        )
    elif ending < 0.5:
        steps.append(_an_action(chance))
    life.steps = steps
    return life


def _first_report(life: Life) -> Posted:
    money = {"currency": "nok", "value": life.amount_minor}
    told = {"amount_requested": money, "customer_details": {"customer": life.customer}}
    return _posted(life, a_payment(life.account, f"report {life.name}", "failed", **told))


def _report(life: Life, outcome: str) -> Posted:
    assert life.payment is not None
    return _posted(life, an_attempt(life.account, life.payment, f"{outcome} {life.name}", outcome))


def _posted(life: Life, report: Report) -> Posted:
    return Posted(life.name, report.path, report.headers, report.body, FORM)


def _an_action(chance: random.Random) -> Step:
    verb = chance.choice(_ACTIONS)

    def build(life: Life) -> Posted:
        headers = life.account.auth | {"Idempotency-Key": f"decide {life.name}"}
        path = f"{ACTIONS}/{life.number}/actions"
        return Posted(life.name, path, headers, json.dumps({"action": verb, "reason": life.name}).encode())

    return Step("action", build, verb=verb)
