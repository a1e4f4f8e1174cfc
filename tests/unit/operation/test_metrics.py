"""Counters of one process and of several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dunning_service.billing.states import AttemptState
from dunning_service.operation.metrics import CHARGE_OUTCOMES, Due, Metrics

_COUNT = """
import os, sys
from dunning_service.operation.metrics import Metrics
metrics = Metrics()
metrics.notice("maple", "recorded", 0.01)
metrics.request("POST", "/webhooks/{source_id}", 200, 0.004)
metrics.batch_committed(3, 0.002)
metrics.queue_depth(5)
if sys.argv[1] == "stop":
    metrics.close()
if sys.argv[1] == "render":
    sys.stdout.buffer.write(metrics.render())
os._exit(0) if sys.argv[1] == "die" else None
"""


def _run(folder: Path, how: str) -> str:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", _COUNT, how], env=environment, capture_output=True, check=True, text=True
    )
    return done.stdout


def test_two_services_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.notice("maple", "recorded", 0.01)
    assert b'dunning_notices_total{outcome="recorded",provider="maple"} 1.0' in one.render()
    assert b'dunning_notices_total{outcome="recorded",provider="maple"} 0.0' in other.render()


def test_notice_of_nobody_known_is_counted() -> None:
    metrics = Metrics()
    metrics.notice(None, "refused", 0.001)
    assert b'dunning_notices_total{outcome="refused",provider="unknown"} 1.0' in metrics.render()


def test_several_processes_answer_as_one(tmp_path: Path) -> None:
    _run(tmp_path, "stop")
    _run(tmp_path, "die")
    text = _run(tmp_path, "render")
    assert 'dunning_notices_total{outcome="recorded",provider="maple"} 3.0' in text
    assert "dunning_batch_notices_sum 9.0" in text
    assert "dunning_commit_seconds_count 3.0" in text
    labels = 'method="POST",route="/webhooks/{source_id}",status="200"'
    assert f"dunning_request_seconds_count{{{labels}}} 3.0" in text
    assert f'dunning_request_seconds_bucket{{le="0.005",{labels}}} 3.0' in text
    assert text.count("\ndunning_build_info{") == 1


def test_process_that_was_killed_has_nothing_waiting(tmp_path: Path) -> None:
    _run(tmp_path, "die")
    assert "dunning_queue_depth 5.0" in _run(tmp_path, "render")


def test_charges_are_counted_by_outcome_and_declines_by_category() -> None:
    metrics = Metrics()
    metrics.charge("succeeded", None)
    metrics.charge("declined", "unknown")
    text = metrics.render().decode()
    assert 'dunning_charges_total{outcome="succeeded"} 1.0' in text
    assert 'dunning_declines_total{category="unknown"} 1.0' in text
    assert 'dunning_declines_total{category="fraud"} 0.0' in text


def test_every_outcome_of_an_attempt_can_be_counted() -> None:
    assert {state.value for state in AttemptState} == set(CHARGE_OUTCOMES)


def test_what_is_due_is_told_when_it_is_known() -> None:
    metrics = Metrics()
    assert b"\ndunning_due_attempts" not in metrics.render()
    text = metrics.render(Due(3, 61.5, 2)).decode()
    assert "\ndunning_due_attempts 3.0\n" in text
    assert "\ndunning_oldest_due_seconds 61.5\n" in text
    assert "\ndunning_stuck_attempts 2.0\n" in text
