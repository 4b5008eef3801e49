"""Requests and responses: what is read of them, answers to them, writing them (RFC 3261 7, 8.1.1, 8.2.6)."""

from collections.abc import Callable
from typing import Any

import pytest

from pysrv.sip.errors import BadMessage, UnsafeHeader
from pysrv.sip.headers import CSeq, Via
from pysrv.sip.message import REASONS, Message, Request, Response, response_to, validate_request
from pysrv.sip.parser import parse_datagram
from pysrv.sip.uri import Uri

BOB = Uri.parse(b"sip:bob@example.com")
MANDATORY = {
    b"Via": b"SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa;rport",
    b"Max-Forwards": b"70",
    b"From": b'"Alice" <sip:alice@example.com>;tag=a1',
    b"To": b"<sip:bob@example.com>",
    b"Call-ID": b"c1@192.0.2.1",
    b"CSeq": b"1 INVITE",
}


def wire(
    change: dict[bytes, bytes | None] | None = None,
    body: bytes = b"",
    start: bytes = b"INVITE sip:bob@example.com SIP/2.0",
) -> bytes:
    headers = {**MANDATORY, **(change or {})}
    lines = b"".join(b"%b: %b\r\n" % (name, value) for name, value in headers.items() if value is not None)
    return start + b"\r\n" + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


def request(**change: bytes | None) -> Request:
    """An INVITE with headers changed; `_` stands for `-`, `_x` at the end for a further line."""
    message = parse_datagram(wire({name.replace("_", "-").encode(): value for name, value in change.items()}))
    assert isinstance(message, Request)
    return message


# -- reading


def test_what_everybody_asks_for_is_read_and_kept() -> None:
    message = request()
    assert message.top_via == Via(b"UDP", b"192.0.2.1", 5070, ((b"branch", b"z9hG4bKa"), (b"rport", None)))
    assert (message.from_.display, message.from_.tag, message.to.tag) == (b"Alice", b"a1", None)
    assert (message.call_id, message.cseq, message.max_forwards) == (b"c1@192.0.2.1", CSeq(1, b"INVITE"), 70)
    assert message.to is message.to
    assert message.uri == BOB


def test_what_was_read_is_forgotten_when_the_header_changes() -> None:
    message = request()
    assert message.to.tag is None
    message.headers.set(b"to", b"<sip:bob@example.com>;tag=b1")
    assert message.to.tag == b"b1"
    message.headers.add(b"contact", b"<sip:a@b>")
    assert len(message.contacts) == 1
    message.headers.add(b"contact", b"<sip:c@d>")
    assert len(message.contacts) == 2
    message.headers.lines[0] = (b"via", b"SIP/2.0/TCP other")
    message.headers.changed = True
    assert message.top_via.transport == b"TCP"


def test_a_list_that_was_read_is_the_callers_own() -> None:
    message = request(Contact=b"<sip:a@b>")
    message.contacts.clear()
    assert len(message.contacts) == 1


def test_optional_headers_are_none_or_empty_when_absent() -> None:
    message = request(Max_Forwards=None)
    assert (message.max_forwards, message.expires, message.content_type) == (None, None, None)
    assert (message.contacts, message.routes, message.record_routes, message.contact_star) == ([], [], [], False)
    assert message.supported == message.require == message.proxy_require == message.allow == frozenset()


def test_lists_and_sets_are_read_over_lines_and_commas() -> None:
    message = request(
        Supported=b"100rel, Timer", k=b"path", Require=b"", Allow=b"INVITE,ACK", Contact=b"<sip:a@b;x>;q=1, <sip:c@d>"
    )
    assert message.supported == {b"100rel", b"timer", b"path"}
    assert message.require == frozenset()
    assert message.allow == {b"INVITE", b"ACK"}
    assert [contact.uri.host for contact in message.contacts] == [b"b", b"d"]


def test_a_star_contact_stands_alone() -> None:
    assert request(Contact=b"*").contact_star
    assert request(Contact=b"*").contacts == []
    with pytest.raises(BadMessage):
        _ = request(Contact=b"*", m=b"<sip:a@b>").contacts


@pytest.mark.parametrize(
    ("value", "seconds"), [(b"0", 0), (b"4294967295", 4294967295), (b"4294967296", 3600), (b"1" + b"0" * 400, 3600)]
)
def test_expires_beyond_its_range_counts_as_an_hour(value: bytes, seconds: int) -> None:
    assert request(Expires=value).expires == seconds


