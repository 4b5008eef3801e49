"""Calls as ladders: setting up, refusing, failing over, hanging up."""

import pytest

from pysrv.calls import events as tell
from pysrv.calls.causes import Cause
from pysrv.calls.plan import CallPlan, TargetKind
from tests.calls.playbook import APPLIANCE, Table, sdp, talking


def test_a_call_rings_is_answered_and_the_caller_hangs_up() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite()
    call_id = table.admit("bob")
    bob.respond(180)
    bob.respond(200, sdp(bob.address[0], 12_000))
    alice.established()
    table.run(60)
    alice.bye()
    bob.respond(200, method=b"BYE")
    assert table.steps() == [
        "alice -> INVITE sdp",
        "bob <- INVITE sdp",
        "bob -> 180 INVITE",
        "alice <- 180 INVITE",
        "bob -> 200 INVITE sdp",
        "bob <- ACK",
        "alice <- 200 INVITE sdp",
        "alice -> ACK",
        "alice -> BYE",
        "alice <- 200 BYE",
        "bob <- BYE",
        "bob -> 200 BYE",
    ]
    ended = table.take(tell.CallEnded)
    assert (ended.call_id, ended.cause.q850, ended.ended_by) == (call_id, 16, tell.EndedBy.CALLER)
    assert ended.duration_s == pytest.approx(60, abs=0.1)
    table.assert_clean()


def test_the_callee_hangs_up() -> None:
    table = Table()
    talking(table)
    table["bob"].bye(((b"Reason", b'Q.850;cause=31;text="had enough"'),))
    assert table["alice"].last_request(b"BYE").headers.get(b"reason") == b'Q.850;cause=31;text="had enough"'
    table["alice"].respond(200, method=b"BYE")
    ended = table.take(tell.CallEnded)
    assert (ended.cause.q850, ended.ended_by) == (31, tell.EndedBy.CALLEE)
    table.assert_clean()


def test_the_service_hangs_up_both_legs_and_says_why() -> None:
    table = Table()
    call_id = talking(table)
    table.b2bua.hangup(call_id, Cause.of_status(403, "limit reached"), table.now)
    table.settle()
    for phone in (table["alice"], table["bob"]):
        reason = phone.last_request(b"BYE").headers.get(b"reason")
        assert reason == b'Q.850;cause=21;text="limit reached", SIP;cause=403;text="limit reached"'
        phone.respond(200, method=b"BYE")
    assert table.take(tell.CallEnded).ended_by is tell.EndedBy.APPLIANCE
    table.assert_clean()


def test_both_hang_up_at_once() -> None:
    table = Table()
    talking(table)
    alice, bob = table["alice"], table["bob"]
    for phone in (alice, bob):
        phone.endpoint.send_request(phone.dialog.request(b"BYE"), phone.flow, table.now)
    table.settle()
    assert alice.statuses(b"BYE") == [200]
    assert bob.statuses(b"BYE") == [200]
    for phone in (alice, bob):
        for event in list(phone.requests):
            if event.request.method == b"BYE":
                phone.respond(200, method=b"BYE")
    assert len(table.all(tell.CallEnded)) == 1
    table.assert_clean()


def test_topology_is_hidden_both_ways() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite(headers=((b"X-Secret", b"internal"), (b"User-Agent", b"AcmePhone/1"), (b"Subject", b"lunch")))
    table.admit("bob")
    invite = bob.last_request(b"INVITE")
    text = invite.to_bytes()
    assert alice.address[0].encode() not in text
    assert b"AcmePhone" not in text
    assert b"X-Secret" not in text
    assert invite.call_id != alice.invite_request.call_id
    assert invite.headers.get(b"subject") == b"lunch"
    assert invite.headers.get(b"user-agent") == b"appliance"
    assert invite.from_.uri.user == b"alice"
    assert invite.from_.display == b"Alice"
    assert invite.max_forwards == 69
    bob.respond(200, sdp(bob.address[0], 12_000), ((b"Server", b"BobPhone"), (b"Record-Route", b"<sip:10.9.9.9;lr>")))
    answer = alice.last_response(b"INVITE")
    assert bob.address[0].encode() not in answer.to_bytes()
    assert b"BobPhone" not in answer.to_bytes()
    assert not answer.record_routes
    assert answer.contacts[0].uri.address == APPLIANCE[0].encode()


def test_the_clients_address_is_shown_only_when_the_plan_says_so() -> None:
    table = Table()
    table["alice"].invite()
    table.admit("bob", plan=CallPlan(forward_client_address=True))
    assert table["bob"].last_request(b"INVITE").headers.get(b"x-client-address") == b"198.51.100.10:5060"


def test_an_anonymous_caller_stays_anonymous_and_only_trusted_trunks_learn_who_it_is() -> None:
    table = Table()
    plan = CallPlan(caller_user="4930123", hide_caller=True, asserted_identity="4930123")
    table["alice"].invite()
    trusted = table.target("bob", kind=TargetKind.TRUNK, assert_identity=True, label="carrier")
    table.admit(trusted, plan=plan)
    invite = table["bob"].last_request(b"INVITE")
    assert invite.from_.uri.to_bytes() == b"sip:anonymous@anonymous.invalid"
    assert invite.headers.get(b"p-asserted-identity") == b"<sip:4930123@192.0.2.1>"
    assert invite.headers.get(b"privacy") == b"id"
    table["alice"].cancel()
    table["alice"].invite()
    table.admit("bob", plan=plan)
    assert b"p-asserted-identity" not in table["bob"].last_request(b"INVITE").headers


