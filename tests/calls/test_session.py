"""What changes in a running call: hold, re-INVITE, UPDATE, glare, refreshes, INFO and other requests."""

import pytest

from pysrv.calls import events as tell
from pysrv.calls.plan import CallPlan
from tests.calls.playbook import Table, media_port, sdp, talking


def test_hold_and_resume_cross_the_call() -> None:
    table = Table()
    talking(table)
    alice, bob = table["alice"], table["bob"]
    for direction, reply, version in (("sendonly", "recvonly", 2), ("sendrecv", "sendrecv", 3)):
        start = len(table.ladder)
        alice.request(b"INVITE", sdp(alice.address[0], 10_000, direction=direction, version=version))
        assert f"a={direction}".encode() in bob.last_request(b"INVITE").body
        bob.respond(200, sdp(bob.address[0], 12_000, direction=reply, version=version))
        assert f"a={reply}".encode() in alice.last_response(b"INVITE").body
        alice.ack(alice.last_response(b"INVITE"))
        assert table.steps(start) == [
            "alice -> INVITE sdp",
            "bob <- INVITE sdp",
            "bob -> 200 INVITE sdp",
            "bob <- ACK",
            "alice <- 200 INVITE sdp",
            "alice -> ACK",
        ]
    hang_up(table)


def hang_up(table: Table, who: str = "alice", other: str = "bob") -> None:
    table[who].bye()
    table[other].respond(200, method=b"BYE")
    assert len(table.all(tell.CallEnded)) == 1
    table.assert_clean()


def test_the_callee_may_hold_too_and_its_media_may_move() -> None:
    table = Table()
    talking(table)
    table.service.clear()
    alice, bob = table["alice"], table["bob"]
    bob.request(b"INVITE", sdp(bob.address[0], 15_000, version=2))
    alice.respond(200, sdp(alice.address[0], 10_000, version=2))
    bob.ack(bob.last_response(b"INVITE"))
    moved = table.take(tell.MediaChanged).session
    assert ("198.51.100.11", 15_000) in {row.remote for row in moved.streams}
    alice.bye()
    bob.respond(200, method=b"BYE")
    table.run(40)
    assert not table.b2bua.calls


def test_a_refused_reinvite_leaves_the_session_as_it_was() -> None:
    table = Table()
    talking(table)
    rows = table.all(tell.MediaChanged)[-1].session.streams
    alice, bob = table["alice"], table["bob"]
    alice.request(b"INVITE", sdp(alice.address[0], 16_000, version=2))
    bob.respond(488)
    assert alice.last_response(b"INVITE").status == 488
    assert table.all(tell.MediaChanged)[-1].session.streams == rows
    hang_up(table)


def test_a_reinvite_that_names_a_dead_dialog_ends_the_call() -> None:
    table = Table()
    talking(table)
    alice, bob = table["alice"], table["bob"]
    alice.request(b"INVITE", sdp(alice.address[0], 16_000, version=2))
    bob.respond(481)
    assert alice.last_response(b"INVITE").status == 500
    ended = table.take(tell.CallEnded)
    assert (ended.cause.q850, ended.ended_by) == (102, tell.EndedBy.APPLIANCE)
    alice.respond(200, method=b"BYE")
    bob.respond(200, method=b"BYE")
    table.assert_clean()


def test_glare_is_refused_with_491_on_both_sides() -> None:
    table = Table()
    talking(table)
    alice, bob = table["alice"], table["bob"]
    for phone in (alice, bob):
        body = sdp(phone.address[0], 10_000 if phone is alice else 12_000, direction="sendonly", version=2)
        headers = ((b"Content-Type", b"application/sdp"),)
        phone.endpoint.send_request(phone.dialog.request(b"INVITE", headers, body), phone.flow, table.now)
    table.settle()
    assert bob.last_response(b"INVITE").status == 491
    bob.respond(491)
    assert alice.last_response(b"INVITE").status == 491
    hang_up(table)


def test_a_second_reinvite_before_the_first_is_answered_is_told_to_wait() -> None:
    table = Table()
    talking(table)
    alice, bob = table["alice"], table["bob"]
    alice.request(b"INVITE", sdp(alice.address[0], 10_002, version=2))
    alice.request(b"INVITE", sdp(alice.address[0], 10_004, version=3))
    answer = alice.last_response(b"INVITE")
    assert answer.status == 500
    assert 0 <= int(answer.headers.get(b"retry-after")) <= 10
    bob.respond(200, sdp(bob.address[0], 12_000))
    alice.ack(alice.last_response(b"INVITE"))
    hang_up(table)


