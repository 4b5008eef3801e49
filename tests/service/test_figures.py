"""What the office counts: calls by outcome, refusals by setting, what running calls cost."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pysrv.billing.cdr import Cdr
from pysrv.service.tally import MOST_SETTINGS, OUTCOMES, CallTally, outcome
from tests.service.bench import TRUNK, Bench, Client, opened
from tests.service.test_service import hang_up, talking

NUMBER = "4930123456"
CDR = Cdr("c", "alice", "101", "49", "192.0.2.1", setup_at=0.0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def alice(bench: Bench) -> Client:
    return Client(bench, "alice", "192.0.2.11")


@pytest.fixture
def carrier(bench: Bench) -> Client:
    return Client(bench, "carrier", TRUNK)


def test_a_running_call_is_counted_with_its_price_and_what_it_holds(
    bench: Bench, alice: Client, carrier: Client
) -> None:
    answer = talking(alice, carrier, NUMBER)
    figures = bench.service.operators.figures()
    assert figures.calls == {"setup": 0, "answered": 1}
    assert figures.per_minute == {"EUR": 600_000}
    account = bench.store.account("alice")
    assert account is not None
    assert figures.reserved["EUR"] > 0
    assert (figures.traces, figures.outcomes) == (1, dict.fromkeys(OUTCOMES, 0))
    hang_up(alice, carrier, answer)
    figures = bench.service.operators.figures()
    assert (figures.calls, figures.per_minute, figures.reserved) == ({"setup": 0, "answered": 0}, {}, {})
    assert figures.outcomes == dict.fromkeys(OUTCOMES, 0) | {"answered": 1}


def test_a_ringing_call_costs_nothing_yet(bench: Bench, alice: Client) -> None:
    alice.invite(NUMBER)
    figures = bench.service.operators.figures()
    assert (figures.calls, figures.per_minute) == ({"setup": 1, "answered": 0}, {})


def test_a_refusal_is_counted_by_its_setting_also_when_no_record_is_kept_of_it(bench: Bench, alice: Client) -> None:
    for _ in range(125):
        alice.invite("999000999")
    record = bench.store.cdrs(limit=1)[0]
    figures = bench.service.operators.figures()
    assert figures.refusals == {record.refused_by: 125}
    assert figures.outcomes["refused"] == 125 > len(bench.store.cdrs(limit=200))


def test_what_the_ring_knows_is_asked_of_it(bench: Bench, alice: Client) -> None:
    bench.service.parts.counts.connections = lambda: 3
    bench.service.parts.counts.exported = lambda: (5, 7)
    alice.register()
    bench.receive(b"nonsense\r\n\r\n", alice.flow)
    figures = bench.service.operators.figures()
    assert (figures.connections, figures.hep_sent, figures.hep_dropped) == (3, 5, 7)
    assert (figures.registrations, figures.malformed) == (1, 1)


def test_notices_that_wait_are_counted(bench: Bench) -> None:
    before = bench.service.operators.figures().notices_waiting
    bench.store.add_notice("spend_blocked", "alice", {"setting": "maxdailycredit", "spent": 1}, "1")
    assert bench.service.operators.figures().notices_waiting == before + 1


@pytest.mark.parametrize(
    ("cdr", "word"),
    [
        (replace(CDR, answered_at=1.0, refused_by="credit"), "answered"),
        (replace(CDR, sip_status=403, refused_by="credit"), "refused"),
        (replace(CDR, sip_status=486), "busy"),
        (replace(CDR, sip_status=600), "busy"),
        (replace(CDR, sip_status=487), "cancelled"),
        (replace(CDR, sip_status=480), "unanswered"),
        (replace(CDR, sip_status=503), "failed"),
    ],
)
def test_how_a_call_ended_is_one_word(cdr: Cdr, word: str) -> None:
    assert outcome(cdr) == word
    assert word in OUTCOMES


def test_a_call_that_a_setting_cut_counts_as_answered_and_for_the_setting() -> None:
    tally = CallTally()
    tally.ended(replace(CDR, answered_at=1.0, refused_by="credit"))
    assert (tally.outcomes, tally.refusals) == ({"answered": 1}, {"credit": 1})


def test_settings_that_refuse_are_a_bounded_set() -> None:
    tally = CallTally()
    for number in range(2 * MOST_SETTINGS):
        tally.ended(replace(CDR, refused_by=f"s{number}"))
    assert len(tally.refusals) == MOST_SETTINGS
