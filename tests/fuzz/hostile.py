"""Headers and paths that no honest client sends: hypothesis strategies of raw bytes."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

_TIMES = (
    *(b"0", b"-1", b"+1", b"NaN", b"nan", b"inf", b"-inf", b"1e9", b"1.5", b"0x10", b" 1 ", b"1_000", b"99999999999"),
    *(b"9" * 12, b"9" * 5_000, b"\xd9\xa1\xd9\xa2", b"\xef\xbc\x91", b"", b"1\x00", b"true", b"2026-11-21T12:00:00Z"),
)
_SIGNATURES = (
    *(b"", b"0" * 64, b"f" * 63, b"F" * 64, b"a" * 5_000, b"\xff" * 32, b"\x00", b"=" * 44, b"sha256=" + b"0" * 64),
    *(b"None", b"v1=v1=", b"\xc3\xa9" * 32, b"[]", b"{}", b"%00", b'"' + b"0" * 64 + b'"'),
)
_SEPARATORS = (b",", b", ", b";", b" ", b",,", b"\t", b"|", b"\x0b")
_NAMES = (b"t=", b"v1=", b"v0=", b"v9999=", b"T=", b"V1=", b"=", b"", b"t =", b"v1 =", b"ts=")


@st.composite
def hostile_values(draw: st.DrawFn, real: bytes = b"") -> bytes:
    """A signature header's value in every shape: near the real one, or far from it."""
    kind = draw(st.sampled_from(["made", "made", "cut", "many", "case", "put", "raw", "huge"]))
    if kind == "made":
        parts = draw(
            st.lists(
                st.tuples(st.sampled_from(_NAMES), st.sampled_from(_TIMES + _SIGNATURES + (real, real[-64:]))),
                max_size=6,
            )
        )
        return draw(st.sampled_from(_SEPARATORS)).join(name + value for name, value in parts)
    if kind == "cut":
        return real[: draw(st.integers(0, len(real)))]
    if kind == "many":
        return draw(st.sampled_from(_SEPARATORS)).join([real or b"v1=0"] * draw(st.integers(2, 400)))
    if kind == "case":
        return real.swapcase()
    if kind == "put":
        at = draw(st.integers(0, len(real)))
        return real[:at] + draw(st.binary(min_size=1, max_size=3)) + real[at:]
    return draw(st.binary(max_size=80)) if kind == "raw" else real + b"," + b"a" * draw(st.integers(4_000, 20_000))


_ODD_SEGMENTS = (
    *(
        b"",
        b".",
        b"..",
        b"...",
        b"%2e%2e",
        b"%2F",
        b"%2f..%2f",
        b"%5C",
        b"%00",
        b"%0d%0aX-A:%20b",
        b"%ff",
        b"%c0%af",
        b"%",
    ),
    *(
        b"%zz",
        b"%25",
        b"%252F",
        b"%E2%80%AE",
        b"*",
        b"{id}",
        b"~",
        b"a;b=c",
        b"a" * 5_000,
        b"%41" * 3_000,
        b"%F0%9F%92%B8",
    ),
    *(
        b"-1",
        b"0",
        b"9" * 400,
        b"null",
        b"undefined",
        b"NaN",
        b"true",
        b"' OR 1=1",
        b"'%20OR%201=1%20--",
        b"<x>",
        b'"',
        b"|",
    ),
    *(
        b"\xff",
        b"\xc3\xa9",
        b"\x7f",
        b"%20",
        b"+",
        b"$",
        b"@",
        b":",
        b"ODR",
        b"ODR-1",
        b"ODR0",
        b"ODR" + b"1" * 30,
        b"pr_",
    ),
)
_ODD_QUERIES = (
    *(
        b"",
        b"?",
        b"??",
        b"?&&",
        b"?=",
        b"?a",
        b"?%",
        b"?%ff=%ff",
        b"?%00=%00",
        b"?limit=NaN",
        b"?limit=1&limit=2",
        b"#a",
        b"?#",
    ),
    *(b"?cursor=" + b"A" * 400, b"?q=%F0%9F%92%B8", b"?page=-1", b"?page=" + b"9" * 400, b"?expand[]=" + b"a." * 500),
    *(
        b"?status=failed&status[]=x",
        b"?order_from=2026-02-30",
        b"?phone=%2B",
        b"?" + b"a=b&" * 2_000,
        b"?created_after=1e3",
    ),
)


