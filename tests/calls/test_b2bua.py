"""Calls as ladders: setting up, refusing, failing over, hanging up."""

import pytest

from pysrv.calls import events as tell
from pysrv.calls.causes import Cause
from pysrv.calls.plan import CallPlan, TargetKind, TrunkCredentials
from tests.calls.playbook import APPLIANCE, Table, media_port, sdp, talking


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


@pytest.mark.parametrize(
    ("status", "told", "q850"),
    [(486, 486, 17), (603, 603, 21), (480, 480, 18), (404, 404, 1), (302, 480, 23), (503, 500, 41)],
)
def test_a_failure_reaches_the_caller(status: int, told: int, q850: int) -> None:
    table = Table()
    table["alice"].invite()
    table.admit("bob")
    headers = ((b"Contact", b"<sip:elsewhere@203.0.113.9>"),) if status == 302 else ()
    table["bob"].respond(status, headers=headers)
    assert table["alice"].statuses()[-1] == told
    ended = table.take(tell.CallEnded)
    assert (ended.cause.q850, ended.cause.status) == (q850, told)
    assert table.take(tell.RouteFailed).status == status
    table.assert_clean()


def test_a_busy_user_ends_the_search() -> None:
    table = Table("alice", "bob", "carol")
    table["alice"].invite()
    table.admit("bob", "carol")
    table["bob"].respond(486)
    assert table["alice"].statuses()[-1] == 486
    assert table["carol"].methods() == []
    table.assert_clean()


def test_a_route_that_fails_is_followed_by_the_next_one() -> None:
    table = Table("alice", "one", "two")
    table["alice"].invite("4930123")
    trunks = [table.target(name, kind=TargetKind.TRUNK, label=name) for name in ("one", "two")]
    table.admit(*trunks)
    table["one"].respond(503)
    table["two"].respond(180)
    table["two"].respond(200, sdp(table["two"].address[0], 12_000))
    table["alice"].established()
    assert table.take(tell.RouteFailed).target.label == "one"
    assert table.take(tell.CallAnswered).target.label == "two"
    table["alice"].bye()
    table["two"].respond(200, method=b"BYE")
    assert table.take(tell.CallEnded).target.label == "two"
    table.assert_clean()


def test_a_silent_route_gives_way_after_callinittimeout() -> None:
    table = Table("alice", "one", "two")
    table.down.add("one")
    table["alice"].invite()
    table.admit("one", "two", plan=CallPlan(call_init_timeout_s=5))
    table.run(4.9)
    assert table["two"].methods() == []
    table.run(0.2)
    assert table["two"].methods() == [b"INVITE"]
    assert table.take(tell.RouteFailed).status == 408
    table["two"].respond(200, sdp(table["two"].address[0], 12_000))
    table["alice"].established()
    table["alice"].bye()
    table["two"].respond(200, method=b"BYE")
    table.assert_clean()


def test_ringing_for_too_long_ends_with_480_and_cause_19() -> None:
    table = Table()
    table["alice"].invite()
    table.admit("bob", plan=CallPlan(ring_timeout_s=20))
    table["bob"].respond(180)
    table.run(20.1)
    answer = table["alice"].last_response(b"INVITE")
    assert answer.status == 480
    assert answer.headers.get(b"reason").startswith(b"Q.850;cause=19;")
    assert any(line.startswith("bob <- CANCEL") for line in table.ladder)
    table["bob"].respond(487)
    assert table.take(tell.CallEnded).cause.q850 == 19
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


def test_forks_ring_together_and_the_first_answer_wins() -> None:
    table = Table("alice", "desk", "mobile", "soft")
    table["alice"].invite()
    table.admit(("desk", "mobile", "soft"))
    for name in ("desk", "mobile", "soft"):
        table[name].respond(180)
    table["mobile"].respond(200, sdp(table["mobile"].address[0], 12_000))
    table["alice"].established()
    for name in ("desk", "soft"):
        cancel = next(line for line in table.ladder if line == f"{name} <- CANCEL")
        assert cancel
        table[name].respond(487)
    table["alice"].bye()
    table["mobile"].respond(200, method=b"BYE")
    assert len(table.all(tell.CallAnswered)) == 1
    assert len(table.all(tell.CallRinging)) == 1
    table.assert_clean()


def test_two_forks_answer_at_once_and_one_is_hung_up() -> None:
    table = Table("alice", "desk", "mobile")
    table["alice"].invite()
    table.admit(("desk", "mobile"))
    for name in ("desk", "mobile"):
        table[name].respond(180)
    start = len(table.ladder)
    table["desk"].respond(200, sdp(table["desk"].address[0], 12_000))
    table["mobile"].respond(200, sdp(table["mobile"].address[0], 12_000))
    table["alice"].established()
    assert "mobile <- ACK" in table.steps(start)
    assert table["mobile"].methods() == [b"BYE"]
    table["mobile"].respond(200, method=b"BYE")
    table["alice"].bye()
    table["desk"].respond(200, method=b"BYE")
    assert len(table.all(tell.CallEnded)) == 1
    table.assert_clean()


