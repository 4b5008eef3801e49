"""Header lines, and the values Via, name-addr and CSeq (RFC 3261 sections 7.3 and 20)."""

from collections.abc import Callable

import pytest

from pysrv.sip.errors import BadMessage, UnsafeHeader
from pysrv.sip.headers import COMPACT, CSeq, Headers, NameAddr, Via, canonical, canonical_names, spelled
from pysrv.sip.uri import Uri


def lines(headers: Headers) -> list[tuple[bytes, bytes]]:
    return list(headers.items())


@pytest.mark.parametrize(("compact", "name"), COMPACT.items())
def test_compact_forms_are_one_header_with_their_long_form(compact: bytes, name: bytes) -> None:
    headers = Headers([(compact.upper(), b"1"), (spelled(name).upper(), b"2")])
    assert headers.get_all(name) == [b"1", b"2"]
    assert compact in headers


def test_names_are_written_as_people_know_them() -> None:
    names = (b"call-id", b"cseq", b"www-authenticate", b"max-forwards", b"x-odd", b"p-asserted-identity")
    expected = b"Call-ID CSeq WWW-Authenticate Max-Forwards X-Odd P-Asserted-Identity".split()
    assert [spelled(name) for name in names] == expected


def test_lines_are_added_replaced_and_removed() -> None:
    headers = Headers([(b"Via", b"a, b"), (b"To", b"x"), (b"via", b"c")])
    headers.prepend(b"Via", b"z")
    headers.add(b"X-y", b"1")
    assert headers.split(b"via") == [b"z", b"a", b"b", b"c"]
    headers.set(b"To", b"y")
    assert lines(headers)[2] == (b"to", b"y")
    headers.remove(b"VIA")
    assert lines(headers) == [(b"to", b"y"), (b"x-y", b"1")]
    assert headers.get(b"via") is None
    assert headers.split(b"via") == []


def test_setting_leaves_one_line() -> None:
    headers = Headers([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")])
    headers.set(b"a", b"4")
    assert lines(headers) == [(b"accept-contact", b"4"), (b"referred-by", b"2")]


@pytest.mark.parametrize(
    ("value", "left"),
    [(b"new", [b"new, b", b"c"]), (None, [b"b", b"c"])],
)
def test_the_first_element_can_be_replaced_or_taken(value: bytes | None, left: list[bytes]) -> None:
    headers = Headers([(b"via", b"a, b"), (b"via", b"c")])
    headers.set_first(b"via", value)
    assert headers.get_all(b"via") == left


def test_a_copy_is_independent() -> None:
    headers = Headers([(b"to", b"x")])
    other = headers.copy()
    other.add(b"to", b"y")
    assert headers.get_all(b"to") == [b"x"]


@pytest.mark.parametrize("value", [b"a\r\nX: y", b"a\nb", b"a\rb", b"a\0b", b"\r\n"])
@pytest.mark.parametrize(
    "give",
    [
        lambda headers, value: headers.add(b"x", value),
        lambda headers, value: headers.prepend(b"x", value),
        lambda headers, value: headers.set(b"x", value),
        lambda headers, value: headers.set_first(b"x", value),
        lambda headers, value: Headers([(b"x", value)]),
        lambda headers, value: headers.add(b"x" + value, b""),
    ],
)
def test_no_value_breaks_out_of_its_line(give: Callable[[Headers, bytes], None], value: bytes) -> None:
    headers = Headers()
    with pytest.raises(UnsafeHeader):
        give(headers, value)
    assert lines(headers) == []


@pytest.mark.parametrize("name", [b"", b"a b", b"a:b", b" a", "ü".encode()])
def test_a_name_is_a_token(name: bytes) -> None:
    with pytest.raises(UnsafeHeader):
        canonical(name)


def test_a_flood_of_names_does_not_displace_common_ones_nor_grow_without_end() -> None:
    for index in range(5000):
        canonical(b"flood-%d" % index)
        spelled(b"flood-%d" % index)
    assert len(canonical_names) <= 2048
    assert canonical_names[b"Via"] == b"via"
    assert canonical(b"Flood-4999") == b"flood-4999"


# -- Via


@pytest.mark.parametrize(
    ("text", "via"),
    [
        (b"SIP/2.0/UDP a.example", Via(b"UDP", b"a.example")),
        (
            b"sip / 2.0 / tcp  [2001:db8::1] : 5070 ;branch=z9",
            Via(b"TCP", b"[2001:db8::1]", 5070, ((b"branch", b"z9"),)),
        ),
        (
            b"SIP/2.0/WSS x.invalid;branch=z;rport",
            Via(b"WSS", b"x.invalid", None, ((b"branch", b"z"), (b"rport", None))),
        ),
        (b"SIP/7.0/UDP c:1", Via(b"UDP", b"c", 1, (), b"7.0")),
    ],
)
def test_via_is_read(text: bytes, via: Via) -> None:
    assert Via.parse(text) == via
    assert Via.parse(via.to_bytes()) == via


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"UDP a",
        b"SIP/2.0/UDP",
        b"SIP/2.0/UDP ",
        b"SIP/2.0 UDP a",
        b"SIP/2.0/UDP a:b",
        b"SIP/2.0/UDP a:99999",
        b"SIP/2.0/UDP a;;",
        b"SIP/2.0/UDP a b",
        b"SIP/2.0/UDP 2001:db8::1",
        b"HTTP/2.0/UDP a",
        b"SIP/2.0/UDP a,b",
    ],
)
def test_a_malformed_via_is_refused(text: bytes) -> None:
    with pytest.raises(BadMessage):
        Via.parse(text)


