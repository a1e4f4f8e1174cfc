"""Examples in the pages of docs/: each fenced block under a marker, written from the file that the marker names."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_APIS = ROOT / "src" / "dunning_service" / "apis"
_MARKED = re.compile(r"^<!-- example: (\w+)/(\S+)\.(\w+) -->\n+```.*?^```$", re.MULTILINE | re.DOTALL)


def with_examples(text: str) -> str:
    """The text of a page with every example as its file has it. Raises FileNotFoundError for a marker of no file."""
    return _MARKED.sub(_block, text)


def _block(marked: re.Match[str]) -> str:
    api, name, suffix = marked.groups()
    example = (_APIS / api / "examples" / f"{name}.{suffix}").read_text("utf-8")
    return f"<!-- example: {api}/{name}.{suffix} -->\n\n```{suffix}\n{example}```"
