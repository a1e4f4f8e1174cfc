from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given

from dunning_service.errors import UnreadableNotice, UnsupportedMediaType
from dunning_service.providers._data_contract import UNKEPT, read_xml
from dunning_service.providers._web_api import Contract, read_properties
from dunning_service.values.charsets import CODECS

CONTRACT = Contract("Order", "urn:orders", ["Id", "Name"], frozenset({"Id"}))
XSI = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'


def read_order(body: str | bytes, codec: str | None = None) -> list[tuple[str, str | None]]:
    sent = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    return read_xml(sent, root="Order", namespace="urn:orders", is_known=CONTRACT.named, codec=codec)


def test_elements_are_read_in_any_order_and_null_is_null() -> None:
    body = f'<Order {XSI} xmlns="urn:orders">\n <Name>a &lt; b</Name><Other/><Id i:nil="true"/><!-- x --></Order>'

    assert read_order(body) == [("Name", "a < b"), ("Id", None)]


def test_prefixes_do_not_matter() -> None:
    assert read_order('<o:Order xmlns:o="urn:orders"><o:Id>1</o:Id><Id>2</Id></o:Order>') == [("Id", "1")]


def test_text_is_read_in_pieces() -> None:
    body = '<Order xmlns="urn:orders"><Name>a<!-- -->b<![CDATA[<c>]]>&#233;</Name></Order>'

    assert read_order(body) == [("Name", "ab<c>é")]


@pytest.mark.parametrize(
    "unknown",
    [
        '<Extra xmlns="urn:other"><Id>2</Id></Extra>',
        "<Extra><Id>2</Id></Extra>",
        f'<Extra {XSI} i:nil="true" a="b"/>',
        f'<Extra {XSI} i:type="x">text<Id>2</Id>text<Extra><Extra/></Extra></Extra>',
        "<Extra/><Extra><Name/></Extra>",
        "<Extra>&#xB;<Id>\x0b</Id></Extra>",
        "<a>" * 900 + "</a>" * 900,
    ],
    ids=range(7),
)
def test_unknown_elements_are_skipped_with_all_they_hold(unknown: str) -> None:
    assert read_order(f'<Order xmlns="urn:orders">{unknown}<Id>1</Id></Order>') == [("Id", "1")]


def test_known_element_that_holds_another_is_refused_by_its_name() -> None:
    with pytest.raises(UnreadableNotice) as caught:
        read_order('<Order xmlns="urn:orders"><name><Id>1</Id></name></Order>')

    assert [one.field for one in caught.value.fields] == ["name"]


@pytest.mark.parametrize(
    "written",
    ["&#xB;", "&#11;", "&#xb;", "&#0;", "&#x1F;", "&#xD800;", "&#xFFFF;", "&#x110000;", "\x0b", "\x00", "\ufffe"],
)
def test_character_that_xml_forbids_is_replaced_unless_the_property_is_exact(written: str) -> None:
    def read(contents: str) -> dict[str, str]:
        body = f'<Order xmlns="urn:orders">{contents}</Order>'.encode()
        return read_properties(body, b"text/xml", CONTRACT)

    assert read(f"<Name>&#65;a{written}b&lt;\ufdd0</Name>") == {"Name": "Aa\ufffdb<\ufdd0"}
    assert read(f"<Extra a='{written}'>{written}</Extra><Id>1</Id>") == {"Id": "1"}
    for identifier in (f"<Id>a{written}</Id>", f"<Name>{written}</Name><ID>a{written}</ID>"):
        with pytest.raises(UnreadableNotice) as caught:
            read(identifier)
        assert [one.field.lower() for one in caught.value.fields] == ["id"]


def test_what_only_looks_like_a_reference_stays() -> None:
    contents = "<Name><![CDATA[&#xB;]]>&#xB;</Name><!-- &#xB; -->"

    assert read_order(f'<Order xmlns="urn:orders">{contents}</Order>') == [("Name", f"&#xB;{UNKEPT}")]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "text",
        "<Order",
        '<Order xmlns="urn:orders"><Id>1</Order>',
        '<Order xmlns="urn:orders"/><Order/>',
        "<Order/>",
        '<order xmlns="urn:orders"/>',
        '<Order xmlns="urn:other"/>',
        '<!DOCTYPE Order><Order xmlns="urn:orders"/>',
        '<!DOCTYPE Order [<!ENTITY a "b">]><Order xmlns="urn:orders"><Name>&a;</Name></Order>',
        '<!DOCTYPE Order SYSTEM "file:///etc/passwd"><Order xmlns="urn:orders"/>',
        '<Order xmlns="urn:orders"><Name>&a;</Name></Order>',
        '<Order xmlns="urn:orders"><Name>&#;</Name></Order>',
        '<Order xmlns="urn:orders"><Na&#11;me/></Order>',
        '<Order xmlns="urn:orders"><Name><Id>1</Id></Name></Order>',
        '<?xml version="1.0" encoding="no-such"?><Order xmlns="urn:orders"/>',
        '<?xml version="1.0" encoding="utf-7"?><Order xmlns="urn:orders"/>',
        '<?xml version="1.0" encoding="shift_jis"?><Order xmlns="urn:orders"/>',
        '<?xml version="1.0" encoding="rot13"?><Order xmlns="urn:orders"/>',
        '<Order xmlns="urn:orders">' + "<Id>" * 100_000,
        '<Order xmlns="urn:orders">' + "<Id>1</Id>" * 2_000 + "</Order>",
        '<Order xmlns="urn:orders"><Name>\ud800</Name></Order>',
    ],
    ids=range(22),
)
def test_xml_that_is_not_the_object_is_refused(body: str) -> None:
    with pytest.raises(UnreadableNotice):
        read_order(body)


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("iso-8859-1", "ISO-8859-1"),
        ("iso-8859-15", "iso-8859-15"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16"),
        ("utf-16-be", "utf-16"),
        ("utf-8-sig", "utf-8"),
        ("utf-8-sig", "iso-8859-1"),
        ("utf-8", "utf-16"),
    ],
)
def test_xml_may_name_its_encoding(encoding: str, declared: str) -> None:
    """.NET's StringWriter declares UTF-16, whatever the text is sent in."""
    body = f'<?xml version="1.0" encoding="{declared}"?><Order xmlns="urn:orders"><Name>Ås</Name></Order>'

    assert read_order(body.encode(encoding)) == [("Name", "Ås")]