@st.composite
def hostile_paths(draw: st.DrawFn, real: Sequence[bytes]) -> bytes:
    """The target of a request: near the paths of real routes and real ids in `real`, or far from them."""
    path = draw(st.sampled_from(real))
    segments = path.split(b"/")[1:]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(segments)))
        kind = draw(st.sampled_from(["put", "replace", "double", "end", "case", "encode"]))
        if kind in ("put", "replace"):
            segments[at : at + (kind == "replace")] = [draw(st.sampled_from(_ODD_SEGMENTS))]
        elif kind == "double":
            segments.insert(at, b"")
        elif kind == "end":
            segments.append(b"")
        elif segments and at < len(segments):
            one = segments[at]
            segments[at] = one.swapcase() if kind == "case" else b"".join(b"%%%02x" % byte for byte in one)
    start = draw(st.sampled_from([b"/"] * 8 + [b"//", b"", b"http://a/", b"/./"]))
    return start + b"/".join(segments) + draw(st.sampled_from(_ODD_QUERIES))


METHODS = (
    *(
        b"GET",
        b"POST",
        b"PUT",
        b"HEAD",
        b"OPTIONS",
        b"DELETE",
        b"PATCH",
        b"TRACE",
        b"QUERY",
        b"get",
        b"PROPFIND",
        b"LINK",
    ),
    *(b"FOO", b"M-SEARCH", b""),
)

_ODD_HEADERS: tuple[tuple[bytes, tuple[bytes, ...]], ...] = (
    (b"Content-Length", (b"0", b"1", b"-1", b"+2", b"2, 2", b"0x2", b"9" * 18, b"9" * 40, b"", b"\xff", b"2\x00")),
    (b"Transfer-Encoding", (b"chunked", b"identity", b"gzip, chunked", b"chunked, chunked", b"x", b"CHUNKED", b"")),
    (b"Content-Encoding", (b"gzip", b"identity", b"br, gzip", b"", b"\xff", b"x" * 3_000)),
    (
        b"Accept",
        (b"", b"*/*;q=0", b"text/xml;q=NaN", b"a/b;" * 500, b"\xff", b"text/html", b"application/xml;q=1e9", b","),
    ),
    (b"Accept-Encoding", (b"*;q=0", b"gzip", b"\xff")),
    (
        b"Authorization",
        (b"", b"Bearer", b"Bearer ", b"Basic", b"Basic !!!", b"Basic Og==", b"Bearer \xff\xfe", b"Digest a"),
    ),
    (b"Authorization", (b"Bearer " + b"a" * 20_000, b"bearer\tx", b"Basic " + b"QQ" * 5_000, b"Bearer x, Bearer y")),
    (b"X-Api-Key", (b"", b"\xff", b"x" * 9_000)),
    (b"Idempotency-Key", (b"", b"a" * 255, b"a" * 256, b"\xff", b"a\tb", b"key", b" ", b"\xc3\xa9")),
    (b"X-Request-Id", (b"", b"a" * 65, b"\xff", b"a b", b"<script>", b"../../a", b"mine-1")),
    (b"Stripe-Version", (b"", b"2026-11-21", b"\xff", b"a" * 65)),
    (b"Host", (b"", b"a b", b"[::1", b"\xff", b"evil.example:99999", b"x" * 3_000)),
    (b"Expect", (b"100-continue", b"x")),
    (b"Upgrade", (b"h2c", b"websocket", b"\xff")),
    (b"Connection", (b"Upgrade", b"keep-alive, Upgrade", b"close", b"", b"\xff")),
    (b"Range", (b"bytes=0-0", b"bytes=-" + b"9" * 40)),
    (b"Cookie", (b"a=b", b"\xff", b"x" * 9_000)),
    (b"Forwarded", (b"for=\xff", b"for=1;proto=x;host=evil.example")),
    (b"X-Forwarded-Prefix", (b"/../..",)),
    (b"Origin", (b"null", b"http://evil.example")),
)

odd_headers = st.lists(
    st.sampled_from(_ODD_HEADERS).flatmap(lambda known: st.tuples(st.just(known[0]), st.sampled_from(known[1])))
    | st.tuples(st.sampled_from([b"x", b"x-a", b"content-type", b"x" * 300]), st.binary(max_size=30)),
    min_size=1,
    max_size=4,
)
"""Names and values; of a name several."""
