"""The appliance as a party: it answers, hears keys by INFO, connects, and the call is one like all others then."""

import pytest

from pysrv.calls import events as tell
from pysrv.calls.b2bua import UnknownCall
from pysrv.calls.causes import NORMAL
from pysrv.calls.plan import CallPlan
from pysrv.media.g711 import Law
from tests.calls.playbook import Table, media_port, sdp

OFFER = sdp("198.51.100.10", 10_000, formats="8 0 101").replace(
    b"a=sendrecv", b"a=rtpmap:101 telephone-event/8000\r\na=sendrecv"
)


def attended(table: Table, body: bytes = OFFER) -> tuple[str, tell.CallAttended]:
    """A caller who talks to the appliance."""
    table["alice"].invite("access", body)
    asked = table.take(tell.CallRequested)
    table.b2bua.attend(asked.call_id, CallPlan(), table.now)
    table.settle()
    table["alice"].established()
    return asked.call_id, table.take(tell.CallAttended)


def info(table: Table, kind: bytes, body: bytes) -> int:
    table["alice"].request(b"INFO", body, ((b"Content-Type", kind),))
    return table["alice"].last_response(b"INFO").status


def test_the_appliance_answers_and_hears_the_caller_at_its_own_port_alone() -> None:
    table = Table("alice", "bob")
    call_id, talk = attended(table)
    answer = table["alice"].last_response(b"INVITE")
    assert b"m=audio %d RTP/AVP 8 0 101\r\n" % media_port(answer) in answer.body
    assert (talk.tongue.payload_type, talk.tongue.law, talk.tongue.events) == (8, Law.A, 101)
    (row,) = table.all(tell.MediaChanged)[-1].session.streams
    assert (row.office, row.muted, row.local[1]) == (True, False, media_port(answer))
    assert set(row.payload_types) == {0, 8, 101}
    assert row.remote == ("198.51.100.10", 10_000)
    assert not table.all(tell.CallAnswered)
    table["alice"].bye()
    ended = table.take(tell.CallEnded)
    assert (ended.call_id, ended.answered_at, ended.ended_by) == (call_id, None, tell.EndedBy.CALLER)
    table.assert_clean()


def test_the_caller_is_connected_and_the_charged_time_begins_with_the_callees_answer() -> None:
    table = Table("alice", "bob")
    call_id, _ = attended(table)
    table.run(7.0)
    start = len(table.ladder)
    table.b2bua.connect(call_id, [table.target("bob")], CallPlan(caller_user="4930111"), table.now)
    table.settle()
    assert table["bob"].last_request(b"INVITE").from_.uri.user == b"4930111"
    table["bob"].respond(180)
    answered_at = table.now
    table["bob"].respond(200, sdp("198.51.100.11", 12_000, formats="0"))
    table["alice"].respond(200, sdp("198.51.100.10", 16_000, formats="0", version=2))
    assert table.steps(start) == [
        "bob <- INVITE sdp", "bob -> 180 INVITE", "bob -> 200 INVITE sdp", "bob <- ACK", "alice <- INVITE sdp",
        "alice -> 200 INVITE sdp", "alice <- ACK",
    ]  # fmt: skip
    assert table.take(tell.CallAnswered).at == pytest.approx(answered_at, abs=0.1)
    assert table.take(tell.PartiesConnected).call_id == call_id
    rows = table.all(tell.MediaChanged)[-1].session.streams
    assert not any(row.office for row in rows)
    assert {row.remote for row in rows if not row.rtcp} == {("198.51.100.10", 16_000), ("198.51.100.11", 12_000)}
    assert table.b2bua.snapshot(call_id) is not None
    table["bob"].bye()
    table["alice"].respond(200, method=b"BYE")
    ended = table.take(tell.CallEnded)
    assert ended.duration_s < 1.0
    table.assert_clean()


def test_who_cannot_be_reached_is_told_of_and_the_caller_stays() -> None:
    table = Table("alice", "bob")
    call_id, _ = attended(table)
    table.b2bua.connect(call_id, [table.target("bob")], CallPlan(), table.now)
    table.settle()
    table["bob"].respond(486)
    assert table.take(tell.ConnectFailed).cause.status == 486
    assert not table.all(tell.CallEnded)
    table.b2bua.hangup(call_id, NORMAL, table.now)
    table.settle()
    table["alice"].respond(200, method=b"BYE")
    table.assert_clean()


