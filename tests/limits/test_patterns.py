"""Ways of calling that only fraud has, with numbers as clocks."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

import pytest

from pysrv.limits import patterns
from pysrv.limits.patterns import RULES, Attempt, Ended, Pattern, Patterns, Rule


@dataclass(frozen=True)
class Settings:
    """Small figures; each test spoils one."""

    maxshortcalls: int = 5
    shortcallseconds: float = 6.0
    maxsequentialcalls: int = 10
    maxcallcountries: int = 4
    maxfailedcalls: int = 8
    callpatternperiod: float = 3600.0


SETTINGS = Settings()
NONE = Settings(maxshortcalls=0, maxsequentialcalls=0, maxcallcountries=0, maxfailedcalls=0)


def dialled(
    numbers: Iterable[int | str], settings: Settings = SETTINGS, every: float = 1.0, account: str = "alice"
) -> list[Pattern]:
    heard, found = Patterns(), []
    for order, number in enumerate(numbers):
        found += heard.dialled(Attempt(account, str(number), order * every), settings)
    return found


def ended(
    calls: Iterable[tuple[str, str, float | None]], settings: Settings = SETTINGS, every: float = 1.0
) -> list[Pattern]:
    heard, found = Patterns(), []
    for order, (account, number, talk_s) in enumerate(calls):
        found += heard.ended(Ended(account, number, order * every, talk_s), settings)
    return found


def shuffled(numbers: Iterable[int]) -> list[int]:
    kept = list(numbers)
    Random(3).shuffle(kept)
    return kept


@pytest.mark.parametrize(
    ("what", "numbers", "every", "found"),
    [
        ("ascending", range(881600100, 881600120), 1.0, True),
        ("descending", range(881600120, 881600100, -1), 1.0, True),
        ("by fives", range(881600100, 881600200, 5), 1.0, True),
        ("in any order", shuffled(range(881600100, 881600120)), 1.0, True),
        ("two ranges in turn", [881600100 + 5000 * (n % 2) + n // 2 for n in range(40)], 1.0, True),
        ("extensions", range(100, 130), 1.0, True),
        ("up to what is allowed", range(881600100, 881600110), 1.0, False),
        ("slowly", range(881600100, 881600150), 400.0, False),
        ("far apart", range(881600100, 881601000, 11), 1.0, False),
        ("the same again and again", [881600100] * 50, 1.0, False),
        ("as people do", shuffled(range(4930000000, 4939999999, 7919))[:500], 1.0, False),
        ("names", [f"user{n}" for n in range(50)], 1.0, False),
    ],
)  # fmt: skip
def test_numbers_beside_each_other_are_a_sequence(what: str, numbers: Iterable[int], every: float, found: bool) -> None:
    patterns_ = dialled(numbers, every=every)
    assert bool(patterns_) == found, what
    if found:
        assert {(each.rule, each.setting, each.allowed) for each in patterns_} == {
            (Rule.SEQUENTIAL, "maxsequentialcalls", 10)
        }
        assert patterns_[0].count == 11
        assert "maxsequentialcalls is 10" in patterns_[0].sentence


def test_each_account_has_its_own_sequence() -> None:
    heard = Patterns()
    for order, number in enumerate(range(881600100, 881600140)):
        assert heard.dialled(Attempt(f"user{order % 4}", str(number), float(order)), SETTINGS) == []


def test_short_calls_of_an_account_are_counted_whatever_is_called() -> None:
    (hit,) = ended(("alice", f"49{order:09d}", 2.0) for order in range(0, 60_000, 10_007))
    assert (hit.rule, hit.count, hit.range, hit.listed) == (Rule.SHORT_ACCOUNT, 6, "", "")


def test_short_calls_to_a_range_are_counted_whoever_calls() -> None:
    (hit,) = ended((f"user{order}", f"2526100{order:03d}", 3.0) for order in range(10))
    assert (hit.rule, hit.range, hit.listed, hit.count) == (Rule.SHORT_RANGE, "2526100", "2526100", 6)
    assert hit.by_many


def test_one_account_alone_is_not_everybodys_concern() -> None:
    found = ended((f"user{order % 2}", f"2526100{order:03d}", 3.0) for order in range(20))
    assert {hit.rule for hit in found} == {Rule.SHORT_RANGE, Rule.SHORT_ACCOUNT}
    assert not any(hit.by_many for hit in found)


@pytest.mark.parametrize(
    ("what", "calls", "every"),
    [
        ("long enough", [("alice", "25261000001", 6.0)] * 50, 1.0),
        ("up to what is allowed", [("alice", "25261000001", 2.0)] * 5, 1.0),
        ("slowly", [("alice", "25261000001", 2.0)] * 50, 800.0),
        ("nobody pays for them", [("", "25261000001", 2.0)] * 50, 1.0),
    ],
)
def test_other_calls_are_no_pattern(what: str, calls: list[tuple[str, str, float | None]], every: float) -> None:
    assert ended(calls, every=every) == [], what


def test_a_range_of_few_digits_is_never_listed() -> None:
    (hit,) = dialled(range(100, 120))
    assert (hit.range, hit.listed) == ("", "")
    assert Pattern(Rule.SEQUENTIAL, "maxsequentialcalls", "a", "4930", 1, 1, 1.0).listed == ""
    assert Pattern(Rule.SEQUENTIAL, "maxsequentialcalls", "a", "49301", 1, 1, 1.0).listed == "49301"


def test_failed_attempts_and_many_countries_are_counted() -> None:
    (failed,) = ended(("alice", f"49{order * 10_007:09d}", None) for order in range(9))
    assert (failed.rule, failed.setting, failed.count) == (Rule.FAILED, "maxfailedcalls", 9)
    heard = Patterns()
    found = []
    for order, country in enumerate(["SO", "CU", "SO", "LV", "GM", "GM", "MV"]):
        found += heard.dialled(Attempt("alice", f"{order}00000000000", float(order), country), SETTINGS)
    (countries,) = found
    assert (countries.rule, countries.setting, countries.count) == (Rule.COUNTRIES, "maxcallcountries", 5)


def test_a_pattern_is_told_once_in_a_period() -> None:
    calls = [("alice", f"49{order * 10_007:09d}", 2.0) for order in range(1000)]
    assert len(ended(calls)) == 1
    assert len(ended(calls, every=10.0)) == 3  # 10,000 s are three periods


def test_every_rule_is_off_at_zero_and_has_a_row() -> None:
    numbers = range(881600100, 881600200)
    assert dialled(numbers, NONE) == []
    assert ended([("alice", "25261000001", 2.0), ("alice", "25261000001", None)] * 50, NONE) == []
    assert Patterns().dialled(Attempt("alice", "4930", 0.0, "DE"), NONE) == []
    assert {row.rule for row in RULES} == set(Rule)


def test_no_caller_can_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "MOST_HELD", 200)
    monkeypatch.setattr(patterns, "MOST_ACCOUNTS", 20)
    monkeypatch.setattr(patterns, "MOST_NUMBERS", 50)
    monkeypatch.setattr(patterns, "MOST_TOLD", 10)
    heard = Patterns()
    for order in range(5000):
        heard.dialled(Attempt(f"user{order % 70}", str(10_000_000 + order * 3), float(order), f"C{order}"), SETTINGS)
        heard.ended(Ended(f"user{order % 70}", "25261000001", float(order), 1.0), SETTINGS)
    held = sum(len(block.at) for block in heard._blocks.values())
    assert held == heard._held <= 200
    assert len(heard._countries) <= 20
    assert len(heard._told) <= 10
    for order in range(300):
        heard.dialled(Attempt("eve", str(99_000_000 + order), 5000.0 + order), SETTINGS)
    assert max(len(block.at) for block in heard._blocks.values()) <= 50
