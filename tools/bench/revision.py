"""Another revision of this project, installed beside this one to be measured in the same run."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from databases import ROOT
from machine import say
from serving import environment


@dataclass(frozen=True)
class Installation:
    """A checkout with a virtual environment of its own."""

    revision: str
    """Its commit, in full; empty for the checkout that the benchmark belongs to."""
    folder: Path
    programs: Path
    """Where its `python` and `dunning` are."""


HERE = Installation("", ROOT, Path(sys.executable).parent)
"""The checkout that the benchmark belongs to."""


def installed(name: str) -> Installation:
    """The revision called `name`, installed in `.venv/revisions/`; kept there, so the next run has it at once.

    Raises ValueError for a name that git does not know here.
    """
    found = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"], cwd=ROOT, capture_output=True, text=True
    )
    if found.returncode:
        raise ValueError(f"git knows no revision {name!r} here; a shallow clone has the newest one only")
    revision = found.stdout.strip()
    folder = ROOT / ".venv" / "revisions" / revision
    programs = folder / ".venv" / "bin"
    marker = folder / ".venv" / ".complete"
    if not marker.exists():
        say(f"Installing revision {revision[:7]} in {folder} ...")
        archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(folder, filter="data")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder / ".venv"], check=True)
        subprocess.run(
            [
                *(programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--constraint", "constraints.txt", "--editable", ".[dev]"),
            ],
            cwd=folder,
            check=True,
        )
        marker.touch()
    return Installation(revision, folder, programs)


def due_payments_per_s(installation: Installation, database: str, payments: int, into: Path) -> float:
    """How many due payments a second that revision's own plain loop works off, as its own benchmark measures it."""
    out = into / "due.json"
    program = "tools/bench" if (installation.folder / "tools").is_dir() else "tests/benchmarks"
    subprocess.run(
        [
            *(installation.programs / "python", program, "--no-speed", "--no-memory"),
            *("--database", database, "--due-payments", str(payments), "--out", out),
        ],
        cwd=installation.folder,
        env=_environment(installation),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    loops = [found for found in json.loads(out.read_text())["due"] if found["what"] == "one at a time"]
    rate: float = loops[0]["payments_per_s"]
    return rate


def _environment(installation: Installation) -> dict[str, str]:
    return environment() | {"PYTHONPATH": f"{installation.folder}/tools:{installation.folder}/tests"}
