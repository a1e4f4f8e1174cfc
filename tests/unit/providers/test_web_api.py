from __future__ import annotations

import pytest

from dunning_service.errors import UnreadableNotice, UnsupportedMediaType
from dunning_service.providers._data_contract import read_xml
from dunning_service.providers._web_api import Contract, read_properties

CONTRACT = Contract("Order", "urn:orders", ["Id", "Name"])
XSI = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'


def read_order(body: str) -> list[tuple[str, str | None]]:
    return read_xml(body.encode(), root="Order", namespace="urn:orders")


def test_elements_are_read_in_any_order_and_null_is_null() -> None:
    body = f'<Order {XSI} xmlns="urn:orders">\n <Name>a &lt; b</Name><Other/><Id i:nil="true"/><!-- x --></Order>'

    assert read_order(body) == [("Name", "a < b"), ("Other", ""), ("Id", None)]


def test_prefixes_do_not_matter() -> None:
    assert read_order('<o:Order xmlns:o="urn:orders"><o:Id>1</o:Id><Id>2</Id></o:Order>') == [("Id", "1")]


def test_text_is_read_in_pieces() -> None:
    body = '<Order xmlns="urn:orders"><Name>a<!-- -->b<![CDATA[<c>]]>&#233;</Name></Order>'

    assert read_order(body) == [("Name", "ab<c>é")]


def test_unknown_elements_are_skipped_with_all_they_hold() -> None:
    contents = "<Id>1</Id><Extra><Id>2</Id></Extra>"
    body = f'<Order xmlns="urn:orders">{contents}</Order>'.replace("<Extra>", '<Extra xmlns="urn:other">')

    assert read_order(body) == [("Id", "1")]


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
        '<Order xmlns="urn:orders"><Name>&#0;</Name></Order>',
        '<Order xmlns="urn:orders"><Name><Id>1</Id></Name></Order>',
        '<?xml version="1.0" encoding="no-such"?><Order xmlns="urn:orders"/>',
        '<?xml version="1.0" encoding="utf-7"?><Order xmlns="urn:orders"/>',
        '<?xml version="1.0" encoding="shift_jis"?><Order xmlns="urn:orders"/>',
        '<?xml version="1.0" encoding="rot13"?><Order xmlns="urn:orders"/>',
        '<?xml version="1.0" encoding="utf-16"?><Order xmlns="urn:orders"/>',
        '<Order xmlns="urn:orders">' + "<Id>" * 100_000,
        '<Order xmlns="urn:orders">' + "<Id>1</Id>" * 2_000 + "</Order>",
        '<Order xmlns="urn:orders"><Name>\ud800</Name></Order>',
    ],
    ids=range(22),
)
def test_xml_that_is_not_the_object_is_refused(body: str) -> None:
    with pytest.raises(UnreadableNotice):
        read_xml(body.encode("utf-8", "surrogatepass"), root="Order", namespace="urn:orders")


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-16", "utf-8-sig"])
def test_xml_may_name_its_encoding(encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    body = f'<?xml version="1.0" encoding="{declared}"?><Order xmlns="urn:orders"><Name>Ås</Name></Order>'

    assert read_xml(body.encode(encoding), root="Order", namespace="urn:orders") == [("Name", "Ås")]


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"text"', b"5", b"{", b'{"Id":1}x', b'{"Id":NaN}', b'{"Id":1,"Id":1}', b'{"Id":1,"ID":1}',
     b'{"Name":"\xff"}', b'{"Name":"\\ud800"}', b'{"Name":"\\u0000"}', b'\xef\xbb\xbf{"Id":1}', b"[" * 10_000,
     b'{"Id":' * 10_000, b'{"Id":18446744073709551616}'],
)  # fmt: skip
def test_json_that_is_not_the_object_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableNotice):
        read_properties(body, b"application/json", CONTRACT)


@pytest.mark.parametrize("body", [b"", b"Name=%00", b"Name=%ff", b"Id=1&id=2", b"Name=\xff", b"a&" * 2_000])
def test_form_that_is_not_the_object_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableNotice):
        read_properties(body, b"application/x-www-form-urlencoded", CONTRACT)


@pytest.mark.parametrize(
    "content_type",
    [None, b"", b"text/plain", b"application/jsonx", b"multipart/form-data", b"application/json; charset=utf-16", b";"],
)
def test_other_formats_are_not_read(content_type: bytes | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        read_properties(b"{}", content_type, CONTRACT)


@pytest.mark.parametrize(
    "content_type", [b"application/json", b"Text/JSON", b'application/json; charset="UTF-8"', b"text/json ;x=y"]
)
def test_content_type_is_read_as_http_writes_it(content_type: bytes) -> None:
    assert read_properties(b'{"ID": 1}', content_type, CONTRACT) == {"Id": 1}
