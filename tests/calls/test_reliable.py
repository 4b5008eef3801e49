"""Reliable provisional answers across the call (RFC 3262), early media and early updates."""

from pysrv.calls import events as tell
from pysrv.calls.plan import CallPlan
from tests.calls.playbook import Phone, Table, sdp
from tests.calls.test_session import hang_up

REL = ((b"Supported", b"100rel"),)


def reliable(number: int) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"Require", b"100rel"), (b"RSeq", b"%d" % number))


def prack(phone: Phone, body: bytes = b"") -> None:
    """Confirm the last reliable provisional answer."""
    from pysrv.sip.dialog import Dialog

    answer = next(e.response for e in reversed(phone.responses) if e.response.headers.get(b"rseq"))
    if phone.dialog is None or phone.dialog.remote.tag != answer.to.tag:
        phone.dialog = Dialog.uac(phone.invite_request, answer, phone.flow)
    rack = b"%b %d INVITE" % (answer.headers.get(b"rseq"), answer.cseq.number)
    phone.request(b"PRACK", body, ((b"RAck", rack),))


def test_a_reliable_ringing_is_confirmed_end_to_end() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite(headers=REL)
    table.admit("bob")
    assert b"100rel" in bob.last_request(b"INVITE").supported
    bob.respond(183, sdp(bob.address[0], 12_000), reliable(7))
    assert b"100rel" in alice.last_response(b"INVITE").require
    assert b"PRACK" not in bob.methods()
    prack(alice)
    assert bob.last_request(b"PRACK").headers.get(b"rack") == b"7 1 INVITE"
    bob.respond(200, method=b"PRACK")
    bob.respond(200)
    answer = alice.last_response(b"INVITE")
    assert (answer.status, answer.body) == (200, b"")
    alice.established()
    hang_up(table)


def test_a_reliable_ringing_is_confirmed_here_when_the_caller_cannot() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite()
    table.admit("bob")
    bob.respond(183, sdp(bob.address[0], 12_000), reliable(1))
    assert b"PRACK" in bob.methods()
    bob.respond(200, method=b"PRACK")
    ringing = alice.last_response(b"INVITE")
    assert (ringing.status, bool(ringing.body), ringing.require) == (183, True, frozenset())
    bob.respond(200)
    assert alice.last_response(b"INVITE").body  # it was never told reliably
    alice.established()
    hang_up(table)


def test_a_caller_that_requires_100rel_gets_it_from_us_when_the_callee_does_not_do_it() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite(headers=((b"Require", b"100rel"),))
    table.admit("bob")
    bob.respond(180)
    prack(alice)
    assert alice.statuses(b"PRACK") == [200]
    assert bob.methods() == [b"INVITE"]
    bob.respond(200, sdp(bob.address[0], 12_000))
    alice.established()
    hang_up(table)


def test_the_answer_waits_for_the_confirmation_of_what_carried_the_description() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite(headers=REL)
    table.admit("bob")
    bob.respond(183, sdp(bob.address[0], 12_000), reliable(1))
    bob.respond(200, sdp(bob.address[0], 12_000))
    assert 200 not in alice.statuses()
    prack(alice)
    assert alice.statuses()[-1] == 200
    bob.respond(200, method=b"PRACK")
    alice.established()
    hang_up(table)


def test_a_ringing_that_is_never_confirmed_is_repeated_and_then_given_up() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite(headers=REL)
    table.admit("bob")
    bob.respond(183, sdp(bob.address[0], 12_000), reliable(1))
    start = len(table.ladder)
    table.run(33)
    assert 5 <= table.steps(start).count("alice <- 183 INVITE sdp") <= 8
    assert alice.statuses()[-1] == 504
    bob.respond(487)
    assert table.take(tell.CallEnded).cause.status == 504
    table.assert_clean()


