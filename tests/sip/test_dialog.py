"""Dialogs: construction on both sides, route sets, targets, order, and keeping them (RFC 3261 12, 13.2.2.4)."""

import json

import pytest

from pysrv.sip.dialog import MAX_CSEQ, Dialog, DialogSet, OutOfOrder, dialog_id
from pysrv.sip.errors import BadMessage
from pysrv.sip.message import Request, Response, response_to
from pysrv.sip.parser import parse_datagram
from pysrv.sip.uri import Uri
from tests.sip.playbook import UDP, our_request, request_bytes

CONTACT = b"<sip:appliance@192.0.2.1>"
LOOSE = (b"Record-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>",)
STRICT = (b"Record-Route: <sip:old.example.com>", b"Record-Route: <sip:p1.example.com;lr>")


def read(data: bytes) -> Request:
    message = parse_datagram(data)
    assert isinstance(message, Request)
    return message


def uas(extra: tuple[bytes, ...] = (), number: int = 10) -> Dialog:
    return Dialog.uas(read(request_bytes(number=number, extra=extra)), b"ours", CONTACT, UDP)


def answer(
    request: Request,
    status: int = 200,
    tag: bytes | None = b"theirs",
    routes: bytes = b"",
    contact: bytes = b"<sip:phone@192.0.2.9>",
) -> Response:
    response = response_to(request, status, to_tag=tag)
    if contact:
        response.headers.add(b"contact", contact)
    if routes:
        response.headers.add(b"record-route", routes)
    return response


def routes(request: Request) -> list[bytes]:
    return [route.uri.to_bytes() for route in request.routes]


# Construction


def test_the_dialog_of_a_request_that_came() -> None:
    dialog = uas()
    assert dialog.id == (b"ladder", b"ours", b"peer")
    assert (dialog.remote_target, dialog.remote_seq, dialog.local_seq) == (Uri.parse(b"sip:peer@192.0.2.9:5070"), 10, 0)
    bye = dialog.request(b"BYE")
    assert bye.uri == dialog.remote_target
    assert (bye.from_.tag, bye.to.tag, bye.call_id) == (b"ours", b"peer", b"ladder")
    assert (bye.from_.uri, bye.to.uri) == (Uri.parse(b"sip:us@example.com"), Uri.parse(b"sip:peer@example.com"))
    assert (bye.cseq.number, bye.cseq.method) == (1, b"BYE")


def test_the_dialog_of_a_request_that_we_sent() -> None:
    invite = our_request(b"INVITE", 5)
    dialog = Dialog.uac(invite, answer(invite), UDP)
    assert dialog.id == (b"ours", b"us", b"theirs")
    assert (dialog.local_seq, dialog.remote_seq, dialog.confirmed) == (5, None, True)
    assert dialog.local_contact == b"<sip:us@192.0.2.1>"
    bye = dialog.request(b"BYE")
    assert (bye.cseq.number, bye.to.tag, bye.uri) == (6, b"theirs", Uri.parse(b"sip:phone@192.0.2.9"))


def test_both_ends_hold_one_dialog_under_mirrored_ids() -> None:
    invite = our_request(b"INVITE")
    ours = Dialog.uac(invite, answer(invite), UDP)
    theirs = Dialog.uas(invite, b"theirs", b"<sip:phone@192.0.2.9>", UDP)
    assert (ours.id[0], ours.id[2], ours.id[1]) == theirs.id
    theirs.receive(ours.request(b"INFO"))
    ours.receive(theirs.request(b"BYE"))


def test_a_request_or_answer_without_contact_makes_no_dialog() -> None:
    with pytest.raises(BadMessage, match="400"):
        Dialog.uas(read(request_bytes().replace(b"Contact: <sip:peer@192.0.2.9:5070>\r\n", b"")), b"t", CONTACT, UDP)
    invite = our_request(b"INVITE")
    with pytest.raises(BadMessage):
        Dialog.uac(invite, answer(invite, contact=b""), UDP)


def test_an_early_dialog_may_learn_its_target_later() -> None:
    invite = our_request(b"INVITE")
    dialog = Dialog.uac(invite, answer(invite, 180, contact=b""), UDP)
    assert (dialog.remote_target, dialog.confirmed) == (invite.uri, False)
    dialog.receive_response(answer(invite, 183))
    assert dialog.remote_target == Uri.parse(b"sip:phone@192.0.2.9")


def test_each_to_tag_is_a_dialog_of_its_own() -> None:
    invite = our_request(b"INVITE")
    fork = DialogSet(invite, UDP)
    assert fork.receive(answer(invite, 100, None)) is None
    assert fork.receive(answer(invite, 180, None)) is None
    assert fork.receive(answer(invite, 486, b"one")) is None
    one, two = fork.receive(answer(invite, 180, b"one")), fork.receive(answer(invite, 183, b"two"))
    assert one is not None
    assert two is not None
    assert fork.receive(answer(invite, 200, b"one")) is one
    assert (one.confirmed, two.confirmed) == (True, False)
    assert list(fork) == [one, two]


# Route sets


def test_the_uas_takes_the_record_routes_in_their_order_and_the_uac_backwards() -> None:
    assert routes(uas(LOOSE).request(b"BYE")) == [b"sip:p2.example.com;lr", b"sip:p1.example.com;lr"]
    invite = our_request(b"INVITE")
    dialog = Dialog.uac(invite, answer(invite, routes=b"<sip:p2.example.com;lr>, <sip:p1.example.com;lr>"), UDP)
    assert routes(dialog.request(b"BYE")) == [b"sip:p1.example.com;lr", b"sip:p2.example.com;lr"]
    assert dialog.request(b"BYE").uri == Uri.parse(b"sip:phone@192.0.2.9")


