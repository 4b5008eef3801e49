"""Which entry keeps a number out: against a naive search, and kind by kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.limits import blacklist
from pysrv.limits.blacklist import KINDS, SUREST, Blacklists, Entry, Hit, ListKind, ListSide

DESTINATION, CALLER = ListSide.DESTINATION, ListSide.CALLER
NOW = 1000.0

DIGITS = st.text("0123", min_size=1, max_size=6)
ENTRIES = st.lists(
    st.builds(
        lambda side, kind, digits, whole, account, confidence, expires: Entry(
            side,
            kind,
            digits,
            whole,
            account,
            confidence if kind is ListKind.SMART else 0,
            expires if kind is ListKind.DYNAMIC else 0.0,
        ),
        st.sampled_from(ListSide),
        st.sampled_from(ListKind),
        DIGITS,
        st.booleans(),
        st.sampled_from(["", "alice", "bob"]),
        st.integers(0, SUREST),
        st.sampled_from([NOW - 1, NOW, NOW + 1]),
    ),
    max_size=30,
)


def place(entry: Entry) -> tuple[object, ...]:
    return entry.side, entry.account, entry.kind, entry.digits, entry.whole


def naive(entries: list[Entry], side: ListSide, account: str, number: str, level: int) -> Entry | None:
    """Every entry is looked at; the last one at a place counts."""
    kept = {place(entry): entry for entry in entries}.values()
    blocking = [
        entry
        for entry in kept
        if entry.side is side
        and entry.account in ("", account)
        and (number == entry.digits if entry.whole else number.startswith(entry.digits))
        and (entry.kind is not ListKind.DYNAMIC or entry.expires_at > NOW)
        and (entry.kind is not ListKind.SMART or 0 < level <= entry.confidence)
    ]
    order = [row.kind for row in KINDS]
    return max(
        blocking,
        key=lambda entry: (len(entry.digits), entry.whole, entry.account != "", -order.index(entry.kind)),
        default=None,
    )


@given(ENTRIES, st.sampled_from(ListSide), st.sampled_from(["", "alice", "carol"]), DIGITS, st.integers(0, SUREST))
def test_the_longest_blocking_entry_is_found_as_by_looking_at_all(
    entries: list[Entry], side: ListSide, account: str, number: str, level: int
) -> None:
    found = Blacklists(entries).find(side, (account,) if account else (), number, level, NOW)
    assert (found.entry if found else None) == naive(entries, side, account, number, level)


@given(ENTRIES, st.data())
def test_what_is_removed_is_as_if_it_had_never_been_there(entries: list[Entry], data: st.DataObject) -> None:
    kept = {place(entry): entry for entry in entries}
    gone = data.draw(st.sets(st.sampled_from(sorted(kept, key=repr)) if kept else st.nothing()))
    lists = Blacklists(entries)
    for where in gone:
        lists.remove(kept.pop(where))
    fresh = Blacklists(kept.values())
    assert len(lists) == len(fresh)
    for number in ("0", "01", "012", "0123", "3210", "333333"):
        assert lists.find(DESTINATION, ("alice",), number, 3, NOW) == fresh.find(
            DESTINATION, ("alice",), number, 3, NOW
        )


@given(ENTRIES)
def test_many_entries_that_are_loaded_at_once_are_as_if_they_had_been_added(entries: list[Entry]) -> None:
    kept = list({place(entry): entry for entry in entries}.values())
    loaded = Blacklists()
    loaded.load(
        (each.side.value, each.kind.value, each.digits, int(each.whole), each.account, each.confidence, each.expires_at)
        for each in kept
    )
    assert loaded._numbers == Blacklists(kept)._numbers
    assert loaded._expires == Blacklists(kept)._expires


def test_a_smart_entry_blocks_from_the_level_of_its_confidence_on() -> None:
    for confidence in range(SUREST + 1):
        lists = Blacklists([Entry(DESTINATION, ListKind.SMART, "4930", confidence=confidence)])
        blocked = {level for level in range(SUREST + 1) if lists.find(DESTINATION, (), "493012345", level, NOW)}
        assert blocked == set(range(1, confidence + 1))


def test_the_lists_of_those_above_hold_too() -> None:
    lists = Blacklists([Entry(DESTINATION, ListKind.FIXED, "4930", account="reseller")])
    assert lists.find(DESTINATION, ("alice", "reseller"), "493012345", 0, NOW)
    assert lists.find(DESTINATION, ("bob",), "493012345", 0, NOW) is None


def test_a_dynamic_entry_ends_by_itself() -> None:
    lists = Blacklists([Entry(DESTINATION, ListKind.DYNAMIC, "4930", expires_at=NOW + 10)])
    assert lists.find(DESTINATION, (), "493012345", 0, NOW + 9.9)
    assert lists.find(DESTINATION, (), "493012345", 0, NOW + 10) is None
    assert [entry.digits for entry in lists.expire(NOW + 10)] == ["4930"]
    assert len(lists) == 0
    assert lists.expire(NOW + 10) == []


def test_a_refusal_can_say_which_entry_it_was_and_which_setting_rules_it() -> None:
    smart = Hit(Entry(CALLER, ListKind.SMART, "4930", account="alice", confidence=4), "493012345")
    assert (smart.setting, smart.words) == ("blacklistlevel", "smart caller prefix 4930 (confidence 4) of alice")
    fixed = Hit(Entry(DESTINATION, ListKind.FIXED, "493012345", whole=True), "493012345")
    assert (fixed.setting, fixed.words) == ("blacklists", "fixed destination number 493012345")


def test_leading_zeros_count() -> None:
    lists = Blacklists([Entry(DESTINATION, ListKind.FIXED, "0900")])
    assert lists.find(DESTINATION, (), "0900123", 0, NOW)
    assert lists.find(DESTINATION, (), "900123", 0, NOW) is None


@pytest.mark.parametrize("number", ["", "*43", "49#", "alice", "anonymous"])
def test_what_is_no_number_is_on_no_list(number: str) -> None:
    lists = Blacklists([Entry(DESTINATION, ListKind.FIXED, "4")])
    assert lists.find(DESTINATION, (), number, 6, NOW) is None


def test_counters_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blacklist, "MOST_DYNAMIC", 100)
    lists = Blacklists()
    for number in range(1000):
        lists.add(Entry(DESTINATION, ListKind.DYNAMIC, f"49{number:04d}", expires_at=NOW + 1))
    assert len(lists) == 100
    assert lists.find(DESTINATION, (), "490999", 0, NOW)
    assert lists.find(DESTINATION, (), "490000", 0, NOW) is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Entry(CALLER, ListKind.FIXED, "49x"), "digits"),
        (Entry(CALLER, ListKind.FIXED, ""), "digits"),
        (Entry(CALLER, ListKind.FIXED, "1" * 19), "digits"),
        (Entry(CALLER, ListKind.SMART, "49", confidence=7), "0 to 6"),
        (Entry(CALLER, ListKind.FIXED, "49", confidence=2), "always blocks"),
        (Entry(CALLER, ListKind.SMART, "49", confidence=6), ""),
    ],
)
def test_an_entry_says_what_is_wrong_with_it(entry: Entry, words: str) -> None:
    assert words in entry.fault()
    assert bool(entry.fault()) == bool(words)


def test_an_entry_is_found_among_many() -> None:
    lists = Blacklists(Entry(DESTINATION, ListKind.FIXED, str(10_000_000 + number)) for number in range(100_000))
    for number in range(2000):
        hit = lists.find(DESTINATION, ("alice",), f"1009999{number:05d}", 3, NOW)
        assert hit is not None
        assert lists.find(DESTINATION, ("alice",), f"2009999{number:05d}", 3, NOW) is None
