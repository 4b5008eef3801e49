"""Who is banned: the table walked row by row, and the length of bans."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.limits.sentence import (
    ADDRESSES_BEFORE_NETWORK,
    CASES,
    PAIRS_BEFORE_ADDRESS,
    Neighbour,
    Scope,
    Standing,
    judge,
    length_s,
)
from pysrv.limits.sources import lies_in, network_of, subject_of
from pysrv.limits.strikes import Rule, Trip

BOT = "192.0.2.66"
PHONES = (Neighbour("alice", BOT, 5060), Neighbour("bob", BOT, 5062))
ADDRESS_TRIP = Trip(Rule.WRONG_ADDRESS, BOT, 6000, 801, 800, 3600.0, True, {6000: 790, 5060: 11})
PAIR_TRIP = Trip(Rule.WRONG_PAIR, BOT, 6000, 51, 50, 3600.0, True, {6000: 51})
FORGED = Trip(Rule.MESSAGES, BOT, 5060, 39_001, 39_000, 180.0, False, {5060: 39_001})
DIFFUSE = replace(ADDRESS_TRIP, ports=dict.fromkeys(range(7000, 7801), 1))

TABLE = (
    ("exempt", PAIR_TRIP, Standing(exempt="trunk carrier"), Scope.NOBODY, ()),
    (
        "distributed attack", ADDRESS_TRIP, Standing(addresses=ADDRESSES_BEFORE_NETWORK - 1), Scope.NETWORK,
        (("192.0.2.0/24", 0),),
    ),
    ("pairs keep coming", PAIR_TRIP, Standing(PHONES, pairs=PAIRS_BEFORE_ADDRESS), Scope.ADDRESS, ((BOT, 0),)),
    ("the rule is for pairs", PAIR_TRIP, Standing(), Scope.PAIR, ((BOT, 6000),)),
    ("others are registered here", ADDRESS_TRIP, Standing(PHONES), Scope.PAIR, ((BOT, 6000),)),
    ("a known network is served", FORGED, Standing(PHONES), Scope.NOBODY, ()),
    ("from many ports", DIFFUSE, Standing(PHONES), Scope.ADDRESS, ((BOT, 0),)),
    ("nobody else is here", ADDRESS_TRIP, Standing(), Scope.ADDRESS, ((BOT, 0),)),
)  # fmt: skip


@pytest.mark.parametrize(("why", "trip", "standing", "scope", "subjects"), TABLE)
def test_every_row_of_the_table_decides_its_case(
    why: str, trip: Trip, standing: Standing, scope: Scope, subjects: tuple[tuple[str, int], ...]
) -> None:
    sentence = judge(trip, standing)
    assert (sentence.why, sentence.scope, sentence.subjects) == (why, scope, subjects)


def test_every_row_of_the_table_has_its_test() -> None:
    assert [row[0] for row in TABLE] == [case.why for case in CASES]


def test_forged_packets_alone_never_ban_a_registered_pair_nor_a_network() -> None:
    for neighbours in ((), PHONES):
        for pairs in (0, PAIRS_BEFORE_ADDRESS):
            sentence = judge(FORGED, Standing(neighbours, pairs=pairs, addresses=1000))
            assert sentence.scope is not Scope.NETWORK
            assert not set(sentence.subjects) & {(near.address, near.port) for near in neighbours}


def test_forged_packets_do_not_turn_the_bans_of_ports_into_one_of_the_address() -> None:
    for ports in ({5070: 39_001}, {5060: 39_001}):
        trip = replace(FORGED, ports=ports)
        assert judge(trip, Standing(PHONES, pairs=PAIRS_BEFORE_ADDRESS)).scope is not Scope.ADDRESS


def test_a_registered_device_that_proved_to_be_the_offender_is_banned_by_its_port() -> None:
    trip = replace(ADDRESS_TRIP, ports={5062: 801})
    assert judge(trip, Standing(PHONES)).subjects == ((BOT, 5062),)


def test_an_ipv6_offender_is_banned_by_its_64_bits_and_a_network_by_48() -> None:
    trip = replace(ADDRESS_TRIP, address="2001:db8:1:2::3")
    assert judge(trip, Standing()).subjects == (("2001:db8:1:2::/64", 0),)
    assert judge(trip, Standing(addresses=100)).subjects == (("2001:db8:1::/48", 0),)


def test_a_ban_doubles_with_each_repetition_up_to_the_longest() -> None:
    hours = [length_s(n, 6 * 3600, 7 * 86_400, 6 * 3600) / 3600 for n in range(7)]
    assert hours == [6, 12, 24, 48, 96, 168, 168]


def test_the_first_ban_ends_with_reenabledosblocked_and_a_repeated_one_does_not() -> None:
    assert length_s(0, 6 * 3600, 7 * 86_400, 60.0) == 60.0
    assert length_s(1, 6 * 3600, 7 * 86_400, 60.0) == 12 * 3600


@given(st.integers(0, 2000), st.floats(1, 1e6), st.floats(1, 1e7))
def test_no_ban_is_longer_than_banperiodmax_and_none_shrinks(repetition: int, period: float, most: float) -> None:
    length = length_s(repetition, period, most, 1e9)
    assert 0 < length <= most
    assert length_s(repetition + 1, period, most, 1e9) >= length


def test_addresses_are_counted_one_by_one_and_ipv6_by_network() -> None:
    assert subject_of("192.0.2.1") == subject_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert subject_of("2001:db8::1") == subject_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert network_of("192.0.2.1") == "192.0.2.0/24"
    assert lies_in("192.0.2.7", "192.0.2.0/24") and not lies_in("192.0.3.7", "192.0.2.0/24")
    assert not lies_in("2001:db8::1", "192.0.2.0/24")
