"""Every value of the settings about prices: what it refuses, and that one value less does not."""

from dataclasses import dataclass, replace

import pytest

from pysrv.billing.quote import Margin, Match, Quote
from pysrv.billing.tariff import Rate
from pysrv.limits.decision import Allow, Refuse
from pysrv.limits.pipeline import decide
from pysrv.limits.price import BILLED, NOT_BILLED, PROFIT, RouteCost, Severity, billed, complaints, none_left
from pysrv.limits.stages.price import cost, price, profit
from pysrv.limits.stages.table import STAGES as ALL
from tests.limits.calls import EMERGENCY_CALL, OUTGOING, Settings

STAGES = [stage for stage in ALL if stage.check in (price, cost, profit)]
TWO_CENTS = Rate("49", 20_000)
EXACT = Quote("shop", "retail", TWO_CENTS, Match.EXACT, "shop", "EUR")
BEST = replace(EXACT, match=Match.BEST)
INHERITED = replace(EXACT, deck="wholesale", deck_of="agency")
NONE = Quote("shop", "retail", None, Match.NONE, "shop", "EUR", "deck retail has no rate for 33144 (peak)")
PARENT = Quote("agency", "wholesale", Rate("49", 15_000), Match.EXACT, "agency", "EUR")
PARENT_NONE = Quote("agency", why="agency has no rate deck")


def route(trunk: str = "carrier", per_minute: int | None = 10_000, *margins: int | None) -> RouteCost:
    rate = None if per_minute is None else Rate("49", per_minute)
    quote = Quote(trunk, "tariff", rate, Match.EXACT, trunk, "EUR", "" if rate else "carrier has no rate deck")
    earned = tuple(Margin("", None if each is None else 20_000 + each, 20_000, "EUR") for each in margins)
    return RouteCost(trunk, quote, earned)


@dataclass(frozen=True)
class Case:
    """A call that values from `since` on refuse."""

    since: int
    quotes: tuple[Quote, ...] = (EXACT, PARENT)
    routes: tuple[RouteCost, ...] = (route(),)
    words: str = ""


BILLED_CASES = (
    Case(1, quotes=(NONE, PARENT), words="shop: no price, deck retail has no rate for 33144 (peak)"),
    Case(2, quotes=(BEST, PARENT), words="prefix 49 (best match) in deck retail: a longer one is known"),
    Case(3, quotes=(INHERITED, PARENT), words="in deck wholesale of agency: not its own"),
    Case(4, routes=(route(per_minute=None),), words="trunk carrier: no price, carrier has no rate deck"),
    Case(5, quotes=(EXACT, PARENT_NONE), words="agency: no price, agency has no rate deck"),
)
PROFIT_CASES = (
    Case(1, routes=(route("carrier", 10_000, -1),), words="over trunk carrier the owner earns"),
    Case(2, routes=(route("carrier", 10_000, 0),), words="earns 0.02 and pays 0.02 EUR"),
    Case(3, routes=(route("carrier", 10_000, None),), words="earns ? and pays"),
)


def decided(case: Case, **settings: int) -> Refuse | None:
    facts = replace(OUTGOING, quotes=case.quotes, routes=case.routes, settings=Settings(**settings))
    found = [stage(facts) for stage in (price, cost, profit)]
    return next((each for each in found if isinstance(each, Refuse)), None)


@pytest.mark.setting("blocknotbilledcalls")
@pytest.mark.parametrize("case", BILLED_CASES, ids=lambda case: str(case.since))
@pytest.mark.parametrize("value", range(6))
def test_a_call_without_a_sure_price_is_refused_from_its_value_on(case: Case, value: int) -> None:
    refusal = decided(case, blocknotbilledcalls=value)
    assert (refusal is not None) is (value >= case.since)
    if refusal is not None:
        assert (refusal.setting, refusal.status) == ("blocknotbilledcalls", 403)
        assert case.words in refusal.sentence
        assert refusal.figures["blocknotbilledcalls"] == value


@pytest.mark.setting("blocknotprofitablecalls")
@pytest.mark.parametrize("case", PROFIT_CASES, ids=lambda case: str(case.since))
@pytest.mark.parametrize("value", range(4))
def test_a_call_that_does_not_pay_is_refused_from_its_value_on(case: Case, value: int) -> None:
    refusal = decided(case, blocknotbilledcalls=0, blocknotprofitablecalls=value)
    assert (refusal is not None) is (value >= case.since)
    if refusal is not None:
        assert refusal.setting == "blocknotprofitablecalls"
        assert case.words in refusal.sentence


