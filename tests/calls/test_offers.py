"""Offers and answers through a call: media by the appliance, early media, offerless calls, and what is refused."""

import pytest

from pysrv.calls import events as tell
from pysrv.calls.plan import CallPlan
from tests.calls.playbook import Table, media_port, sdp


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
