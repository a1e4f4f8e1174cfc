"""The first minute with the service: an empty folder, one command, and the lines it prints."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving import Served, environment, refused, served


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("first")


@pytest.fixture(scope="module")
def first(folder: Path) -> Iterator[Served]:
    """The first start in an empty folder."""
    with served(folder) as service:
        yield service


def commands(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if "curl " in line]


def pasted(line: str, folder: Path) -> dict:
    """What a POSIX shell answers to a line that is pasted into it."""
    done = subprocess.run(
        ["sh", "-c", line], cwd=folder, env=environment(), capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_the_printed_lines_record_failures_and_list_them_as_often_as_they_are_pasted(
    first: Served, folder: Path
) -> None:
    goodparty, maple, frontpayment, own = commands(first.printed)
    for _ in range(2):
        assert pasted(goodparty, folder) == {"status": "Success", "Message": {"Success": True}}
        assert pasted(maple, folder) == {"received": True}
        listed = pasted(frontpayment, folder)
        assert listed["metaData"]["total"] == 2
        assert {row["customerName"] for row in listed["data"]} == {"Ada Example", "Grace Example"}
        assert {row["clientName"] for row in listed["data"]} == {"default"}
        assert {row["provider"] for row in pasted(own, folder)["data"]} == {"goodparty", "maple"}
        assert {(row["amount"], row["currency"]) for row in listed["data"]} == {(19.99, "EUR"), (49, "EUR")}


def test_everything_made_is_shown_once(first: Served) -> None:
    assert re.search(r"^  merchant  default$", first.printed, re.MULTILINE)
    assert re.search(
        r"^  currency  EUR   \(of notices that name none; for another: dunning merchant set default ",
        first.printed,
        re.MULTILINE,
    )
    assert re.search(r"^  token     dun_[\w-]{43}$", first.printed, re.MULTILINE)
    assert re.search(rf"^  source    {first.address}/webhooks/[0-9a-f]{{32}} ", first.printed, re.MULTILINE)
    assert re.search(r"^  secret    \S{43,}$", first.printed, re.MULTILINE)
    assert re.search(r"^  gateway   sandbox: .* and `dunning worker` charges what is due$", first.printed, re.MULTILINE)


def test_the_key_is_made_beside_the_database(first: Served, folder: Path) -> None:
    assert (folder / "dunning.db").exists()
    assert stat.S_IMODE((folder / "dunning.db.key").stat().st_mode) == 0o600


def test_the_server_does_not_say_what_it_is(first: Served) -> None:
    answer = httpx.get(f"{first.address}/healthz")
    assert answer.status_code == 200
    assert "server" not in answer.headers


def test_headers_that_do_not_end_are_hung_up_on(first: Served) -> None:
    url = httpx.URL(first.address)
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 30_000)
        answer = b""
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                connection.sendall(b"x" * 10_000)
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(4096):
                answer += piece
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")  # a reset may overtake it
    assert httpx.get(f"{first.address}/healthz", headers={"X-Long": "x" * 30_000}).status_code == 200


def test_the_second_start_shows_no_token_but_the_command_for_one(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        assert service.stop() == 0
    with served(tmp_path) as service:
        assert "dun_" not in service.printed
        assert "curl" not in service.printed
        command = re.search(r"^For a new token: dunning (.*)$", service.printed, re.MULTILINE)
        assert command is not None
        assert command[1] == "token add --merchant default --scope ingest --scope read --scope write"
        assert service.stop() == 0


def test_a_first_run_with_a_worker_says_that_it_charges(tmp_path: Path) -> None:
    with served(tmp_path, "--with-worker") as service:
        assert (
            "sandbox: it only pretends to charge, and what is due is charged while this service runs" in service.printed
        )
        assert service.stop() == 0


def test_the_starter_merchant_has_the_currency_that_is_asked_for(tmp_path: Path) -> None:
    with served(tmp_path, "--currency", "nok") as service:
        assert re.search(r"^  currency  NOK ", service.printed, re.MULTILINE)
        goodparty, _, frontpayment, _ = commands(service.printed)
        pasted(goodparty, tmp_path)
        (row,) = pasted(frontpayment, tmp_path)["data"]
        assert (row["amount"], row["currency"]) == (19.99, "NOK")
        assert "--currency" not in service.printed.partition("currency  NOK ")[0]
    with served(tmp_path, "--currency", "sek") as service:
        assert "so it changes nothing here: see `dunning merchant set NAME --currency SEK`" in service.printed


def test_a_currency_that_is_none_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    done = refused(tmp_path, "--currency", "KRONER")
    assert done.returncode == 1
    assert "'KRONER' is not an ISO 4217 currency code; write one such as NOK" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_printed_address_is_the_public_one_where_there_is_one(tmp_path: Path) -> None:
    with served(tmp_path, public_url="https://dunning.example.com/") as service:
        assert service.address == "https://dunning.example.com"
        assert all(" https://dunning.example.com/" in line for line in commands(service.printed))
