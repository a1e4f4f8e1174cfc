"""What Prometheus can ask: notices, commits and the queue in front of them. No id of anybody is a label."""

from __future__ import annotations

import os
import re
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from dunning_service import payment_records
from dunning_service.providers import all_providers

MEDIA_TYPE = CONTENT_TYPE_LATEST

OUTCOMES = ("recorded", "repeated", "ignored", "failed", "refused", "unavailable", "crashed")
"""What can become of a notice. `refused`: not acknowledged, and it would not be if it came again as it is."""

_UNKNOWN = "unknown"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The counters of one process.

    With PROMETHEUS_MULTIPROC_DIR set, before this package is imported, each process keeps its own in files there, and
    `render` in any of them answers for all.
    """

    def __init__(self) -> None:
        self._shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        self._registry = CollectorRegistry()
        if not self._shared:
            ProcessCollector(registry=self._registry)
        notices = Counter(
            "dunning_notices_total",
            "Notices answered, by provider and what became of them.",
            ["provider", "outcome"],
            registry=self._registry,
        )
        latency = Histogram(
            "dunning_notice_seconds",
            "From the first byte of a notice to its answer, its commit included.",
            ["provider"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        commits = Histogram(
            "dunning_commit_seconds",
            "One transaction of the ledger, its commit included.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        batches = Histogram(
            "dunning_batch_notices",
            "Notices and decisions that shared one commit.",
            buckets=_SIZES,
            registry=self._registry,
        )
        depth = Gauge(
            "dunning_queue_depth",
            "Notices and decisions waiting for a commit.",
            multiprocess_mode="livesum",
            registry=self._registry,
        )
        providers = [*all_providers(), payment_records.PROVIDER, _UNKNOWN]
        self._notices = {
            (provider, outcome): notices.labels(provider, outcome).inc for provider in providers for outcome in OUTCOMES
        }
        self._latency = {provider: latency.labels(provider).observe for provider in providers}
        self._observe_commit = commits.observe
        self._observe_batch = batches.observe
        self._set_depth = depth.set

    def notice(self, provider: str | None, outcome: str, seconds: float) -> None:
        """A notice has been answered. `provider` is None when it is not known whose it was meant to be."""
        name = provider or _UNKNOWN
        self._notices[name, outcome]()
        self._latency[name](seconds)

    def batch_committed(self, size: int, seconds: float) -> None:
        """A batch of `size` has been committed. May be called from any thread."""
        self._observe_batch(size)
        self._observe_commit(seconds)

    def queue_depth(self, depth: int) -> None:
        """`depth` notices and decisions are waiting. May be called from any thread."""
        self._set_depth(depth)

    def render(self) -> bytes:
        """Everything in the Prometheus text format."""
        if not self._shared:
            return generate_latest(self._registry)
        _forget_dead_processes(Path(self._shared))
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody, path=self._shared)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)

    def close(self) -> None:
        """This process stops: what it counted stays, what it had waiting does not."""
        if self._shared:
            mark_process_dead(os.getpid(), path=self._shared)  # type: ignore[no-untyped-call]


def _forget_dead_processes(folder: Path) -> None:
    """A process that was killed could not say that nothing waits in it any more."""
    for path in folder.glob("gauge_live*_*.db"):
        found = re.search(r"_(\d+)\.db$", path.name)
        if found and not _is_alive(int(found[1])):
            path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
