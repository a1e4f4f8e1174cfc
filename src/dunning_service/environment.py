"""The source of the settings: the values in a `.env` file and the environment, and mistakes in their names.

A name that is spelt wrongly would leave a setting at its default, and with it start a service on an empty database. So
`.env`, which is written for this service, may hold no `DUNNING_` name that is not known; in the environment, which
others write to as well, a name that is nearly a known one is refused and any other is warned of.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from dunning_service.errors import ConfigurationError

PREFIX = "DUNNING_"

_WORD = PREFIX.rstrip("_")
_FILE = ".env"
_DATABASE_URL = f"{PREFIX}DATABASE_URL"
_PORT = f"{PREFIX}PORT"
_URL_EXAMPLES = "sqlite:///dunning.db or postgresql://user:password@host/name"
_NEARLY = 0.75
"""How alike two names are, from 0 to 1, when one is taken for a misspelling of the other."""
_FAINTLY = 0.4

_OF_COMPOSE = frozenset({f"{PREFIX}PUBLISH", f"{PREFIX}WORKERS"})
"""Read by docker-compose.yml, from the same `.env`."""
_OF_TESTS = f"{PREFIX}TEST_"
_AFTER_OTHER_SIGNS = re.compile(rf".*\W(?P<name>{PREFIX}.*)", re.IGNORECASE)
_ABOUT_A_DATABASE = frozenset({"DATABASE", "DB", "DSN", "PG", "POSTGRES", "POSTGRESQL", "SQLITE"})
"""Words of names that can mean no other setting than the database's URL."""

# What Kubernetes adds for each service of the namespace, and Docker for each link: for one called `dunning`, or
# `dunning-` and something else.
_SERVICE = re.compile(rf"{_WORD}(_\w+)?_SERVICE_(HOST|PORT(_\w+)?)", re.ASCII)
_PORT_OF_SERVICE = re.compile(rf"{_WORD}(_\w+)?_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR|START|END))?", re.ASCII)
_FIRST_PORT = re.compile(rf"{_WORD}(_\w+)?_PORT", re.ASCII)
_LINK = re.compile(rf"(?P<link>{_WORD}(_\w+?)?)_(NAME|ENV_\w+)", re.ASCII)
_ADDRESS = re.compile(r"(tcp|udp|sctp)://", re.ASCII)


@dataclass
class Given:
    """The values for the settings, and the errors and warnings about them."""

    from_file: dict[str, str] = field(default_factory=dict)
    """The file's values, by the variable's name in capitals; the environment comes before them."""
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_given(known: Collection[str], environ: Mapping[str, str], folder: Path) -> Given:
    """Reads `.env` in `folder`, and `environ`. `known` are the settings' variables, such as `DUNNING_PORT`.

    Raises ConfigurationError for a file that cannot be read at all.
    """
    given = Given()
    text = _text_of(folder / _FILE)
    if text is not None:
        _read_file(text, known, given)
    elif (above := _file_above(folder)) is not None:
        given.warnings.append(
            f"{above} is not read: settings come from a .env in the folder where the command is run ({folder}); run it "
            "there, or copy the file here"
        )
    _read_environment(known, environ, given)
    return given


def _text_of(path: Path) -> str | None:
    """The file's text; None where there is no file."""
    try:
        if path.is_dir():
            raise ConfigurationError(
                f"{_FILE} in this folder is a folder, and settings are read from a file: remove it"
            )
        if not path.exists() and not path.is_symlink():
            return None
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the file {_FILE} in this folder cannot be read: {error}") from None
    if "\0" in text:
        raise ConfigurationError(f"the file {_FILE} in this folder is not UTF-8, but perhaps UTF-16: save it as UTF-8")
    return text


def _file_above(folder: Path) -> Path | None:
    """The nearest `.env` in a folder above that names settings of this service."""
    for parent in folder.parents:
        path = parent / _FILE
        try:
            if path.is_file() and PREFIX in path.read_text("utf-8-sig"):
                return path
        except (OSError, UnicodeDecodeError):
            continue
    return None


def _read_file(text: str, known: Collection[str], given: Given) -> None:
    for binding in parse_stream(io.StringIO(text)):
        line = f"line {binding.original.line} of {_FILE}"
        if binding.error:
            given.errors.append(f"{line} cannot be read: write NAME=value, and close every quote that is opened")
        elif binding.key is not None:
            _check_name_in_file(binding.key, binding.value, line, known, given)
    if given.errors:
        return
    values = dotenv_values(stream=io.StringIO(text))
    given.from_file = {name.upper(): value for name, value in values.items() if value and name.upper() in known}
    if any(name.upper() == _DATABASE_URL and not value for name, value in values.items()):
        given.errors.append(f"{_DATABASE_URL} is empty in {_FILE}: write {_URL_EXAMPLES}, or take the line out")


