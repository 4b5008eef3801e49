"""The brake as tables: what runs, what is left, what is usual, and how far it is pulled."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.limits import exposure
from pysrv.limits.exposure import STAGES, Level, Load, Usual, judge, refusal, to_cut, with_call

ONE = 1_000_000


@dataclass(frozen=True)
class Settings:
    """The defaults, with the last stage on."""

    exposurewarn: float = 1800.0
    exposurenew: float = 600.0
    exposurecut: float = 60.0
    exposurejump: Decimal = Decimal(3)
    exposurefloor: int = ONE // 2


SETTINGS = Settings()
SHOP = Usual(per_minute=ONE, dearest=ONE // 5)  # at most 1.00 a minute at once, no call above 0.20


@pytest.mark.parametrize(
    ("what", "per_minute", "headroom", "usual", "level"),
    [
        # docs/fraud.md works the first five.
        ("an ordinary day", 0.80, 40.0, SHOP, Level.CALM),
        ("a busy day: three times the usual", 3.00, 40.0, SHOP, Level.CALM),
        ("the PBX is hacked", 12.00, 400.0, SHOP, Level.CALM),  # lasts 33 minutes
        ("still hacked", 12.00, 300.0, SHOP, Level.WARN),  # 25 minutes
        ("and still", 12.00, 100.0, SHOP, Level.HOLD),  # 8 minutes
        ("at the last moment", 12.00, 10.0, SHOP, Level.CUT),  # 50 seconds
        ("a small balance runs out by an ordinary call", 0.02, 0.01, SHOP, Level.CALM),
        ("a new account with a small balance", 0.50, 0.10, Usual(), Level.CALM),
        ("a new account that starts dear", 5.00, 20.0, Usual(), Level.WARN),
        ("nothing runs", 0.0, 0.0, SHOP, Level.CALM),
        ("nothing is left", 12.0, -1.0, SHOP, Level.CUT),
        ("no ceiling, as usual", 2.00, None, SHOP, Level.CALM),
        ("no ceiling, and far from usual", 12.00, None, SHOP, Level.WARN),
        ("no ceiling, and nothing to compare with", 12.00, None, Usual(), Level.CALM),
    ],
)
def test_the_brake_is_pulled_by_time_and_by_what_is_usual(
    what: str, per_minute: float, headroom: float | None, usual: Usual, level: Level
) -> None:
    load = Load(round(per_minute * ONE), None if headroom is None else round(headroom * ONE))
    assert judge(load, usual, SETTINGS).level is level, what


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.setting)
def test_each_stage_is_switched_off_by_its_setting(stage: exposure.Stage) -> None:
    load = Load(12 * ONE, 10 * ONE)
    alone = replace(SETTINGS, **{each.setting: 0.0 for each in STAGES if each is not stage})
    assert judge(load, SHOP, alone).level is stage.level
    assert judge(load, SHOP, alone).setting == stage.setting
    assert judge(load, SHOP, replace(alone, **{stage.setting: 0.0})).level is Level.CALM


def test_while_it_holds_only_calls_dearer_than_usual_are_refused() -> None:
    held = judge(Load(12 * ONE, 100 * ONE), SHOP, SETTINGS)
    assert refusal("shop", held, ONE // 5) is None
    found = refusal("shop", held, ONE // 5 + 1)
    assert found is not None
    assert (found.setting, found.figures["lasts_s"], found.figures["usual_per_minute"]) == ("exposurenew", 500, ONE)
    assert "12.00 a minute" in found.sentence
    warned = judge(Load(12 * ONE, 300 * ONE), SHOP, SETTINGS)
    assert refusal("shop", warned, 100 * ONE) is None


def test_the_dearest_calls_end_first_and_no_more_than_needed() -> None:
    prices = {"cheap": ONE // 10, "dear": 8 * ONE, "dearer": 9 * ONE, "dearest": 10 * ONE}
    load = Load(sum(prices.values()), 10 * ONE)  # 27.10 a minute last 22 s
    assert to_cut(prices, load, SHOP, SETTINGS) == ["dearest", "dearer"]  # 8.10 last 74 s
    assert to_cut(prices, load, SHOP, replace(SETTINGS, exposurecut=0.0)) == []
    assert to_cut(prices, Load(load.running_per_minute, 0), SHOP, SETTINGS) == ["dearest", "dearer", "dear"]


@given(
    st.dictionaries(st.text("ab", min_size=1, max_size=6), st.integers(0, 20 * ONE), max_size=12),
    st.integers(0, 100 * ONE),
    st.integers(0, 5 * ONE),
)
def test_after_cutting_it_is_not_at_the_last_stage_and_free_calls_go_on(
    prices: dict[str, int], headroom: int, per_minute: int
) -> None:
    usual = Usual(per_minute, per_minute)
    load = Load(sum(prices.values()), headroom)
    cut = to_cut(prices, load, usual, SETTINGS)
    for call_id in cut:
        assert prices[call_id] > 0
        load = with_call(load, -prices[call_id])
    assert judge(load, usual, SETTINGS).level is not Level.CUT
    kept = [price for call_id, price in prices.items() if call_id not in cut]
    assert not cut or max(kept, default=0) <= min(prices[call_id] for call_id in cut)


@given(st.integers(0, 50 * ONE), st.integers(0, 500 * ONE), st.integers(0, 5 * ONE))
def test_what_is_usual_never_alarms_and_more_headroom_never_tightens(
    per_minute: int, headroom: int, usual: int
) -> None:
    known = Usual(usual, usual)
    now = judge(Load(per_minute, headroom), known, SETTINGS)
    if per_minute <= 3 * usual or per_minute <= SETTINGS.exposurefloor:
        assert now.level is Level.CALM
    assert judge(Load(per_minute, headroom + ONE), known, SETTINGS).level <= now.level
