"""The voice menu as its table says, key by key; and the table itself: every caller comes to an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.calls.ivr import (
    GAP_S,
    MOST_KEYS,
    SILENCE_S,
    TABLE,
    Action,
    Happening,
    Menu,
    Step,
    number_of,
    pin_of,
)  # fmt: skip

PIN = "123456789012"


def keyed(menu: Menu, keys: str, now: float = 0.0) -> list[Action]:
    return [action for key in keys for action in menu.key(key, now)]


def test_a_stranger_gives_a_pin_and_a_number() -> None:
    menu = Menu(3)
    assert menu.happen(Happening.STRANGER) == (Action.ASK_PIN,)
    assert keyed(menu, PIN + "#") == [Action.CHECK_PIN]
    assert menu.entered == PIN
    assert menu.happen(Happening.RIGHT) == (Action.SAY_CREDIT, Action.ASK_NUMBER)
    assert keyed(menu, "4930#") == [Action.PLACE_CALL]
    assert menu.entered == "4930"
    assert menu.happen(Happening.ALLOWED) == (Action.SAY_MINUTES, Action.SAY_RINGING)
    assert menu.happen(Happening.FAILED) == (Action.SAY_BUSY, Action.HANG_UP)


def test_a_known_caller_is_asked_for_the_number_at_once() -> None:
    assert Menu(3).happen(Happening.KNOWN) == (Action.SAY_CREDIT, Action.ASK_NUMBER)


def test_a_star_begins_anew() -> None:
    menu = Menu(3)
    menu.happen(Happening.STRANGER)
    keyed(menu, "99*12#")
    assert menu.entered == "12"


def test_a_pause_ends_what_was_keyed_in_and_silence_asks_again() -> None:
    menu = Menu(3)
    menu.happen(Happening.STRANGER)
    menu.asked(10.0)
    assert menu.alarm(10.0 + SILENCE_S - 0.1) == ()
    assert menu.alarm(10.0 + SILENCE_S) == (Action.ASK_PIN,)
    menu.asked(30.0)
    keyed(menu, "12", 31.0)
    assert menu.alarm_at == 31.0 + GAP_S
    assert menu.alarm(31.0 + GAP_S) == (Action.CHECK_PIN,)
    assert menu.entered == "12"


@pytest.mark.parametrize("tries", [1, 3])
def test_wrong_pins_come_to_an_end(tries: int) -> None:
    menu = Menu(tries)
    menu.happen(Happening.STRANGER)
    for left in range(tries, 0, -1):
        keyed(menu, PIN + "#")
        actions = menu.happen(Happening.WRONG)
        assert (Action.HANG_UP in actions) is (left == 1)
    assert menu.step is Step.LEAVING
    assert keyed(menu, PIN + "#") == []


def test_keys_while_a_pin_is_looked_at_or_a_call_rings_mean_nothing() -> None:
    menu = Menu(3)
    menu.happen(Happening.STRANGER)
    keyed(menu, PIN + "#")
    assert keyed(menu, PIN + "#") == []
    menu.happen(Happening.RIGHT)
    keyed(menu, "4930#")
    menu.happen(Happening.ALLOWED)
    assert keyed(menu, "1#") == []


def test_tries_for_the_number_are_counted_anew() -> None:
    menu = Menu(2)
    menu.happen(Happening.STRANGER)
    keyed(menu, "1#")
    menu.happen(Happening.WRONG)
    keyed(menu, "2#")
    menu.happen(Happening.RIGHT)
    keyed(menu, "3#")
    assert Action.ASK_NUMBER in menu.happen(Happening.REFUSED)


def test_endless_keys_take_no_memory() -> None:
    menu = Menu(3)
    menu.happen(Happening.STRANGER)
    keyed(menu, "1" * 10_000)
    assert len(menu.keys) == MOST_KEYS


def test_every_row_that_costs_a_try_has_one_for_the_last() -> None:
    for (step, _), rule in TABLE.items():
        if rule.costs_try:
            assert TABLE[step, Happening.EXHAUSTED].then is Step.LEAVING


def test_whoever_is_asked_or_looked_at_can_be_sent_away_and_whoever_leaves_is_hung_up() -> None:
    for step in (Step.PIN, Step.CHECKING, Step.NUMBER):
        assert TABLE[step, Happening.TIMEOUT].then is Step.LEAVING
    for rule in TABLE.values():
        assert (rule.then is Step.LEAVING) is (Action.HANG_UP in rule.actions)


@given(st.lists(st.one_of(st.sampled_from(list(Happening)), st.sampled_from("0123456789*#ABCD")), max_size=60))
def test_no_order_of_things_places_a_call_before_a_card_is_known(events: list[str]) -> None:
    menu, known = Menu(3), False
    for event in events:
        actions = menu.happen(event) if isinstance(event, Happening) else menu.key(event, 0.0)
        known = known or Action.SAY_CREDIT in actions
        assert Action.PLACE_CALL not in actions or known
        assert menu.step is not Step.NUMBER or known


KEYS = [
    (PIN, PIN, PIN), ("1234567890", "1234567890", "1234567890"), ("1" * 21, None, "1" * 20), ("123", None, "123"),
    ("12345678901A", None, "12345678901"), ("ABCD", None, None), ("", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "validated", "lenient"), KEYS)
def test_a_pin_is_checked_or_taken_as_it_is(keys: str, validated: str | None, lenient: str | None) -> None:
    assert pin_of(keys, validated=True) == validated
    assert pin_of(keys, validated=False) == lenient


NUMBERS = [
    ("4930123456", "4930123456", "4930123456"), ("112", "112", "112"), ("11", "11", "11"), ("12", None, "12"),
    ("1" * 16, None, "1" * 15), ("49A30", None, "4930"), ("", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "validated", "lenient"), NUMBERS)
def test_a_number_is_checked_or_taken_as_it_is(keys: str, validated: str | None, lenient: str | None) -> None:
    short = frozenset(("112", "11"))
    assert number_of(keys, short, validated=True) == validated
    assert number_of(keys, short, validated=False) == lenient