@pytest.mark.parametrize(
    ("encoding", "charset"),
    [
        ("iso-8859-1", "iso-8859-1"),
        ("iso-8859-1", '"ISO-8859-1"'),
        ("windows-1252", "windows-1252"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16"),
        ("utf-16-be", "UTF-16"),
        ("utf-16-le", "utf-16LE"),
        ("utf-16-be", "utf-16be"),
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-8-sig", "iso-8859-1"),
        ("utf-16", "utf-8"),
        ("utf-16", ""),
        ("utf-8-sig", ""),
    ],
)
def test_the_charset_is_read_and_a_byte_order_mark_goes_before_it(encoding: str, charset: str) -> None:
    parameter = f";x=y; charset={charset}" if charset else ""
    texts = {
        "json": '{"Id": 1, "Name": "Ås"}',
        # the declaration says less than either
        "xml": '<?xml version="1.0" encoding="utf-8"?><Order xmlns="urn:orders"><Id>1</Id><Name>Ås</Name></Order>',
    }
    for kind, text in texts.items():
        read = read_properties(text.encode(encoding), f"application/{kind}{parameter}".encode(), CONTRACT)
        assert {name: str(value) for name, value in read.items()} == {"Id": "1", "Name": "Ås"}


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.sampled_from(sorted(set(CODECS) - {"utf8"})))
def test_any_text_comes_through_any_charset(text: str, charset: str) -> None:
    codec = CODECS[charset]
    try:
        body = json.dumps({"Name": text}, ensure_ascii=charset.endswith("ascii")).encode(codec)
    except UnicodeEncodeError:
        assume(False)

    assert read_properties(body, f"text/json; charset={charset}".encode(), CONTRACT) == {"Name": text}


@pytest.mark.parametrize("kind", ["json", "xml"])
def test_half_a_surrogate_pair_in_utf_16_is_replaced_as_well(kind: str) -> None:
    text = '{"Name": "a\ud800"}' if kind == "json" else '<Order xmlns="urn:orders"><Name>a\ud800</Name></Order>'
    body = text.encode("utf-16-le", "surrogatepass")

    assert read_properties(body, f"text/{kind}; charset=utf-16".encode(), CONTRACT) == {"Name": "a\ufffd"}


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"text"', b"5", b"{", b'{"Id":1}x', b'{"Id":NaN}', b'{"Id":1,"Id":1}', b'{"Id":1,"ID":1}',
     b'{"Name":"\xff"}', b'{"Id":"\\ud800"}', b'{"id":"\\u0000"}', b"\xef\xbb\xbf", b"[" * 10_000,
     b'\xef\xbb\xbf\xef\xbb\xbf{"Id":1}', b'\xff\xfe{"Id":1}', '{"Id":1}'.encode("utf-16-le"), b'{"Name":"\x0b"}',
     b'{"Id":' * 10_000, b'{"Id":18446744073709551616}'],
)  # fmt: skip
def test_json_that_is_not_the_object_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableNotice):
        read_properties(body, b"application/json", CONTRACT)


@pytest.mark.parametrize("body", [b"", b"Id=%00", b"Name=%ff", b"Id=1&id=2", b"Name=\xff", b"a&" * 2_000])
def test_form_that_is_not_the_object_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableNotice):
        read_properties(body, b"application/x-www-form-urlencoded", CONTRACT)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        b"",
        b"text/plain",
        b"application/jsonx",
        b"multipart/form-data",
        b"application/json; charset=utf-7",
        b";",
        b"application/x-www-form-urlencoded; charset=utf-16",
    ],
)
def test_other_formats_are_not_read(content_type: bytes | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        read_properties(b"{}", content_type, CONTRACT)


@pytest.mark.parametrize(
    "content_type", [b"application/json", b"Text/JSON", b'application/json; charset="UTF-8"', b"text/json ;x=y"]
)
def test_content_type_is_read_as_http_writes_it(content_type: bytes) -> None:
    assert read_properties(b'{"ID": 1}', content_type, CONTRACT) == {"Id": 1}
