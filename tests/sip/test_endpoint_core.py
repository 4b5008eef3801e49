"""What an endpoint decides by itself: refusals, absorption, limits, dead flows (RFC 3261 8.2, 9.2, 17.1.1.3)."""

from dataclasses import replace

import pytest

from pysrv.sip import events as tell
from pysrv.sip.endpoint import Endpoint, EndpointLimits
from pysrv.sip.message import response_to
from pysrv.sip.uri import Uri
from tests.sip.playbook import (
    PEER,
    TCP,
    UDP,
    Playbook,
    answer,
    asked,
    endpoint,
    our_request,
    parse_request,
    request_bytes,
    token_source,
    told,
)

STRANGER = tell.Flow("udp", UDP.local, ("203.0.113.5", 4444))

# What is refused or absorbed without asking


@pytest.mark.parametrize(
    ("request_", "status", "header"),
    [
        (request_bytes(uri=b"http://example.com/"), 416, None),
        (request_bytes(extra=(b"Require: 100rel, teleport",)), 420, b"teleport"),
        (request_bytes(b"MESSAGE").replace(b"Forwards: 70", b"Forwards: 0"), 483, None),
        (request_bytes(b"OPTIONS", cseq_method=b"INVITE"), 400, None),
        (request_bytes(b"OPTIONS").replace(b"us@192.0.2.1 SIP/2.0", b"us@192.0.2.1 SIP/7.0"), 505, None),
    ],
)
def test_a_request_that_cannot_be_served_is_refused_without_state(
    request_: bytes, status: int, header: bytes | None
) -> None:
    sip = endpoint()
    sip.receive_datagram(request_, UDP, 0.0)
    response, flow = answer(sip)
    assert (response.status, flow) == (status, UDP)
    assert response.to.tag
    assert response.headers.get(b"unsupported") == header
    assert sip.transactions == (0, 0)
    assert not any(isinstance(event, tell.RequestReceived) for event in told(sip))


@pytest.mark.parametrize("method", [b"OPTIONS", b"REGISTER"])
def test_a_request_whose_goal_we_are_may_have_no_hops_left(method: bytes) -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(method).replace(b"Forwards: 70", b"Forwards: 0"), UDP, 0.0)
    assert asked(sip).request.method == method


def test_a_request_inside_a_dialog_may_have_no_hops_left() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(b"BYE", to_tag=b"ours").replace(b"Forwards: 70", b"Forwards: 0"), UDP, 0.0)
    assert asked(sip).request.method == b"BYE"


def test_an_unknown_method_is_the_users_matter() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(b"DANCE"), UDP, 0.0)
    assert asked(sip).request.method == b"DANCE"


def test_the_same_request_on_two_paths_is_refused_the_second_time() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(branch=b"z9hG4bKone"), UDP, 0.0)
    asked(sip)
    sip.receive_datagram(request_bytes(branch=b"z9hG4bKtwo"), UDP, 0.0)
    assert answer(sip)[0].status == 482
    assert told(sip) == []
    sip.receive_datagram(request_bytes(branch=b"z9hG4bKthree", to_tag=b"inside"), UDP, 0.0)
    assert asked(sip).request.to.tag == b"inside"


def test_a_malformed_request_is_answered_and_told_of() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(b"OPTIONS").replace(b"CSeq: 1", b"CSeq: one"), UDP, 0.0)
    assert answer(sip)[0].status == 400
    (event,) = told(sip)
    assert isinstance(event, tell.MalformedReceived)
    assert (event.flow, event.status, event.first_line) == (UDP, 400, b"OPTIONS sip:us@192.0.2.1 SIP/2.0")


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"\xff" * 1000,
        b"OPTIONS sip:a SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        request_bytes(b"ACK").replace(b"CSeq: 1", b"CSeq: one"),
        request_bytes(b"OPTIONS").replace(b"Via: SIP", b"Via: NOT"),
    ],
)
def test_what_cannot_be_answered_is_only_told_of(data: bytes) -> None:
    sip = endpoint()
    sip.receive_datagram(data, UDP, 0.0)
    assert sip.datagrams_to_send() == []
    assert [type(event) for event in told(sip)] == [tell.MalformedReceived]


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0"])
def test_a_keepalive_is_neither_answered_nor_an_offence(data: bytes) -> None:
    sip = endpoint()
    sip.receive_datagram(data, UDP, 0.0)
    assert (sip.datagrams_to_send(), told(sip)) == ([], [])


