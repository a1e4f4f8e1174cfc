"""A client that offers to speak HTTP/2, as Java's does with every first request of a connection, is served all the
same."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from databases import SqliteDatabases
from e2e.processes import HOST, ServerProcess, serving
from e2e.senders import Account, a_goodparty_notice, a_maple_notice, listed, open_account

OFFER = {
    "Connection": "Upgrade, HTTP2-Settings",
    "Upgrade": "h2c",
    "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
}
_PATIENCE_S = 10


class Connection:
    """One that is kept, and hears whole answers."""

    def __init__(self, server: ServerProcess) -> None:
        self._socket = socket.create_connection((HOST, server.port), timeout=_PATIENCE_S)
        self._answers = self._socket.makefile("rb")

    def send(self, method: str, path: str, headers: dict[str, str], *pieces: bytes) -> int:
        """Sends the head, and then each piece for itself; answers the status."""
        head = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", *(f"{name}: {value}" for name, value in headers.items())]
        for piece in ("\r\n".join([*head, "", ""]).encode(), *pieces):
            self._socket.sendall(piece)
        return self.answer()

    def send_at_once(self, *requests: bytes) -> None:
        self._socket.sendall(b"".join(requests))

    def answer(self) -> int:
        """The status of the next answer."""
        status = int(self._answers.readline().split()[1])
        length = 0
        while (line := self._answers.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self._answers.read(length)
        return status

    def close(self) -> None:
        self._answers.close()
        self._socket.close()


@pytest.fixture(scope="module")
def account_and_server(sqlite_databases: SqliteDatabases) -> Iterator[tuple[Account, ServerProcess]]:
    url = sqlite_databases.create()
    account = open_account(url)
    with serving(url) as server:
        yield account, server
    sqlite_databases.drop(url)


def test_nothing_of_what_it_sends_is_lost(account_and_server: tuple[Account, ServerProcess]) -> None:
    account, server = account_and_server
    with closing(Connection(server)) as connection:
        signed, posted = a_maple_notice(account, "txn_1"), a_goodparty_notice(account, "in_2")
        length = {"Content-Length": str(len(signed.body))}
        half = len(signed.body) // 2
        body = signed.body[:half], signed.body[half:]
        assert connection.send("POST", signed.path, signed.headers | OFFER | length, *body) == 200

        chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (posted.body[:100], posted.body[100:])]
        chunked = posted.headers | {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        assert connection.send("POST", posted.path, chunked | OFFER, *chunks, b"0\r\n\r\n") == 200

        for headers in (account.auth | OFFER, account.auth, account.auth | OFFER):
            assert connection.send("GET", "/api/v1/failed-payments", headers) == 200
        refused = connection.send("POST", signed.path, {**signed.headers, **OFFER, "Content-Length": "2"}, b"{}")
        assert refused == 401
    assert {payment["provider_payment_id"] for payment in listed(server.base_url, account)} == {
        signed.payment,
        posted.payment,
    }


@pytest.mark.parametrize("offered", ["h2c", "websocket", "h2c, websocket", "TLS/1.0"])
def test_what_is_sent_behind_it_is_answered_in_order(
    account_and_server: tuple[Account, ServerProcess], offered: str
) -> None:
    account, server = account_and_server
    posted = a_goodparty_notice(account, "in_1", InvoiceId="in_behind")
    offer = f"Connection: upgrade\r\nUpgrade: {offered}\r\n"
    token = f"Authorization: Bearer {account.token}\r\n"
    with closing(Connection(server)) as connection:
        body = posted.body
        connection.send_at_once(
            f"GET /healthz HTTP/1.1\r\nHost: a\r\n{offer}\r\n".encode(),
            f"POST {posted.path} HTTP/1.1\r\nHost: a\r\n{offer}{token}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body,
            f"GET /nowhere HTTP/1.1\r\nHost: a\r\n{offer}\r\n".encode(),
        )
        assert [connection.answer() for _ in range(3)] == [200, 200, 404]
