"""`make fuzz`: sends a freshly started service what its own OpenAPI document allows, and what it does not.

Whatever is added on the command line goes to schemathesis: `make fuzz ARGS="--max-examples 1000"`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from serving import served


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="dunning-fuzz-") as folder, served(Path(folder)) as service:
        token = re.search(r"\bdun_[\w-]{43}", service.printed)
        assert token is not None
        done = subprocess.run(
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
        crashes = [line for line in service.printed.splitlines() if '"exception"' in line]
    for line in crashes[:20]:
        sys.stderr.write(f"{line}\n")
    return 1 if crashes else done.returncode


sys.exit(main())
