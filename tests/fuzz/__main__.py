"""`make fuzz`: sends a freshly started service what OpenAPI documents allow, and what they do not.

First by its own document, then by Stripe's contract for payment records. Whatever is added on the command line goes to
schemathesis: `make fuzz ARGS="--max-examples 10000"`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.payment_records import fuzz
from serving import served

_EXAMPLES = ("--max-examples", "2000")
"""For each call of the contract; what comes later on the command line counts."""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="dunning-fuzz-") as name, served(Path(name)) as service:
        folder = Path(name)
        token = re.search(r"\bdun_[\w-]{43}", service.printed)
        assert token is not None
        own = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                "run",
                f"{service.address}/openapi.json",
                "--header",
                f"Authorization: Bearer {token[0]}",
                "--checks",
                "not_a_server_error,content_type_conformance,response_schema_conformance",
                *sys.argv[1:],
            ],
            cwd=folder,
            check=False,
        )
        stripe = fuzz(service.address, token[0], folder, [*_EXAMPLES, *sys.argv[1:]])
        crashes = [line for line in service.printed.splitlines() if '"exception"' in line]
    for line in crashes[:20]:
        sys.stderr.write(f"{line}\n")
    return 1 if crashes else own.returncode or stripe.returncode


sys.exit(main())
