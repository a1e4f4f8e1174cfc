"""The processes that are measured, and which core they run on."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

from bench.revision import HERE as THIS_CHECKOUT
from bench.revision import Installation
from databases import PostgresDatabases, SqliteDatabases
from dunning_service.merchants.keyring import new_key
from serving import environment

HERE = Path(__file__).parent
_PATIENCE_S = 90
_STOPPING_S = 45
_SECRET = "whsec_0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Cores:
    """One core for the server, one for everything else; None where the system cannot pin or has too few."""

    server: int | None
    others: int | None

    def describe(self) -> str:
        if self.server is None:
            return "not pinned: server, load generator and database share the cores"
        return f"server on core {self.server}; load generator and database on core {self.others}"


def choose_cores() -> Cores:
    """The first two that this process may use."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return Cores(usable[0], usable[1]) if len(usable) > 1 else Cores(None, None)


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Whatever is started meanwhile stays on that core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass
class Server:
    """A server that takes connections."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def processor_s(self) -> float:
        """Processor time it has used so far; NaN where that cannot be read."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return float("nan")
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Resident memory in MB; NaN where that cannot be read."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return float("nan")
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        return int(found[1]) / 1024 if found else float("nan")

    def said(self) -> str:
        """The last of what it wrote since it listens."""
        return self.log.read_text(errors="replace").partition("\nListening on ")[2].partition("\n")[2][-2_000:]


@contextmanager
def running(
    command: Sequence[str | Path], folder: Path, core: int | None, settings: dict[str, str] | None = None
) -> Iterator[Server]:
    """`command`, from when it takes connections; asked to stop at the end."""
    log = folder / "server.log"
    with log.open("wb") as output, on_core(core):
        process = subprocess.Popen(
            command, cwd=folder, env=environment(**(settings or {})), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield Server(process, _port_of(process, log), log)
    finally:
        _stop(process)


def _port_of(process: subprocess.Popen[bytes], log: Path) -> int:
    """Waits until it listens."""
    give_up_at = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up_at:
        said = log.read_text(errors="replace")
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode}: {said[-2_000:]}")
        found = re.search(r"^Listening on http://127\.0\.0\.1:(\d+)$", said, re.MULTILINE)
        if found:
            try:
                socket.create_connection(("127.0.0.1", int(found[1])), timeout=1).close()
                return int(found[1])
            except OSError:
                pass  # it says where before it listens
        time.sleep(0.05)
    raise RuntimeError(f"the server does not listen after {_PATIENCE_S} s: {log.read_text(errors='replace')[-2_000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOPPING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def noop(folder: Path, cores: Cores) -> Iterator[Server]:
    """FastAPI with a route that does nothing."""
    with running([sys.executable, HERE / "noop.py"], folder, cores.server) as server:
        yield server


@dataclass
class Service:
    """`dunning serve` on a fresh database with one merchant."""

    server: Server
    token: str
    source_path: str
    source_secret: str

    def listed(self) -> int:
        """How many failed payments the list has."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.server.port}/api/v1/failed-payments?limit=1",
            headers={"Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            total: int = json.load(answer)["total"]
        return total


@contextmanager
def service(
    databases: SqliteDatabases | PostgresDatabases,
    folder: Path,
    cores: Cores,
    *,
    installation: Installation = THIS_CHECKOUT,
    delay_s: float = 0.0,
    max_batch: int | None = None,
    profile_into: Path | None = None,
) -> Iterator[Service]:
    """The service as an operator would start it, with a line in its log for every request.

    With `delay_s` whatever it says to PostgreSQL arrives that much later, and the answers too.
    """
    url, key = databases.create_empty(), new_key()
    settings = {"database_url": url, "secret_key": key, "port": "0"}
    try:
        token, path = _provide(installation, settings)
        if max_batch is not None:
            settings["max_batch"] = str(max_batch)
        program = [installation.programs / "dunning"]
        if profile_into is not None:
            program = [installation.programs / "python", HERE / "profiled.py", profile_into]
        with (
            _delayed(url, delay_s, cores.others) as settings["database_url"],
            running([*program, "serve"], folder, cores.server, settings) as server,
        ):
            yield Service(server, token, path, _SECRET)
    finally:
        databases.drop(url)


def _provide(installation: Installation, settings: dict[str, str]) -> tuple[str, str]:
    """A token and the path of a Maple source, both made by the command line as an operator makes them."""

    def said(*arguments: str) -> dict[str, str]:
        done = subprocess.run(
            [installation.programs / "dunning", *arguments],
            env=environment(**settings),
            cwd=installation.folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"dunning {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout) if "--json" in arguments else {}

    said("migrate")
    said("merchant", "add", "Benchmark", "--currency", "NOK")
    token = said("token", "add", "--merchant", "Benchmark", "--scope", "ingest", "--scope", "read", "--json")["token"]
    source = said(
        *("source", "add", "--merchant", "Benchmark", "--provider", "maple", "--secret", _SECRET, "--json"),
    )
    return token, source["path"]


@contextmanager
def _delayed(url: str, delay_s: float, core: int | None) -> Iterator[str]:
    """The same database through a proxy that delays what passes it; itself where there is no delay."""
    if not delay_s:
        yield url
        return
    server = make_url(url)
    host, port = str(server.query.get("host") or server.host or "127.0.0.1"), server.port or 5432
    with on_core(core):
        proxy = subprocess.Popen(
            [sys.executable, HERE / "delay.py", host, str(port), str(delay_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    assert proxy.stdin is not None
    assert proxy.stdout is not None
    try:
        listening = int(proxy.stdout.readline().rpartition(" ")[2])
        through = server.set(host="127.0.0.1", port=listening, query={})
        yield through.render_as_string(hide_password=False)
    finally:
        proxy.stdin.close()
        proxy.wait(_STOPPING_S)
