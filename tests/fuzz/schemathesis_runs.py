"""schemathesis as a process of its own, told where to attack, with which ids, and what an answer must be like."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from fuzz.conftest import BOTH
from fuzz.target import SOON_S, Target

_TESTS = Path(__file__).parents[1]
SECRETS = "FUZZ_SECRETS"
"""Names the variable of the environment that has what no answer may hold."""

Known = Mapping[str, Sequence[object]]
Places = Mapping[str, Mapping[str, str]]
"""Under which addresses, as regular expressions with OpenAPI's braces, which parameter is taken from which list."""


_CHANCE = ("--generation-database", "none") if BOTH else ("--generation-deterministic",)
"""To keep what was tried takes as long again as to try it."""


def run(
    attacked: Target,
    folder: Path,
    document: str,
    *,
    checks: Sequence[str],
    hooks: str,
    settings: str,
    arguments: Sequence[str],
) -> subprocess.CompletedProcess[str]:
    """Attacks what `document`, a file in `folder` or an address, says of the service, and returns when all is said."""
    (folder / "schemathesis.toml").write_text(settings, "utf-8")
    python_path = os.pathsep.join(
        filter(None, (str(_TESTS), str(_TESTS.with_name("tools")), os.environ.get("PYTHONPATH")))
    )
    return subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "run",
            document,
            *("--url", attacked.server.base_url),
            *("--header", f"Authorization: Bearer {attacked.account.token}"),
            *("--checks", ",".join(checks)),
            *("--request-timeout", "10", "--max-response-time", str(SOON_S)),
            *_CHANCE,
            "--no-color",
            *arguments,
        ],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": python_path,
            "SCHEMATHESIS_HOOKS": hooks,
            SECRETS: json.dumps(attacked.secrets),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def settings(known: Known, places: Places, *more: str) -> str:
    """What schemathesis is told, as TOML: where ids come from, more often than not."""
    lines = [*more]
    for name, values in known.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(values)}"]
    for addresses, chosen in places.items():
        pattern = addresses.replace("{", r"\{").replace("}", r"\}")
        lines += ["[[operations]]", f"include-path-regex = '{pattern}'", "[operations.parameters]"]
        lines += [f'"{place}" = {{ dictionary = "{name}", probability = 0.6 }}' for place, name in chosen.items()]
    return "\n".join(lines)
