"""The automaton over User-Agents and the fingerprints, as the keeper compiles them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config import scanners as table
from appliance.config.fields import BadValue
from appliance.kernel import layout, scanners
from appliance.wire import WireError

REAL = (
    "Asterisk PBX 20.5.0", "baresip v1.0.0 (x86_64/linux)", "Linphone/4.4.10 (belle-sip/5.1)", "Zoiper rv2.10.18",
    "Yealink SIP-T46S 66.85.0.5", "Grandstream GXP2170 1.0.11.23", "Cisco/SPA504G-7.6.2", "snomD785/10.1.64.14",
    "PolycomVVX-VVX_411-UA/5.9.5", "Fanvil X4U 2.4.5", "MicroSIP/3.21.3", "PhonerLite 3.22", "Bria 6.5.1",
    "X-Lite release 5.8.3", "sipsak 0.9.8.1", "AVM FRITZ!Box 7590", "Gigaset N510 IP PRO/42.250", "Uniware 2",
    "Latest Agent 2.0", "Jitsi2.10", "Telephone 1.6", "Mitel-5360", "3CXPhone 6.0", "FreeSWITCH-mod_sofia/1.10",
    "kamailio (5.6.3 (x86_64/linux))", "Twilio Gateway", "LANCOM 1793VA", "Panasonic_KX-TGP600/22.108",
)  # fmt: skip


def test_every_listed_scanner_is_found_in_any_case_and_anywhere_in_the_name() -> None:
    built = scanners.automaton(table.AGENTS)
    for agent in table.AGENTS:
        for text in (agent, agent.upper(), agent.lower(), f"x{agent}", f"{agent}/1.0", f"Foo ({agent})"):
            assert built.matches(text.encode()), text


@pytest.mark.parametrize("agent", REAL)
def test_no_known_telephone_is_taken_for_a_scanner(agent: str) -> None:
    assert not scanners.automaton(table.AGENTS).matches(agent.encode())


@given(
    st.lists(st.text("abAB-", min_size=3, max_size=6), min_size=1, max_size=8),
    st.text("abABcC- ", max_size=40),
)
def test_the_automaton_finds_exactly_what_a_search_for_each_part_finds(agents: list[str], text: str) -> None:
    found = any(agent.lower() in text.lower() for agent in agents)
    assert scanners.automaton(agents).matches(text.encode()) is found


def test_an_empty_list_matches_nothing() -> None:
    assert not scanners.automaton(()).matches(b"friendly-scanner")


def test_bytes_that_no_pattern_has_match_nothing() -> None:
    built = scanners.automaton(("sipvicious",))
    assert not built.matches(bytes(range(256)))
    assert built.matches(b"\xff\x00sipvicious\xff")


@pytest.mark.parametrize(
    ("agents", "says"),
    [
        (("ab",), "3 to 64"),
        (("x" * 65,), "3 to 64"),
        (("Zażółć",), "ASCII"),
        (tuple(f"{i:03}{'x' * 30}" for i in range(60)), "1022"),
        (tuple(f"scanner number {i:06}" for i in range(300)), "4000"),
        (("".join(chr(c) for c in range(33, 65)), "".join(chr(c) for c in range(91, 127))), "63"),
    ],
)
def test_a_list_that_the_gate_cannot_hold_is_refused_and_its_limit_named(agents: tuple[str, ...], says: str) -> None:
    with pytest.raises(BadValue, match=says):
        table.check(agents)
    with pytest.raises(WireError, match=says):
        scanners.automaton(agents)


def test_the_largest_lists_that_are_taken_fit_the_map() -> None:
    agents = tuple(f"{chr(97 + i % 26)}{i:02}{'y' * 13}" for i in range(63))
    assert table.states(agents) > 950
    built = scanners.automaton(agents)
    assert built.matches(agents[-1].encode())
    assert len(built.rows) == 2 * scanners.STATES * scanners.CLASSES


def test_the_kernels_figures_are_those_of_the_table() -> None:
    header = (layout.BPF_DIR / "layout.h").read_text(encoding="ascii")
    for name, value in (
        ("SCANNER_STATES", scanners.STATES),
        ("SCANNER_CLASSES", scanners.CLASSES),
        ("SCANNER_ROWS", 2 * scanners.STATES * scanners.CLASSES),
        ("SCANNER_PRINTS", scanners.PRINTS),
    ):
        assert f"#define {name} {value}" in header
    assert table.MAX_STATES == scanners.STATES - 2
    assert table.MAX_CHARACTERS == scanners.CLASSES - 1


def test_the_marks_of_both_sides_are_the_same() -> None:
    assert set(scanners.shapes()) == {str(shape) for shape in table.Shape}


def test_every_fingerprint_joins_marks_and_has_a_name_of_its_own() -> None:
    rows = scanners.fingerprint_rows()
    assert len(set(rows)) == len(rows) == len(table.FINGERPRINTS) <= scanners.PRINTS
    assert len({each.name for each in table.FINGERPRINTS}) == len(rows)
    for each in table.FINGERPRINTS:
        assert len(each.shapes) + bool(each.order) >= 2, "one mark alone proves nothing"
        assert len(each.order) in (0, table.ORDERED_HEADERS)
        assert each.text


def test_the_order_of_headers_counts_and_their_case_does_not() -> None:
    names = ("Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Contact")
    other = (names[1], names[0], *names[2:])
    assert scanners.order_hash(names) == scanners.order_hash([name.upper() for name in names])
    assert scanners.order_hash(names) != scanners.order_hash(other)
    assert scanners.order_hash(names) == scanners.order_hash((*names, "Accept"))
