"""Nothing acknowledged is lost, and nothing is doubled, whatever is killed: the short form of `make soak`."""

from __future__ import annotations

from e2e.killed_services import Killed, Plan, run

PLAN = Plan(rounds=5, seed=20_261_121, seconds=400, moments_s=(0.0, 0.4))


def test_whatever_is_killed_the_ledger_says_what_the_senders_book_says() -> None:
    found = run(PLAN)
    problems = [problem for one in found for problem in one.problems]
    assert not problems, "\n".join([f"{len(problems)} problems; {found}", *problems[:20]])
    assert sum(one.rounds for one in found) == 5
    # and it was no fair-weather day
    assert all(sum(one.kills[kind] for one in found) for kind in Killed), found
    assert all(one.acknowledged and one.repeated for one in found), found
