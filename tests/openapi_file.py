"""Writes the OpenAPI document to the file that is named, as `/openapi.json` answers it without settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dunning_service.app import create_app
from dunning_service.settings import Settings


def write(file: Path) -> None:
    app = create_app(Settings(_env_file=None, database_url="sqlite:///unused.db"))
    file.write_text(json.dumps(app.openapi()), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
