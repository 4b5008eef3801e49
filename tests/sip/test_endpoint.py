"""Where an endpoint sends what, and what it adds to it (RFC 3261 8.1.1, 17.1.1.3, 18.2; RFC 3581)."""

import pytest

from pysrv.sip import events as tell
from pysrv.sip import hop
from pysrv.sip.endpoint import Endpoint
from pysrv.sip.message import response_to
from tests.sip.playbook import (
    UDP,
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


def test_a_secret_is_asked_for() -> None:
    with pytest.raises(ValueError, match="secret"):
        Endpoint(token_source(), b"")


# Where a request came from, and where its answer goes


def test_rport_is_filled_in_and_the_answer_goes_to_the_source_port() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(b"OPTIONS", via=b"10.0.0.7:5060"), STRANGER, 0.0)
    event = asked(sip)
    assert (event.request.top_via.received, event.request.top_via.rport) == (b"203.0.113.5", b"4444")
    sip.respond(event.key, response_to(event.request, 200, to_tag=b"t"), 0.0)
    response, flow = answer(sip)
    assert flow == STRANGER
    assert response.headers.get(b"via") == (
        b"SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bKpeer1;rport=4444;received=203.0.113.5"
    )


def test_without_rport_the_answer_goes_to_the_source_address_and_the_port_of_sent_by() -> None:
    sip = endpoint()
    data = request_bytes(b"OPTIONS", via=b"10.0.0.7").replace(b";rport", b"")
    sip.receive_datagram(data, STRANGER, 0.0)
    event = asked(sip)
    assert (event.request.top_via.received, event.request.top_via.rport) == (b"203.0.113.5", None)
    sip.respond(event.key, response_to(event.request, 200, to_tag=b"t"), 0.0)
    assert answer(sip)[1].remote == ("203.0.113.5", 5060)


def test_a_truthful_via_without_rport_stays_as_it_is() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(b"OPTIONS").replace(b";rport", b""), UDP, 0.0)
    assert asked(sip).request.headers.get(b"via") == b"SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKpeer1"


def test_only_the_top_via_is_marked() -> None:
    sip = endpoint()
    chained = b";rport, SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKbelow"
    sip.receive_datagram(request_bytes(b"OPTIONS").replace(b";rport", chained), UDP, 0.0)
    vias = asked(sip).request.vias
    assert [via.received for via in vias] == [b"192.0.2.9", None]
    assert vias[1].branch == b"z9hG4bKbelow"


def test_an_ipv6_source_is_compared_without_brackets() -> None:
    sip = endpoint()
    flow = tell.Flow("udp", ("2001:db8::1", 5060), ("2001:db8::9", 5060))
    sip.receive_datagram(request_bytes(b"OPTIONS", via=b"[2001:db8::9]:5060").replace(b";rport", b""), flow, 0.0)
    assert asked(sip).request.top_via.received is None


def test_a_maddr_does_not_choose_whom_the_answer_hits() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(b"OPTIONS").replace(b";rport", b";maddr=198.51.100.1"), STRANGER, 0.0)
    sip.respond(asked(sip).key, response_to(parse_request(request_bytes(b"OPTIONS")), 200), 0.0)
    assert answer(sip)[1].remote[0] == "203.0.113.5"


def test_a_repetition_from_elsewhere_is_answered_to_the_first_source_only() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(b"OPTIONS"), UDP, 0.0)
    event = asked(sip)
    sip.respond(event.key, response_to(event.request, 200, to_tag=b"t"), 0.0)
    sip.datagrams_to_send()
    sip.receive_datagram(request_bytes(b"OPTIONS"), STRANGER, 0.1)
    assert answer(sip)[1] == UDP
    assert told(sip) == []


# What we send


def test_a_request_of_ours_gets_via_branch_and_max_forwards() -> None:
    sip = endpoint()
    sip.send_request(our_request(b"OPTIONS"), UDP, 0.0)
    ((data, flow),) = sip.datagrams_to_send()
    request = parse_request(data)
    assert flow == UDP
    assert request.headers.get(b"via") == b"SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK0000000000000001"
    assert request.max_forwards == 70


def test_a_request_sent_once_more_is_a_new_transaction_with_one_via() -> None:
    sip = endpoint()
    request = our_request(b"OPTIONS")
    request.headers.set(b"max-forwards", b"12")
    keys = {sip.send_request(request, UDP, 0.0), sip.send_request(request, UDP, 0.0)}
    assert len(keys) == 2
    sent = parse_request(sip.datagrams_to_send()[1][0])
    assert (len(sent.vias), sent.max_forwards) == (1, 12)


def test_an_ipv6_via_has_brackets_and_names_its_transport() -> None:
    sip = endpoint()
    flow = tell.Flow("tcp", ("2001:db8::1", 5060), ("2001:db8::9", 5060))
    sip.send_request(our_request(b"OPTIONS"), flow, 0.0)
    assert b"Via: SIP/2.0/TCP [2001:db8::1]:5060;" in sip.datagrams_to_send()[0][0]


def test_ack_and_cancel_are_not_sent_as_requests() -> None:
    for method in (b"ACK", b"CANCEL"):
        with pytest.raises(ValueError, match=method.decode()):
            endpoint().send_request(our_request(method), UDP, 0.0)


