"""The request of docs/arise.md that creates a subscription, run as it is written against a real server."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from serving import environment, served

PAGE = Path(__file__).parents[2] / "docs" / "arise.md"


def test_it_creates_a_subscription_that_begins_later(tmp_path: Path) -> None:
    (command,) = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    with served(tmp_path) as service:
        token = re.search(r"\bdun_[\w-]{43}", service.printed)
        assert token is not None
        assert command.count("dun_...") == command.count("http://127.0.0.1:8000") == 1
        done = subprocess.run(
            ["sh", "-c", command.replace("dun_...", token[0]).replace("http://127.0.0.1:8000", service.address)],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    created = json.loads(done.stdout)
    assert created["id"]
    assert created["payNowSuccess"] is None