def test_a_caller_who_leaves_while_it_rings_stops_the_ringing() -> None:
    table = Table("alice", "bob")
    call_id, _ = attended(table)
    table.b2bua.connect(call_id, [table.target("bob")], CallPlan(), table.now)
    table.settle()
    table["bob"].respond(180)
    table["alice"].bye()
    assert "bob <- CANCEL" in table.steps()
    table["bob"].respond(487)
    table.assert_clean()


def test_a_callee_whose_answer_is_no_description_is_hung_up_and_the_caller_told() -> None:
    table = Table("alice", "bob")
    call_id, _ = attended(table)
    table.b2bua.connect(call_id, [table.target("bob")], CallPlan(), table.now)
    table.settle()
    table["bob"].respond(200)
    assert table.take(tell.ConnectFailed).cause.status == 488
    table["bob"].respond(200, method=b"BYE")
    table["alice"].bye()
    table.assert_clean()


def test_a_caller_who_refuses_the_callees_description_ends_the_call() -> None:
    table = Table("alice", "bob")
    call_id, _ = attended(table)
    table.b2bua.connect(call_id, [table.target("bob")], CallPlan(), table.now)
    table.settle()
    table["bob"].respond(200, sdp("198.51.100.11", 12_000))
    table["alice"].respond(488)
    assert table.take(tell.CallEnded).call_id == call_id
    for name in ("alice", "bob"):
        table[name].respond(200, method=b"BYE")
    table.assert_clean()


@pytest.mark.parametrize(
    ("kind", "body", "digit"),
    [
        (b"application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        (b"application/dtmf-relay", b"Signal= #\r\nDuration= 100", "#"),
        (b"application/dtmf-relay", b"Signal=10\r\n", "*"),
        (b"application/dtmf", b"7\r\n", "7"),
    ],
)
def test_a_key_comes_by_info(kind: bytes, body: bytes, digit: str) -> None:
    table = Table("alice", "bob")
    attended(table)
    assert info(table, kind, body) == 200
    assert table.take(tell.DigitPressed).digit == digit


@pytest.mark.parametrize(
    ("kind", "body"), [(b"application/dtmf-relay", b"Signal=16"), (b"text/plain", b"5"), (b"application/dtmf", b"55")]
)
def test_an_info_without_a_key_is_no_key(kind: bytes, body: bytes) -> None:
    table = Table("alice", "bob")
    attended(table)
    assert info(table, kind, body) == 415
    assert not table.all(tell.DigitPressed)


def test_a_caller_may_describe_itself_anew() -> None:
    table = Table("alice", "bob")
    attended(table)
    table["alice"].request(b"INVITE", OFFER.replace(b"m=audio 10000", b"m=audio 10500").replace(b"8 0 101", b"0 101"))
    answer = table["alice"].last_response(b"INVITE")
    table["alice"].ack(answer)
    assert answer.status == 200
    assert table.all(tell.CallAttended)[-1].tongue.law is Law.MU
    (row,) = table.all(tell.MediaChanged)[-1].session.streams
    assert (row.remote, row.office) == (("198.51.100.10", 10_500), True)
    table["alice"].bye()
    table.assert_clean()


@pytest.mark.parametrize(
    "body", [b"", sdp("198.51.100.10", 10_000, formats="18"), OFFER.replace(b"RTP/AVP", b"RTP/SAVP")]
)
def test_an_offer_that_the_appliance_cannot_speak_in_is_refused(body: bytes) -> None:
    table = Table("alice", "bob")
    table["alice"].invite("access", body)
    table.b2bua.attend(table.take(tell.CallRequested).call_id, CallPlan(), table.now)
    table.settle()
    assert table["alice"].statuses()[-1] == 488
    table.assert_clean()


def test_an_attended_caller_cannot_be_connected_twice_or_after_the_end() -> None:
    table = Table("alice", "bob")
    call_id, _ = attended(table)
    table.b2bua.connect(call_id, [table.target("bob")], CallPlan(), table.now)
    with pytest.raises(UnknownCall):
        table.b2bua.connect(call_id, [table.target("bob")], CallPlan(), table.now)
    table["alice"].bye()
    with pytest.raises(UnknownCall):
        table.b2bua.connect(call_id, [table.target("bob")], CallPlan(), table.now)


def test_a_caller_that_never_acknowledges_is_let_go() -> None:
    table = Table("alice", "bob")
    table["alice"].invite("access", OFFER)
    table.b2bua.attend(table.take(tell.CallRequested).call_id, CallPlan(), table.now)
    table.down.add("alice")
    table.settle()
    table.assert_clean()
    assert not table.all(tell.CallAttended)
