"""Tokens, secrets and signatures stand nowhere but where they were handed out: a whole story, and then a search."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy.engine import make_url

from command_line import CommandLine
from contract._payment_records import a_payment, encoded
from contract._subscriptions import a_request
from dunning_service.app import create_app
from dunning_service.database.engines import Database, database_url
from dunning_service.gateways.service import choose_endpoint, rotate_signing_secret
from dunning_service.merchants import service as merchants
from dunning_service.merchants import sources
from dunning_service.merchants.directory import Scope
from dunning_service.merchants.keyring import Keyring
from dunning_service.outgoing.network import NetworkRules
from dunning_service.settings import Settings
from dunning_service.values.clock import utc_now
from e2e.processes import HOST, ServerProcess, serving
from e2e.senders import a_goodparty_notice, a_maple_notice, open_account
from ledgers import every_row
from running import SECRET_KEY

_DEADLINE_S = 20


class _Endpoint(BaseHTTPRequestHandler):
    """Fails the first time and declines from then on; keeps what it was signed with."""

    signatures: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.signatures.append(self.headers["webhook-signature"])
        if len(self.signatures) == 1:
            self._answer(500, b"out of order")
            return
        key = self.headers["idempotency-key"]
        said = {"key": key, "outcome": "declined", "provider": "stripe", "code": "insufficient_funds"}
        self._answer(200, json.dumps(said).encode() if body else b"")

    def do_GET(self) -> None:
        self.signatures.append(self.headers["webhook-signature"])
        self._answer(404, json.dumps({"key": self.path.rpartition("/")[2], "outcome": "not_found"}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: it would stand among the tests' own output."""


