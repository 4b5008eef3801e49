"""Calls that a transfer joins are one conversation, which lasts no longer than the first of their leases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import wire
from pysrv.billing.cdr import Cdr
from pysrv.calls.events import MediaChanged
from pysrv.store.rows import NewCall
from tests.service.bench import WALL, Bench, opened

NS = 1_000_000_000
STREAM = wire.RelayStream(("192.0.2.1", 20000), ("192.0.2.1", 20002))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


def begin(bench: Bench, call_id: str, session: int, *, account: str = "alice", priced: bool = False) -> float:
    """An answered call with a relay session; returns the end of its lease."""
    payer = bench.store.account(account)
    assert payer is not None
    rate = bench.store.rate_for("retail", "4930123") if priced else None
    lease = bench.store.open_call(NewCall(call_id, payer.id, "101", "4930123", "192.0.2.11", rate=rate))
    assert not hasattr(lease, "setting")
    accounting = bench.service.parts.accounting
    accounting.opened(Cdr(call_id, account=account), lease, 100.0, bench.now)
    accounting.running[call_id].answered = bench.now
    accounting.media(MediaChanged(call_id, wire.RelaySession(session, 0, (STREAM,))))
    return accounting.running[call_id].deadline


def test_the_audio_of_joined_calls_ends_with_the_shorter_lease(bench: Bench) -> None:
    bench.store.adjust("alice", 30_000 - 10_000_000, who="test")  # three seconds at 0.60 a minute
    paid, free = begin(bench, "paid", 1, priced=True), begin(bench, "free", 2, account="bob")
    assert paid <= bench.now + 3 < free == bench.now + 60
    assert bench.gate.sessions[2].deadline_ns == int(free * NS)
    bench.service.parts.accounting.joined("free", "paid")
    assert bench.gate.sessions[2].deadline_ns == int(paid * NS)


def test_new_rows_of_a_joined_call_do_not_lengthen_it(bench: Bench) -> None:
    bench.store.adjust("alice", 30_000 - 10_000_000, who="test")
    paid = begin(bench, "paid", 1, priced=True)
    begin(bench, "free", 2, account="bob")
    accounting = bench.service.parts.accounting
    accounting.joined("free", "paid")
    accounting.media(MediaChanged("free", wire.RelaySession(2, 0, (STREAM, STREAM))))
    assert bench.gate.sessions[2].deadline_ns == int(paid * NS)


def test_three_calls_in_a_row_are_one_conversation(bench: Bench) -> None:
    bench.store.adjust("alice", 30_000 - 10_000_000, who="test")
    paid = begin(bench, "paid", 1, priced=True)
    begin(bench, "second", 2, account="bob")
    begin(bench, "third", 3, account="bob")
    bench.service.parts.accounting.joined("second", "paid")
    bench.service.parts.accounting.joined("third", "second")
    assert {row.deadline_ns for row in bench.gate.sessions.values()} == {int(paid * NS)}


@pytest.mark.parametrize(("partners", "ended"), [([], []), (["paid"], ["free"])])
def test_after_a_restart_nobody_talks_on_without_the_call_that_pays(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, partners: list[str], ended: list[str]
) -> None:
    payer, now = bench.store.account("bob"), WALL + bench.now
    assert payer is not None
    bench.store.open_call(NewCall("free", payer.id, "102", "101", "192.0.2.12", setup_at=now))
    bench.store.answer_call("free", now)
    bench.store.save_snapshot("free", {"boot": "boot", "call": {"partners": partners}})
    hung: list[str] = []
    monkeypatch.setattr(bench.service.parts.b2bua, "restore", lambda *_: "free")
    monkeypatch.setattr(bench.service.parts.b2bua, "hangup", lambda call_id, *_: hung.append(call_id))
    assert bench.service.parts.recovery.start(bench.now) == (1, 0)
    assert hung == ended