def test_a_strict_router_becomes_the_request_uri_and_the_target_the_last_route() -> None:
    bye = uas(STRICT).request(b"BYE")
    assert bye.uri == Uri.parse(b"sip:old.example.com")
    assert routes(bye) == [b"sip:p1.example.com;lr", b"sip:peer@192.0.2.9:5070"]


def test_the_2xx_decides_the_route_set_once() -> None:
    invite = our_request(b"INVITE")
    dialog = Dialog.uac(invite, answer(invite, 180, routes=b"<sip:early.example.com;lr>"), UDP)
    dialog.receive_response(answer(invite, 200, routes=b"<sip:final.example.com;lr>"))
    assert routes(dialog.ack(1)) == [b"sip:final.example.com;lr"]
    dialog.receive_response(answer(invite, 200, routes=b"<sip:again.example.com;lr>"))
    assert routes(dialog.ack(1)) == [b"sip:final.example.com;lr"]


# Requests inside the dialog


def test_an_ack_has_the_number_of_its_invite_and_uses_none_up() -> None:
    dialog = uas()
    invite = dialog.request(b"INVITE")
    ack = dialog.ack(invite.cseq.number, [(b"content-type", b"application/sdp")], b"v=0")
    assert (ack.method, ack.cseq.number, ack.cseq.method, ack.body) == (b"ACK", 1, b"ACK", b"v=0")
    assert dialog.request(b"BYE").cseq.number == 2


@pytest.mark.parametrize(("method", "there"), [(b"INVITE", True), (b"UPDATE", True), (b"BYE", False), (b"INFO", False)])
def test_requests_that_refresh_the_target_carry_our_contact(method: bytes, there: bool) -> None:
    assert (uas().request(method).headers.get(b"contact") == CONTACT) is there


def test_the_numbers_of_a_dialog_can_run_out() -> None:
    dialog = uas()
    dialog.local_seq = MAX_CSEQ
    with pytest.raises(ValueError, match="CSeq"):
        dialog.request(b"INFO")


def test_a_request_must_be_numbered_above_the_last_one() -> None:
    dialog = uas(number=10)
    for number in (9, 10):
        with pytest.raises(OutOfOrder) as raised:
            dialog.receive(read(request_bytes(b"INFO", number=number, to_tag=b"ours")))
        assert raised.value.status == 500
    dialog.receive(read(request_bytes(b"INFO", number=12, to_tag=b"ours")))
    assert dialog.remote_seq == 12


def test_ack_and_cancel_have_the_number_of_their_invite() -> None:
    dialog = uas(number=10)
    dialog.receive(read(request_bytes(b"ACK", number=10, to_tag=b"ours")))
    dialog.receive(read(request_bytes(b"CANCEL", number=10)))
    assert dialog.remote_seq == 10


def test_the_first_request_of_a_callee_may_have_any_number() -> None:
    invite = our_request(b"INVITE")
    dialog = Dialog.uac(invite, answer(invite), UDP)
    dialog.receive(read(request_bytes(b"BYE", number=0)))
    assert dialog.remote_seq == 0


@pytest.mark.parametrize(("method", "moved"), [(b"INVITE", True), (b"UPDATE", True), (b"INFO", False)])
def test_a_target_refresh_moves_the_target(method: bytes, moved: bool) -> None:
    dialog = uas()
    request = request_bytes(method, number=11, to_tag=b"ours").replace(b"peer@192.0.2.9:5070", b"moved@192.0.2.10")
    dialog.receive(read(request))
    assert dialog.remote_target == Uri.parse(b"sip:moved@192.0.2.10" if moved else b"sip:peer@192.0.2.9:5070")


def test_the_answer_to_a_target_refresh_moves_the_target_but_a_refusal_does_not() -> None:
    dialog = uas()
    update = dialog.request(b"UPDATE")
    dialog.receive_response(answer(update, 488, contact=b"<sip:nowhere@192.0.2.66>"))
    assert dialog.remote_target == Uri.parse(b"sip:peer@192.0.2.9:5070")
    dialog.receive_response(answer(update, 200, contact=b"<sip:moved@192.0.2.10>"))
    assert dialog.remote_target == Uri.parse(b"sip:moved@192.0.2.10")
    dialog.receive_response(answer(dialog.request(b"INFO"), 200, contact=b"<sip:nowhere@192.0.2.66>"))
    assert dialog.remote_target == Uri.parse(b"sip:moved@192.0.2.10")


def test_messages_say_which_dialog_they_are_of() -> None:
    dialog = uas()
    theirs = read(request_bytes(b"BYE", number=11, to_tag=b"ours"))
    assert dialog_id(theirs) == dialog.id
    assert dialog_id(response_to(dialog.request(b"INFO"), 200)) == dialog.id


# Keeping


@pytest.mark.parametrize("extra", [(), LOOSE, STRICT, (b'From: "J\xc3\xbcrgen, \\"x\\"" <sip:a@b;x=y>;tag=z',)])
def test_a_dialog_survives_a_restart(extra: tuple[bytes, ...]) -> None:
    data = request_bytes(extra=extra)
    if extra and extra[0].startswith(b"From"):
        data = data.replace(b"From: <sip:peer@example.com>;tag=peer\r\n", b"")
    dialog = Dialog.uas(read(data), b"ours", CONTACT, UDP)
    dialog.request(b"INFO")
    again = Dialog.from_dict(json.loads(json.dumps(dialog.to_dict())))
    assert again == dialog
    assert again.request(b"BYE").to_bytes() == dialog.request(b"BYE").to_bytes()


def test_what_is_no_dialog_is_not_taken_for_one() -> None:
    kept = uas().to_dict()
    del kept["remote_target"]
    with pytest.raises(KeyError):
        Dialog.from_dict(kept)
