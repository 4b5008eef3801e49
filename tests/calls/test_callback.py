"""A callback: alice is called first, hears the appliance while bob rings, and talks to bob; two calls, one end."""

import pytest

from pysrv.calls import events as tell
from pysrv.calls.callback import Half
from pysrv.calls.causes import NORMAL
from pysrv.calls.invitation import Caller
from pysrv.calls.plan import CallPlan
from tests.calls.playbook import Table, media_port, sdp

OFFER = sdp("198.51.100.10", 10_000, formats="9 8 0 101").replace(
    b"a=sendrecv", b"a=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv"
)
CALLER = Caller(b"101", b"", ("198.51.100.10", 5060), 70, (), ())


def asked(table: Table, *, ring_s: float = 90.0) -> None:
    """Alice's phone is called, who wants bob."""
    near = Half("near", ((table.target("alice"),),), CallPlan(caller_user="102", ring_timeout_s=ring_s))
    far = Half("far", ((table.target("bob"),),), CallPlan(caller_user="101", ring_timeout_s=ring_s))
    table.b2bua.call_back(near, far, CALLER, table.now)
    table.settle()


def answered(table: Table) -> None:
    """Alice has answered; bob's phone has its INVITE."""
    asked(table)
    table["alice"].respond(180)
    table["alice"].respond(200, OFFER)


def talking(table: Table) -> None:
    answered(table)
    table["bob"].respond(180)
    table["bob"].respond(200, sdp("198.51.100.11", 12_000, formats="8"))
    table["alice"].respond(200, sdp("198.51.100.10", 16_000, formats="8", version=2))


def ends(table: Table) -> dict[str, tell.CallEnded]:
    return {event.call_id: event for event in table.all(tell.CallEnded) if isinstance(event, tell.CallEnded)}


def finish(table: Table, *names: str) -> None:
    """The phones confirm that they were hung up, and nothing is left."""
    for name in names:
        table[name].respond(200, method=b"BYE")
    table.assert_clean()
    assert len(table.all(tell.CallEnded)) == 2


def test_the_first_party_makes_the_offer_and_the_two_are_connected_by_a_reinvite() -> None:
    table = Table("alice", "bob")
    talking(table)
    assert table.steps() == [
        "alice <- INVITE", "alice -> 180 INVITE", "alice -> 200 INVITE sdp", "alice <- ACK sdp", "bob <- INVITE sdp",
        "bob -> 180 INVITE", "bob -> 200 INVITE sdp", "bob <- ACK", "alice <- INVITE sdp", "alice -> 200 INVITE sdp",
        "alice <- ACK",
    ]  # fmt: skip
    assert [event.call_id for event in table.all(tell.CallAnswered)] == ["near", "far"]
    assert table.take(tell.CallsJoined) == tell.CallsJoined("far", "near", table.all(tell.CallAnswered)[0].at)
    assert table.take(tell.PartiesConnected).call_id == "far"
    rows = table.all(tell.MediaChanged)[-1].session.streams
    assert not any(row.office for row in rows)
    assert {row.remote for row in rows if not row.rtcp} == {("198.51.100.10", 16_000), ("198.51.100.11", 12_000)}
    table["alice"].bye()
    assert {name: end.cause for name, end in ends(table).items()} == {"near": NORMAL, "far": NORMAL}
    finish(table, "bob")


def test_each_party_sees_the_other_and_the_second_is_offered_all_that_the_first_can() -> None:
    table = Table("alice", "bob")
    asked(table)
    assert table["alice"].last_request(b"INVITE").from_.uri.user == b"102"
    table["alice"].respond(200, OFFER)
    invite = table["bob"].last_request(b"INVITE")
    assert invite.from_.uri.user == b"101"
    assert b"RTP/AVP 9 8 0 101\r\n" in invite.body