def _check_name_in_file(name: str, value: str | None, line: str, known: Collection[str], given: Given) -> None:
    if name.upper() in known:
        if value is None:
            given.errors.append(f"{line} gives {name} no value: write {name}=value, or take the line out")
    elif (after := _AFTER_OTHER_SIGNS.match(name)) is not None:  # $env:DUNNING_PORT, or a sign that is not seen
        meant = _nearest(after["name"], known, at_least=_FAINTLY)
        given.errors.append(f"{line}: {_is_unknown(ascii(name), meant)}; correct the name, or take the line out")
    elif not _is_for_others(name.upper()):
        is_ours = name.upper().startswith(PREFIX)
        meant = _nearest(name, known) or (_nearest(name, known, at_least=_FAINTLY) if is_ours else None)
        if is_ours or meant is not None:
            given.errors.append(f"{line}: {_is_unknown(name, meant)}; correct the name, or take the line out")


def _read_environment(known: Collection[str], environ: Mapping[str, str], given: Given) -> None:
    has_database = _DATABASE_URL in given.from_file or any(
        name.upper() == _DATABASE_URL and value for name, value in environ.items()
    )
    for name, value in sorted(environ.items()):
        variable = name.upper()
        if variable == _PORT and _ADDRESS.match(value):
            given.errors.append(
                f"{_PORT} is {value}, as Kubernetes and Docker links set it for a service called dunning: set {_PORT} "
                "to a number in the container's own environment, put enableServiceLinks: false into the pod, or call "
                "the service something else"
            )
        elif variable == _DATABASE_URL and not value and not has_database:
            given.errors.append(f"{_DATABASE_URL} is set and empty: give it {_URL_EXAMPLES}, or unset it")
        elif variable not in known and not _is_for_others(variable) and not _is_injected(variable, value, environ):
            meant = _nearest(name, known, has_database=has_database)
            if meant is not None:
                given.errors.append(f"{_is_unknown(name, meant)}; correct the name, or take it out of the environment")
            elif variable.startswith(PREFIX):
                given.warnings.append(f"{_is_unknown(name, None)}, so it changes nothing")


def _is_unknown(name: str, meant: str | None) -> str:
    return f"{name} is not a setting of this service" + ("" if meant is None else f" (did you mean {meant}?)")


def _is_for_others(variable: str) -> bool:
    return variable in _OF_COMPOSE or variable.startswith(_OF_TESTS)


def _is_injected(variable: str, value: str, environ: Mapping[str, str]) -> bool:
    """True of a variable that an orchestrator adds for a service whose name begins with this one's."""
    if _SERVICE.fullmatch(variable) or _PORT_OF_SERVICE.fullmatch(variable):
        return True
    if _FIRST_PORT.fullmatch(variable):
        return _ADDRESS.match(value) is not None
    link = _LINK.fullmatch(variable)
    return link is not None and environ.get(f"{link['link']}_NAME", "").startswith("/")


def _nearest(name: str, known: Collection[str], *, at_least: float = _NEARLY, has_database: bool = False) -> str | None:
    """The setting that a name is a misspelling of; None when it resembles none."""
    rest = _after_prefix(name)
    if not rest:
        return None
    suffixes = [variable.removeprefix(PREFIX) for variable in known]
    close = get_close_matches(rest, suffixes, n=1, cutoff=at_least)
    if close:
        return f"{PREFIX}{close[0]}"
    is_database = name.upper().startswith(PREFIX) and not _ABOUT_A_DATABASE.isdisjoint(rest.split("_"))
    return _DATABASE_URL if is_database and not has_database else None


def _after_prefix(name: str) -> str | None:
    """The rest of a name after the prefix, or a misspelling of it: `DUNNING-PORT`, `DUNNINGPORT`, `DUNNNING_PORT`."""
    plain = re.sub(r"[^A-Z0-9]+", "_", name.upper())
    if plain.startswith(_WORD):
        return plain.removeprefix(_WORD).lstrip("_")
    head, _, rest = plain.partition("_")
    is_slip = (
        head.startswith(_WORD[0]) and set(head) <= set(_WORD) and SequenceMatcher(None, head, _WORD).ratio() >= _NEARLY
    )
    return rest if is_slip else None
