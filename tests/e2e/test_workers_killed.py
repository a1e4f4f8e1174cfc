"""Whatever happens to a worker, and whatever a charging endpoint does: what falls due is charged, and charged once."""

from __future__ import annotations

from e2e.charging_book import Conduct
from e2e.killed_workers import Plan, work_off

PLAN = Plan(payments=300, seed=20_261_121, due_within_s=8, killing_s=15, kills=4, patience_s=240)


def test_each_payment_is_charged_once_while_workers_are_killed(postgres_url: str) -> None:
    found = work_off(postgres_url, PLAN)
    assert not found.problems, "\n".join([f"{len(found.problems)} problems; {found}", *found.problems[:20]])
    # and it was no fair-weather day
    assert found.kills >= 4, found
    assert found.killed_while_asking > 0, found
    assert found.swept >= 5, found
    assert found.charged_after_all > 0, found
    assert all(found.conducts[conduct] for conduct in Conduct), found.conducts
