"""Calls that go on: at whose expense, how far, and what is written down."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config.settings import Settings
from pysrv.billing.cdr import Cdr
from pysrv.limits.forwards import Forwards
from pysrv.limits.own import OwnLimits
from pysrv.store.account import NewAccount
from tests.calls.playbook import sdp
from tests.service.bench import PASSWORD, TRUNK, Bench, Client, opened
from tests.service.test_service import ALICE, BOB, NUMBER, funds, hang_up, in_dialog, talking

CAROL = "192.0.2.13"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        made.store.add_account(NewAccount(name="carol", password=PASSWORD, realm=Settings().realm, numbers=("103",)))
        made.store.commit()
        yield made


@pytest.fixture
def phones(bench: Bench) -> dict[str, Client]:
    found = {name: Client(bench, name, at) for name, at in (("alice", ALICE), ("bob", BOB), ("carol", CAROL))}
    for each in found.values():
        each.register()
    return found | {"carrier": Client(bench, "carrier", TRUNK)}


def forwards(bench: Bench, name: str, **wanted: str | int) -> None:
    bench.store.set_forwards(name, Forwards(**wanted))  # type: ignore[arg-type]
    bench.store.commit()
    bench.service.operators.account_changed(name)


def records(bench: Bench) -> list[Cdr]:
    """The oldest first."""
    return bench.store.cdrs(limit=20)[::-1]


def told(bench: Bench) -> list[tuple[str, str, int]]:
    return [(each.account, each.callee, each.sip_status) for each in records(bench)]


def test_every_call_goes_on_at_the_expense_of_the_one_who_forwards(bench: Bench, phones: dict[str, Client]) -> None:
    forwards(bench, "bob", always=NUMBER)
    alice, carrier = phones["alice"], phones["carrier"]
    before = funds(bench)
    answer = talking(alice, carrier, "102")
    assert funds(bench, "bob")[1] > 0
    assert funds(bench) == before
    bench.sleep(10)
    hang_up(alice, carrier, answer)
    first, second = records(bench)
    assert (first.account, first.callee, first.reason, first.charge) == ("alice", "102", "forwarded by bob", 0)
    assert (second.account, second.caller, second.callee) == ("bob", "101", NUMBER)
    assert second.charge > 0 and funds(bench, "bob") == (10_000_000 - second.charge, 0)
    assert phones["bob"].requests() == []


def test_a_busy_phone_sends_the_call_on_and_each_part_has_its_record(bench: Bench, phones: dict[str, Client]) -> None:
    forwards(bench, "bob", busy="103")
    alice, bob, carol = phones["alice"], phones["bob"], phones["carol"]
    alice.invite("102")
    (invite,) = bob.requests()
    bob.reply(invite, 486)
    (invite,) = [each for each in carol.requests() if each.method == b"INVITE"]
    carol.reply(invite, 200, sdp(CAROL, 12_000))
    answer = alice.responses()[-1]
    assert answer.status == 200
    bench.receive(in_dialog("ACK", answer, alice, answer.cseq.number), alice.flow)
    carol.requests()
    bench.sleep(1)
    hang_up(alice, carol, answer)
    first, second = records(bench)
    assert (first.account, first.callee, first.sip_status) == ("alice", "102", 486)
    assert first.reason == "busy: forwarded by bob"
    assert (second.account, second.callee, second.sip_status, second.answered) == ("bob", "103", 200, True)
    assert [bench.store.account(name).lines for name in ("alice", "bob")] == [0, 0]  # type: ignore[union-attr]
    assert bench.gate.sessions == {}


def test_a_phone_that_nobody_answers_rings_as_long_as_its_owner_said(bench: Bench, phones: dict[str, Client]) -> None:
    forwards(bench, "bob", noanswer=NUMBER, seconds=5)
    phones["alice"].invite("102")
    (invite,) = phones["bob"].requests()
    phones["bob"].reply(invite, 180)
    bench.sleep(4)
    assert phones["carrier"].requests() == []
    bench.sleep(1.5)
    assert {each.method for each in phones["bob"].requests()} == {b"CANCEL"}
    onward = phones["carrier"].requests()
    assert {each.uri.user for each in onward} == {NUMBER.encode()}


def test_a_callee_without_a_device_forwards_what_nobody_answers(bench: Bench) -> None:
    forwards(bench, "bob", noanswer=NUMBER)
    Client(bench, "alice", ALICE).invite("102")
    assert len(Client(bench, "carrier", TRUNK).requests()) == 1


def test_who_declines_the_forward_is_heard_by_the_caller(bench: Bench, phones: dict[str, Client]) -> None:
    forwards(bench, "bob", busy="103")
    phones["alice"].invite("102")
    (invite,) = phones["bob"].requests()
    phones["bob"].reply(invite, 603)
    assert phones["alice"].responses()[-1].status == 603
    assert phones["carol"].requests() == []


@pytest.mark.parametrize("ring", [{"bob": "101"}, {"bob": "102"}, {"bob": "103", "carol": "102"}])
def test_forwards_that_go_in_a_circle_are_cut_and_the_phones_ring(
    bench: Bench, phones: dict[str, Client], ring: dict[str, str]
) -> None:
    if ring == {"bob": "101"}:
        ring = {"bob": "101", "alice": "102"}
    for name, target in ring.items():
        forwards(bench, name, always=target)
    phones["carol"].invite("102")
    assert [each.method for each in phones["bob"].requests()] == [b"INVITE"]
    refused = records(bench)[-1]
    assert "in a circle" in refused.reason


def test_nobody_is_forwarded_more_than_three_times(bench: Bench, phones: dict[str, Client]) -> None:
    for number in range(1, 6):
        name = f"hop{number}"
        bench.store.add_account(
            NewAccount(name=name, password=PASSWORD, realm=Settings().realm, numbers=(f"20{number}",))
        )
        forwards(bench, name, always=f"20{number + 1}" if number < 5 else "102")
    phones["alice"].invite("201")
    assert phones["bob"].requests() == []
    assert "3 times" in records(bench)[0].reason
    phones["alice"].invite("203")
    assert len(phones["bob"].requests()) == 1


@pytest.mark.parametrize("why", ["lock", "credit", "emergency", "nowhere"])
def test_where_the_account_could_not_call_nothing_is_forwarded(
    bench: Bench, phones: dict[str, Client], why: str
) -> None:
    target = {"emergency": Settings().emergencynumbers[0], "nowhere": "999888777"}.get(why, NUMBER)
    if why == "lock":
        bench.store.set_own_limits("bob", OwnLimits(locklevel=2))
    if why == "credit":
        bench.store.adjust("bob", -10_000_000)
    forwards(bench, "bob", always=target)
    phones["alice"].invite("102")
    assert phones["carrier"].requests() == []
    assert len(phones["bob"].requests()) == 1
    refused = next(each for each in records(bench) if each.account == "bob")
    assert refused.reason.startswith("forward: ") and refused.callee == target
    assert funds(bench, "bob")[1] == 0


def test_a_refused_forward_of_a_busy_phone_leaves_the_call_as_it_was(bench: Bench, phones: dict[str, Client]) -> None:
    bench.store.adjust("bob", -10_000_000)
    forwards(bench, "bob", busy=NUMBER)
    phones["alice"].invite("102")
    (invite,) = phones["bob"].requests()
    phones["bob"].reply(invite, 486)
    assert phones["alice"].responses()[-1].status == 486
    assert [(each[0], each[1]) for each in told(bench)] == [("bob", NUMBER), ("alice", "102")]
    assert bench.service.parts.counts.faults == 0


def test_a_forward_counts_among_the_calls_of_the_one_who_forwards(bench: Bench, phones: dict[str, Client]) -> None:
    bench.store.set_account("bob", maxlines=1)
    forwards(bench, "bob", always=NUMBER)
    phones["alice"].invite("102")
    assert bench.store.account("bob").lines == 1  # type: ignore[union-attr]
    phones["carol"].invite("102")
    assert len(phones["bob"].requests()) == 1  # the second call rings at his own telephone
    assert len(phones["carrier"].requests()) == 1


def test_a_caller_who_gives_up_while_the_forward_rings_ends_it(bench: Bench, phones: dict[str, Client]) -> None:
    forwards(bench, "bob", busy=NUMBER)
    phones["alice"].invite("102")
    (invite,) = phones["bob"].requests()
    phones["bob"].reply(invite, 486)
    (onward,) = phones["carrier"].requests()
    phones["carrier"].reply(onward, 180)
    ((call_id, _),) = bench.service.parts.accounting.running.items()
    bench.service.operators.hangup(call_id)
    bench.turn()
    assert funds(bench, "bob") == (10_000_000, 0)
    assert bench.service.parts.accounting.running == {}
    assert bench.service.parts.counts.faults == 0
