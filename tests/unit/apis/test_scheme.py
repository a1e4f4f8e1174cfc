"""One scheme of file names in every folder of apis/: docs/contributing.md says what each is for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dunning_service

APIS = Path(dunning_service.__file__).parent / "apis"
FOLDERS = sorted(path.parent for path in APIS.glob("*/__init__.py"))
CONTRIBUTING = (Path(__file__).parents[3] / "docs" / "contributing.md").read_text("utf-8")

ALWAYS = {"__init__.py", "routes.py", "requests.py", "wire.py", "errors.py", "examples"}
OPTIONAL = {
    "replies.py",
    "credentials.py",
    "numbers.py",
    "values.py",
    "rules.py",
    "queries.py",
    "commands.py",
    "forms.py",
    "xml.py",
}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_has_the_files_of_the_scheme_and_no_others(folder: Path) -> None:
    names = {path.name for path in folder.iterdir() if path.name != "__pycache__"}
    assert ALWAYS - names == set()
    assert names - ALWAYS - OPTIONAL == set()


def test_every_file_of_the_scheme_is_explained_and_used() -> None:
    table = CONTRIBUTING.split("## The folders of apis/")[1].split("\n\n")[1]
    explained = set(re.findall(r"^\| `([\w.]+)/?` \|", table, re.MULTILINE))
    assert explained == ALWAYS - {"__init__.py"} | OPTIONAL
    assert all(any((folder / name).exists() for folder in FOLDERS) for name in OPTIONAL)