def test_the_first_party_hears_the_appliance_at_its_own_port_until_the_other_is_there() -> None:
    table = Table("alice", "bob")
    answered(table)
    talk = table.take(tell.CallAttended)
    assert talk.call_id == "far"
    session = table.all(tell.MediaChanged)[-1].session
    (row,) = session.streams
    assert talk.session == session.session
    assert row.office and row.remote == ("198.51.100.10", 10_000)
    assert media_port(table["bob"].last_request(b"INVITE")) != row.local[1]
    table["alice"].bye()
    table["bob"].respond(487)
    finish(table)


def test_who_does_not_answer_is_the_end_and_the_other_is_never_called() -> None:
    table = Table("alice", "bob")
    asked(table)
    table["alice"].respond(180)
    table["alice"].respond(486)
    found = ends(table)
    assert {name: (end.cause.status, str(end.ended_by)) for name, end in found.items()} == {
        "near": (486, "callee"), "far": (486, "caller"),
    }  # fmt: skip
    assert not table["bob"].requests
    finish(table)


def test_ringing_ends_after_the_plans_ring_timeout() -> None:
    table = Table("alice", "bob")
    asked(table, ring_s=20.0)
    table["alice"].respond(180)
    table.run(19.0)
    assert not ends(table)
    table.run(2.0)
    table["alice"].respond(487)
    assert {end.ended_by for end in ends(table).values()} == {tell.EndedBy.APPLIANCE}
    finish(table)


@pytest.mark.parametrize("which", ["near", "far"])
def test_either_call_hung_up_while_the_first_party_rings_stops_its_ringing(which: str) -> None:
    table = Table("alice", "bob")
    asked(table)
    table["alice"].respond(180)
    table.b2bua.hangup(which, NORMAL, table.now)
    table.settle()
    assert "alice <- CANCEL" in table.steps()
    table["alice"].respond(487)
    finish(table)


@pytest.mark.parametrize("which", ["near", "far"])
def test_either_call_hung_up_while_they_talk_ends_both(which: str) -> None:
    table = Table("alice", "bob")
    talking(table)
    table.run(5.0)
    table.b2bua.hangup(which, NORMAL, table.now)
    table.settle()
    assert all(end.duration_s > 5.0 for end in ends(table).values())
    finish(table, "alice", "bob")


def test_when_the_other_is_busy_the_service_is_told_and_the_first_party_is_still_there() -> None:
    table = Table("alice", "bob")
    answered(table)
    table["bob"].respond(486)
    failed = table.take(tell.ConnectFailed)
    assert (failed.call_id, failed.cause.status) == ("far", 486)
    assert not ends(table)
    table.b2bua.hangup("far", failed.cause, table.now)
    table.settle()
    finish(table, "alice")


@pytest.mark.parametrize("body", [b"", sdp("198.51.100.10", 10_000, formats="9")])
def test_a_phone_that_offers_nothing_the_appliance_speaks_is_hung_up_and_nobody_else_rings(body: bytes) -> None:
    table = Table("alice", "bob")
    asked(table)
    table["alice"].respond(200, body)
    assert {end.cause.status for end in ends(table).values()} == {488}
    assert not table["bob"].requests
    finish(table, "alice")


def test_a_running_callback_survives_a_restart() -> None:
    table = Table("alice", "bob")
    talking(table)
    saved = [table.b2bua.snapshot(name) for name in ("near", "far")]
    assert all(saved)
    assert [each["partners"] for each in saved if each] == [["far"], ["near"]]
    assert [each["absorbed"] for each in saved if each] == [True, False]


def test_what_either_phone_is_told_belongs_to_the_far_call() -> None:
    table = Table("alice", "bob")
    asked(table)
    first = table["alice"].last_request(b"INVITE")
    assert table.b2bua.call_of_dialog(first.call_id, first.from_.tag or b"") == "far"
    table["alice"].respond(200, OFFER)
    second = table["bob"].last_request(b"INVITE")
    assert table.b2bua.call_of_dialog(second.call_id, second.from_.tag or b"") == "far"
