"""What has been acknowledged survives `kill -9`."""

from __future__ import annotations

import itertools

from e2e.processes import ServerProcess, serving
from e2e.senders import (
    Account,
    HungUpError,
    Line,
    Posted,
    a_goodparty_notice,
    a_maple_notice,
    complaints,
    lines,
    listed,
    open_account,
    together,
)

CONNECTIONS = 32
BEFORE_THE_KILL = 400


class Load:
    """Notices from many connections, until the service is killed in the middle of them."""

    def __init__(self, account: Account) -> None:
        self.acknowledged: set[str] = set()
        self.unanswered: list[Posted] = []
        self._account = account
        self._serial = itertools.count()

    async def until_killed(self, server: ServerProcess) -> None:
        async with lines(server.port, CONNECTIONS) as opened:
            await together(*(self._post_on(line, server) for line in opened))

    async def _post_on(self, line: Line, server: ServerProcess) -> None:
        while True:
            posted = self._next()
            try:
                answer = await line.post(posted)
            except HungUpError:
                self.unanswered.append(posted)
                return
            assert answer.status == 200, answer
            self.acknowledged.add(posted.payment)
            if len(self.acknowledged) == BEFORE_THE_KILL:
                server.kill()

    def _next(self) -> Posted:
        number = next(self._serial)
        notice = a_goodparty_notice if number % 2 else a_maple_notice
        return notice(self._account, f"p{number}")


async def test_everything_acknowledged_is_there_once_after_kill_9(database_url: str) -> None:
    account = open_account(database_url)
    load = Load(account)
    with serving(database_url) as server:
        await load.until_killed(server)
    assert len(load.acknowledged) >= BEFORE_THE_KILL
    assert load.unanswered  # it was killed in the middle of something

    with serving(database_url) as server:
        found = [payment["provider_payment_id"] for payment in listed(server.base_url, account)]
        assert len(found) == len(set(found))
        assert load.acknowledged <= set(found)
        assert set(found) <= load.acknowledged | {posted.payment for posted in load.unanswered}

        # whoever heard nothing sends again, and it makes no difference whether the notice had been kept
        async with lines(server.port, 1) as (line,):
            for posted in load.unanswered:
                assert (await line.post(posted)).status == 200
        found = [payment["provider_payment_id"] for payment in listed(server.base_url, account)]
        assert sorted(found) == sorted(load.acknowledged | {posted.payment for posted in load.unanswered})
    assert complaints(database_url) == []
