from __future__ import annotations

import base64
import hashlib
from xml.etree import ElementTree

import pytest

from dunning_service.apis.goodparty import xml

NAMESPACE = "http://schemas.datacontract.org/2004/07/PartyMusic.BusinessObject"


@pytest.mark.parametrize(
    ("root", "plain_name", "namespace"),
    [
        (xml.SUCCESS_RESPONSE, "ResponseBaseOfExecutionStatus", NAMESPACE),
        (xml.FAILURES_RESPONSE, "ResponseBaseOfArrayOfPaymentIntentFailed", f"{NAMESPACE}.Messages.Payment"),
    ],
)
def test_name_of_a_generic_answer_ends_in_the_digest_of_a_namespace(root: str, plain_name: str, namespace: str) -> None:
    digest = base64.b64encode(hashlib.md5(f" 1 {namespace}".encode()).digest()[:6]).decode()

    assert root == plain_name + digest.rstrip("=").replace("/", "_S").replace("+", "_P")


def test_success_is_written_like_the_sample() -> None:
    sample = (
        '<ResponseBaseOfExecutionStatusyiGVY2vN xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'
        f' xmlns="{NAMESPACE}.MessageBase"><Message xmlns:d2p1="{NAMESPACE}"><d2p1:Success>true</d2p1:Success>'
        "</Message><status>Success</status></ResponseBaseOfExecutionStatusyiGVY2vN>"
    )

    assert xml.success() == sample.encode()


def test_null_is_nil_and_elements_are_in_order() -> None:
    written = xml.failure({"Id": 1, "AmountDue": 5, "InvoiceId": None, "PackageID": 2, "PackageExpiryDate": "x"})

    assert written == (
        "<d2p1:PaymentIntentFailed><d2p1:AmountDue>5</d2p1:AmountDue><d2p1:Id>1</d2p1:Id>"
        '<d2p1:InvoiceId i:nil="true"/><d2p1:PackageExpiryDate>x</d2p1:PackageExpiryDate>'
        "<d2p1:PackageID>2</d2p1:PackageID></d2p1:PaymentIntentFailed>"
    )


def test_any_text_can_be_read_again() -> None:
    text = "<&>\"' ]]> \r\n\tÅ😀\u2028"

    assert ElementTree.fromstring(f"<a>{xml.text(text)}</a>").text == text
    assert ElementTree.fromstring(f"<a>{xml.text(chr(0) + chr(0xFFFF) + chr(0xD800))}</a>").text == "\ufffd" * 3


def test_error_names_its_fields() -> None:
    written = xml.error({"Message": "no", "ModelState": {"request.AmountDue": ["a", "<b>"], "1 x": ["c"]}})

    assert written == (
        b"<Error><Message>no</Message><ModelState><request.AmountDue>a &lt;b&gt;</request.AmountDue>"
        b"<request>c</request></ModelState></Error>"
    )
