"""What may stand in a log line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dunning_service.operation.logs import described, without_secrets


@pytest.mark.parametrize(
    "secret",
    [
        "kari.nordmann@example.com",
        "+47 465 67 468",
        "0047-46567468",
        "46567468",
        "dun_Zm9vYmFyYmF6",
        "whsec_0123456789",
        "sk_live_abc",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "Bearer abcdefgh12345",
        "?email=kari&page=2",
    ],
)
def test_secret_or_person_is_blotted_out(secret: str) -> None:
    text = without_secrets(f"could not do it for {secret} today")
    assert secret not in text
    assert text.startswith("could not do it for")
    assert text.endswith("today")


@pytest.mark.parametrize(
    "text",
    [
        'File "/srv/dunning_service/operation/logs.py", line 120, in described',
        "KeyError: 'amount_minor'",
        "2026-11-21T12:00:00 Started server process [20648]",
        "connection to server at 127.0.0.1, port 5432 failed: Connection refused",
    ],
)
def test_what_helps_is_left(text: str) -> None:
    assert without_secrets(text) == text


def test_password_in_a_database_url_is_blotted_out() -> None:
    assert "hunter2" not in without_secrets("cannot connect to postgresql://dunning:hunter2@db.example.com/dunning")


def test_values_of_a_statement_and_of_a_row_are_blotted_out() -> None:
    error = ValueError(
        "duplicate key\nDETAIL:  Key (name)=(Kari) already exists.\n[SQL: INSERT]\n[parameters: {'name': 'Kari'}]"
    )
    text = described(error)
    assert "Kari" not in text
    assert "[SQL: INSERT]" in text


def test_logs_of_every_origin_are_json_lines() -> None:
    script = """
import logging, structlog
from dunning_service.operation.logs import configure_logs
configure_logs("info")
structlog.get_logger().info("payment.recorded", amount_minor=5)
structlog.get_logger().debug("not this")
logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
logging.getLogger("uvicorn.access").info('127.0.0.1 - "GET /?token=x HTTP/1.1" 200')
logging.getLogger("somebody").warning("for %s", "kari@example.com")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("somebody").exception("oh")
    structlog.get_logger().exception("crashed")
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert out.stderr == b""
    lines = [json.loads(line) for line in out.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["payment.recorded", "log", "log", "log", "crashed"]
    assert lines[1]["message"] == "Started server process [7]"
    assert "kari" not in lines[2]["message"]
    assert "ZeroDivisionError" in lines[3]["exception"]
    assert "ZeroDivisionError" in lines[4]["exception"]
    assert all({"at", "level"} <= set(line) for line in lines)
