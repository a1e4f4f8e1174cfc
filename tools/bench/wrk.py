"""The same load by `wrk`, where it is installed: to see that our own generator is not what is measured.

It sends the same requests, read from a file. It hangs up on the requests that are under way when its time is over, so
what it counts and what the server has taken in differ by up to one request for each connection.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.load import Outcome

_SCRIPT = """\
local file = assert(io.open("%(file)s", "rb"))
file:seek("set", %(offset)d)
function request()
  local text = file:read(%(size)d)
  if text == nil then file:seek("set", 0); text = file:read(%(size)d) end
  return text
end
function done(summary, latency, requests)
  io.write(string.format(
    'RESULT {"requests":%%d,"us":%%d,"refused":%%d,"lost":%%d,"p50":%%f,"p99":%%f}\\n',
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""
_MOST_PER_SECOND = 9_000


class WrkOutcome(Outcome):
    """What wrk said: it keeps no single latency."""

    requests = 0
    percentiles: dict[float, float]

    @property
    def rate(self) -> float:
        return self.requests / self.measured_s if self.measured_s else 0.0

    def percentile_ms(self, share: float) -> float:
        return self.percentiles.get(share, float("nan"))


def is_installed() -> bool:
    return shutil.which("wrk") is not None


def for_seconds(
    port: int,
    requests: Iterator[bytes],
    folder: Path,
    *,
    connections: int,
    warm_up: float,
    seconds: float,
    probe: Callable[[], None] = lambda: None,
) -> WrkOutcome:
    """As `load.for_seconds`; the requests must all be of one length."""
    first = next(requests)
    most = int((warm_up + seconds) * _MOST_PER_SECOND)
    path = folder / "requests"
    with path.open("wb") as file:
        for request in itertools.chain((first,), itertools.islice(requests, most)):
            assert len(request) == len(first)
            file.write(request)
        file.flush()
        os.fsync(file.fileno())  # or the disk would still be busy with it later
    outcome = WrkOutcome()
    outcome.percentiles = {}
    warmed = _run(port, path, len(first), 0, connections, warm_up)
    probe()
    busy, began = _busy(), time.perf_counter()
    found = _run(port, path, len(first), warmed["requests"] + 2 * connections, connections, seconds)
    outcome.generator_busy = (_busy() - busy) / (time.perf_counter() - began)
    probe()
    path.unlink()
    outcome.requests = found["requests"]
    outcome.measured_s = found["us"] / 1_000_000
    outcome.percentiles = {0.5: found["p50"], 0.99: found["p99"]}
    refused = warmed["refused"] + found["refused"]
    outcome.statuses = Counter({200: warmed["requests"] + found["requests"] - refused})
    if refused:
        outcome.problems.append(f"{refused} answers were 4xx or 5xx")
    if lost := warmed["lost"] + found["lost"]:
        outcome.problems.append(f"{lost} requests had no answer")
    return outcome


def _busy() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _run(port: int, path: Path, size: int, offset: int, connections: int, seconds: float) -> dict[str, int]:
    script = path.with_suffix(".lua")
    script.write_text(_SCRIPT % {"file": path, "size": size, "offset": offset * size})
    printed = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", script, f"http://127.0.0.1:{port}/"],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
    ).stdout
    result = re.search(r"^RESULT (.*)$", printed, re.MULTILINE)
    assert result is not None, printed
    found: dict[str, int] = json.loads(result[1])
    return found