def test_via_parameters_have_their_properties() -> None:
    via = Via.parse(b"SIP/2.0/UDP a;rport;branch=z9hG4bKx;Received=192.0.2.1")
    assert (via.branch, via.rport, via.received) == (b"z9hG4bKx", b"", b"192.0.2.1")
    marked = via.with_param(b"rport", b"5061").with_param(b"received", b"192.0.2.9")
    assert marked.to_bytes() == b"SIP/2.0/UDP a;rport=5061;branch=z9hG4bKx;received=192.0.2.9"
    assert Via.parse(b"SIP/2.0/UDP a").rport is None


# -- name-addr

BOB = Uri.parse(b"sip:bob@example.com")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (b"<sip:bob@example.com>", NameAddr(b"", BOB)),
        (b"sip:bob@example.com", NameAddr(b"", BOB)),
        (b"sip:bob@example.com;tag=x", NameAddr(b"", BOB, ((b"tag", b"x"),))),
        (b"Bob B. <sip:bob@example.com>", NameAddr(b"Bob B.", BOB)),
        (b"Bob<sip:bob@example.com>;TAG=x", NameAddr(b"Bob", BOB, ((b"tag", b"x"),))),
        (b'"B \\"o\\\\b\\"" <sip:bob@example.com>', NameAddr(b'B "o\\b"', BOB)),
        (b'"a,b;<c>"  <sip:bob@example.com> ; q = 0.5', NameAddr(b"a,b;<c>", BOB, ((b"q", b"0.5"),))),
        ('"Бо́б" <sip:bob@example.com>'.encode(), NameAddr("Бо́б".encode(), BOB)),
        (b'"" <sip:bob@example.com>', NameAddr(b"", BOB)),
        (b"<tel:+1555>", NameAddr(b"", Uri.parse(b"tel:+1555"))),
    ],
)
def test_an_address_is_read_and_comes_back(text: bytes, address: NameAddr) -> None:
    assert NameAddr.parse(text) == address
    assert NameAddr.parse(address.to_bytes()) == address


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<>",
        b"<sip:bob@example.com",
        b"sip:bob@example.com>",
        b'"Bob <sip:bob@example.com>',
        b'Bob" <sip:bob@example.com>',
        b"Bell, Bob <sip:bob@example.com>",
        b"< sip:bob@example.com>",
        b"<sip:bob@example.com >",
        b"<sip:bob@example.com>;",
        b"<sip:bob@example.com>;;tag=x",
        b"<sip:bob@example.com> tag=x",
        b"<sip:a@b>, <sip:c@d>",
        b"sip:a@b?x=y",
        b"sip:a@b,sip:c@d",
        b"<<sip:a@b>>",
        b"bob@example.com",
    ],
)
def test_a_malformed_address_is_refused(text: bytes) -> None:
    with pytest.raises(BadMessage):
        NameAddr.parse(text)


def test_a_tag_is_set_and_taken_away() -> None:
    address = NameAddr.parse(b"<sip:bob@example.com>;x=y;tag=a")
    assert address.tag == b"a"
    assert address.with_tag(b"b").to_bytes() == b"<sip:bob@example.com>;x=y;tag=b"
    assert address.with_tag(None).tag is None
    assert NameAddr.parse(b"<sip:a@b>;tag=").tag is None
    assert address.with_param(b"x", b"z").param(b"x") == b"z"


def test_a_display_name_cannot_smuggle_anything_out() -> None:
    address = NameAddr(b'x" <sip:evil@example.com>\r\nX: y\0', BOB)
    assert NameAddr.parse(address.to_bytes()).uri == BOB
    assert Headers([(b"from", address.to_bytes())]).get(b"from")


# -- CSeq


def test_cseq_is_read_and_comes_back() -> None:
    assert CSeq.parse(b"0009 \t INVITE") == CSeq(9, b"INVITE")
    assert CSeq(2**31 - 1, b"BYE").to_bytes() == b"2147483647 BYE"


@pytest.mark.parametrize(
    "text", [b"", b"1", b"INVITE", b"1INVITE", b"-1 INVITE", b"2147483648 INVITE", b"1 INVITE x", b"1 IN(VITE"]
)
def test_a_malformed_cseq_is_refused(text: bytes) -> None:
    with pytest.raises(BadMessage):
        CSeq.parse(text)