def test_an_offerless_reinvite_asks_the_other_side_for_an_offer() -> None:
    table = Table()
    talking(table)
    alice, bob = table["alice"], table["bob"]
    start = len(table.ladder)
    alice.request(b"INVITE")
    bob.respond(200, sdp(bob.address[0], 12_000, version=2))
    alice.ack(alice.last_response(b"INVITE"), sdp(alice.address[0], 10_000, version=2))
    assert table.steps(start) == [
        "alice -> INVITE",
        "bob <- INVITE",
        "bob -> 200 INVITE sdp",
        "alice <- 200 INVITE sdp",
        "alice -> ACK sdp",
        "bob <- ACK sdp",
    ]
    hang_up(table)


def test_a_cancelled_reinvite_is_cancelled_on_the_other_side_too() -> None:
    table = Table()
    talking(table)
    alice, bob = table["alice"], table["bob"]
    key = alice.request(b"INVITE", sdp(alice.address[0], 10_002, version=2))
    bob.respond(100)
    table.run(0.5)
    alice.endpoint.cancel(key, table.now)
    table.settle()
    assert "bob <- CANCEL" in table.ladder
    bob.respond(487)
    assert alice.last_response(b"INVITE").status == 487
    hang_up(table)


def test_an_update_stays_an_update() -> None:
    table = Table()
    talking(table)
    alice, bob = table["alice"], table["bob"]
    alice.request(b"UPDATE", sdp(alice.address[0], 10_002, version=2))
    bob.respond(200, sdp(bob.address[0], 12_000), method=b"UPDATE")
    assert media_port(alice.last_response(b"UPDATE")) >= 20_000
    hang_up(table)


def test_an_update_becomes_a_reinvite_for_a_peer_that_knows_no_update() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite()
    table.admit("bob")
    event = bob.requests[-1]
    from pysrv.sip.dialog import Dialog
    from pysrv.sip.message import response_to

    headers = [(b"Contact", bob.contact), (b"Content-Type", b"application/sdp"), (b"Allow", b"INVITE, ACK, BYE")]
    bob.dialog = Dialog.uas(event.request, b"t", bob.contact, bob.flow)
    answer = response_to(event.request, 200, to_tag=b"t", headers=headers, body=sdp(bob.address[0], 12_000))
    bob.endpoint.respond(event.key, answer, table.now)
    table.settle()
    bob.requests.clear()
    alice.established()
    alice.request(b"UPDATE", sdp(alice.address[0], 10_002, version=2))
    assert bob.methods() == [b"INVITE"]
    bob.respond(200, sdp(bob.address[0], 12_000))
    assert alice.last_response(b"UPDATE").status == 200
    hang_up(table)


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_info_and_message_pass_with_body_and_answer(who: str) -> None:
    table = Table()
    talking(table)
    sender, receiver = table[who], table["bob" if who == "alice" else "alice"]
    body = b"Signal=5\r\nDuration=160\r\n"
    sender.request(b"INFO", body, ((b"Content-Type", b"application/dtmf-relay"), (b"X-Private", b"no")))
    got = receiver.last_request(b"INFO")
    assert (got.body, got.content_type, got.headers.get(b"x-private")) == (body, b"application/dtmf-relay", None)
    receiver.respond(200, method=b"INFO")
    assert sender.last_response(b"INFO").status == 200
    sender.request(b"MESSAGE", b"hello", ((b"Content-Type", b"text/plain"),))
    receiver.respond(415, method=b"MESSAGE")
    assert sender.last_response(b"MESSAGE").status == 415
    hang_up(table)


def test_an_info_that_nobody_answers_does_not_end_the_call() -> None:
    table = Table()
    talking(table)
    table["alice"].request(b"INFO", b"x", ((b"Content-Type", b"text/plain"),))
    table["bob"].requests.clear()
    table.run(33)
    assert not table.all(tell.CallEnded)
    hang_up(table)


def test_options_notify_subscribe_and_unknown_methods_are_answered_here() -> None:
    table = Table()
    talking(table)
    alice = table["alice"]
    alice.request(b"OPTIONS")
    answer = alice.last_response(b"OPTIONS")
    assert (answer.status, b"UPDATE" in answer.allow) == (200, True)
    alice.request(b"NOTIFY", headers=((b"Event", b"keep-alive"),))
    alice.request(b"NOTIFY", headers=((b"Event", b"talk"),))
    assert alice.statuses(b"NOTIFY") == [200, 481]
    alice.request(b"SUBSCRIBE", headers=((b"Event", b"dialog"),))
    assert alice.last_response(b"SUBSCRIBE").status == 489
    alice.request(b"FROBNICATE")
    assert alice.last_response(b"FROBNICATE").status == 405
    assert table["bob"].methods() == []
    hang_up(table)


