"""The counters of failures against a naive oracle, and each rule by its sentence in the settings."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.limits.strikes import PENDING_S, Rule, Strikes, Trip
from tests.limits.strike_settings import Limits

BOT, OTHER = "192.0.2.66", "192.0.2.67"


def strikes(**changed: float) -> Strikes:
    return Strikes(Limits(**changed))  # type: ignore[arg-type]


def rules(trips: list[Trip]) -> list[str]:
    return [trip.rule for trip in trips]


def test_a_wrong_password_past_the_limit_of_a_pair_is_told_with_its_figures() -> None:
    counters = strikes()
    for number in range(2):
        assert counters.wrong_password(BOT, 5060, b"c", b"%d" % number, 1.0) == []
    (trip,) = counters.wrong_password(BOT, 5060, b"c", b"2", 2.0)
    assert trip == Trip(Rule.WRONG_PAIR, BOT, 5060, 3, 2, 60.0, True, {5060: 3})
    assert trip.sentence == "3 in 60 s, maxfailedauthenabledipport is 2"


def test_wrong_passwords_over_all_ports_of_an_address_are_counted_together() -> None:
    counters = strikes()
    trips = [counters.wrong_password(BOT, 5000 + n, b"c", b"%d" % n, 1.0) for n in range(7)]
    assert [rules(each) for each in trips] == [[]] * 6 + [[Rule.WRONG_ADDRESS]]
    assert trips[-1][0].ports == {5000 + n: 1 for n in range(7)}


def test_what_is_older_than_the_period_does_not_count() -> None:
    counters = strikes()
    for number in range(30):
        assert counters.wrong_password(BOT, 5060, b"c", b"%d" % number, number * 30.0) == []


def test_after_reenabledosblocked_every_counter_begins_anew() -> None:
    counters = strikes(reenabledosblocked=20.0)
    for number in range(10):
        assert counters.wrong_password(BOT, 5060, b"c", b"%d" % number, number * 10.0) == []


def test_a_challenged_request_that_is_answered_correctly_counts_nowhere() -> None:
    counters = strikes()
    for number in range(100):
        now = number * 0.1
        assert counters.challenged(BOT, 5060, b"call%d" % number, b"%d" % number, now) == []
        counters.answered(BOT, b"call%d" % number, now)
    assert counters.due(1000.0) == []


def test_a_challenged_request_that_nobody_answers_counts_when_its_time_is_over() -> None:
    counters = strikes()
    for number in range(5):
        assert counters.challenged(BOT, 5060, b"call%d" % number, b"%d" % number, 1.0) == []
    assert counters.get_timer() == 1.0 + PENDING_S
    assert counters.due(PENDING_S) == []
    assert rules(counters.due(1.0 + PENDING_S)) == [Rule.UNPROVEN, Rule.STRANGERS]
    assert counters.get_timer() is None


def test_a_request_that_was_sent_again_counts_once() -> None:
    counters = strikes()
    for _ in range(20):
        assert counters.wrong_password(BOT, 5060, b"c", b"the same", 1.0) == []
        assert counters.unknown_user(BOT, 5060, b"c", b"this too", 1.0) == []


def test_many_requests_under_one_call_id_do_not_hide_behind_one_answer() -> None:
    counters = strikes()
    trips = [trip for n in range(6) for trip in counters.challenged(BOT, 5060, b"c", b"%d" % n, 1.0)]
    counters.answered(BOT, b"c", 1.0)
    assert rules(trips) == [Rule.UNPROVEN, Rule.STRANGERS]


def test_a_wrong_answer_counts_instead_of_the_request_before_it() -> None:
    counters = strikes(maxfailedauthenabledipport=1000, maxfailedauthenabledip=1000)
    for number in range(50):
        counters.challenged(BOT, 5060, b"call%d" % number, b"a%d" % number, 1.0)
        assert counters.wrong_password(BOT, 5060, b"call%d" % number, b"b%d" % number, 1.0) == []
    assert counters.due(1000.0) == []


def test_an_unknown_user_under_a_valid_nonce_counts_at_once_and_proves_the_address() -> None:
    counters = strikes()
    trips = [trip for n in range(5) for trip in counters.unknown_user(BOT, 5060, b"c", b"%d" % n, 1.0)]
    assert [(trip.rule, trip.proven) for trip in trips] == [(Rule.UNPROVEN, True), (Rule.STRANGERS, True)]


def test_one_proven_mistake_does_not_prove_what_was_forged_before_it() -> None:
    counters = strikes(fastauthsubswrongusermsg=1000)
    for number in range(4):
        counters.challenged(BOT, 5060, b"call%d" % number, b"%d" % number, 1.0)
    assert counters.due(1.0 + PENDING_S) == []
    (trip,) = counters.unknown_user(BOT, 5060, b"mine", b"typo", 1.0 + PENDING_S)
    assert not trip.proven


def test_ipv6_is_counted_by_its_64_bits_of_network() -> None:
    counters = strikes()
    trips = [counters.wrong_password(f"2001:db8::{n:x}", 5060, b"c", b"%d" % n, 1.0) for n in range(7)]
    assert rules(trips[-1]) == [Rule.WRONG_ADDRESS]


@pytest.mark.parametrize(
    ("rule", "count", "since", "tripped"),
    [
        ("maxsubsmmsgcount", 6, 0.0, True),
        ("maxsubsmmsgcount", 5, 0.0, False),  # the limit itself is allowed
        ("maxsubsmmsgcount", 6, -100.0, False),  # over a longer time than the period
        ("maxwrongmsgallowed", 4, 0.0, True),
        ("blockua", 1000, 0.0, False),  # of others
    ],
)  # fmt: skip
def test_what_the_kernel_counted_is_held_against_limit_and_period(
    rule: str, count: int, since: float, tripped: bool
) -> None:
    trips = strikes().kernel(rule, BOT, 5060, count, since, 1.0)
    assert bool(trips) == tripped
    assert not any(trip.proven for trip in trips)


def test_what_the_kernel_saw_unauthenticated_is_set_against_the_correct_answers() -> None:
    counters = strikes()
    for address in (BOT, OTHER):
        assert counters.kernel("fastauthsubswrongusermsg", address, 5060, 500, 0.0, 5.0) == []
    for number in range(498):
        counters.answered(OTHER, b"%d" % number, 5.0 + number / 100)
    assert [trip.address for trip in counters.due(5.0 + PENDING_S)] == [BOT]


def test_requests_that_wait_are_bounded_and_what_does_not_fit_counts_nowhere() -> None:
    counters = Strikes(Limits(maxwrongauthfromip=1, fastauthsubswrongusermsg=1), most_pending=3)
    for number in range(100):
        assert counters.challenged(f"198.51.100.{number}", 5060, b"c%d" % number, b"", 1.0) == []
    assert counters.due(100.0) == []
    for number in range(3):
        counters.challenged(BOT, 5060, b"d%d" % number, b"%d" % number, 200.0)
    assert len(counters.due(300.0)) == 2


def test_the_guard_over_all_addresses_closes_at_ten_times_the_limit_and_opens_again() -> None:
    counters = strikes(maxwrongauthfromip=1000)
    for number in range(41):
        assert not counters.is_crowded(1.0)
        counters.unknown_user(f"198.51.100.{number}", 5060, b"c", b"", 1.0)
    assert counters.is_crowded(1.0)
    assert not counters.is_crowded(92.0)


def test_an_operator_who_lifts_a_ban_begins_the_count_anew() -> None:
    counters = strikes()
    for round_ in range(3):
        for number in range(2):
            assert counters.wrong_password(BOT, 5060, b"c", b"%d.%d" % (round_, number), 1.0) == []
        counters.forget(BOT if round_ else None)


@dataclass
class Naive:
    """Counts by looking through everything that ever happened."""

    happened: list[tuple[str, int, float, bytes]]

    def wrong(self, address: str, port: int, now: float, identity: bytes) -> list[str]:
        if any(row[:2] == (address, port) and row[3] == identity and row[2] > now - PENDING_S for row in self.seen):
            return []
        self.seen.append((address, port, now, identity))
        tripped = []
        for rule, limit, same in (
            ("maxfailedauthenabledipport", 2, lambda row: row[:2] == (address, port)),
            ("maxfailedauthenabledip", 6, lambda row: row[0] == address),
        ):
            log = self.logs.setdefault(rule, [])
            log.append((address, port, now, identity))
            if sum(same(row) for row in log if row[2] > now - 60.0) > limit:
                tripped.append(rule)
                self.logs[rule] = [row for row in log if not same(row)]
        return tripped

    def __post_init__(self) -> None:
        self.seen: list[tuple[str, int, float, bytes]] = []
        self.logs: dict[str, list[tuple[str, int, float, bytes]]] = {}


@given(
    st.lists(
        st.tuples(st.sampled_from([BOT, OTHER]), st.integers(1, 4), st.floats(0, 9), st.integers(0, 30)), max_size=80
    )
)
def test_wrong_passwords_trip_exactly_when_a_naive_count_says_so(steps: list[tuple[str, int, float, int]]) -> None:
    counters, naive, now = strikes(), Naive([]), 0.0
    for address, port, pause, number in steps:
        now += pause
        identity = b"%d" % number
        told = counters.wrong_password(address, port, b"c", identity, now)
        assert [str(rule) for rule in rules(told)] == naive.wrong(address, port, now, identity)