@contextlib.contextmanager
def charging_endpoint() -> Iterator[tuple[str, list[str]]]:
    """Its URL, and the signatures it was sent."""
    signatures: list[str] = []
    server = ThreadingHTTPServer((HOST, 0), type("Endpoint", (_Endpoint,), {"signatures": signatures}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/charges", signatures
    finally:
        server.shutdown()
        thread.join(_DEADLINE_S)
        server.server_close()


@dataclass
class Story:
    """What nobody may read, and everything that somebody could read."""

    secrets: dict[str, str] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)

    def keep(self, name: str, secret: str) -> str:
        """Notes a secret, and what it looks like to whoever writes it in another way."""
        assert len(secret) > 8, name
        name = f"{name} ({len(self.secrets)})"
        self.secrets |= {
            name: secret,
            f"{name}, quoted": quote(secret, safe=""),
            f"{name}, without what it begins with": secret.partition("_")[2] or secret,
            f"{name}, in base64": base64.b64encode(secret.encode()).decode().rstrip("="),
        }
        return secret

    def hear(self, response: httpx.Response) -> httpx.Response:
        """Notes an answer, headers and all."""
        self.said.append((f"the answer {response.status_code} to {response.request.url}", _whole(response)))
        return response

    def leaks(self) -> list[str]:
        return [
            f"{name} in {where}" for where, text in self.said for name, secret in self.secrets.items() if secret in text
        ]


def _whole(response: httpx.Response) -> str:
    headers = "\n".join(f"{name}: {value}" for name, value in response.headers.multi_items())  # httpx hides secrets
    return f"{headers}\n{response.text}"


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_nothing_secret_is_told_again(database_url: str, dunning: CommandLine) -> None:
    story = Story()
    password = make_url(database_url).password
    if password:
        story.keep("the database's password", password)
    story.keep("the key of the secrets", SECRET_KEY)
    settings = {
        "gateway_allow_http": True,
        "gateway_allow_private": True,
        "log_level": "debug",
        "retry_ladder": "1s",
        "max_body_bytes": 100_000,
    }
    with charging_endpoint() as (url, signatures):
        account = _prepared(story, database_url, url)
        with serving(database_url, "--with-worker", gateway_hosts=url.split("/")[2], **settings) as server:
            _live(story, server, account)
            server.terminate()
            server.wait()
            story.said.append(("the log", server.output))
        assert len(signatures) >= 2
        for signature in signatures:
            for one in signature.split():
                story.keep("a signature of ours", one.partition(",")[2])
    story.said.append(("the database", _dumped(database_url)))
    deliveries = dunning.json("events", "list")
    assert deliveries
    for command in (["token", "list"], ["source", "list"], ["merchant", "list"], ["events", "list"]):
        story.said.append((f"dunning {command}", json.dumps(dunning.json(*command))))
    for delivery in deliveries[:5]:
        story.said.append(("dunning events show", json.dumps(dunning.json("events", "show", str(delivery["id"])))))

    assert '"event":"request"' in dict(story.said)["the log"]
    assert story.leaks() == []


@dataclass(frozen=True)
class Known:
    """What the merchant's systems hold."""

    account: Any
    older_secret: str
    reader: str
    revoked: str


def _prepared(story: Story, url: str, endpoint: str) -> Known:
    """A merchant with tokens, a source whose secret is being changed, and a charging endpoint likewise."""
    account = open_account(url)
    story.keep("a token", account.token)
    older = story.keep("a source's older secret", account.secret)
    database, keyring, now = Database(database_url(url)), Keyring(SECRET_KEY), utc_now()
    rules = NetworkRules(hosts=[endpoint.split("/")[2]], allow_http=True, allow_private_addresses=True)
    with database.write() as connection:
        (merchant,) = [one for one in merchants.list_merchants(connection) if one.id == account.merchant_id]
        rotated = sources.rotate_source(
            connection, keyring, account.source_id, secret=None, keep_old=timedelta(days=1), now=now
        )
        made = [
            merchants.add_token(
                connection, merchant=merchant, name=name, scopes=frozenset({Scope.READ}), expires_at=None, now=now
            )
            for name in ("reader", "revoked")
        ]
        merchants.revoke_token(connection, made[1].id, now=now)
        first = choose_endpoint(connection, keyring, rules, merchant, endpoint, now=now)
        assert first is not None
        second = rotate_signing_secret(connection, keyring, merchant, now=now)
    database.write_engine.dispose()
    story.keep("a source's secret", rotated.secret)
    story.keep("an older signing secret", first.text)
    story.keep("a signing secret", second.text)
    return Known(
        type(account)(account.merchant_id, account.token, account.source_id, rotated.secret),
        older,
        story.keep("a token that only reads", made[0].token),
        story.keep("a token that was revoked", made[1].token),
    )


def _live(story: Story, server: ServerProcess, known: Known) -> None:
    """Everything that is done with a secret: right, wrong, and in the wrong place."""
    account = known.account
    with httpx.Client(base_url=server.base_url, trust_env=False, timeout=_DEADLINE_S) as client:
        for number, secret in enumerate((account.secret, known.older_secret)):
            notice = a_maple_notice(type(account)(account.merchant_id, "", account.source_id, secret), f"txn_{number}")
            story.keep("a signature", notice.headers["X-Maple-Signature"].rpartition("=")[2])
            for body in (notice.body, notice.body + b" ", b"not JSON"):
                story.hear(client.post(notice.path, content=body, headers=notice.headers))
            bare = story.keep("a bare signature", hmac.new(secret.encode(), b"{", hashlib.sha256).hexdigest())
            for value in (bare, f"{bare}," * 40, f"t=1,v1={bare}", f"t=1,t=2,v1={bare}", f"t=NaN,v1={bare}"):
                story.hear(client.post(notice.path, content=b"{", headers={"X-Maple-Signature": value}))
        posted = a_goodparty_notice(account, "in_1")
        for token in (account.token, known.revoked, account.token[:-1], f"{account.token} {known.reader}"):
            _try_everywhere(story, client, token, posted.body)
        for told in ("Unknown", "Declined"):
            created = story.hear(client.post("/sub-api/v1/subscriptions", json=a_request(), headers=account.auth))
            assert created.status_code == 200, created.text
            assert told in created.text
        for path in ("/metrics", "/healthz", "/readyz", "/openapi.json", "/docs", "/redoc"):
            assert story.hear(client.get(path)).status_code == 200
    # what was sent in a place that no secret belongs in may be repeated to whoever sent it, and is in no log
    with httpx.Client(base_url=server.base_url, trust_env=False, timeout=_DEADLINE_S) as client:
        for path in ("/v1/payment_records", "/api/v1/failed-payments", "/sub-api/v1/subscriptions", "/webhooks", ""):
            client.get(f"{path}/{account.token}", headers=account.auth)
            client.get(f"{path}?token={account.token}&secret={account.secret}", headers=account.auth)
            client.post(f"{path}/{account.secret}", headers=account.auth)
            client.request(account.token, path or "/", headers=account.auth)


def _try_everywhere(story: Story, client: httpx.Client, token: str, notice: bytes) -> None:
    """A token in every place that is read for one."""
    basics = [base64.b64encode(pair.encode()).decode() for pair in (f"{token}:", f"anybody:{token}", token)]
    for basic in basics:
        story.keep("a token as Basic has it", basic)
    lists = ("/api/v1/failed-payments", "/api/v1/connect/subscriptions/failed/list", "/sub-api/v1/subscriptions")
    given = [{"Authorization": f"Bearer {token}"}, {"X-Api-Key": token}, {"Authorization": token}]
    given += [{"Authorization": f"Basic {basic}"} for basic in basics]
    for headers in given:
        for path in (*lists, "/v1/payment_records"):
            story.hear(client.get(path, headers=headers))
        json_type, form_type = (
            {"Content-Type": "application/json"},
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
        for content, kind in (
            (notice, json_type),
            (b"{", json_type),
            (b"<", {"Content-Type": "text/xml"}),
            (notice, {}),
        ):
            path = "/api/ActionService/LogInvoicePaymentFailed"
            story.hear(client.post(path, content=content, headers=headers | kind))
        form = encoded(a_payment()).encode()
        for content in (form, b"%", b"a" * 100_001):
            path = "/v1/payment_records/report_payment"
            story.hear(client.post(path, content=content, headers=headers | form_type))
        story.hear(client.post("/sub-api/v1/subscriptions", content=b"[]", headers=headers | json_type))
        story.hear(client.delete("/api/v1/failed-payments", headers=headers))


def _dumped(url: str) -> str:
    """Every row of every table, as text."""
    database = Database(database_url(url))
    with database.write() as connection:
        rows = [f"{table} {list(values.values())!r}" for table, values in every_row(connection)]
    database.write_engine.dispose()
    return "\n".join(rows)


def test_no_example_in_the_openapi_document_looks_like_a_secret() -> None:
    app = create_app(Settings(_env_file=None, database_url="sqlite:///unused.db"))
    looks_secret = r"dun_[\w-]{20,}|whsec_[\w+/=]{8,}|\b(?:sk|rk|pk)_(?:live|test)_\w+|\b[0-9a-f]{40,}\b"
    assert re.findall(looks_secret, json.dumps(app.openapi())) == []
