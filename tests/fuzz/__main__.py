"""`make fuzz`: attacks freshly started services, and everybody who reads what they are sent, for half an hour or less.

2,000 examples for each operation, half of them on each kind of database; `--examples N` for more or fewer. What else is
added on the command line goes to pytest: `make fuzz ARGS="--examples 200 -k stripe"`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.tally import table

_HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=2_000, help="for each operation (2000)")
    chosen, others = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="dunning-fuzz-") as folder:
        seen = Path(folder) / "tally"
        seen.touch()
        environment = {
            **os.environ,
            "FUZZ_EXAMPLES": str(chosen.examples),
            "FUZZ_DATABASES": "both",
            "FUZZ_TALLY": str(seen),
        }
        command = [
            sys.executable,
            "-m",
            "pytest",
            _HERE,
            "-n",
            "2",
            "--dist",
            "worksteal",
            "-o",
            "console_output_style=times",
        ]
        began = time.monotonic()
        done = subprocess.run([*command, *others], env=environment, check=False)
        minutes = (time.monotonic() - began) / 60
        sys.stdout.write(f"\n{table(seen.read_text('utf-8').splitlines())}\n\n")
    found = "no findings" if done.returncode == 0 else "findings: see above what failed"
    sys.stdout.write(f"{chosen.examples:,} examples an operation in {minutes:.1f} minutes: {found}\n")
    return done.returncode


sys.exit(main())
