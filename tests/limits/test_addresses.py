"""What came from an address within a sliding window."""

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from pysrv.limits.addresses import MOST_ADDRESSES, Addresses
from pysrv.limits.facts import AddressUse

SOURCE = "192.0.2.1"


def test_running_calls_count_with_what_they_have_reserved_and_then_with_what_they_came_to() -> None:
    addresses = Addresses(100.0)
    addresses.holds("a", SOURCE, 60, 600)
    addresses.holds("a", SOURCE, 120, 1200)
    assert addresses.use(SOURCE, 10.0) == AddressUse(1, 120, 1200)
    addresses.ended("a", SOURCE, 5.0, 70, 700)
    assert addresses.use(SOURCE, 10.0) == AddressUse(1, 70, 700)


def test_the_window_slides() -> None:
    addresses = Addresses(100.0)
    addresses.ended("a", SOURCE, 0.0, 10, 1)
    addresses.ended("b", SOURCE, 50.0, 20, 2)
    assert addresses.use(SOURCE, 100.0).calls == 2
    assert addresses.use(SOURCE, 100.1) == AddressUse(1, 20, 2)
    assert addresses.use("192.0.2.2", 0.0) == AddressUse()


@given(st.lists(st.tuples(st.floats(0, 500), st.integers(0, 9), st.integers(0, 9)), max_size=60), st.floats(0, 700))
def test_the_sums_are_those_of_the_calls_in_the_window(calls: list[tuple[float, int, int]], now: float) -> None:
    addresses = Addresses(100.0)
    for at, seconds, cost in sorted(calls):
        addresses.ended("", SOURCE, at, seconds, cost)
    inside = [row for row in calls if row[0] >= now - 100.0]
    wanted = AddressUse(len(inside), sum(row[1] for row in inside), sum(row[2] for row in inside))
    assert addresses.use(SOURCE, now) == wanted


def test_the_number_of_addresses_is_bounded_and_running_calls_are_kept() -> None:
    addresses = Addresses(100.0)
    addresses.holds("a", SOURCE, 1, 1)
    for number in range(MOST_ADDRESSES + 5):
        addresses.ended("", str(IPv4Address(number)), 0.0, 0, 0)
    assert len(addresses._windows) == MOST_ADDRESSES
    assert addresses.use(SOURCE, 0.0).calls == 1


def test_every_address_of_a_customers_ipv6_network_counts_as_one() -> None:
    addresses = Addresses(100.0)
    addresses.ended("a", "2001:db8::1", 0.0, 10, 1)
    addresses.holds("b", "2001:db8::ffff:1", 20, 2)
    assert addresses.use("2001:db8::2", 1.0) == AddressUse(2, 30, 3)
    assert addresses.use("2001:db8:0:1::2", 1.0) == AddressUse()