def test_repeated_and_premature_reliable_answers_are_not_passed_on() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite()
    table.admit("bob")
    for number in (5, 5, 9, 6):
        bob.respond(180, headers=reliable(number))
    assert [request.headers.get(b"rack").split()[0] for request in bob_pracks(bob)] == [b"5", b"6"]
    assert alice.statuses().count(180) == 2
    alice.cancel()
    bob.respond(487)
    table.assert_clean()


def bob_pracks(bob: Phone) -> list:  # type: ignore[type-arg]
    return [event.request for event in bob.requests if event.request.method == b"PRACK"]


def test_an_offer_in_a_prack_goes_along_and_comes_back_answered() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite(headers=REL)
    table.admit("bob")
    bob.respond(183, sdp(bob.address[0], 12_000), reliable(1))
    prack(alice, sdp(alice.address[0], 10_004, version=2))
    assert bob.last_request(b"PRACK").body
    assert alice.statuses(b"PRACK") == []
    bob.respond(200, sdp(bob.address[0], 12_000, version=2), method=b"PRACK")
    assert alice.last_response(b"PRACK").body
    alice.cancel()
    bob.respond(487)
    table.assert_clean()


def test_an_update_in_the_early_dialog_passes_both_ways() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite(headers=REL)
    table.admit("bob")
    bob.respond(183, sdp(bob.address[0], 12_000), (*reliable(1), (b"Allow", b"UPDATE, PRACK")))
    prack(alice)
    bob.respond(200, method=b"PRACK")
    alice.request(b"UPDATE", sdp(alice.address[0], 10_004, version=2))
    bob.respond(200, sdp(bob.address[0], 12_000, version=2), method=b"UPDATE")
    assert alice.last_response(b"UPDATE").status == 200
    bob.request(b"UPDATE", sdp(bob.address[0], 12_004, version=3))
    assert alice.methods() == [b"UPDATE"]
    alice.respond(200, sdp(alice.address[0], 10_004, version=3), method=b"UPDATE")
    assert bob.last_response(b"UPDATE").status == 200
    bob.respond(200)
    alice.established()
    table.run(1)
    hang_up(table)


def test_a_bye_of_the_caller_before_the_answer_ends_the_call() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite(headers=REL)
    table.admit("bob")
    bob.respond(183, sdp(bob.address[0], 12_000), reliable(1))
    prack(alice)
    bob.respond(200, method=b"PRACK")
    alice.bye()
    assert alice.statuses(b"BYE") == [200]
    assert alice.statuses()[-1] == 487
    bob.respond(487)
    assert table.take(tell.CallEnded).ended_by is tell.EndedBy.CALLER
    table.assert_clean()


def test_early_media_is_held_back_when_the_plan_says_so() -> None:
    table = Table()
    alice, bob = table["alice"], table["bob"]
    alice.invite(headers=REL)
    table.admit("bob", plan=CallPlan(block_early_media=True))
    bob.respond(183, sdp(bob.address[0], 12_000), reliable(1))
    assert alice.last_response(b"INVITE").body == b""
    assert not table.all(tell.MediaChanged)
    bob.respond(200, method=b"PRACK")
    bob.respond(200)
    assert alice.last_response(b"INVITE").body
    alice.established()
    hang_up(table)


def test_the_next_routes_early_media_has_an_early_dialog_of_its_own() -> None:
    table = Table("alice", "one", "two")
    alice = table["alice"]
    alice.invite(headers=REL)
    table.admit("one", "two")
    table["one"].respond(183, sdp(table["one"].address[0], 12_000), reliable(1))
    first = alice.last_response(b"INVITE").to.tag
    prack(alice)
    table["one"].respond(200, method=b"PRACK")
    table["one"].respond(503)
    table["two"].respond(183, sdp(table["two"].address[0], 13_000, formats="8"), reliable(1))
    second = alice.last_response(b"INVITE")
    assert second.to.tag != first
    prack(alice)
    table["two"].respond(200, method=b"PRACK")
    table["two"].respond(200)
    assert alice.last_response(b"INVITE").to.tag == second.to.tag
    alice.established()
    alice.bye()
    table["two"].respond(200, method=b"BYE")
    table.assert_clean()