@pytest.mark.setting("blockhighcostcalls")
@pytest.mark.parametrize(("most", "refused"), [(0, False), (10_000, False), (9_999, True)])
def test_a_route_that_costs_too_much_is_left_out_and_a_call_without_another_refused(most: int, refused: bool) -> None:
    refusal = decided(Case(0), blockhighcostcalls=most)
    assert (refusal is not None) is refused
    if refusal is not None:
        assert refusal.setting == "blockhighcostcalls"
        assert refusal.sentence == "trunk carrier costs 0.01/min, blockhighcostcalls is 0.009999"


def test_a_cost_that_is_not_known_may_be_too_high() -> None:
    refusal = decided(Case(0, routes=(route(per_minute=None),)), blockhighcostcalls=1)
    assert refusal is not None and refusal.setting == "blockhighcostcalls"


def test_a_route_that_is_left_keeps_the_call() -> None:
    dear, losing, fit = route("dear", 90_000, 1), route("losing", 10_000, -1), route("fit", 10_000, 1)
    strict = {"blockhighcostcalls": 50_000, "blocknotprofitablecalls": 1}
    assert decided(Case(0, routes=(dear, losing, fit)), **strict) is None
    refusal = decided(Case(0, routes=(dear, losing)), **strict)
    assert refusal is not None and refusal.setting == "blockhighcostcalls"  # what the first one fell for
    refusal = decided(Case(0, routes=(losing, dear)), **strict)
    assert refusal is not None and refusal.setting == "blocknotprofitablecalls"


def test_a_loss_of_any_reseller_counts() -> None:
    chain = route("carrier", 10_000, 5, -1, 5)
    assert [each.setting for each in complaints(chain, Settings(blocknotprofitablecalls=1))] == [
        "blocknotprofitablecalls"
    ]


def test_a_setting_that_only_reports_is_heard_and_leaves_no_route_out() -> None:
    settings = Settings(blockhighcostcalls=5_000, blocknotprofitablecalls=1)
    facts = replace(OUTGOING, quotes=(EXACT,), routes=(route("carrier", 10_000, 1),), settings=settings)
    reporting = ("blockhighcostcalls",)
    decision = decide(replace(facts, report_only=reporting), report_only=reporting, stages=STAGES)
    assert isinstance(decision, Allow)
    assert [report.setting for report in decision.reports] == ["blockhighcostcalls"]
    assert complaints(facts.routes[0], settings, reporting) == ()


def test_a_reporting_setting_does_not_hide_the_one_that_is_enforced() -> None:
    settings = Settings(blockhighcostcalls=5_000, blocknotprofitablecalls=1)
    reporting = ("blockhighcostcalls",)
    facts = replace(
        OUTGOING, quotes=(EXACT,), routes=(route("carrier", 10_000, -1),), settings=settings, report_only=reporting
    )
    decision = decide(facts, report_only=reporting, stages=STAGES)
    assert isinstance(decision, Refuse)
    assert decision.setting == "blocknotprofitablecalls"
    assert [report.setting for report in decision.reports] == ["blockhighcostcalls"]


def test_without_routes_nothing_is_said_of_them() -> None:
    settings = Settings(blockhighcostcalls=1, blocknotprofitablecalls=3)
    assert none_left("blockhighcostcalls", (), settings) is None
    assert billed((), settings) is None


def test_an_emergency_passes_every_price_check() -> None:
    settings = Settings(blocknotbilledcalls=5, blocknotprofitablecalls=3, blockhighcostcalls=1)
    facts = replace(EMERGENCY_CALL, quotes=(NONE,), routes=(route(per_minute=None),), settings=settings)
    assert [stage(facts) for stage in (price, cost, profit)] == [None, None, None]


def test_a_call_whose_price_nobody_looked_up_has_none() -> None:
    refusal = price(replace(OUTGOING, rate=None, quotes=()))
    assert isinstance(refusal, Refuse)
    assert refusal.setting == "blocknotbilledcalls"


def test_the_tables_have_a_row_for_every_value() -> None:
    assert [rule.since for rule in BILLED] == [1, 2, 3, 4, 5]
    assert [rule.since for rule in PROFIT] == [1, 2, 3]
    assert all((rule.payers is None) is not (rule.route is None) for rule in (*BILLED, *PROFIT))


@pytest.mark.setting("notbilledcallerr")
def test_how_serious_an_unpriced_call_is_has_a_row_for_every_value() -> None:
    assert {value: (loud.severity, loud.priority) for value, loud in NOT_BILLED.items()} == {
        0: (Severity.ERROR, 2),
        1: (Severity.ERROR, 1),
        2: (Severity.CRITICAL, 1),
    }
