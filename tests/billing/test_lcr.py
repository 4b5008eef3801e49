import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.billing.lcr import HOUR_S, Candidate, Hour, Mode, Quality, Rules, order, weighed
from pysrv.billing.quote import Match, Quote
from pysrv.billing.tariff import Rate

NOW = 500_000 * 3600.0
DAY = 86_400.0
CHEAP, DEAR = Rate("49", 10_000), Rate("49", 20_000)
BLOCKS = Rate("49", 8_000, initial_increment_s=600, next_increment_s=600)  # cheap by the minute, dear by the call


def candidate(trunk: str, rate: Rate | None = None, quality: Quality | None = None, **more: int | str) -> Candidate:
    cost = Quote(trunk, "deck", rate, Match.EXACT if rate else Match.NONE)
    route = {"prefix": "49", "priority": 100} | more
    return Candidate(trunk, str(route["prefix"]), int(route["priority"]), cost, quality or Quality())


def counted(calls: int, answered: int, acd_s: int) -> Quality:
    return Quality(calls * 1000, answered * 1000, answered * acd_s * 1000)


def names(rules: Rules, *candidates: Candidate) -> list[str]:
    return [candidates[place].trunk for place in order(candidates, rules)]


@pytest.mark.setting("routing")
def test_by_priority_the_longest_prefix_leads_then_the_lowest_priority() -> None:
    found = [
        candidate("c", CHEAP, prefix="", priority=1),
        candidate("b", DEAR, priority=20),
        candidate("a", DEAR, priority=10),
        candidate("d", DEAR, prefix="4930"),
    ]
    assert names(Rules(), *found) == ["d", "a", "b", "c"]


@pytest.mark.setting("routing")
def test_by_cost_the_cheapest_call_leads_and_an_unknown_cost_comes_last() -> None:
    found = candidate("none"), candidate("dear", DEAR), candidate("cheap", CHEAP)
    assert names(Rules(Mode.COST), *found) == ["cheap", "dear", "none"]


@pytest.mark.setting("expectedtalk")
def test_cost_is_that_of_the_expected_talk_time_with_its_increments() -> None:
    found = candidate("blocks", BLOCKS), candidate("cheap", CHEAP)
    assert names(Rules(Mode.COST, expected_s=60), *found) == ["cheap", "blocks"]
    assert names(Rules(Mode.COST, expected_s=600), *found) == ["blocks", "cheap"]


@pytest.mark.setting("routing")
def test_by_quality_what_talks_most_for_each_attempt_leads() -> None:
    good, short = candidate("good", DEAR, counted(100, 50, 120)), candidate("short", CHEAP, counted(100, 90, 20))
    assert names(Rules(Mode.QUALITY), short, good) == ["good", "short"]


@pytest.mark.setting("routingsamples")
def test_a_trunk_with_too_few_samples_is_tried_until_it_is_known() -> None:
    good, new = candidate("good", DEAR, counted(100, 60, 120)), candidate("new", DEAR, counted(19, 0, 0))
    assert names(Rules(Mode.QUALITY, samples=20), good, new) == ["new", "good"]
    assert names(Rules(Mode.QUALITY, samples=19), good, new) == ["good", "new"]


@pytest.mark.setting("routing")
def test_balanced_weighs_the_cost_by_the_quality() -> None:
    dear, cheap = candidate("dear", DEAR, counted(100, 80, 100)), candidate("cheap", CHEAP, counted(100, 60, 100))
    assert names(Rules(Mode.BALANCED), dear, cheap) == ["cheap", "dear"]  # 0.01 x 8/6 < 0.02
    cheap = candidate("cheap", CHEAP, counted(100, 30, 100))
    assert names(Rules(Mode.BALANCED), dear, cheap) == ["dear", "cheap"]  # 0.01 x 8/3 > 0.02
    assert names(Rules(Mode.BALANCED), dear, candidate("new", CHEAP)) == ["new", "dear"]


@pytest.mark.setting("routingminasr")
@pytest.mark.parametrize("mode", [Mode.COST, Mode.QUALITY, Mode.BALANCED])
def test_a_failing_trunk_sinks_to_the_end(mode: Mode) -> None:
    failing, dear = candidate("failing", CHEAP, counted(100, 4, 3000)), candidate("dear", DEAR, counted(100, 50, 100))
    assert names(Rules(mode, least_asr=50), failing, dear) == ["dear", "failing"]
    if mode is Mode.COST:
        assert names(Rules(mode, least_asr=0), failing, dear) == ["failing", "dear"]


def test_a_trunk_that_answers_nothing_is_the_last_even_where_no_least_is_set() -> None:
    dead, dear = candidate("dead", CHEAP, counted(100, 0, 0)), candidate("dear", DEAR, counted(100, 50, 100))
    assert names(Rules(Mode.BALANCED, least_asr=0), dead, dear) == ["dear", "dead"]


@pytest.mark.setting("routingwindow")
def test_what_is_counted_fades_until_it_has_left_the_window() -> None:
    hour = int(NOW // HOUR_S)
    failed = Hour(hour - 1, 40, 0, 0)
    weights = [weighed([failed], NOW + hours * HOUR_S, DAY).calls for hours in (0, 12, 23, 24, 30)]
    assert weights == [40, 20, 1, 0, 0]


def test_a_trunk_that_recovers_comes_back_by_itself() -> None:
    hour = int(NOW // HOUR_S)
    past = [Hour(hour - 1, 40, 0, 0)]
    dear = candidate("dear", DEAR, counted(100, 50, 100))
    orders = []
    for hours in (0, 8, 16):
        cheap = candidate("cheap", CHEAP, weighed(past, NOW + hours * HOUR_S, DAY))
        orders.append(names(Rules(Mode.COST), cheap, dear)[0])
    assert orders == ["dear", "dear", "cheap"]  # 40, 27, then 13 of 20 samples


@pytest.mark.parametrize("mode", Mode)
def test_ties_go_by_prefix_and_priority(mode: Mode) -> None:
    found = candidate("b", CHEAP, priority=2), candidate("a", CHEAP, priority=1), candidate("c", CHEAP, prefix="493")
    assert names(Rules(mode), *found) == ["c", "a", "b"]


qualities = st.builds(counted, st.integers(0, 100), st.integers(0, 50), st.integers(0, 1000))
candidates = st.builds(
    candidate,
    st.text("abc", max_size=3),
    st.one_of(st.none(), st.builds(Rate, st.just("4"), st.integers(0, 10**6))),
    qualities,
)


@given(st.lists(candidates, max_size=6), st.sampled_from(Mode))
def test_every_candidate_is_tried_once_and_a_failing_one_after_the_others(found: list[Candidate], mode: Mode) -> None:
    rules = Rules(mode)
    places = order(found, rules)
    assert sorted(places) == list(range(len(found)))
    failing = [found[place].failing(rules) for place in places]
    assert mode is Mode.PRIORITY or failing == sorted(failing)
