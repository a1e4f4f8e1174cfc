"""How what is typed is read."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
import typer

from dunning_service.commands.arguments import duration, given_options, given_secret
from dunning_service.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90d", timedelta(days=90)),
        ("12h", timedelta(hours=12)),
        ("30m", timedelta(minutes=30)),
        (" 1D ", timedelta(days=1)),
        ("0", timedelta(0)),
        ("0h", timedelta(0)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, span: timedelta) -> None:
    assert duration(text) == span


@pytest.mark.parametrize("text", ["", "90", "-1d", "1.5h", "d", "1w", "1d12h", "99999999d", "9999999d", "\u0663d"])
def test_another_duration_is_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        duration(text)


def test_options_are_pairs() -> None:
    assert given_options(["tolerance_seconds=600", "key = a=b"]) == {"tolerance_seconds": "600", "key": "a=b"}


@pytest.mark.parametrize("text", ["tolerance_seconds", "=600", " = "])
def test_an_option_that_is_no_pair_is_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="key=value"):
        given_options([text])


def test_a_secret_can_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("whsec_typed\n"))
    assert given_secret("-") == "whsec_typed"
    assert given_secret("whsec_given") == "whsec_given"
    assert given_secret(None) is None


def test_an_empty_standard_input_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(ConfigurationError, match="nothing came in"):
        given_secret("-")
