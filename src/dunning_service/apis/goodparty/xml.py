"""Replies in XML as .NET's DataContractSerializer writes them, and errors as its HttpError does.

Elements are in the order of their names. There is no XML declaration, and the encoding is UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_CONTRACTS = "http://schemas.datacontract.org/2004/07/PartyMusic.BusinessObject"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"

# The ends of these names are .NET's digests of the namespaces of what they hold.
SUCCESS_RESPONSE = "ResponseBaseOfExecutionStatusyiGVY2vN"
COUNT_RESPONSE = "ResponseBaseOfint"
FAILURES_RESPONSE = "ResponseBaseOfArrayOfPaymentIntentFailedYVxenrm_S"

_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)


def text(value: str) -> str:
    """`value` as element content; a character that XML cannot hold becomes U+FFFD, and a carriage return survives."""
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")
    return _UNWRITABLE.sub("\ufffd", escaped)


def opening(root: str) -> str:
    """The start tag of a reply's root element."""
    return f'<{root} xmlns:i="{_INSTANCE}" xmlns="{_CONTRACTS}.MessageBase">'


def closing(root: str) -> str:
    """The end of a reply: its status and the end tag of its root element."""
    return f"<status>Success</status></{root}>"


def success() -> bytes:
    """The reply of LogInvoicePaymentFailed."""
    message = f'<Message xmlns:d2p1="{_CONTRACTS}"><d2p1:Success>true</d2p1:Success></Message>'
    return f"{opening(SUCCESS_RESPONSE)}{message}{closing(SUCCESS_RESPONSE)}".encode()


def count(number: int) -> bytes:
    """The reply of InvoicePaymentSucceeded."""
    return f"{opening(COUNT_RESPONSE)}<Message>{number}</Message>{closing(COUNT_RESPONSE)}".encode()


FAILURES_MESSAGE = f'Message xmlns:d2p1="{_CONTRACTS}.Messages.Payment"'
"""The start tag, without its brackets, of the list in the reply of GetInvoicePaymentFailed."""


def failure(properties: Mapping[str, str | int | None]) -> str:
    """One element of that list."""
    elements = []
    for name in sorted(properties):
        value = properties[name]
        if value is None:
            elements.append(f'<d2p1:{name} i:nil="true"/>')
        else:
            elements.append(f"<d2p1:{name}>{text(str(value))}</d2p1:{name}>")
    return f"<d2p1:PaymentIntentFailed>{''.join(elements)}</d2p1:PaymentIntentFailed>"


def error(properties: Mapping[str, str | Mapping[str, Sequence[str]]]) -> bytes:
    """An HttpError: texts, and under ModelState the messages of each field."""
    return f"<Error>{''.join(_member(name, value) for name, value in properties.items())}</Error>".encode()


def _member(name: str, value: str | Mapping[str, Sequence[str]]) -> str:
    if isinstance(value, str):
        return f"<{name}>{text(value)}</{name}>"
    fields = "".join(_member(_element_name(field), " ".join(messages)) for field, messages in value.items())
    return f"<{name}>{fields}</{name}>"


def _element_name(field: str) -> str:
    return field if _PLAIN_NAME.fullmatch(field) else "request"
