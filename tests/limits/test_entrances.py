"""From where accounts come: what is found at an address, what an account lacks, and which two collide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.limits.entrances import Entrance, Entrances, entrances_of, lack, pick, place_of


def index(*accounts: tuple[str, int, tuple[str, ...], str]) -> Entrances:
    return Entrances.of(each for account in accounts for each in entrances_of(*account))


def found(entrances: Entrances, address: str, port: int = 5060, dialled: str = "102", named: str = "") -> str:
    best, _ = pick(entrances.at(address), port, dialled, named)
    return best.account if best is not None else ""


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.1",
        "192.0.2.1:5070",
        "192.0.2.0/24",
        "2001:db8::1",
        "[2001:db8::1]:5070",
        "2001:db8::/32",
        "pbx.example",
    ],
)
def test_a_place_is_written_as_it_was_read(text: str) -> None:
    assert str(place_of(text)) == text


def test_an_ipv4_address_in_an_ipv6_one_is_the_same_place() -> None:
    assert place_of("::ffff:192.0.2.1") == place_of("192.0.2.1")
    assert found(index(("a", 1, ("192.0.2.1",), "")), "::ffff:192.0.2.1") == "a"


@pytest.mark.setting("authip")
def test_what_says_more_goes_first() -> None:
    entrances = index(
        ("wide", 9, ("192.0.0.0/16",), ""),
        ("narrow", 9, ("192.0.2.0/24",), ""),
        ("prefix", 3, ("192.0.2.7",), "99"),
        ("longer", 3, ("192.0.2.7",), "991"),
        ("port", 6, ("192.0.2.8:5070",), ""),
        ("named", 7, ("192.0.2.9",), ""),
    )
    assert found(entrances, "192.0.9.1") == "wide"
    assert found(entrances, "192.0.2.1") == "narrow"
    assert found(entrances, "192.0.2.7", dialled="9949") == "prefix"
    assert found(entrances, "192.0.2.7", dialled="99149") == "longer"
    assert found(entrances, "192.0.2.8", port=5070) == "port"
    assert found(entrances, "192.0.2.8", port=5071) == "narrow"
    assert found(entrances, "192.0.2.9", named="named") == "named"
    assert found(entrances, "192.0.2.9", named="other") == "narrow"
    assert found(entrances, "198.51.100.1") == ""


@pytest.mark.setting("techprefix")
def test_who_dials_no_prefix_is_known_to_lack_it() -> None:
    entrances = index(("one", 3, ("192.0.2.7",), "99"), ("two", 3, ("192.0.2.7",), "88"), ("free", 2, (), "77"))
    assert pick(entrances.at("192.0.2.7"), 5060, "4930", "") == (None, ("one", "two"))
    by_prefix = entrances.by_prefix("774930")
    assert by_prefix is not None and by_prefix.account == "free"
    assert entrances.by_prefix("4930") is None


@pytest.mark.parametrize(
    ("needauth", "authip", "prefix", "word"),
    [
        (1, (), "", "authip must name one"),
        (2, (), "", "techprefix must not be empty"),
        (3, ("192.0.2.1",), "", "techprefix must not be empty"),
        (6, ("192.0.2.1",), "", "192.0.2.1 in authip has none"),
        (1, ("192.0.2.1:5060",), "", "which needauth 6 is for"),
        (8, ("192.0.2.0/24",), "", "which 9 and 10 are for"),
        (10, ("192.0.2.0/24", "pbx.example"), "", ""),
        (4, (), "", ""),
        (4, ("192.0.2.0/24",), "99", ""),
    ],
)
@pytest.mark.setting("needauth")
def test_what_a_mode_looks_at_must_be_there(needauth: int, authip: tuple[str, ...], prefix: str, word: str) -> None:
    said = lack(needauth, authip, prefix)
    assert word in said and bool(word) == bool(said)


Row = tuple[int, tuple[str, ...], str]


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ((1, ("192.0.2.1",), ""), (1, ("192.0.2.1",), ""), True),
        ((1, ("192.0.2.1",), ""), (9, ("192.0.2.0/24",), ""), True),
        ((9, ("192.0.2.0/25",), ""), (9, ("192.0.0.0/16",), ""), True),
        ((9, ("192.0.2.0/24",), ""), (9, ("192.0.3.0/24",), ""), False),
        ((3, ("192.0.2.1",), "99"), (3, ("192.0.2.1",), "99"), True),
        ((3, ("192.0.2.1",), "99"), (3, ("192.0.2.1",), "88"), False),
        ((3, ("192.0.2.1",), "99"), (1, ("192.0.2.1",), ""), False),
        ((2, (), "99"), (3, ("192.0.2.1",), "99"), True),
        ((2, (), "99"), (2, (), "99"), True),
        ((2, (), "99"), (2, (), "88"), False),
        ((6, ("192.0.2.1:5060",), ""), (6, ("192.0.2.1:5061",), ""), False),
        ((6, ("192.0.2.1:5060",), ""), (1, ("192.0.2.1",), ""), True),
        ((1, ("pbx.example",), ""), (1, ("PBX.example",), ""), True),
        ((1, ("pbx.example",), ""), (1, ("sbc.example",), ""), False),
        ((1, ("pbx.example",), ""), (1, ("192.0.2.1",), ""), False),  # names are compared as names
        ((7, ("192.0.2.1",), ""), (7, ("192.0.2.1",), ""), False),  # the user name tells them apart
        ((8, ("192.0.2.1",), ""), (1, ("192.0.2.1",), ""), False),
        ((9, ("2001:db8::/32",), ""), (1, ("2001:db8::1",), ""), True),
    ],
)
@pytest.mark.setting("needauth")
def test_two_accounts_that_one_call_could_be_of_collide(one: Row, other: Row, collide: bool) -> None:
    for first, second in ((one, other), (other, one)):
        entrances = index(("first", *first), ("second", *second))
        assert any(entrances.collision(each) is not None for each in entrances.of_account["second"]) is collide


ADDRESSES = st.integers(0, 255).map(lambda last: f"192.0.2.{last}")
NETWORKS = st.integers(22, 32).flatmap(
    lambda bits: st.integers(0, 255).map(
        lambda last: (
            str(place_of(f"192.0.2.{last >> (32 - bits) << (32 - bits) if bits >= 24 else 0}/{bits}"))
            if bits >= 24
            else f"192.0.{2 >> (24 - bits) << (24 - bits)}.0/{bits}"
        )
    )
)


@given(st.lists(NETWORKS, unique=True, max_size=12), ADDRESSES)
def test_the_index_finds_what_a_walk_over_all_finds(networks: list[str], address: str) -> None:
    rows = [
        Entrance(f"a{n}", entrances_of("x", 9, ("192.0.2.1",), "")[0].mode, place_of(t)) for n, t in enumerate(networks)
    ]
    inside = place_of(address).network
    assert inside is not None
    naive = {row.account for row in rows if row.place.network is not None and row.place.network.overlaps(inside)}
    assert {each.account for each in Entrances.of(rows).at(address)} == naive
