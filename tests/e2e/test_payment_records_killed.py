"""What has been reported under a key survives `kill -9`, and is done once, however often it is sent."""

from __future__ import annotations

import itertools
import json
from collections import Counter

from e2e.processes import ServerProcess, serving
from e2e.reporters import RECORDS, FormLine, Report, a_payment, an_attempt, everything, form_lines
from e2e.senders import Account, Answer, HungUpError, complaints, listed, open_account, together

CONNECTIONS = 24
BEFORE_THE_KILL = 240


class Load:
    """A failed payment and another attempt at it, again and again, each under a key of its own, until the kill."""

    def __init__(self, account: Account) -> None:
        self.answered: list[tuple[Report, Answer]] = []
        self.unanswered: list[Report] = []
        self._account = account
        self._serial = itertools.count()

    async def until_killed(self, server: ServerProcess) -> None:
        async with form_lines([server.port], CONNECTIONS) as opened:
            await together(*(self._report_on(line, server) for line in opened))

    async def _report_on(self, line: FormLine, server: ServerProcess) -> None:
        while True:
            number = next(self._serial)
            answer = await self._send(line, server, a_payment(self._account, f"payment {number}", "failed"))
            if answer is None:
                return
            record = json.loads(answer.body)["id"]
            if await self._send(line, server, an_attempt(self._account, record, f"attempt {number}")) is None:
                return

    async def _send(self, line: FormLine, server: ServerProcess, report: Report) -> Answer | None:
        """None when the service went away before it had answered."""
        try:
            answer = await line.report(report)
        except HungUpError:
            self.unanswered.append(report)
            return None
        assert answer.status == 200, answer
        assert "idempotent-replayed" not in answer.headers
        self.answered.append((report, answer))
        if len(self.answered) == BEFORE_THE_KILL:
            server.kill()
        return answer


async def test_every_key_is_one_effect_and_one_answer_after_kill_9(database_url: str) -> None:
    account = open_account(database_url)
    load = Load(account)
    with serving(database_url) as server:
        await load.until_killed(server)
    assert len(load.answered) >= BEFORE_THE_KILL
    assert load.unanswered  # it was killed in the middle of something

    with serving(database_url) as server:
        attempts: Counter[str] = Counter()  # how many a record must have, by its id
        async with form_lines([server.port], CONNECTIONS) as opened:
            await together(*(_again(line, load.answered, attempts) for line in opened))
            # whoever heard nothing sends again, twice, and it makes no difference whether it had been done
            for report in load.unanswered:
                answer, replay = await opened[0].report(report), await opened[0].report(report)
                assert answer.status == 200, answer
                assert (replay.status, replay.body) == (answer.status, answer.body)
                attempts[_record(answer)] += 1

        assert {record["id"] for record in everything(server.base_url, account, RECORDS)} == attempts.keys()
        failed = listed(server.base_url, account)
        assert {payment["provider_payment_id"]: payment["attempt_count"] for payment in failed} == attempts
    assert complaints(database_url) == []


async def _again(line: FormLine, answered: list[tuple[Report, Answer]], attempts: Counter[str]) -> None:
    """Sends what was answered once more, until nothing of it is left."""
    while answered:
        report, answer = answered.pop()
        replay = await line.report(report)
        assert (replay.status, replay.body) == (answer.status, answer.body)
        assert replay.headers["idempotent-replayed"] == "true"
        assert replay.headers["original-request"] == answer.headers["request-id"]
        attempts[_record(answer)] += 1


def _record(answer: Answer) -> str:
    found: str = json.loads(answer.body)["id"]
    return found