def test_a_decline_stops_all_forks_and_a_busy_one_does_not() -> None:
    table = Table("alice", "desk", "mobile")
    table["alice"].invite()
    table.admit(("desk", "mobile"))
    for name in ("desk", "mobile"):
        table[name].respond(180)
    table["desk"].respond(486)
    assert table["alice"].statuses()[-1] == 180
    table["mobile"].respond(603)
    assert table["alice"].statuses()[-1] == 603
    table.assert_clean()


def test_a_proxy_behind_the_target_lets_two_answer_and_the_second_is_hung_up() -> None:
    table = Table()
    table["alice"].invite()
    table.admit("bob")
    bob = table["bob"]
    first = bob.respond(200, sdp(bob.address[0], 12_000), tag=b"first", keep=True)
    invite = bob.last_request(b"INVITE")
    from pysrv.sip.message import response_to

    second = response_to(
        invite, 200, to_tag=b"second",
        headers=[(b"Contact", bob.contact), (b"Content-Type", b"application/sdp")], body=first.body,
    )  # fmt: skip
    for _ in range(2):  # the second one repeats its answer: one BYE is enough
        table.wire.put(second.to_bytes(), bob.flow, table.now)
        table.settle()
    byes = [e.request for e in bob.requests if e.request.method == b"BYE"]
    assert [bye.to.tag for bye in byes] == [b"second"]
    bob.respond(200, method=b"BYE")
    table["alice"].established()
    assert not table.all(tell.CallEnded)
    table["alice"].bye()
    bob.respond(200, method=b"BYE")
    table.assert_clean()


def test_media_goes_through_the_appliance_and_follows_the_winner() -> None:
    table = Table("alice", "desk", "mobile")
    table["alice"].invite()
    table.admit(("desk", "mobile"))
    table["desk"].respond(183, sdp(table["desk"].address[0], 13_000))
    early = table.take(tell.MediaChanged).session
    assert {row.remote for row in early.streams if not row.rtcp} == {
        ("198.51.100.10", 10_000),
        ("198.51.100.11", 13_000),
    }
    table["mobile"].respond(200, sdp(table["mobile"].address[0], 14_000))
    late = table.take(tell.MediaChanged).session
    assert {row.remote for row in late.streams if not row.rtcp} == {
        ("198.51.100.10", 10_000),
        ("198.51.100.12", 14_000),
    }
    assert late.session == early.session
    assert 20_000 <= media_port(table["alice"].last_response(b"INVITE")) < 21_000
    table["desk"].respond(487)
    table["alice"].established()
    table["alice"].bye()
    table["mobile"].respond(200, method=b"BYE")
    table.assert_clean()


@pytest.mark.parametrize(
    ("plan", "early"),
    [
        (CallPlan(), {"caller": False, "callee": False}),
        (CallPlan(block_early_media_in=True), {"caller": True, "callee": False}),
        (CallPlan(block_early_media=True), {}),
    ],
    ids=["open", "nothing from the caller", "nothing to the caller"],
)
def test_early_media_are_held_back_until_the_answer(plan: CallPlan, early: dict[str, bool]) -> None:
    table = Table("alice", "bob")
    table["alice"].invite()
    table.admit("bob", plan=plan)
    alice, bob = table["alice"].address, table["bob"].address
    table["bob"].respond(183, sdp(bob[0], 13_000))
    shown = table.all(tell.MediaChanged)
    rows = shown[-1].session.streams if shown else ()
    sides = {(alice[0], 10_000): "caller", (bob[0], 13_000): "callee"}
    assert {sides[row.remote]: row.muted for row in rows if not row.rtcp} == early
    table["bob"].respond(200, sdp(bob[0], 13_000))
    after = table.all(tell.MediaChanged)[-1].session.streams
    assert len(after) == 4 and not any(row.muted for row in after)
    assert {row.near for row in after} == {alice[0], bob[0]}
    table["alice"].established()
    table["alice"].bye()
    table["bob"].respond(200, method=b"BYE")
    table.assert_clean()


def test_no_ports_left_refuses_the_call() -> None:
    table = Table()
    held = [table.ports.take(table.now) for _ in range(table.ports.capacity)]
    table["alice"].invite()
    table.admit("bob")
    assert table["alice"].statuses()[-1] == 500
    assert table.take(tell.CallEnded).cause.q850 == 41
    for port in held:
        table.ports.give_back(port, table.now)
    table.assert_clean()


def test_an_offer_without_audio_that_we_can_relay_is_refused() -> None:
    table = Table()
    table["alice"].invite(body=sdp("198.51.100.10", 10_000).replace(b"RTP/AVP 0 8", b"TCP/MSRP *"))
    table.admit("bob")
    assert table["alice"].statuses()[-1] == 488
    table.assert_clean()