def test_a_malformed_first_line_is_told_in_120_bytes_at_most() -> None:
    sip = endpoint()
    sip.receive_datagram(b"X" * 5000, UDP, 0.0)
    (event,) = told(sip)
    assert isinstance(event, tell.MalformedReceived)
    assert event.first_line == b"X" * 120


def test_an_ack_of_nothing_is_told_without_a_key() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(b"ACK", to_tag=b"restored"), UDP, 0.0)
    (event,) = told(sip)
    assert isinstance(event, tell.AckReceived)
    assert event.key is None


def test_the_ack_of_a_2xx_may_wrongly_keep_the_branch_of_its_invite() -> None:
    book = Playbook()
    book.play("""
        -> INVITE
        tell RequestReceived
        user 200
        <- 200
        -> ACK           # with the INVITE's branch, as some phones do
        tell AckReceived
        after 32
        gone
    """)


def test_an_ack_with_another_to_tag_does_not_end_the_repetition_of_our_2xx() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(), UDP, 0.0)
    event = asked(sip)
    sip.respond(event.key, response_to(event.request, 200, to_tag=b"right"), 0.0)
    sip.datagrams_to_send()
    sip.receive_datagram(request_bytes(b"ACK", b"z9hG4bKforged", to_tag=b"wrong"), UDP, 0.1)
    (ack,) = told(sip)
    assert isinstance(ack, tell.AckReceived)
    assert ack.key is None
    sip.handle_timer(0.5)
    assert answer(sip)[0].status == 200


def test_challenges_repeat_their_tag_and_absorb_their_ack() -> None:
    sip = endpoint()
    tags = set()
    for _ in range(3):
        sip.receive_datagram(request_bytes(), UDP, 0.0)
        event = asked(sip)
        sip.respond_stateless(event.request, response_to(event.request, 407), event.flow)
        tags.add(answer(sip)[0].to.tag)
        assert sip.transactions == (0, 0)
        assert sip.get_timer() is None
    (tag,) = tags
    sip.receive_datagram(request_bytes(b"ACK", to_tag=tag or b""), UDP, 0.1)
    assert told(sip) == []
    assert sip.tally.absorbed_acks == 1


def test_the_tag_of_a_challenge_depends_on_secret_call_and_number() -> None:
    base = parse_request(request_bytes())
    others = (request_bytes(number=2), request_bytes(call_id=b"another"), request_bytes(from_tag=b"another"))
    tags = {endpoint().stateless_tag(parse_request(other)) for other in others}
    tags |= {Endpoint(token_source(), b"another").stateless_tag(base), endpoint().stateless_tag(base)}
    assert len(tags) == 5


def test_a_cancel_from_another_host_is_refused() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(), UDP, 0.0)
    asked(sip)
    sip.receive_datagram(request_bytes(b"CANCEL"), STRANGER, 0.0)
    assert answer(sip)[0].status == 481
    assert told(sip) == []
    moved = replace(UDP, remote=(PEER[0], 9999))
    sip.receive_datagram(request_bytes(b"CANCEL"), moved, 0.0)
    assert answer(sip)[0].status == 200
    assert [type(event) for event in told(sip)] == [tell.Cancelled]


def test_the_answer_to_a_cancel_has_the_tag_of_the_invites_answer() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(), UDP, 0.0)
    event = asked(sip)
    sip.respond(event.key, response_to(event.request, 180, to_tag=b"ringing"), 0.0)
    sip.datagrams_to_send()
    sip.receive_datagram(request_bytes(b"CANCEL"), UDP, 0.0)
    assert answer(sip)[0].to.tag == b"ringing"


# Limits


def test_a_full_house_refuses_newcomers_but_hears_those_inside_a_dialog() -> None:
    sip = endpoint(EndpointLimits(max_server_transactions=3, reserve=1, retry_after_s=7))
    for n in range(3):
        sip.receive_datagram(request_bytes(b"OPTIONS", b"z9hG4bK%d" % n, call_id=b"%d" % n), UDP, 0.0)
    assert len(told(sip)) == 3
    sip.receive_datagram(request_bytes(b"INVITE", b"z9hG4bKnew", call_id=b"new"), UDP, 0.0)
    response, _ = answer(sip)
    assert (response.status, response.headers.get(b"retry-after")) == (503, b"7")
    sip.receive_datagram(request_bytes(b"ACK", b"z9hG4bKnew", call_id=b"new", to_tag=response.to.tag or b""), UDP, 0)
    assert told(sip) == []
    sip.receive_datagram(request_bytes(b"BYE", b"z9hG4bKbye", call_id=b"old", to_tag=b"ours"), UDP, 0.0)
    assert asked(sip).request.method == b"BYE"
    sip.receive_datagram(request_bytes(b"BYE", b"z9hG4bKbye2", call_id=b"old", to_tag=b"ours"), UDP, 0.0)
    assert answer(sip)[0].status == 503
    assert (sip.transactions[1], sip.tally.overload) == (4, 2)


