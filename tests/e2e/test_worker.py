"""`dunning worker`, and the worker inside `dunning serve`: what is due is charged, and a stop loses nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import structlog

from command_line import CommandLine
from dunning_service.database.engines import create_write_engine
from dunning_service.database.engines import database_url as parsed_url
from dunning_service.events import Category
from dunning_service.gateways.sandbox import DECLINED, FAILS_TWICE_THEN_PAYS, PAYS, SLOW
from e2e.due_payments import DuePayments, a_subscription
from e2e.processes import serving, working
from e2e.senders import complaints
from running import SECRET_KEY
from serving import refused

_PATIENCE_S = 20


@pytest.fixture
def due(database_url: str) -> DuePayments:
    return DuePayments(database_url)


@pytest.fixture
def due_on_sqlite(sqlite_url: str) -> DuePayments:
    """For what is no matter of the database."""
    return DuePayments(sqlite_url)


@pytest.fixture
def dunning(dunning: CommandLine) -> Iterator[CommandLine]:
    with structlog.testing.capture_logs():  # which the installed command keeps out of its output too
        yield dunning


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def metric(address: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", httpx.get(f"{address}/metrics").text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def test_a_due_payment_is_charged_and_one_that_is_not_due_is_left_alone(due: DuePayments) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    due.subscribe(a_subscription(), a_subscription(start_at=later))
    with working(due.url) as worker:
        eventually(lambda: due.statuses() == ["paid", "scheduled"])
        assert metric(worker.base_url, 'dunning_charges_total{outcome="succeeded"}') == 1
        assert metric(worker.base_url, "dunning_due_attempts") == 0
        assert metric(worker.base_url, "dunning_oldest_due_seconds") == 0
        assert httpx.get(f"{worker.base_url}/readyz").status_code == 200
        worker.terminate()
        assert worker.wait() == 0
    assert complaints(due.url) == []


def test_a_stop_waits_for_what_has_begun_and_records_it(due: DuePayments) -> None:
    due.subscribe(*(a_subscription(SLOW) for _ in range(5)))
    with working(due.url) as worker:
        eventually(lambda: due.statuses() == ["processing"] * 5)
        worker.terminate()
        assert worker.wait() == 0
    assert due.statuses() == ["paid"] * 5


def test_a_second_signal_lets_go_and_another_worker_finds_out(due_on_sqlite: DuePayments) -> None:
    due = due_on_sqlite
    due.subscribe(a_subscription(SLOW))
    with working(due.url, claim_seconds=2, gateway_timeout_seconds=0.9) as worker:
        eventually(lambda: due.statuses() == ["processing"])
        worker.terminate()
        eventually(lambda: not worker.is_listening)
        worker.terminate()
        assert worker.wait() == 0
        assert '"event":"worker.gave_up","attempts":1' in worker.output
    assert due.statuses() == ["processing"]
    with working(due.url):
        eventually(lambda: due.statuses() == ["paid"])


def test_what_a_killed_worker_left_behind_is_looked_up_when_its_claim_is_over(due: DuePayments) -> None:
    due.subscribe(a_subscription(SLOW), a_subscription(SLOW))
    with working(due.url, claim_seconds=1, gateway_timeout_seconds=0.4) as worker:
        eventually(lambda: due.statuses() == ["processing"] * 2)
        worker.kill()
    with working(due.url):
        eventually(lambda: due.statuses() == ["paid"] * 2)
    assert [row["attempt_count"] for row in due.payments()] == [1, 1]


def test_once_works_off_what_is_due_and_ends(
    due: DuePayments, dunning: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dunning_service.gateways.sandbox.SLOW_SECONDS", 0.1)
    due.subscribe(a_subscription(PAYS), a_subscription(DECLINED[Category.INSUFFICIENT_FUNDS]), a_subscription(SLOW))
    assert dunning.json("worker", "--once") == {"due_payments": 3}
    assert sorted(due.statuses()) == ["failed", "paid", "paid"]
    assert dunning("worker", "--once", "--concurrency", "1").out == "worked off 0 due payments\n"


def test_a_ladder_of_seconds_is_climbed(due_on_sqlite: DuePayments) -> None:
    due = due_on_sqlite
    due.subscribe(a_subscription(FAILS_TWICE_THEN_PAYS))
    with working(due.url, retry_ladder="1s 2s"):
        eventually(lambda: due.statuses() == ["paid"])
    assert [row["attempt_count"] for row in due.payments()] == [3]


def test_a_merchants_own_ladder_comes_before_the_setting(due: DuePayments, dunning: CommandLine) -> None:
    dunning.json("merchant", "set", "Sweden & Co", "--retry-ladder", "none")
    due.subscribe(a_subscription(FAILS_TWICE_THEN_PAYS))
    assert dunning.json("worker", "--once") == {"due_payments": 1}
    (payment,) = due.payments()
    assert (payment["status"], payment["next_attempt_at"]) == ("failed", None)


def test_a_merchant_without_a_gateway_is_not_charged_and_what_is_due_stays_due(
    database_url: str, dunning: CommandLine
) -> None:
    due = DuePayments(database_url, has_gateway=False)
    due.subscribe(a_subscription())
    assert dunning.json("worker", "--once") == {"due_payments": 1}
    (payment,) = due.payments()
    assert (payment["status"], payment["attempt_in_flight"], payment["attempt_count"]) == ("scheduled", None, 0)
    assert "dunning merchant set" in payment["reason"]


def test_what_is_under_way_ends_where_it_was_begun_though_the_merchant_charges_elsewhere(
    due: DuePayments, dunning: CommandLine
) -> None:
    due.subscribe(a_subscription(SLOW))
    with working(due.url, claim_seconds=1, gateway_timeout_seconds=0.4) as worker:
        eventually(lambda: due.statuses() == ["processing"])
        worker.kill()
    assert dunning.json("merchant", "set", "Sweden & Co", "--gateway", "none")["gateway"] is None
    with working(due.url):
        eventually(lambda: due.statuses() == ["paid"])


def test_a_database_without_a_schema_is_refused(empty_database_url: str, dunning: CommandLine) -> None:
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.setenv("DUNNING_DATABASE_URL", empty_database_url)
        assert "`dunning migrate`" in dunning("worker", "--once").refusal


def test_a_port_in_use_names_the_option(dunning: CommandLine, due: DuePayments) -> None:
    with working(due.url) as worker:
        refusal = dunning("worker", "--once", "--metrics-port", str(worker.port)).refusal
    assert "choose another with --metrics-port" in refusal


def test_a_database_that_acknowledges_before_the_disk_has_it_is_refused(
    postgres_url: str, settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = create_write_engine(parsed_url(postgres_url))
    with engine.begin() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{parsed_url(postgres_url).database}" SET synchronous_commit = off')
    engine.dispose()
    settings.setenv("DUNNING_DATABASE_URL", postgres_url)
    assert "synchronous_commit = off" in CommandLine(capsys)("worker", "--once").refusal


def test_the_service_charges_what_is_due_when_it_is_asked_to(due: DuePayments) -> None:
    due.subscribe(a_subscription())
    with serving(due.url, "--with-worker") as service:
        eventually(lambda: due.statuses() == ["paid"])
        assert metric(service.base_url, 'dunning_charges_total{outcome="succeeded"}') == 1
        due.subscribe(a_subscription(SLOW))
        eventually(lambda: "processing" in due.statuses())
        service.terminate()
        assert service.wait() == 0
    assert due.statuses() == ["paid", "paid"]


def test_the_service_alone_charges_nothing_and_a_worker_beside_it_does(due_on_sqlite: DuePayments) -> None:
    due = due_on_sqlite
    due.subscribe(a_subscription())
    with serving(due.url) as service:
        eventually(lambda: metric(service.base_url, "dunning_due_attempts") == 1)
        assert metric(service.base_url, "dunning_oldest_due_seconds") > 0
        with working(due.url):
            eventually(lambda: due.statuses() == ["paid"])
        assert metric(service.base_url, "dunning_due_attempts") == 0


def test_a_worker_in_a_service_of_several_processes_is_refused(postgres_url: str, tmp_path: Path) -> None:
    arguments = ("--port", "0", "--workers", "2")
    for options, settings in (((*arguments, "--with-worker"), {}), (arguments, {"with_worker": "true"})):
        done = refused(tmp_path, *options, database_url=postgres_url, secret_key=SECRET_KEY, **settings)
        assert done.returncode == 1
        assert "run `dunning worker` beside the service" in done.stderr


def test_a_lost_key_is_told_at_the_start(
    sqlite_url: str, settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    DuePayments(sqlite_url)
    settings.setenv("DUNNING_DATABASE_URL", sqlite_url)
    settings.setenv("DUNNING_GATEWAY_HOSTS", "billing.example.com")
    dunning = CommandLine(capsys)
    dunning.json("merchant", "set", "Sweden & Co", "--gateway", "http", "--gateway-url", "https://billing.example.com")
    settings.setenv("DUNNING_SECRET_KEY", dunning.json("secret-key")["secret_key"])
    assert "the signing secrets of 'Sweden & Co' is not at hand" in dunning("worker", "--once").err
    rotated = dunning("merchant", "set", "Sweden & Co", "--rotate-gateway-secret")
    assert "signing secret  whsec_" in rotated.out
    assert "old one" not in rotated.out
    assert dunning("worker", "--once").err == ""
