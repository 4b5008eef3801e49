"""Packed networks: rows, their order, what overlaps, held against ipaddress."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import networks

PREFIXES = st.one_of(
    st.builds(lambda n, b: ipaddress.ip_network((n, b), strict=False), st.integers(0, 2**32 - 1), st.integers(8, 32)),
    st.builds(
        lambda n, b: ipaddress.ip_network((n, b), strict=False), st.integers(2**120, 2**128 - 1), st.integers(16, 128)
    ),
)


@given(PREFIXES)
def test_a_row_says_what_its_text_says(network: networks.Network) -> None:
    row = networks.row(network)
    assert len(row) == networks.ROW_BYTES
    single = network.num_addresses == 1
    assert networks.text(row) == str(network.network_address if single else network)
    assert networks.parsed(networks.text(row)) == row


@given(st.lists(PREFIXES, max_size=40))
def test_merged_rows_hold_the_same_addresses_once_and_have_no_fault(given_networks: list[networks.Network]) -> None:
    rows = networks.merged(map(networks.row, given_networks))
    assert not rows or networks.fault(b"".join(rows)) == ""
    for network in given_networks:
        row = networks.row(network)
        assert sum(networks.overlap(row, each) and each[16] <= row[16] for each in rows) == 1
    assert set(rows) <= set(map(networks.row, given_networks))


@given(st.lists(PREFIXES, max_size=30), st.lists(PREFIXES, max_size=30), st.integers(1, 9), st.integers(1, 9))
def test_differences_are_those_of_the_rows_however_the_lists_are_cut(
    old: list[networks.Network], new: list[networks.Network], old_piece: int, new_piece: int
) -> None:
    held, fresh = (networks.merged(map(networks.row, each)) for each in (old, [*new, *old[::2]]))
    pieces = [
        [b"".join(rows[at : at + length]) for at in range(0, len(rows), length)]
        for rows, length in ((held, old_piece), (fresh, new_piece))
    ]
    bites = list(networks.differences(*pieces))
    assert len(bites) <= len(pieces[0]) + len(pieces[1])
    counts = [sum(bite[side] for bite in bites) for side in (0, 1)]
    assert counts == [len(set(fresh) - set(held)), len(set(held) - set(fresh))]


@given(st.lists(PREFIXES, max_size=30), st.lists(PREFIXES, max_size=5))
def test_clashes_are_all_pairs_that_overlap(listed: list[networks.Network], protected: list[networks.Network]) -> None:
    rows = networks.merged(map(networks.row, listed))
    guarded = list(map(networks.row, protected))
    expected = {(row, each) for row in rows for each in guarded if networks.overlap(row, each)}
    assert set(networks.clashes(rows, guarded)) == expected


@pytest.mark.parametrize(
    ("texts", "after", "words"),
    [
        (["192.0.2.2", "192.0.2.1"], "", "out of order"),
        (["192.0.2.0/24", "192.0.2.1"], "", "lies in the row before"),
        (["192.0.2.1"], "192.0.2.1", "out of order"),
    ],
)
def test_rows_out_of_order_are_named(texts: list[str], after: str, words: str) -> None:
    end = networks.last_address(networks.parsed(after)) if after else b""
    assert words in networks.fault(b"".join(map(networks.parsed, texts)), end)


@pytest.mark.parametrize("packed", [b"", b"short", bytes(15) + b"\x01\x78", bytes(16) + b"\x81"])
def test_what_is_no_row_is_named(packed: bytes) -> None:
    assert networks.fault(packed)
