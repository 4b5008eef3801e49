"""Which addresses are trusted, by each setting alone; and what is no public address."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.config.private import PRIVATE
from pysrv.limits.trusted import EFFECTS, Known, administering, is_private, is_public, lines, trusted_why


@dataclass(frozen=True)
class Trust:
    """The settings that are read, at their defaults."""

    allowtrustedip: int = 3
    trustlanip: bool = False
    trustsubnet: bool = False
    trustauthip: bool = False
    remoteadmin: int = 1


LISTED = Known(listed=("203.0.113.7", "10.1.2.0/24"), own=frozenset({"198.51.100.1"}))


@pytest.mark.setting("allowtrustedip")
@pytest.mark.parametrize(
    ("level", "public", "private", "own"),
    [
        (0, False, False, False),
        (1, False, False, True),
        (2, False, True, True),
        (3, True, True, True),
        (4, True, True, True),
        (9, False, False, False),
    ],
)
def test_allowtrustedip_says_where_listed_addresses_are_honoured(
    level: int, public: bool, private: bool, own: bool
) -> None:
    settings = Trust(allowtrustedip=level)
    addresses = ("203.0.113.7", "10.1.2.3", "198.51.100.1")
    assert [bool(trusted_why(each, settings, LISTED)) for each in addresses] == [public, private, own]
    assert bool(trusted_why("127.0.0.1", settings, LISTED)) is own
    assert not trusted_why("203.0.113.8", settings, LISTED)


@pytest.mark.setting("trustlanip")
@pytest.mark.parametrize("address", ["10.9.9.9", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "fe80::1"])
def test_trustlanip_trusts_private_ranges(address: str) -> None:
    assert not trusted_why(address, Trust(), Known())
    assert trusted_why(address, Trust(trustlanip=True), Known()).endswith("(trustlanip)")
    assert not trusted_why(address, Trust(trustlanip=True, allowtrustedip=0), Known())
    assert not trusted_why("192.0.2.1", Trust(trustlanip=True), Known())


@pytest.mark.setting("trustsubnet")
def test_trustsubnet_widens_a_listed_address_to_its_subnet() -> None:
    listed = Known(listed=("203.0.113.7", "2001:db8::7"))
    for near, far in (("203.0.113.200", "203.0.114.1"), ("2001:db8::ffff", "2001:db8:0:1::1")):
        assert not trusted_why(near, Trust(), listed)
        assert trusted_why(near, Trust(trustsubnet=True), listed)
        assert not trusted_why(far, Trust(trustsubnet=True), listed)


@pytest.mark.setting("trustauthip")
def test_trustauthip_trusts_where_somebody_authenticated() -> None:
    lately = Known(authenticated=True)
    assert not trusted_why("203.0.113.9", Trust(), lately)
    assert trusted_why("203.0.113.9", Trust(trustauthip=True), lately)
    assert not trusted_why("203.0.113.9", Trust(trustauthip=True), Known())
    assert not trusted_why("203.0.113.9", Trust(trustauthip=True, allowtrustedip=2), lately)


SSH = [("203.0.113.7", 0.0), ("2001:db8:1::7", 60.0), ("10.1.2.0/24", 0.0), ("0.0.0.0/5", 0.0)]


@pytest.mark.setting("remoteadmin")
@pytest.mark.parametrize(
    ("settings", "listed", "found"),
    [
        (Trust(), SSH, ["203.0.113.7/32", "2001:db8:1::7/128", "10.1.2.0/24", "0.0.0.0/5"]),
        (Trust(remoteadmin=0), SSH[:1], ["203.0.113.7/32"]),
        (Trust(remoteadmin=2), SSH, ["0.0.0.0/0", "::/0"]),
        (Trust(remoteadmin=2), [], ["0.0.0.0/0", "::/0"]),
        (Trust(), [], [str(each) for each in PRIVATE]),
        (Trust(remoteadmin=0, allowtrustedip=0), [], [str(each) for each in PRIVATE]),
        (Trust(allowtrustedip=1), SSH, []),
        (Trust(allowtrustedip=9), SSH, []),
        (Trust(allowtrustedip=2), [*SSH, ("8.0.0.0/5", 0.0)], ["10.1.2.0/24", "10.0.0.0/8"]),
        (
            Trust(trustsubnet=True),
            SSH[:2],
            ["203.0.113.7/32", "2001:db8:1::7/128", "203.0.113.0/24", "2001:db8:1::/64"],
        ),
        (Trust(trustlanip=True), SSH[:1], ["203.0.113.7/32", *(str(each) for each in PRIVATE)]),
        (Trust(trustauthip=True, allowtrustedip=4), SSH[:1], ["203.0.113.7/32"]),
    ],
)
def test_the_machine_is_administered_from_where_the_panel_is_open(
    settings: Trust, listed: list[tuple[str, float]], found: list[str]
) -> None:
    assert [prefix for prefix, _ in administering(settings, listed, begun=bool(listed))] == found


def test_who_is_trusted_for_a_while_administers_for_a_while() -> None:
    assert administering(Trust(), SSH, begun=True)[1] == ("2001:db8:1::7/128", 60.0)
    assert administering(Trust(trustsubnet=True), SSH[1:2], begun=True)[1] == ("2001:db8:1::/64", 60.0)
    assert administering(Trust(), [], begun=True) == []  # and after it nobody does


LISTS = ["203.0.113.7", "203.0.113.0/28", "10.1.2.0/24", "8.0.0.0/6", "2001:db8:1::7", "fc00::/6"]


@settings(max_examples=200, deadline=None)
@given(
    st.builds(
        Trust, allowtrustedip=st.integers(0, 5), trustlanip=st.booleans(), trustsubnet=st.booleans(),
        remoteadmin=st.integers(0, 2),
    ),
    st.lists(st.sampled_from(LISTS)),
    st.sampled_from(["203.0.113.7", "203.0.113.9", "203.0.113.200", "10.1.2.3", "10.9.9.9", "8.8.8.8", "192.168.7.7",
                     "2001:db8:1::7", "2001:db8:1::8", "fd00::1", "f800::1", "fe80::1"]),
    st.booleans(),
)  # fmt: skip
def test_ssh_and_panel_answer_the_same(trust: Trust, listed: list[str], address: str, ever: bool) -> None:
    """Against the panel's own words (pysrv/service/trusted.py), but for `remoteadmin` 0."""
    begun = ever or bool(listed)
    near = bool(trusted_why(address, trust, Known(tuple(listed)))) or (not begun and is_private(address))
    rows = [(each, 0.0) for each in listed]
    networks = [ip_network(each) for each, _ in administering(trust, rows, begun=begun)]
    assert any(ip_address(address) in each for each in networks) is (near or trust.remoteadmin == 2)


def test_what_is_no_address_is_not_trusted() -> None:
    assert not trusted_why("", Trust(trustlanip=True, allowtrustedip=4), LISTED)


@pytest.mark.parametrize("address", ["8.8.8.8", "2a00:1450:4001::1"])
def test_a_public_address_may_be_called(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "::1", "10.0.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "192.0.2.1", "fd00::1", "fe80::1", "ff02::1", "::", "::ffff:10.0.0.1",
        "2002:0a00:0001::1", "64:ff9b::a00:1", "2001::1", "no address",
    ],
)  # fmt: skip
def test_what_is_private_local_special_or_hides_an_ipv4_address_is_never_called(address: str) -> None:
    assert not is_public(address)


def test_the_page_has_a_line_for_each_effect() -> None:
    assert len(lines()) == 2 + len(EFFECTS)
