"""The ten levels of callingcardauth, each no laxer than the one before; and how guessing ends."""

from itertools import pairwise, product

import pytest

from appliance.config.schema import ROWS
from pysrv.limits.cards import (
    DAY_S,
    EVER,
    HOUR_S,
    LEVELS,
    LONGEST_PAUSE_S,
    Evidence,
    Guesses,
    Strength,
    Verdict,
    number_is_enough,
)  # fmt: skip

AGES = (0.0, DAY_S, DAY_S + 1, 7 * DAY_S, 7 * DAY_S + 1, 30 * DAY_S, 30 * DAY_S + 1, EVER)
EVERY = [
    Evidence(strength, agrees, hidden, wrong, age)
    for strength, agrees, hidden, wrong, age in product(Strength, *[(False, True)] * 3, AGES)
]


def accepted(level: int) -> set[Evidence]:
    return {evidence for evidence in EVERY if number_is_enough(evidence, level, 1)}


def test_each_level_is_stricter_than_the_one_before() -> None:
    sets = [accepted(level) for level in range(10)]
    assert all(after < before for before, after in pairwise(sets))
    assert sets[9] == set()


def test_without_anumberhandling_no_number_is_enough() -> None:
    assert not any(number_is_enough(evidence, level, 0) for evidence in EVERY for level in range(10))


def test_no_level_accepts_a_number_that_nobody_stands_for() -> None:
    assert all(evidence.strength > Strength.NOTHING for level in range(10) for evidence in accepted(level))


def test_the_table_says_what_the_setting_says() -> None:
    assert [level.words for level in LEVELS] == list(ROWS["callingcardauth"].kind.labels.values())


@pytest.mark.parametrize(
    ("level", "evidence"),
    [
        (0, Evidence(Strength.CLAIMED, hidden=True, wrong=True)),
        (1, Evidence(Strength.CLAIMED, wrong=True)),
        (2, Evidence(Strength.CLAIMED)),
        (3, Evidence(Strength.ASSERTED)),
        (4, Evidence(Strength.ASSERTED, agrees=True)),
        (5, Evidence(Strength.PROVEN, agrees=True)),
        (6, Evidence(Strength.PROVEN, agrees=True, proof_age_s=30 * DAY_S)),
        (7, Evidence(Strength.PROVEN, agrees=True, proof_age_s=7 * DAY_S)),
        (8, Evidence(Strength.PROVEN, agrees=True, proof_age_s=DAY_S)),
    ],
)
def test_each_level_accepts_just_what_it_says_and_the_next_does_not(level: int, evidence: Evidence) -> None:
    assert number_is_enough(evidence, level, 1)
    assert not number_is_enough(evidence, level + 1, 1)


def test_a_caller_is_locked_for_an_hour_then_two_and_so_on_up_to_a_day() -> None:
    guesses, now, found = Guesses(), 0.0, []
    for _ in range(7):
        while guesses.wrong("thief", now, 3)[0] is Verdict.LOOK:
            now += 1.0
        began = now
        while guesses.verdict("thief", now, 3, 0) is Verdict.CALLER_LOCKED:
            now += 60.0
        found.append(round((now - began) / HOUR_S))
    assert found == [1, 2, 4, 8, 16, 24, 24]


def test_wrong_pins_of_another_hour_do_not_add_up() -> None:
    guesses = Guesses()
    assert [guesses.wrong("slow", n * HOUR_S, 2)[0] for n in range(5)] == [Verdict.LOOK] * 5
    assert not guesses.is_wrong("slow", 6 * HOUR_S)


def test_the_limit_of_all_spares_who_has_given_a_right_pin() -> None:
    guesses = Guesses()
    guesses.right("customer")
    for n in range(10):
        guesses.wrong(f"thief {n}", 0.0, 6)
    assert guesses.verdict("thief 99", 1.0, 6, 10) is Verdict.ALL_LOCKED
    assert guesses.verdict("customer", 1.0, 6, 10) is Verdict.LOOK
    assert guesses.verdict("thief 99", HOUR_S, 6, 10) is Verdict.LOOK


def test_the_pause_before_an_answer_doubles_and_ends_with_a_right_one() -> None:
    guesses, pauses = Guesses(), []
    for _ in range(8):
        pauses.append(guesses.pause_s("a", 0.0))
        guesses.wrong("a", 0.0, 0)
    assert pauses == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    guesses.right("a")
    assert guesses.pause_s("a", 0.0) == 0.0


def test_callers_without_end_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pysrv.limits.cards.MOST_CALLERS", 100)
    guesses = Guesses()
    for n in range(500):
        guesses.wrong(f"thief {n}", 0.0, 6)
        guesses.right(f"customer {n}")
    assert len(guesses._callers) <= 100
    assert len(guesses._right) <= 100


def test_a_right_pin_in_between_buys_no_further_guesses() -> None:
    guesses, looked = Guesses(), 0
    for n in range(100):
        if guesses.verdict("thief", float(n), 6, 100) is Verdict.LOOK:
            looked += 1
            guesses.wrong("thief", float(n), 6)
            guesses.right("thief")
    assert looked == 6