def test_an_offerless_call_gets_the_callees_offer_and_answers_in_its_ack() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite(body=b"")
    table.admit("bob")
    assert bob.last_request(b"INVITE").body == b""
    bob.respond(180)
    bob.respond(200, sdp(bob.address[0], 12_000))
    assert alice.last_response(b"INVITE").body
    assert "bob <- ACK" not in table.steps()
    alice.established(sdp(alice.address[0], 10_000))
    assert table.steps()[-2:] == ["alice -> ACK sdp", "bob <- ACK sdp"]
    assert len(table.take(tell.MediaChanged).session.streams) == 4
    alice.bye()
    bob.respond(200, method=b"BYE")
    table.assert_clean()


def test_an_offerless_call_whose_ack_has_no_answer_is_ended() -> None:
    table = Table()
    table["alice"].invite(body=b"")
    table.admit("bob")
    table["bob"].respond(200, sdp(table["bob"].address[0], 12_000))
    table["alice"].established()
    for name in ("alice", "bob"):
        assert table[name].methods()[-1] == b"BYE"
        table[name].respond(200, method=b"BYE")
    assert table.take(tell.CallEnded).cause.q850 == 65
    table.assert_clean()


def test_a_trunk_that_challenges_gets_credentials() -> None:
    table = Table()
    table["alice"].invite("4930123")
    credentials = TrunkCredentials("user", "secret")
    table.admit(table.target("bob", kind=TargetKind.TRUNK, label="carrier", credentials=credentials))
    bob = table["bob"]
    challenge = b'Digest realm="carrier", nonce="abc", qop="auth", algorithm=MD5'
    bob.respond(407, headers=((b"Proxy-Authenticate", challenge),))
    invite = bob.last_request(b"INVITE")
    assert invite.cseq.number == 2
    assert b'username="user"' in invite.headers.get(b"proxy-authorization")
    assert b"secret" not in invite.to_bytes()
    bob.respond(200, sdp(bob.address[0], 12_000))
    table["alice"].established()
    table["alice"].bye()
    assert b"nc=00000002" in bob.last_request(b"BYE").headers.get(b"proxy-authorization")
    bob.respond(401, headers=((b"WWW-Authenticate", challenge.replace(b"abc", b"def")),), method=b"BYE")
    assert b'nonce="def"' in bob.last_request(b"BYE").headers.get(b"authorization")
    bob.respond(200, method=b"BYE")
    table.assert_clean()


def test_a_wrong_trunk_password_is_not_tried_for_ever_and_the_caller_sees_no_challenge() -> None:
    table = Table()
    table["alice"].invite("4930123")
    credentials = TrunkCredentials("user", "wrong")
    table.admit(table.target("bob", kind=TargetKind.TRUNK, label="carrier", credentials=credentials))
    challenge = ((b"WWW-Authenticate", b'Digest realm="carrier", nonce="abc"'),)
    table["bob"].respond(401, headers=challenge)
    table["bob"].respond(401, headers=challenge)
    assert table["bob"].methods() == []
    answer = table["alice"].last_response(b"INVITE")
    assert (answer.status, answer.headers.get(b"www-authenticate")) == (403, None)
    table.assert_clean()


def test_a_trunks_redirect_is_followed_when_the_plan_says_so() -> None:
    table = Table()
    table["alice"].invite("4930123")
    trunk = table.target("bob", kind=TargetKind.TRUNK, label="carrier")
    table.admit(trunk, plan=CallPlan(follow_redirects=True))
    from pysrv.sip.message import response_to

    event = table["bob"].requests.pop()
    moved = response_to(event.request, 302, to_tag=b"x", headers=[(b"Contact", b"<sip:4940999@198.51.100.11>")])
    table["bob"].endpoint.respond(event.key, moved, table.now)
    table.settle()
    assert table["bob"].last_request(b"INVITE").uri.user == b"4940999"
    table["bob"].respond(486)
    assert table["alice"].statuses()[-1] == 486
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


def test_a_body_that_is_no_session_description_is_refused() -> None:
    table = Table()
    alice = table["alice"]
    alice.invite(body=b"", headers=((b"Content-Type", b"text/plain"),))
    table.service.clear()
    from pysrv.sip.message import Request

    wrong = Request.new(
        b"INVITE", alice.invite_request.uri,
        [(b"From", b"<sip:a@b>;tag=1"), (b"To", b"<sip:c@d>"), (b"Call-ID", b"x1"), (b"CSeq", b"1 INVITE"),
         (b"Contact", alice.contact), (b"Content-Type", b"text/plain")], b"hello",
    )  # fmt: skip
    alice.endpoint.send_request(wrong, alice.flow, table.now)
    table.settle()
    assert alice.statuses()[-1] == 415


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