# Flows


def test_a_failed_stream_concerns_only_its_own_transactions() -> None:
    sip = endpoint()
    other = replace(TCP, connection=8)
    mine, theirs = sip.send_request(our_request(b"OPTIONS"), TCP, 0), sip.send_request(our_request(b"INFO"), other, 0)
    sip.transport_failed(other, 0.0)
    assert told(sip) == [tell.TransportFailed(theirs)]
    sip.transport_failed(TCP, 0.0)
    assert told(sip) == [tell.TransportFailed(mine)]


def test_a_request_sent_before_its_stream_was_open_fails_with_it() -> None:
    sip = endpoint()
    key = sip.send_request(our_request(b"OPTIONS"), replace(TCP, connection=0), 0.0)
    sip.transport_failed(TCP, 0.0)
    assert told(sip) == [tell.TransportFailed(key)]


def test_a_failed_datagram_concerns_only_requests_to_that_address() -> None:
    sip = endpoint()
    near, far = sip.send_request(our_request(b"INFO"), UDP, 0.0), sip.send_request(our_request(b"INFO"), STRANGER, 0.0)
    sip.transport_failed(STRANGER, 0.0)
    assert told(sip) == [tell.TransportFailed(far)]
    sip.transport_failed(UDP, 0.0)
    assert told(sip) == [tell.TransportFailed(near)]


def test_an_endpoint_can_call_itself() -> None:
    sip = endpoint()
    loop = tell.Flow("udp", UDP.local, UDP.local)
    key = sip.send_request(our_request(b"OPTIONS"), loop, 0.0)
    ((data, _),) = sip.datagrams_to_send()
    sip.receive_datagram(data, loop, 0.0)
    event = asked(sip)
    assert event.key != key
    sip.respond(event.key, response_to(event.request, 200, to_tag=b"t"), 0.0)
    sip.receive_datagram(sip.datagrams_to_send()[0][0], loop, 0.0)
    (response,) = told(sip)
    assert isinstance(response, tell.ResponseReceived)
    assert response.key == key


def test_a_tel_uri_is_understood() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(uri=b"tel:+4930123456"), UDP, 0.0)
    assert asked(sip).request.uri == Uri.parse(b"tel:+4930123456")


@pytest.mark.parametrize("header", [b"To: <sip:us@example.com", b"Contact: <<<>", b"Record-Route: x y z"])
def test_a_response_that_its_user_could_not_read_is_told_as_malformed(header: bytes) -> None:
    sip = endpoint()
    sip.send_request(our_request(b"INVITE"), UDP, 0.0)
    lines = sip.datagrams_to_send()[0][0].split(b"\r\n")[1:]
    lines = [line for line in lines if not line.startswith((header[:3], b"Contact", b"Max"))]
    sip.receive_datagram(b"\r\n".join((b"SIP/2.0 200 OK", header, *lines)), UDP, 0.1)
    (event,) = told(sip)
    assert isinstance(event, tell.MalformedReceived)
    assert sip.datagrams_to_send() == []
    assert sip.transactions == (1, 0)


@pytest.mark.parametrize("method", [b"INVITE", b"REGISTER"])
def test_an_answered_request_is_let_go_while_its_answer_is_kept(method: bytes) -> None:
    """At thousands of requests a second the 32 seconds of Timer J must not hold thousands of parsed messages."""
    sip = endpoint()
    sip.receive_datagram(request_bytes(method), UDP, 0.0)
    event = asked(sip)
    sip.respond(event.key, response_to(event.request, 404, to_tag=b"t"), 0.0)
    assert sip._layer.servers[event.key].request is None
    sip.datagrams_to_send()
    sip.receive_datagram(request_bytes(method), UDP, 0.1)
    assert answer(sip)[0].status == 404


def test_an_answered_request_of_ours_is_let_go() -> None:
    sip = endpoint()
    key = sip.send_request(our_request(b"INVITE"), UDP, 0.0)
    sent = parse_request(sip.datagrams_to_send()[0][0])
    for _ in range(2):  # its ACK is kept as bytes
        sip.receive_datagram(response_to(sent, 486, to_tag=b"x").to_bytes(), UDP, 0.1)
        assert parse_request(sip.datagrams_to_send()[0][0]).method == b"ACK"
    assert sip._layer.clients[key].request is None