def test_the_service_refuses() -> None:
    table = Table()
    table["alice"].invite()
    asked = table.take(tell.CallRequested)
    table.b2bua.refuse(asked.call_id, 403, "Not You", ((b"X-Why", b"because"),), table.now)
    table.settle()
    answer = table["alice"].last_response(b"INVITE")
    assert (answer.status, answer.reason, answer.headers.get(b"x-why")) == (403, b"Not You", b"because")
    ended = table.take(tell.CallEnded)
    assert (ended.cause.q850, ended.cause.status, ended.ended_by) == (21, 403, tell.EndedBy.APPLIANCE)
    table.assert_clean()


def test_the_caller_cancels() -> None:
    table = Table()
    table["alice"].invite()
    table.admit("bob")
    table["bob"].respond(180)
    table["alice"].cancel()
    table["bob"].respond(487)
    assert table["alice"].statuses()[-1] == 487
    ended = table.take(tell.CallEnded)
    assert (ended.cause.status, ended.ended_by, ended.answered_at) == (487, tell.EndedBy.CALLER, None)
    table.assert_clean()


def test_the_caller_cancels_before_the_service_has_decided() -> None:
    table = Table()
    table["alice"].invite()
    asked = table.take(tell.CallRequested)
    table.run(0.3)
    table["alice"].cancel()
    assert table.take(tell.CallEnded).call_id == asked.call_id
    table.assert_clean()


def test_a_2xx_that_crosses_the_cancel_is_acknowledged_and_hung_up() -> None:
    table = Table()
    table["alice"].invite()
    table.admit("bob")
    table["bob"].respond(180)
    table["alice"].cancel()
    start = len(table.ladder)
    table["bob"].respond(200, sdp(table["bob"].address[0], 12_000))
    assert table.steps(start) == ["bob -> 200 INVITE sdp", "bob <- ACK", "bob <- BYE"]
    table["bob"].respond(200, method=b"BYE")
    assert table.take(tell.CallEnded).answered_at is None
    table.assert_clean()


def test_a_call_lasts_no_longer_than_its_limit() -> None:
    table = Table()
    talking(table, plan=CallPlan(call_timeout_s=100))
    table.run(101)
    for name in ("alice", "bob"):
        assert table[name].methods()[-1] == b"BYE"
        table[name].respond(200, method=b"BYE")
    ended = table.take(tell.CallEnded)
    assert (ended.ended_by, ended.duration_s) == (tell.EndedBy.APPLIANCE, pytest.approx(100))
    table.assert_clean()


def test_an_answer_that_nobody_acknowledges_ends_the_call() -> None:
    table = Table()
    table["alice"].invite()
    table.admit("bob")
    table["bob"].respond(200, sdp(table["bob"].address[0], 12_000))
    table.run(33)
    assert table["bob"].methods()[-1] == b"BYE"
    assert table["alice"].methods()[-1] == b"BYE"
    for name in ("alice", "bob"):
        table[name].respond(200, method=b"BYE")
    ended = table.take(tell.CallEnded)
    assert (ended.cause.q850, ended.ended_by) == (102, tell.EndedBy.APPLIANCE)
    table.assert_clean()


def test_the_callee_hangs_up_before_the_callers_ack() -> None:
    table = Table()
    table["alice"].invite()
    table.admit("bob")
    table["bob"].respond(200, sdp(table["bob"].address[0], 12_000))
    table["bob"].bye()
    assert b"BYE" not in table["alice"].methods()  # RFC 3261 section 15: not before the ACK
    table["alice"].established()
    assert table["alice"].methods() == [b"BYE"]
    table["alice"].respond(200, method=b"BYE")
    table.assert_clean()


def test_our_own_invite_that_comes_back_is_a_loop() -> None:
    table = Table()
    table["alice"].invite()
    table.admit("bob")
    sent = table["bob"].last_request(b"INVITE").copy()
    sent.headers.set(b"Max-Forwards", b"60")
    table["bob"].endpoint.send_request(sent, table["bob"].flow, table.now)
    table.settle()
    assert table["bob"].statuses() == [482]
    assert len(table.all(tell.CallRequested)) == 0


def test_a_request_for_a_dialog_that_we_do_not_have_is_refused() -> None:
    table = Table()
    talking(table)
    alice = table["alice"]
    alice.dialog.remote = alice.dialog.remote.with_tag(b"stranger")
    alice.bye()
    assert alice.statuses(b"BYE") == [481]


def test_what_is_not_about_calls_is_left_to_the_service() -> None:
    table = Table()
    alice = table["alice"]
    alice.invite()
    from pysrv.sip.message import Request

    register = Request.new(
        b"REGISTER", alice.invite_request.uri,
        [(b"From", b"<sip:a@b>;tag=1"), (b"To", b"<sip:a@b>"), (b"Call-ID", b"r1"), (b"CSeq", b"1 REGISTER")],
    )  # fmt: skip
    alice.endpoint.send_request(register, alice.flow, table.now)
    table.settle()
    assert [event.request.method for event in table.others] == [b"REGISTER"]


def test_a_caller_that_asks_for_privacy_is_hidden_from_everybody() -> None:
    table = Table()
    table["alice"].invite(headers=((b"Privacy", b"id; critical"),))
    trusted = table.target("bob", kind=TargetKind.TRUNK, assert_identity=True)
    table.admit(trusted, plan=CallPlan(caller_user="4930123", asserted_identity="4930123"))
    invite = table["bob"].last_request(b"INVITE")
    assert b"4930123" not in invite.from_.to_bytes()
    assert invite.headers.get(b"p-asserted-identity") == b"<sip:4930123@192.0.2.1>"
    assert invite.headers.get(b"privacy") == b"id; critical"