def test_the_media_type_is_read_without_parameters() -> None:
    assert request(Content_Type=b"Application / SDP ; charset=utf-8").content_type == b"application/sdp"


@pytest.mark.parametrize(
    ("change", "ask"),
    [
        ({"From": None}, lambda message: message.from_),
        ({"To": b"<sip:bob@example.com"}, lambda message: message.to),
        ({"t": b"<sip:eve@example.com>"}, lambda message: message.to),
        ({"Call_ID": b"a b"}, lambda message: message.call_id),
        ({"Call_ID": b""}, lambda message: message.call_id),
        ({"CSeq": b"x INVITE"}, lambda message: message.cseq),
        ({"Max_Forwards": b"256"}, lambda message: message.max_forwards),
        ({"Max_Forwards": b""}, lambda message: message.max_forwards),
        ({"Expires": b"-1"}, lambda message: message.expires),
        ({"Contact": b"nonsense"}, lambda message: message.contacts),
        ({"Route": b'"<sip:a>'}, lambda message: message.routes),
    ],
)
def test_garbage_is_a_bad_message_that_can_be_answered(
    change: dict[str, bytes | None], ask: Callable[[Message], Any]
) -> None:
    message = request(**change)
    with pytest.raises(BadMessage) as caught:
        ask(message)
    assert (caught.value.status, caught.value.message) == (400, message)


def test_an_empty_element_of_a_list_means_nothing() -> None:
    assert len(request(Contact=b"<sip:a@b>,, ").contacts) == 1


def test_garbage_in_a_response_cannot_be_answered() -> None:
    message = parse_datagram(wire({b"CSeq": b"x"}, start=b"SIP/2.0 200 OK"))
    with pytest.raises(BadMessage) as caught:
        _ = message.cseq
    assert caught.value.message is None


# -- validation


def test_a_sound_request_is_valid() -> None:
    validate_request(request(Contact=b"<sip:a@b>", Route=b"<sip:p;lr>", Record_Route=b"<sip:q;lr>"))


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call_ID", "CSeq"])
def test_a_mandatory_header_must_be_there(name: str) -> None:
    with pytest.raises(BadMessage) as caught:
        validate_request(request(**{name: None}))
    assert caught.value.status == 400
    assert (caught.value.message is None) == (name == "Via")


@pytest.mark.parametrize(
    "change",
    [
        {"CSeq": b"1 BYE"},
        {"CSeq": b"1 invite"},
        {"From": b"<nothing>"},
        {"To": b"<sip:bob@>"},
        {"Contact": b"<sip:a@b"},
        {"Route": b"<sip:>"},
        {"Max_Forwards": b"x"},
        {"f": b"<sip:x@y>;tag=2"},
        {"i": b"c2"},
        {"l": b"0"},
        {"max_forwards": b"5"},
    ],
)
def test_a_malformed_request_is_answered_400(change: dict[str, bytes | None]) -> None:
    with pytest.raises(BadMessage) as caught:
        validate_request(request(**change))
    assert caught.value.status == 400
    assert isinstance(caught.value.message, Request)
    assert parse_datagram(response_to(caught.value.message, 400).to_bytes()).top_via.branch == b"z9hG4bKa"


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"INVITE sip:bob@example.com SIP/3.0", 505),
        (b"INVITE sip:bob@example.com SIP/2.00", 505),
        (b"INVITE sip:bob@example.com sip/2.0", None),
        (b"INVITE sip:bob@example.com?x=y SIP/2.0", 400),
        (b"INVITE tel:+1555 SIP/2.0", None),
        (b"INVITE weird:thing SIP/2.0", None),
    ],
)
def test_version_and_request_uri_are_judged(start: bytes, status: int | None) -> None:
    message = parse_datagram(wire(start=start))
    assert isinstance(message, Request)
    if status is None:
        validate_request(message)
        return
    with pytest.raises(BadMessage) as caught:
        validate_request(message)
    assert caught.value.status == status


# -- answers


def test_an_answer_copies_what_it_must() -> None:
    message = request(
        Via=b"SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b;branch=z9hG4bK2",
        v=b"SIP/2.0/UDP c;branch=z",
        Record_Route=b"<sip:p;lr>",
        Timestamp=b"54",
        Subject=b"no",
    )
    answer = parse_datagram(response_to(message, 180, to_tag=b"b1", headers=[(b"Contact", b"<sip:us@x>")]).to_bytes())
    assert isinstance(answer, Response)
    assert (answer.status, answer.reason, answer.to.tag) == (180, b"Ringing", b"b1")
    assert [via.host for via in answer.vias] == [b"a", b"b", b"c"]
    assert (answer.call_id, answer.cseq, answer.from_) == (message.call_id, message.cseq, message.from_)
    assert answer.record_routes[0].uri.host == b"p"
    assert answer.contacts[0].uri.host == b"x"
    assert b"subject" not in answer.headers
    assert b"timestamp" not in answer.headers
    assert answer.headers.get(b"content-length") == b"0"


