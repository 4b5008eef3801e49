"""Whom a call reaches: routes in turn, forks at once, who wins, and what the caller hears when nobody does."""

import pytest

from pysrv.calls import events as tell
from pysrv.calls.plan import CallPlan, TargetKind, TrunkCredentials
from tests.calls.playbook import Table, sdp


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