def test_an_old_cseq_is_refused() -> None:
    table = Table()
    talking(table)
    alice = table["alice"]
    alice.request(b"OPTIONS")
    alice.dialog.local_seq = 0
    alice.request(b"OPTIONS")
    assert alice.last_response(b"OPTIONS").status == 500
    alice.dialog.local_seq = 10
    hang_up(table)


# --- session timers ---


def test_the_appliance_refreshes_both_legs_by_itself() -> None:
    table = Table()
    talking(table, plan=CallPlan(session_expires_s=600))
    alice, bob = table["alice"], table["bob"]
    start = len(table.ladder)
    table.run(301)
    assert set(table.steps(start)) == {"alice <- UPDATE", "bob <- UPDATE"}
    for phone in (alice, bob):
        assert phone.last_request(b"UPDATE").headers.get(b"session-expires") == b"600;refresher=uac"
        phone.respond(200, method=b"UPDATE", headers=((b"Session-Expires", b"600;refresher=uac"),))
    table.run(301)
    assert alice.methods() == [b"UPDATE"]
    for phone in (alice, bob):
        phone.respond(200, method=b"UPDATE")
    assert not table.all(tell.CallEnded)
    hang_up(table)


def test_a_peer_that_does_not_answer_the_refresh_is_dead() -> None:
    table = Table()
    talking(table, plan=CallPlan(session_expires_s=600))
    table.down.add("bob")
    table.run(300 + 33)
    ended = table.take(tell.CallEnded)
    assert (ended.cause.q850, ended.cause.status, ended.ended_by) == (102, 408, tell.EndedBy.APPLIANCE)
    table["alice"].respond(200, method=b"UPDATE")
    table["alice"].respond(200, method=b"BYE")
    table.assert_clean()


def test_a_caller_that_refreshes_by_itself_is_watched_and_given_up() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite(headers=((b"Supported", b"timer"), (b"Session-Expires", b"120;refresher=uac"), (b"Min-SE", b"90")))
    table.admit("bob")
    bob.respond(200, sdp(bob.address[0], 12_000), ((b"Session-Expires", b"1800;refresher=uac"),))
    answer = alice.last_response(b"INVITE")
    assert answer.headers.get(b"session-expires") == b"120;refresher=uac"
    assert b"timer" in answer.require
    alice.established()
    table.run(60)
    start = len(table.ladder)
    alice.request(b"UPDATE", headers=((b"Session-Expires", b"120;refresher=uac"), (b"Supported", b"timer")))
    assert table.steps(start) == ["alice -> UPDATE", "alice <- 200 UPDATE"]  # bob's leg has a timer of its own
    table.run(87)
    assert not table.all(tell.CallEnded)
    table.run(2)  # 120 - min(32, 40) = 88 s after the refresh
    assert table.take(tell.CallEnded).cause.text == "Session was not refreshed"
    for phone in (alice, bob):
        phone.respond(200, method=b"BYE")
    table.assert_clean()


def test_a_refreshing_reinvite_with_the_same_description_stays_on_its_leg() -> None:
    table = Table()
    talking(table)
    alice = table["alice"]
    start = len(table.ladder)
    alice.request(b"INVITE", sdp(alice.address[0], 10_000))
    alice.ack(alice.last_response(b"INVITE"))
    assert table.steps(start) == ["alice -> INVITE sdp", "alice <- 200 INVITE sdp", "alice -> ACK"]
    hang_up(table)


def test_too_short_an_interval_is_refused_with_min_se() -> None:
    table = Table()
    alice = table["alice"]
    alice.invite(headers=((b"Supported", b"timer"), (b"Session-Expires", b"30")))
    answer = alice.last_response(b"INVITE")
    assert (answer.status, answer.headers.get(b"min-se")) == (422, b"90")
    assert not table.all(tell.CallRequested)


def test_a_callee_that_wants_longer_intervals_gets_them() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite()
    table.admit("bob", plan=CallPlan(session_expires_s=600))
    bob.respond(422, headers=((b"Min-SE", b"900"),))
    again = bob.last_request(b"INVITE")
    assert (again.cseq.number, again.headers.get(b"session-expires")) == (2, b"900;refresher=uac")
    bob.respond(200, sdp(bob.address[0], 12_000), ((b"Session-Expires", b"900;refresher=uas"), (b"Require", b"timer")))
    alice.established()
    table.run(100)
    hang_up(table)