def test_an_ack_given_again_is_the_same_on_the_wire() -> None:
    sip = endpoint()
    ack = our_request(b"ACK")
    sip.send_ack(ack, UDP)
    sip.send_ack(ack, UDP)
    first, second = sip.datagrams_to_send()
    assert first == second


def test_the_ack_of_a_failure_copies_route_and_branch_and_takes_the_to_of_the_response() -> None:
    sip = endpoint()
    invite = our_request(b"INVITE", 7)
    invite.headers.add(b"route", b"<sip:edge.example.com;lr>")
    sip.send_request(invite, UDP, 0.0)
    sent = parse_request(sip.datagrams_to_send()[0][0])
    sip.receive_datagram(response_to(sent, 404, to_tag=b"x").to_bytes(), UDP, 0.1)
    ack = parse_request(sip.datagrams_to_send()[0][0])
    assert (ack.method, ack.cseq.number, ack.to.tag, ack.uri) == (b"ACK", 7, b"x", sent.uri)
    assert ack.top_via == sent.top_via
    assert ack.headers.get(b"route") == b"<sip:edge.example.com;lr>"
    assert not ack.contacts


def test_a_cancel_has_the_numbers_of_its_invite_and_the_reason_given() -> None:
    sip = endpoint()
    key = sip.send_request(our_request(b"INVITE", 7), UDP, 0.0)
    sent = parse_request(sip.datagrams_to_send()[0][0])
    sip.cancel(key, 0.1, headers=[(b"reason", b'SIP;cause=200;text="Call completed elsewhere"')])
    sip.receive_datagram(response_to(sent, 180, to_tag=b"x").to_bytes(), UDP, 0.2)
    cancel = parse_request(sip.datagrams_to_send()[0][0])
    assert (cancel.method, cancel.cseq.number, cancel.cseq.method) == (b"CANCEL", 7, b"CANCEL")
    assert (cancel.top_via, cancel.uri, cancel.to.tag) == (sent.top_via, sent.uri, None)
    assert (cancel.headers.get(b"reason") or b"").startswith(b"SIP;cause=200")


def test_several_answers_of_a_fork_are_all_told() -> None:
    sip = endpoint()
    sip.send_request(our_request(b"INVITE"), UDP, 0.0)
    sent = parse_request(sip.datagrams_to_send()[0][0])
    for tag in (b"one", b"two"):
        sip.receive_datagram(response_to(sent, 200, to_tag=tag).to_bytes(), UDP, 0.1)
    tags = [event.response.to.tag for event in told(sip) if isinstance(event, tell.ResponseReceived)]
    assert tags == [b"one", b"two"]


def test_a_response_to_nothing_is_dropped_and_counted() -> None:
    sip = endpoint()
    sip.receive_datagram(response_to(parse_request(request_bytes()), 200, to_tag=b"x").to_bytes(), UDP, 0.0)
    assert told(sip) == []
    assert sip.tally.stray_responses == 1


def test_an_answer_without_a_to_tag_gets_one_but_a_100_does_not() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(b"INVITE"), UDP, 0.0)
    event = asked(sip)
    sip.respond(event.key, response_to(event.request, 100), 0.0)
    assert answer(sip)[0].to.tag is None
    sip.respond(event.key, response_to(event.request, 486), 0.0)
    assert answer(sip)[0].to.tag == sip.stateless_tag(event.request)


def test_respond_says_whether_anything_was_sent() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(b"OPTIONS"), UDP, 0.0)
    event = asked(sip)
    response = response_to(event.request, 200, to_tag=b"t")
    assert sip.respond(event.key, response, 0.0)
    assert not sip.respond(event.key, response, 0.0)
    assert not sip.respond(b"< no such transaction", response, 0.0)


@pytest.mark.parametrize(
    ("to", "tag"),
    [
        (b"<sip:us@example.com>", None),
        (b"<sip:us@example.com>;tag=a", b"a"),
        (b"<sip:us@example.com> ; x=y ; TAG = a", b"a"),
        (b"<sip:us@example.com;tag=uri>", None),
        (b'"a;tag=display" <sip:us@example.com>', None),
        (b"sip:us@example.com;tag=a", b"a"),
        (b"<sip:us@example.com>;tag=a;x=y", b"a"),
    ],
)
def test_a_to_tag_is_found_where_it_is_one_and_set_where_it_lacks(to: bytes, tag: bytes | None) -> None:
    data = request_bytes(b"OPTIONS").replace(b"To: <sip:us@example.com>", b"To: " + to)
    response = response_to(parse_request(data), 200)
    assert hop.to_tag(response) == tag
    hop.set_to_tag(response, b"new")
    assert (hop.to_tag(response), response.to.tag) == (b"new", b"new")


def test_a_challenge_inside_a_dialog_keeps_the_dialogs_tag() -> None:
    sip = endpoint()
    sip.receive_datagram(request_bytes(b"BYE", to_tag=b"ours").replace(b";tag=ours", b" ;tag=ours"), UDP, 0.0)
    event = asked(sip)
    sip.respond_stateless(event.request, response_to(event.request, 401), event.flow)
    assert answer(sip)[0].to.tag == b"ours"
