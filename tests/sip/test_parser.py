"""Datagrams and streams: framing, limits, and that nothing but BadMessage ever comes out (RFC 3261 7, 18.3; 5626)."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysrv.sip.errors import BadMessage
from pysrv.sip.message import Message, Request, Response, response_to, validate_request
from pysrv.sip.parser import KeepAlive, Limits, StreamParser, is_keepalive, parse_datagram
from tests.sip.test_torture import ALL

HEAD = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa\r\n"
    b"From: <sip:alice@example.com>;tag=a1\r\nTo: <sip:bob@example.com>\r\n"
    b"Call-ID: c1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"
)
VALID = HEAD + b"Content-Length: 4\r\n\r\nbody"
RESPONSE = b"SIP/2.0 200 OK\r\n" + HEAD.partition(b"\r\n")[2] + b"Content-Length: 0\r\n\r\n"
KEEPALIVES = {b"\r\n": KeepAlive.PONG, b"\r\n\r\n": KeepAlive.PING}


def bad(data: bytes, limits: Limits = Limits()) -> BadMessage:  # noqa: B008
    with pytest.raises(BadMessage) as caught:
        parse_datagram(data, limits)
    return caught.value


# -- datagrams


def test_a_request_and_a_response_are_told_apart() -> None:
    request, response = parse_datagram(VALID), parse_datagram(RESPONSE)
    assert isinstance(request, Request)
    assert isinstance(response, Response)
    assert (request.method, request.body, response.status, response.reason) == (b"INVITE", b"body", 200, b"OK")


def test_without_content_length_the_body_reaches_to_the_end_of_the_datagram() -> None:
    assert parse_datagram(HEAD + b"\r\nall of it").body == b"all of it"


def test_octets_beyond_content_length_are_ignored() -> None:
    message = parse_datagram(VALID + b"more")
    assert message.body == b"body"
    assert message.to_bytes() == VALID


def test_line_ends_before_the_message_are_ignored() -> None:
    assert parse_datagram(b"\r\n\r\n" + VALID).to_bytes() == VALID


@pytest.mark.parametrize(
    "length", [b"5", b"-1", b"", b"four", b"4 4", b"4, 4", b"0x4", b"9" * 30, b"+4", b"4\r\nContent-Length: 4"]
)
def test_a_wrong_content_length_is_answered_400(length: bytes) -> None:
    error = bad(HEAD + b"Content-Length: " + length + b"\r\n\r\nbody")
    assert error.status == 400
    assert isinstance(error.message, Request)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"INVITE",
        b"INVITE sip:bob@example.com",
        b"INVITE sip:bob@example.com SIP",
        b"INVITE sip:bob@example.com SIP/2",
        b"INVITE sip:bob@example.com SIP/2.0 ",
        b"INVITE sip:bob@example.com  SIP/2.0",
        b" INVITE sip:bob@example.com SIP/2.0",
        b"INVITE\tsip:bob@example.com SIP/2.0",
        b"INVITE <sip:bob@example.com> SIP/2.0",
        b"INVITE bob SIP/2.0",
        b"IN:VITE sip:bob@example.com SIP/2.0",
        b"GET / HTTP/1.1",
        b"SIP/2.0",
        b"SIP/2.0 ",
        b"SIP/2.0 20 OK",
        b"SIP/2.0 700 OK",
        b"SIP/2.0 099 OK",
        b"SIP/2.0  200 OK",
        b"SIP/3.0 200 OK",
        b"SIP/2.0 200OK",
        b"INVITE sip:bob@example.com SIP/2.0\r\n folded",
    ],
)
def test_a_malformed_start_line_is_refused(start: bytes) -> None:
    assert bad(start + b"\r\n" + HEAD.partition(b"\r\n")[2] + b"\r\n").status == 400


@pytest.mark.parametrize(
    ("start", "method"),
    [
        (b"INVITE  sip:a@b SIP/2.0", b"INVITE"),
        (b"OPTIONS x SIP/2.0", b"OPTIONS"),
        (b"GET / HTTP/1.1", None),
        (b"\xff SIP/2.0", None),
    ],
)
def test_a_malformed_request_can_be_answered_if_it_looks_like_one(start: bytes, method: bytes | None) -> None:
    message = bad(start + b"\r\n" + HEAD.partition(b"\r\n")[2] + b"\r\n").message
    assert (message.method if isinstance(message, Request) else None) == method


@pytest.mark.parametrize(
    "line",
    [
        b"no colon",
        b"a b: c",
        b": empty",
        b"X: a\rb",
        b"X: a\nb",
        b"X: a\0b",
        b"X\x01: a",
        b"X: \x1b[2J",
        b"X: \x7f",
        b'Subject: "\\\x07"',
        b"To: \\\x07",
    ],
)
def test_a_malformed_header_line_is_refused_and_never_echoed(line: bytes) -> None:
    error = bad(HEAD + line + b"\r\n\r\n")
    assert error.status == 400
    assert isinstance(error.message, Request)
    answer = response_to(error.message, 400).to_bytes()
    assert len(answer.split(b"\r\n")) == 9
    assert not set(answer) & {0, 1, 7, 0x1B, 0x7F}


def test_a_bare_line_feed_ends_no_line() -> None:
    assert bad(HEAD.replace(b"\r\n", b"\n") + b"\n").message is None
    assert bad(HEAD + b"X: y\nVia: SIP/2.0/UDP evil\r\n\r\n").status == 400


def test_folded_lines_are_joined_by_one_space() -> None:
    message = parse_datagram(HEAD + b"Subject: one \r\n\t two\r\n   three\r\nX:\r\n y\r\n\r\n")
    assert message.headers.get(b"subject") == b"one two three"
    assert message.headers.get(b"x") == b"y"


def test_a_folded_line_may_hold_a_colon() -> None:
    message = parse_datagram(HEAD + b"Subject: one\r\n Via: two\r\n\r\n")
    assert message.headers.get(b"subject") == b"one Via: two"
    assert len(message.vias) == 1


def test_a_message_without_its_empty_line_is_refused_and_can_be_answered() -> None:
    error = bad(HEAD)
    assert error.status == 400
    assert isinstance(error.message, Request)


@pytest.mark.parametrize(
    ("data", "limits", "status"),
    [
        (VALID, Limits(max_message_bytes=100), 513),
        (VALID, Limits(max_headers=5), 513),
        (VALID, Limits(max_body_bytes=3), 413),
        (VALID, Limits(max_start_line_bytes=20), 414),
        (VALID, Limits(max_header_bytes=30), 513),
        (VALID, Limits(max_head_bytes=100, max_header_bytes=90), 513),
        (HEAD + b"X: " + b"y" * 9000 + b"\r\n\r\n", Limits(), 513),
        (HEAD + b"X: y" + b"\r\n z" * 3000 + b"\r\n\r\n", Limits(), 513),
        (HEAD + b"X: y\r\n" * 200 + b"\r\n", Limits(), 513),
        (HEAD.replace(b"sip:bob", b"sip:" + b"bob" * 700) + b"\r\n", Limits(), 414),
    ],
)
def test_what_is_too_large_is_refused_with_its_status(data: bytes, limits: Limits, status: int) -> None:
    assert bad(data, limits).status == status
    if limits == Limits():
        assert isinstance(bad(data).message, Request)


@pytest.mark.parametrize(
    ("data", "is_one"),
    [(b"", True), (b"\r\n", True), (b"\r\n\r\n", True), (b"\0", True), (b"\0\0\0\0", True), (VALID, False)],
)
def test_keepalive_datagrams_are_known(data: bytes, is_one: bool) -> None:
    assert is_keepalive(data) is is_one


# -- streams


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[index : index + size] for index in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 10_000])
def test_a_stream_is_cut_alike_however_it_arrives(size: int) -> None:
    parser = StreamParser()
    data = VALID + RESPONSE + b"\r\n\r\n" + VALID
    found = [item for piece in pieces(data, size) for item in parser.feed(piece)]
    messages = [item.to_bytes() for item in found if isinstance(item, Message)]
    assert messages == [VALID, RESPONSE, VALID]
    assert KeepAlive.PING in found


@pytest.mark.parametrize("size", [1, 3, 4])
def test_a_ping_is_known_even_in_pieces(size: int) -> None:
    parser = StreamParser()
    assert [item for piece in pieces(b"\r\n\r\n", size) for item in parser.feed(piece)][-1] is KeepAlive.PING


def test_on_a_stream_that_we_ping_every_line_end_is_an_answer() -> None:
    parser = StreamParser(pings=True)
    assert parser.feed(b"\r\n") + parser.feed(b"\r\n") == [KeepAlive.PONG, KeepAlive.PONG]


def test_a_line_end_before_a_message_is_harmless() -> None:
    assert [type(item) for item in StreamParser().feed(b"\r\n" + VALID)] == [KeepAlive, Request]


def test_content_length_is_mandatory_on_a_stream() -> None:
    with pytest.raises(BadMessage) as caught:
        StreamParser().feed(HEAD + b"\r\n")
    assert caught.value.status == 400
    assert isinstance(caught.value.message, Request)


def test_a_malformed_request_in_sound_framing_comes_out_with_its_defect() -> None:
    parser = StreamParser()
    odd = VALID.replace(b"INVITE sip", b"INVITE  sip", 1)
    first, second = parser.feed(odd + VALID)
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    with pytest.raises(BadMessage) as caught:
        validate_request(first)
    assert (caught.value.status, caught.value.message) == (400, first)
    validate_request(second)


def test_what_came_before_a_fault_is_delivered_first() -> None:
    parser = StreamParser()
    assert len(parser.feed(VALID + b"garbage\r\n\r\n")) == 1
    assert parser.failure is not None
    with pytest.raises(BadMessage):
        parser.feed(b"")


@pytest.mark.parametrize(
    ("data", "limits", "status"),
    [
        (b"x" * 40_000, Limits(), 513),
        (HEAD + b"Content-Length: 70000\r\n\r\n", Limits(), 413),
        (HEAD + b"Content-Length: 65530\r\n\r\n", Limits(), 513),
        (b"\rx", Limits(), 400),
        (b"SIP/2.0 200 OK\r\nbroken\r\n\r\n", Limits(), 400),
    ],
)
def test_a_stream_that_goes_too_far_fails_at_once(data: bytes, limits: Limits, status: int) -> None:
    with pytest.raises(BadMessage) as caught:
        StreamParser(limits).feed(data)
    assert caught.value.status == status


# -- whatever comes


def exercise(data: bytes) -> None:
    """Everything that a core does with a message; BadMessage is the only exception allowed."""
    try:
        message = parse_datagram(data)
    except BadMessage as error:
        assert 400 <= error.status <= 699
        if isinstance(error.message, Request):
            parse_datagram(response_to(error.message, error.status, to_tag=b"x").to_bytes())
        return
    for name in ("top_via", "vias", "from_", "to", "call_id", "cseq", "contacts", "contact_star", "routes",
                 "record_routes", "max_forwards", "expires", "content_type", "supported", "require",
                 "proxy_require", "allow"):  # fmt: skip
        try:
            getattr(message, name)
        except BadMessage as error:
            assert error.status == 400
    answerable = isinstance(message, Request) and message.is_answerable
    message.headers.changed = True
    again = parse_datagram(message.to_bytes())
    assert [line for line in again.headers.items() if line[0] != b"content-length"] == [
        line for line in message.headers.items() if line[0] != b"content-length"
    ]
    assert again.body == message.body
    if isinstance(message, Request) and answerable:
        try:
            validate_request(message)
        except BadMessage as error:
            assert isinstance(error.message, Request)
        parse_datagram(response_to(message, 500, to_tag=b"x").to_bytes())


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_noise_raises_bad_message_alone(noise: bytes) -> None:
    exercise(noise)
    exercise(HEAD + noise + b"\r\n\r\n")
    exercise(b"INVITE " + noise + b" SIP/2.0\r\n" + HEAD.partition(b"\r\n")[2] + b"\r\n")


@given(
    st.sampled_from([b"From", b"To", b"Via", b"Contact", b"CSeq", b"Route", b"Call-ID", b"Content-Length"]),
    st.text('"<>;,=:@\\ []%?*a1.\t', max_size=60),
)
@settings(max_examples=300, deadline=None)
def test_noise_in_a_header_raises_bad_message_alone(name: bytes, text: str) -> None:
    exercise(HEAD + name + b": " + text.encode() + b"\r\n\r\n")
    lines = [line for line in HEAD.split(b"\r\n") if not line.startswith(name)]
    exercise(b"\r\n".join([*lines[:-1], name + b": " + text.encode(), b"", b""]))


def mutated(data: bytes, chance: random.Random) -> bytes:
    octets = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(octets) + 1)
        match chance.randrange(5):
            case 0:
                octets[place:place] = chance.choice(
                    [b"\r\n", b"\0", b'"', b"<", b">", b";", b",", b" ", b"\t", b":", b"%", b"\\", b"\xff"]
                )
            case 1:
                del octets[place : place + chance.randint(1, 20)]
            case 2:
                octets[place : place + 1] = bytes((chance.randrange(256),))
            case 3:
                start = chance.randrange(len(octets) + 1)
                octets[place:place] = octets[start : start + chance.randint(1, 40)]
            case _:
                octets[place:place] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 4)))
    return bytes(octets)


@pytest.mark.parametrize("seed", range(8))
def test_mutations_of_good_and_bad_messages_raise_bad_message_alone(seed: int) -> None:
    chance = random.Random(seed)
    seeds = [torture.data for torture in ALL] + [VALID, RESPONSE]
    for _ in range(250):
        exercise(mutated(chance.choice(seeds), chance))


@given(st.lists(st.binary(max_size=60), max_size=8), st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_a_stream_of_noise_raises_bad_message_alone(noise: list[bytes], kind: int) -> None:
    parser = StreamParser()
    try:
        for piece in [VALID, b"\r\n", HEAD][:kind] + noise:
            for item in parser.feed(piece):
                assert isinstance(item, Message | KeepAlive)
    except BadMessage:
        assert parser.failure is not None
