"""What texts are folded to before they are compared."""

from __future__ import annotations

from unicodedata import normalize

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunning_service.ledger.fields import folded, folded_name, phone_key

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Jose\u0301 NU\u00d1EZ", "jose nunez"),
        ("Ann\u00a0 Marie\u2003 Moe ", "ann marie moe"),
        ("\u0130STANBUL", "istanbul"),
        ("\u0131sparta", "isparta"),
        ("Bj\u00f8rn STRAU\u1e9eE \u00c6rli", "bjorn strausse aerli"),
        ("\u0141\u00f3d\u017a \u0110\u1eb7ng \u00de\u00f3r", "lodz dang thor"),
        ("O\u2019Neil \u2013 O\u00b4Neil", "o'neil - o'neil"),
        ("\u202aKa\u00adri\u200b\u202c", "kari"),
        ("\uff2b\uff41\uff52\uff49", "kari"),
        ("\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3", "\u03c3\u03b9\u03c3\u03c5\u03c6\u03bf\u03c3"),
        ("\u0905\u0928\u093f\u0932", "\u0905\u0928\u093f\u0932"),  # vowel signs are letters, not accents
        ("\u0301 \u200b", None),
        ("", None),
        (None, None),
    ],
)
def test_name_is_folded(name: str | None, expected: str | None) -> None:
    assert folded_name(name) == expected


@given(texts)
def test_ways_to_write_a_name_fold_to_the_same(name: str) -> None:
    expected = folded_name(name)
    for form in ("NFC", "NFD"):
        for written in (name, name.upper(), name.lower(), name.title()):
            assert folded_name(normalize(form, written)) == expected
    assert folded_name(expected) == expected


@given(texts, texts, texts)
def test_the_fold_of_a_part_is_part_of_the_fold(before: str, part: str, after: str) -> None:
    assert (folded_name(part) or "") in (folded_name(before + part + after) or "")


def test_addresses_and_ids_differ_in_more_than_case() -> None:
    assert folded("\u00c5SE@Example.com") == "\u00e5se@example.com"
    assert len({folded(text) for text in ("\u00e5se", "A\u030ase", "ase", "a se")}) == 4


@pytest.mark.parametrize(
    "written",
    [
        *("+47 412 34 567", "004741234567", "(+47) 412 34 567", "(0047) 41 23 45 67", "+47 (0) 412 34 567"),
        *(
            "\u202a+47 412 34 567\u202c",
            "\u200e+47\u00a0412\u202f34\u00ad567",
            "tel:+47-412-34-567",
            "Tel. +4741234567",
        ),
        *(
            "tel:41234567;phone-context=+47",
            "+47 412 34 567 ext. 5",
            "\uff0b\uff14\uff17\uff14\uff11\uff12\uff13\uff14\uff15\uff16\uff17",
        ),
        "\u0660\u0660\u0664\u0667 412 34 567",
        "+\u0664\u0667\u0664\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
    ],
)
def test_number_that_names_its_country_is_kept_as_e164(written: str) -> None:
    assert phone_key(written) == "+4741234567"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+4402079460958", "+442079460958"),
        ("+39 (0)6 698 12345", "+390669812345"),  # this zero is dialled from abroad
        ("+49 (0)30 123456", "+4930123456"),
        ("412 34 567", "41234567"),
        ("tel:41234567;ext=5", "41234567"),
        ("\u0664\u0661\u0662 34 567", "41234567"),
        ("020 7946 0958", "02079460958"),
        ("+999 12345", "+99912345"),  # no such country
        ("+47", "+47"),
        ("+47 412 34 567 / +47 999 88 777", "+47412345674799988777"),  # two numbers are none
        *((text, None) for text in ("unknown", "+", "00", "", None)),
    ],
)
def test_number_is_kept_as_well_as_it_is_known(written: str | None, expected: str | None) -> None:
    assert phone_key(written) == expected


def test_numbers_of_every_country_are_kept_as_e164_however_they_are_written() -> None:
    formats = phonenumbers.PhoneNumberFormat
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                expected = phonenumbers.format_number(number, formats.E164)
                for form in (formats.E164, formats.INTERNATIONAL, formats.RFC3966):
                    assert phone_key(phonenumbers.format_number(number, form)) == expected


@given(
    st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    st.sampled_from(["", "0", "1", "8", "06", "15", "00"]),
    st.text("0123456789", min_size=3, max_size=13),
)
def test_plus_and_digits_are_kept_as_reading_and_formatting_them_gives(country: int, trunk: str, rest: str) -> None:
    written = f"+{country}{trunk}{rest}"
    try:
        number = phonenumbers.parse(written, None)
    except phonenumbers.NumberParseException:
        assert phone_key(written) == written
    else:
        assert phone_key(written) == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def test_number_that_is_e164_already_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phonenumbers, "parse", None)
    assert phone_key("+4741234567") == "+4741234567"
    assert phone_key("+442079460958") == "+442079460958"
