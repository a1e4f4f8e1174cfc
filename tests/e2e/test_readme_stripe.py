"""The example of docs/stripe.md for Stripe's SDK, run as it stands against a real server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from serving import environment, served

PAGE = Path(__file__).parents[2] / "docs" / "stripe.md"
_EXAMPLE = re.compile(r"^```python\n(.*?)^```\n\n^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_it_prints_what_is_shown(tmp_path: Path) -> None:
    example = _EXAMPLE.search(PAGE.read_text("utf-8"))
    assert example is not None
    program, shown = example.groups()
    with served(tmp_path) as service:
        token = re.search(r"\bdun_[\w-]{43}", service.printed)
        assert token is not None
        assert program.count("dun_...") == program.count("http://127.0.0.1:8000") == 1
        program = program.replace("dun_...", token[0]).replace("http://127.0.0.1:8000", service.address)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stderr == ""
    assert done.stdout == shown
