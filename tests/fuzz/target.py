"""A service in a process of its own to be attacked, with something of everything in it."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from contract._payment_records import OUTCOMES, RECORDS, REPORT, a_payment, a_refund, encoded
from contract._subscriptions import a_request
from e2e.processes import HOST, ServerProcess, serving
from e2e.senders import Account, a_goodparty_notice, a_maple_notice, complaints, open_account
from fuzz.tally import Tally
from running import SECRET_KEY

SOON_S = 5.0
"""After which something hangs."""

_A_MOMENT_S = 0.05

SUBSCRIPTIONS = "/sub-api/v1/subscriptions"


@dataclass(frozen=True)
class Heard:
    """An answer; status 0 when there was none before the connection ended."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Target:
    """Where to send what, and ids that exist."""

    server: ServerProcess
    account: Account
    url: str
    ids: dict[str, list[str]]

    @property
    def secrets(self) -> list[str]:
        return [self.account.token, self.account.secret, SECRET_KEY]

    def ask(self, head: bytes, body: bytes = b"", *, may_want_more: bool = False) -> Heard:
        """Sends these very bytes on a connection of their own. Fails when nothing comes of it for a while.

        A service that has been promised more than there is may wait for it: it is told that there is no more.
        """
        deadline = time.monotonic() + SOON_S
        with socket.create_connection((HOST, self.server.port), timeout=SOON_S) as connection:
            received = b""
            try:
                connection.sendall(head + body)
                if may_want_more and not select.select([connection], [], [], _A_MOMENT_S)[0]:
                    connection.shutdown(socket.SHUT_WR)
                while piece := self._received(connection, deadline):
                    received += piece
                    if _is_whole(received, is_head=head.startswith(b"HEAD ")):
                        break
            except (ConnectionResetError, BrokenPipeError):
                pass  # refused before it was read to its end
        return _heard(received)

    @staticmethod
    def _received(connection: socket.socket, deadline: float) -> bytes:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        return connection.recv(65_536)

    def require_discretion(self, heard: Heard) -> None:
        """Fails when an answer has a secret in it."""
        said = f"{dict(heard.headers)} {heard.body.decode('latin-1')}"
        assert [secret for secret in self.secrets if secret in said] == []


def _is_whole(received: bytes, *, is_head: bool) -> bool:
    """Whether the answer is there, so that nobody has to wait for the end of the connection."""
    head, found, body = _behind_continue(received).partition(b"\r\n\r\n")
    if not found:
        return False
    if is_head:
        return True
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        return body.endswith(b"0\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(lengths) and len(body) >= int(lengths[0])


def _behind_continue(received: bytes) -> bytes:
    """The answer itself, without what only says that the body may come."""
    while received.startswith(b"HTTP/1.1 100"):
        received = received.partition(b"\r\n\r\n")[2]
    return received


def _heard(received: bytes) -> Heard:
    head, found, body = _behind_continue(received).partition(b"\r\n\r\n")
    if not found:
        return Heard(0)
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Heard(int(status.split(" ")[1]), headers, body)


def request(method: bytes, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of a request, with a Host unless one is given."""
    given = list(headers)
    if not any(name.lower() == b"host" for name, _ in given):
        given.insert(0, (b"Host", b"a"))
    lines = b"".join(b"%b: %b\r\n" % header for header in given)
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, lines)


@contextmanager
def target(url: str, tally: Tally) -> Iterator[Target]:
    """A service on this database. At the end nothing unexpected may have happened in it: no crash, nothing secret in
    its log, and a ledger that adds up."""
    account = open_account(url)
    with serving(url, log_level="debug") as server:
        found = Target(server, account, url, seeded(server.base_url, account))
        yield found
        tally.count_log(server.output)
        server.terminate()
        server.wait()
        log, crashes = server.output, server.crashes
    assert crashes == []
    assert [secret for secret in found.secrets if secret in log] == []
    assert complaints(url) == []


def seeded(address: str, account: Account, each: int = 4) -> dict[str, list[str]]:
    """Ids of new objects of every kind: by what they are good for."""
    known: dict[str, list[str]] = {name: [] for name in ("records", "attempts", "subscriptions", *OUTCOMES)}
    known |= {f"open_{outcome}": [] for outcome in OUTCOMES} | {"sources": [account.source_id]}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with httpx.Client(base_url=address, headers=account.auth, trust_env=False, timeout=30) as client:

        def told(path: str, content: bytes, headers: Mapping[str, str]) -> Any:
            return client.post(path, content=content, headers=headers).raise_for_status().json()

        stories = OUTCOMES | {f"open_{outcome}": {} for outcome in OUTCOMES}
        for name, stated in list(stories.items()) * each:
            made = told(REPORT, encoded(a_payment(**stated)).encode(), form)
            known["records"].append(made["id"])
            known["attempts"].append(made["latest_payment_attempt_record"])
            known[name].append(made["id"])
        told(f"{RECORDS}/{known['guaranteed'][0]}/report_refund", encoded(a_refund()).encode(), form)
        for number in range(each):
            for notice in (a_maple_notice(account, f"txn_{number}"), a_goodparty_notice(account, f"in_{number}")):
                told(notice.path, notice.body, notice.headers | {"Content-Type": "application/json"})
            made = client.post(SUBSCRIPTIONS, json=a_request()).raise_for_status().json()
            known["subscriptions"].append(made["id"])
        listed = client.get("/api/v1/failed-payments").raise_for_status().json()["data"]
    return known | {"numbers": [one["id"] for one in listed]}