def test_a_trying_has_the_timestamp_and_no_tag() -> None:
    answer = response_to(request(Timestamp=b"54"), 100, to_tag=b"b1")
    assert (answer.to.tag, answer.headers.get(b"timestamp")) == (None, b"54")


def test_a_tag_that_is_there_stays() -> None:
    assert response_to(request(To=b"<sip:bob@example.com>;tag=old"), 200, to_tag=b"new").to.tag == b"old"


def test_the_request_is_not_touched_by_its_answer() -> None:
    message = request()
    response_to(message, 200, to_tag=b"b1").headers.remove(b"via")
    assert message.to.tag is None
    assert b"via" in message.headers


@pytest.mark.parametrize(
    "give",
    [
        lambda: response_to(request(), 200, "OK\r\nX: y"),
        lambda: response_to(request(), 200, to_tag=b"a\r\nX: y"),
        lambda: response_to(request(), 200, to_tag=b"a;b"),
        lambda: response_to(request(), 200, headers=[(b"X", b"a\nb")]),
        lambda: Response.new(200, b"a\0"),
        lambda: Request.new(b"IN VITE", BOB),
        lambda: Request.new(b"INVITE", BOB, [(b"X\r\nY", b"a")]),
        lambda: Request.new(b"INVITE", Uri(b"sip", b"a\r\nX: y", b"b")).to_bytes(),
    ],
)
def test_nothing_can_be_smuggled_into_a_message(give: Callable[[], object]) -> None:
    with pytest.raises(UnsafeHeader):
        give()


def test_reasons_are_those_of_the_rfc_or_of_the_class() -> None:
    assert Response.new(486).reason == b"Busy Here"
    assert Response.new(499).reason == REASONS[400]
    assert Response.new(200, "Fein").reason == b"Fein"
    with pytest.raises(ValueError, match="99"):
        Response.new(99)


# -- writing


def test_an_untouched_message_is_written_as_it_came() -> None:
    data = wire({b"X-Odd": b"  spaced", b"k": b"timer"}, b"body")
    assert parse_datagram(data).to_bytes() == data


@pytest.mark.parametrize(
    "change",
    [
        lambda message: message.headers.add(b"x", b"y"),
        lambda message: setattr(message, "body", b"more"),
        lambda message: setattr(message, "uri", Uri.parse(b"sip:else@example.com")),
        lambda message: setattr(message, "method", b"UPDATE"),
    ],
)
def test_a_changed_message_is_written_anew(change: Callable[[Message], None]) -> None:
    data = wire(body=b"body")
    message = parse_datagram(data)
    change(message)
    again = parse_datagram(message.to_bytes())
    assert message.to_bytes() != data
    assert again.body == message.body
    assert list(again.headers.items())[: len(MANDATORY)] == list(message.headers.items())[: len(MANDATORY)]


def test_the_content_length_is_always_true() -> None:
    message = Request.new(b"MESSAGE", BOB, [(b"Content-Length", b"99"), (b"l", b"5")], b"hello world")
    data = message.to_bytes()
    assert data == b"MESSAGE sip:bob@example.com SIP/2.0\r\nContent-Length: 11\r\n\r\nhello world"


def test_a_copy_is_independent() -> None:
    message = request()
    other = message.copy()
    other.headers.set(b"to", b"<sip:x@y>")
    other.uri = Uri.parse(b"sip:else@example.com")
    assert message.to.uri == BOB
    assert message.uri == BOB
    assert response_to(message, 200).copy().status == 200


def test_the_top_via_is_replaced_or_taken_alone() -> None:
    message = request(Via=b"SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b;branch=z9hG4bK2", v=b"SIP/2.0/UDP c")
    message.replace_top_via(message.top_via.with_param(b"received", b"192.0.2.9"))
    assert message.top_via.received == b"192.0.2.9"
    assert [via.host for via in message.vias] == [b"a", b"b", b"c"]
    message.replace_top_via(None)
    assert [via.host for via in message.vias] == [b"b", b"c"]
