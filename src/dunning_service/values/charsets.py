"""Character encodings of request bodies: a byte order mark, else the `charset` of Content-Type, else UTF-8."""

from __future__ import annotations

from functools import lru_cache

from dunning_service.errors import UnreadableNotice, UnsupportedMediaType

UTF_8 = "utf-8"
UTF_16 = "utf-16"
"""In either byte order."""

CODECS = {
    "utf-8": UTF_8,
    "utf8": UTF_8,
    "us-ascii": UTF_8,
    "ascii": UTF_8,
    "utf-16": UTF_16,
    "utf-16le": UTF_16,
    "utf-16be": UTF_16,
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "windows-1252": "windows-1252",
}
"""Python's name of each charset that is read."""

READ = "UTF-8, UTF-16 or ISO-8859-1"
"""The charsets that a message offers."""

_MARKS = ((b"\xef\xbb\xbf", UTF_8), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


@lru_cache(maxsize=64)
def charset_of(content_type: bytes | None) -> str | None:
    """The codec that a Content-Type header names; None when it names none. Raises UnsupportedMediaType for a charset
    that is not read."""
    if not content_type:
        return None
    for parameter in content_type.decode("latin-1").lower().split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            charset = value.strip().strip("\"'")
            if charset not in CODECS:
                raise UnsupportedMediaType(f"the charset '{charset[:100]}' is not read: send {READ}")
            return CODECS[charset]
    return None


def decoded(body: bytes, codec: str | None) -> str:
    """The text of `body`, which is in `codec` unless it begins with a byte order mark; the mark is not part of it.

    UTF-16 without a mark is read in the byte order that makes its first character ASCII, as that of any JSON or XML
    text is: senders differ in which order they mean. It may hold half of a surrogate pair. Raises UnreadableNotice for
    bytes that are not in the encoding.
    """
    hint = "" if codec else ": send UTF-8, or name its charset in Content-Type"
    codec = codec or UTF_8
    if body[:1] >= b"\xef":
        for mark, marked in _MARKS:
            if body.startswith(mark):
                body, codec = body[len(mark) :], marked
                break
    if codec == UTF_16:
        codec = "utf-16-be" if body.startswith(b"\x00") else "utf-16-le"
    try:
        return body.decode(codec, "surrogatepass" if codec.startswith(UTF_16) else "strict")
    except UnicodeDecodeError as error:
        raise UnreadableNotice(f"the body is not valid {codec.upper()} at byte {error.start}{hint}") from None
