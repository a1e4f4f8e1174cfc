"""Metrics for Prometheus: requests, notices, commits and the queue before them, charges, due work. No id is a label."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
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
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from dunning_service.events import Category
from dunning_service.senders import all_senders

MEDIA_TYPE = CONTENT_TYPE_LATEST

OUTCOMES = ("recorded", "repeated", "ignored", "failed", "refused", "unavailable", "crashed")
"""The outcomes of a notice. `refused`: not acknowledged, and it would not be if it came again as it is."""

CHARGE_OUTCOMES = ("succeeded", "declined", "error", "pending", "unknown")
"""The outcomes of an attempt to charge. The last two are not its end: it is looked up again."""

_UNKNOWN = "unknown"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True, slots=True)
class Due:
    """The due attempts."""

    attempts: int
    oldest_seconds: float
    """How long the oldest of them has been waiting; 0 when there are none."""
    stuck: int
    """Attempts that came to nothing when they were last tried."""


@dataclass(frozen=True, slots=True)
class DatabaseInUse:
    """The database of the process."""

    kind: str
    version: str
    """Empty while the database could not be reached."""


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
        self._requests = Histogram(
            "dunning_request_seconds",
            "Requests from their head to the end of their answer, by the template of their route and their status.",
            ["method", "route", "status"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._observe_request: dict[tuple[str, str | None, int], Callable[[float], None]] = {}
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
        charges = Counter(
            "dunning_charges_total",
            "Attempts to charge, by what became of them.",
            ["outcome"],
            registry=self._registry,
        )
        declines = Counter(
            "dunning_declines_total",
            "Attempts that were declined, by why; unknown: with no code that the table of decline codes has.",
            ["category"],
            registry=self._registry,
        )
        self._charges = {outcome: charges.labels(outcome).inc for outcome in CHARGE_OUTCOMES}
        self._declines = {category.value: declines.labels(category.value).inc for category in Category}
        providers = [*(sender.name for sender in all_senders().values() if sender.posts_notices), _UNKNOWN]
        self._notices = {
            (provider, outcome): notices.labels(provider, outcome).inc for provider in providers for outcome in OUTCOMES
        }
        self._latency = {provider: latency.labels(provider).observe for provider in providers}
        self._observe_commit = commits.observe
        self._observe_batch = batches.observe
        self._set_depth = depth.set

    def notice(self, provider: str | None, outcome: str, seconds: float) -> None:
        """Counts an answered notice. `provider` is None when it is not known whose it was meant to be."""
        name = provider or _UNKNOWN
        self._notices[name, outcome]()
        self._latency[name](seconds)

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Counts an answered request. `route` is a template, so that there are only so many; None: there is none."""
        if method not in _METHODS:
            method = _OTHER
        key = (method, route, status)
        observe = self._observe_request.get(key)
        if observe is None:
            observe = self._requests.labels(method, route or _UNKNOWN, status).observe
            self._observe_request[key] = observe
        observe(seconds)

    def batch_committed(self, size: int, seconds: float) -> None:
        """Counts a committed batch of `size`. May be called from any thread."""
        self._observe_batch(size)
        self._observe_commit(seconds)

    def queue_depth(self, depth: int) -> None:
        """Sets the number of notices and commands that wait. May be called from any thread."""
        self._set_depth(depth)

    def charge(self, outcome: str, category: str | None) -> None:
        """Counts an attempt by one of CHARGE_OUTCOMES; `category` is why it was declined."""
        self._charges[outcome]()
        if category is not None:
            self._declines[category]()

    def render(self, due: Due | None = None, database: DatabaseInUse | None = None) -> bytes:
        """All metrics in the Prometheus text format; without `due`, the due work is unknown."""
        return self._counted() + generate_latest(_AtScrape(due, database))

    def _counted(self) -> bytes:
        if not self._shared:
            return generate_latest(self._registry)
        _forget_dead_processes(Path(self._shared))
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody, path=self._shared)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)

    def close(self) -> None:
        """Ends the metrics of this process: its counters stay, its gauges go."""
        if self._shared:
            mark_process_dead(os.getpid(), path=self._shared)  # type: ignore[no-untyped-call]


class _AtScrape(Collector):
    """Collector of gauges that are read at the time of a scrape: the version, and the due attempts."""

    def __init__(self, due: Due | None, database: DatabaseInUse | None) -> None:
        self._due = due
        self._database = database or DatabaseInUse(_UNKNOWN, "")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        build = GaugeMetricFamily(
            "dunning_build_info",
            "Always 1: which version of the service runs, on which Python and on which database.",
            labels=["version", "python", "database", "database_version"],
        )
        build.add_metric(
            [version("dunning-service"), platform.python_version(), self._database.kind, self._database.version], 1
        )
        yield build
        attempts = GaugeMetricFamily(
            "dunning_due_attempts", "Attempts to charge, or to find out what became of one, that are due."
        )
        oldest = GaugeMetricFamily("dunning_oldest_due_seconds", "How long the oldest of those has been due.")
        stuck = GaugeMetricFamily(
            "dunning_stuck_attempts",
            "Attempts that came to nothing when last tried: "
            "the gateway could not be asked, or could not tell the outcome.",
        )
        if self._due is not None:
            stuck.add_metric([], self._due.stuck)
            attempts.add_metric([], self._due.attempts)
            oldest.add_metric([], self._due.oldest_seconds)
        yield attempts
        yield oldest
        yield stuck


def _forget_dead_processes(folder: Path) -> None:
    """Deletes the gauges of processes that were killed and could not reset them."""
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
