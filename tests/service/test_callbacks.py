"""Callbacks on the whole service: who is called, who pays for which of the two calls, and what is refused."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from appliance.config.settings import Settings
from pysrv.limits.decision import Refuse
from pysrv.service.callbacks import GRACE_S, Placed
from pysrv.sip.message import Request
from tests.calls.playbook import sdp
from tests.service.bench import TRUNK, Bench, Client, opened

NUMBER, MOBILE = "4930123456", "49170111222"
ALICE, BOB = "192.0.2.11", "192.0.2.12"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def alice(bench: Bench) -> Client:
    made = Client(bench, "alice", ALICE)
    made.register()
    bench.take(ALICE)
    return made


@pytest.fixture
def carrier(bench: Bench) -> Client:
    return Client(bench, "carrier", TRUNK)


def ask(bench: Bench, number: str = NUMBER, first: str = "", account: str = "alice") -> Placed | Refuse:
    said = bench.service.operators.call_back(account, number, first)
    bench.turn()
    return said


def placed(bench: Bench, number: str = NUMBER, first: str = "") -> Placed:
    said = ask(bench, number, first)
    assert isinstance(said, Placed), said
    return said


def refused(bench: Bench, *args: str, **more: str) -> str:
    said = ask(bench, *args, **more)
    assert isinstance(said, Refuse), said
    return said.sentence


def rung(client: Client) -> Request:
    """The newest INVITE that a peer has got."""
    return [each for each in client.requests() if each.method == b"INVITE"][-1]


def connected(client: Client, other: Client) -> None:
    """Both answer, and the first is told where the other is."""
    client.reply(rung(client), 200, sdp(client.address, 10_000))
    other.reply(rung(other), 200, sdp(other.address, 12_000))
    again = rung(client)
    assert again.to.tag is not None
    client.reply(again, 200, sdp(client.address, 10_000))


def funds(bench: Bench) -> tuple[int, int, int]:
    found = bench.store.account("alice")
    assert found is not None
    return found.balance, found.reserved, found.lines


def hang_up(bench: Bench, call: str) -> None:
    assert bench.service.operators.hangup(call)
    bench.turn()


def records(bench: Bench) -> dict[str, Any]:
    return {cdr.callee: cdr for cdr in bench.store.cdrs()}


def test_the_account_s_phone_is_called_then_the_number_and_only_that_is_paid(
    bench: Bench, alice: Client, carrier: Client
) -> None:
    call = placed(bench)
    assert {row.call_id for row in bench.store.open_calls()} == {call.call_id, call.first_call_id}
    reserved = funds(bench)[1]
    assert reserved > 0 and funds(bench)[2] == 2, "the lease is there before anybody rings"
    invite = rung(alice)
    assert invite.body == b"" and invite.from_.uri.user == NUMBER.encode()
    assert not carrier.requests()
    alice.reply(invite, 180)
    bench.sleep(5.0)
    alice.reply(invite, 200, sdp(ALICE, 10_000))
    assert (bench.voice.said, bench.voice.waits) == ([("ringing",)], [GRACE_S])
    there = rung(carrier)
    assert there.from_.uri.user == b"101"
    bench.sleep(5.0)
    carrier.reply(there, 200, sdp(TRUNK, 12_000))
    assert not bench.voice.tongues
    alice.reply(rung(alice), 200, sdp(ALICE, 10_000))
    bench.sleep(20.0)
    hang_up(bench, call.call_id)
    found = records(bench)
    assert found[NUMBER].billable_seconds in (20, 21)
    assert found[NUMBER].charge == found[NUMBER].billable_seconds * 10_000
    assert (found["alice"].charge, round(found["alice"].duration_s)) == (0, 25)
    assert {cdr.account for cdr in found.values()} == {"alice"}
    assert funds(bench) == (10_000_000 - found[NUMBER].charge, 0, 0)
    assert not bench.gate.sessions


def test_a_given_number_is_called_first_and_both_calls_are_paid(bench: Bench, alice: Client, carrier: Client) -> None:
    call = placed(bench, first=MOBILE)
    first = rung(carrier)
    assert (first.uri.user, first.from_.uri.user) == (MOBILE.encode(), b"101"), "nobody's number but his own is shown"
    carrier.reply(first, 200, sdp(TRUNK, 10_000))
    carrier.reply(rung(carrier), 200, sdp(TRUNK, 12_000), b"second")
    carrier.reply(rung(carrier), 200, sdp(TRUNK, 10_000))
    bench.sleep(10.0)
    hang_up(bench, call.first_call_id)
    found = records(bench)
    assert {callee: cdr.charge > 0 for callee, cdr in found.items()} == {NUMBER: True, MOBILE: True}
    assert funds(bench) == (10_000_000 - sum(cdr.charge for cdr in found.values()), 0, 0)
    assert not alice.requests()


def test_without_credit_nobody_s_phone_rings(bench: Bench, alice: Client) -> None:
    bench.store.adjust("alice", -10_000_000, who="test")
    assert "credit" in refused(bench)
    assert not alice.requests()
    (record,) = bench.store.cdrs()
    assert (record.callee, record.refused_by, record.answered_at) == (NUMBER, "credit", None)
    assert not bench.store.open_calls()


def test_credit_for_one_of_two_paid_calls_is_not_enough_and_is_given_back(bench: Bench, carrier: Client) -> None:
    bench.store.adjust("alice", 10_000 - 10_000_000, who="test")  # one second
    refused(bench, NUMBER, MOBILE)
    assert not carrier.requests()
    assert not bench.store.open_calls()
    assert funds(bench) == (10_000, 0, 0)
    assert {callee: cdr.charge for callee, cdr in records(bench).items()} == {NUMBER: 0, MOBILE: 0}


def test_the_audio_ends_with_the_shorter_lease(bench: Bench, alice: Client, carrier: Client) -> None:
    bench.store.adjust("alice", 50_000 - 10_000_000, who="test")  # five seconds
    placed(bench)
    connected(alice, carrier)
    answered = bench.now
    (session,) = bench.gate.sessions.values()
    assert session.deadline_ns <= int((answered + 5) * 1e9)
    bench.sleep(10.0)
    assert funds(bench) == (0, 0, 0)
    assert records(bench)[NUMBER].refused_by == "credit"
    assert not bench.store.open_calls()


def test_who_hangs_up_ends_both(bench: Bench, alice: Client, carrier: Client) -> None:
    placed(bench)
    invite = rung(alice)
    alice.reply(invite, 486)
    assert not carrier.requests()
    assert {cdr.sip_status for cdr in bench.store.cdrs()} == {486}
    assert funds(bench) == (10_000_000, 0, 0)


def test_a_destination_that_is_busy_ends_the_call_of_the_first_party(
    bench: Bench, alice: Client, carrier: Client
) -> None:
    placed(bench)
    alice.reply(rung(alice), 200, sdp(ALICE, 10_000))
    carrier.reply(rung(carrier), 486)
    bench.turn()
    assert [each.method for each in alice.requests()][-1] == b"BYE"
    assert not bench.store.open_calls() and not bench.voice.tongues
    assert funds(bench) == (10_000_000, 0, 0)


@pytest.mark.setting("ringtimeout")
@pytest.mark.parametrize("seconds", [20, 40])
def test_the_first_party_may_ring_as_long_as_ringtimeout_says(bench: Bench, alice: Client, seconds: int) -> None:
    bench.service.operators.apply_settings(Settings().with_changes({"ringtimeout": f"{seconds}s"}))
    placed(bench)
    alice.reply(rung(alice), 180)
    bench.sleep(seconds - 1.0)
    assert len(bench.store.open_calls()) == 2
    bench.sleep(2.0)
    assert {each.method for each in alice.requests()} == {b"CANCEL"}
    assert not bench.store.open_calls()


@pytest.mark.setting("maxlines")
def test_both_calls_are_lines_of_the_account(bench: Bench, alice: Client, carrier: Client) -> None:
    bench.store.set_account("alice", who="test", maxlines=1)
    assert "1" in refused(bench, NUMBER, MOBILE)
    assert not carrier.requests() and not bench.store.open_calls()
    assert "1" in refused(bench, NUMBER)
    bench.store.set_account("alice", who="test", maxlines=2)
    placed(bench, first=MOBILE)


@pytest.mark.setting("maxcps")
def test_a_callback_counts_once_against_the_pace_of_calls(bench: Bench, alice: Client) -> None:
    bench.store.set_account("alice", who="test", maxcps=Decimal("0.1"))
    placed(bench)
    alice.reply(rung(alice), 486)
    assert "faster" in refused(bench)


@pytest.mark.setting("locklevel")
def test_a_lock_holds_for_callbacks(bench: Bench, alice: Client) -> None:
    bench.store.set_account("alice", who="test", locklevel=2)
    refused(bench)
    assert not alice.requests()


@pytest.mark.setting("emergencynumbers")
def test_emergency_numbers_are_never_called_back(bench: Bench, alice: Client) -> None:
    assert "emergency" in refused(bench, "112")
    assert "emergency" in refused(bench, NUMBER, "112")
    assert not bench.store.open_calls()


@pytest.mark.parametrize(
    ("number", "first", "why"),
    [
        ("abc", "", "no number"),
        (NUMBER, "x y", "no number"),
        (NUMBER, NUMBER, "same"),
        ("101", "", "same"),
    ],
)
def test_what_is_no_callback_is_refused_with_its_reason(
    bench: Bench, alice: Client, number: str, first: str, why: str
) -> None:
    assert why in refused(bench, number, first)
    assert not alice.requests() and not bench.store.open_calls()


def test_no_phone_no_callback(bench: Bench) -> None:
    assert "no phone of alice" in refused(bench)
    assert "no account" in refused(bench, account="nobody")


def test_a_second_callback_waits_for_the_first_and_repeated_ones_are_held_up(bench: Bench, alice: Client) -> None:
    placed(bench)
    assert "under way" in refused(bench)
    alice.reply(rung(alice), 486)
    for _ in range(2):
        placed(bench)
        alice.reply(rung(alice), 486)
    assert "too many" in refused(bench)
    assert {each.method for each in alice.requests()} == {b"ACK"}
    bench.time.now += 61.0
    placed(bench)


def test_the_ladder_of_either_call_shows_both(bench: Bench, alice: Client, carrier: Client) -> None:
    call = placed(bench)
    connected(alice, carrier)
    traces = bench.service.operators.traces()
    trace = traces.of_call(call.call_id)
    assert trace is not None and trace is traces.of_call(call.first_call_id)
    assert {noted.flow.remote[0] for noted in trace.messages} == {ALICE, TRUNK}


def test_a_user_of_ours_is_called_for_nothing(bench: Bench, alice: Client) -> None:
    assert "no registered device" in refused(bench, "102")
    bob = Client(bench, "bob", BOB)
    bob.register()
    placed(bench, "102")
    connected(alice, bob)
    bench.sleep(3.0)
    bob_hangs = bench.store.open_calls()
    assert {row.lease.reserved for row in bob_hangs} == {0}
