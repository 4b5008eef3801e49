"""Prices through the whole service: a chain of resellers, two carriers, and every setting switched off and on."""

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.config.settings import Settings, parse_all
from pysrv.billing.quote import Match
from pysrv.service.quotes import Quotes, zone_of
from pysrv.service.routing import Routing
from pysrv.sip.message import Response
from pysrv.store import Store
from pysrv.store.account import AccountType
from pysrv.store.rows import NewAccount, NewTrunk, Route
from tests.calls.playbook import sdp
from tests.service.bench import PASSWORD, TRUNK, Bench, Client, opened

SHOP, OTHER = "192.0.2.21", "198.51.100.8"
GERMANY, MOBILE, FRANCE = "4930123456", "49171555555", "33144556677"
MONDAY, SUNDAY = (datetime(2026, 11, day, 10, tzinfo=UTC).timestamp() for day in (2, 8))


def deck(store: Store, name: str, rows: str, **more: object) -> None:
    header = "prefix,per_minute,time_class\n" if ",p" in rows or ",w" in rows else "prefix,per_minute\n"
    ident = store.import_begin(name, **more)  # type: ignore[arg-type]
    store.import_rows(ident, 1, header + rows)
    store.import_commit(ident)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A shop below an agency; Germany by two trunks, mobile numbers known to one of them, France by one."""
    with opened(tmp_path) as made:
        store = made.store
        deck(store, "shop", "49,0.60\n")
        deck(store, "agency", "49,0.50\n33,0.40\n")
        deck(store, "dear", "49,0.30\n49171,0.55\n33,0.10\n")
        deck(store, "cheap", "49,0.20\n")
        realm = Settings().realm
        store.add_account(
            NewAccount("agency", PASSWORD, realm, type=AccountType.RESELLER, deck="agency", balance=10**8), "test"
        )
        store.add_account(
            NewAccount("shop", PASSWORD, realm, ("201",), parent="agency", deck="shop", balance=10**8), "test"
        )
        store.set_trunk("carrier", deck="dear", routes=(Route("49", 1), Route("33", 1)))
        store.add_trunk(NewTrunk("other", OTHER, deck="cheap", routes=(Route("49", 2),)))
        store.commit()
        yield made


def parsed(texts: Mapping[str, str | int]) -> Settings:
    """A snapshot of settings as an operator writes them."""
    return Settings(parse_all({name: str(text) for name, text in texts.items()}))


def call(bench: Bench, number: str, **settings: str | int) -> Response | None:
    """What the shop hears when it calls."""
    if settings:
        bench.service.operators.apply_settings(parsed(settings))
    return Client(bench, "shop", SHOP).invite(number)


def refused_by(answer: Response | None) -> str:
    """The setting that a refusal names; empty: the call goes out."""
    if answer is None or answer.status < 300:
        return ""
    assert answer.status == 403
    return (answer.headers.get(b"warning") or b"").decode().split('"')[1]


def asked(bench: Bench) -> list[str]:
    """The trunks that got the INVITE."""
    return [name for name, address in (("carrier", TRUNK), ("other", OTHER)) if Client(bench, name, address).requests()]


def quotes(bench: Bench, **settings: str | int) -> Quotes:
    values = parsed(settings)
    return Quotes(bench.store, lambda: values, lambda: zone_of(values))


def sold(bench: Bench, number: str, **settings: str | int) -> list[tuple[str, int | None, Match, bool]]:
    chain = bench.store.chain(account) if (account := bench.store.account("shop")) else ()
    found = quotes(bench, **settings).sell(chain, number, MONDAY)
    return [(each.payer, each.rate and each.rate.per_minute, each.match, each.inherited) for each in found]


def test_every_level_pays_by_its_own_deck(bench: Bench) -> None:
    assert sold(bench, GERMANY) == [("shop", 600_000, Match.EXACT, False), ("agency", 500_000, Match.EXACT, False)]
    assert sold(bench, MOBILE) == [("shop", 600_000, Match.BEST, False), ("agency", 500_000, Match.BEST, False)]
    assert sold(bench, FRANCE) == [("shop", None, Match.NONE, False), ("agency", 400_000, Match.EXACT, False)]


@pytest.mark.setting("reuseuppergep")
def test_a_customer_may_use_the_deck_of_its_reseller(bench: Bench) -> None:
    assert sold(bench, FRANCE, reuseuppergep="false")[0] == ("shop", None, Match.NONE, False)
    assert sold(bench, FRANCE, reuseuppergep="true")[0] == ("shop", 400_000, Match.EXACT, True)
    assert refused_by(call(bench, FRANCE, blocknotbilledcalls=1)) == "blocknotbilledcalls"
    assert refused_by(call(bench, FRANCE, blocknotbilledcalls=1, reuseuppergep="true")) == ""


@pytest.mark.setting("vgetpriceexactmatch")
def test_a_price_may_be_taken_from_an_exact_prefix_alone(bench: Bench) -> None:
    assert [rate for _, rate, *_ in sold(bench, MOBILE, vgetpriceexactmatch=0)] == [600_000, 500_000]
    assert [rate for _, rate, *_ in sold(bench, MOBILE, vgetpriceexactmatch=1)] == [600_000, None]
    assert [rate for _, rate, *_ in sold(bench, MOBILE, vgetpriceexactmatch=2)] == [None, None]
    assert [rate for _, rate, *_ in sold(bench, GERMANY, vgetpriceexactmatch=2)] == [600_000, 500_000]
    assert refused_by(call(bench, MOBILE, blocknotbilledcalls=1)) == ""
    assert refused_by(call(bench, MOBILE, blocknotbilledcalls=1, vgetpriceexactmatch=2)) == "blocknotbilledcalls"


@pytest.mark.setting("blocknotbilledcalls")
@pytest.mark.parametrize(
    ("number", "value", "more", "refused"),
    [
        (FRANCE, 0, {}, False),
        (FRANCE, 1, {}, True),
        (MOBILE, 1, {}, False),
        (MOBILE, 2, {}, True),
        (FRANCE, 2, {"reuseuppergep": "true"}, False),
        (FRANCE, 3, {"reuseuppergep": "true"}, True),
        (GERMANY, 5, {}, False),
    ],
)
def test_calls_without_a_sure_price_are_refused_by_value(
    bench: Bench, number: str, value: int, more: dict[str, str], refused: bool
) -> None:
    answer = call(bench, number, blocknotbilledcalls=value, **more)
    assert refused_by(answer) == ("blocknotbilledcalls" if refused else "")
    (record,) = bench.store.cdrs() or (None,)
    assert (record is not None and record.refused_by == "blocknotbilledcalls") is refused


@pytest.mark.setting("blocknotbilledcalls")
@pytest.mark.parametrize(("value", "trunks"), [(3, ["carrier"]), (4, ["other"])])
def test_a_trunk_whose_tariff_has_no_price_is_left_out(bench: Bench, value: int, trunks: list[str]) -> None:
    bench.store.set_trunk("carrier", deck="")
    call(bench, GERMANY, blocknotbilledcalls=value)
    assert asked(bench) == trunks


@pytest.mark.setting("blocknotbilledcalls")
@pytest.mark.parametrize(("value", "refused"), [(4, ""), (5, "blocknotbilledcalls")])
def test_a_parent_without_a_price_is_a_reason_to_refuse(bench: Bench, value: int, refused: str) -> None:
    bench.store.set_account("agency", deck="")
    assert refused_by(call(bench, GERMANY, blocknotbilledcalls=value)) == refused


@pytest.mark.setting("blocknotprofitablecalls")
@pytest.mark.parametrize(
    ("cost", "value", "trunks"),
    [
        ("0.51", 0, ["carrier"]),
        ("0.51", 1, ["other"]),  # the agency pays the owner 0.50
        ("0.50", 1, ["carrier"]),
        ("0.50", 2, ["other"]),
        ("", 2, ["carrier"]),
        ("", 3, ["other"]),
    ],
)
def test_a_route_that_does_not_pay_is_left_out(bench: Bench, cost: str, value: int, trunks: list[str]) -> None:
    if cost:
        deck(bench.store, "dear", f"49,{cost}\n")
    else:
        bench.store.set_trunk("carrier", deck="")
    assert refused_by(call(bench, GERMANY, blocknotprofitablecalls=value)) == ""
    assert asked(bench) == trunks


@pytest.mark.setting("blocknotprofitablecalls")
def test_a_reseller_that_would_lose_is_a_reason_to_refuse(bench: Bench) -> None:
    deck(bench.store, "shop", "49,0.49\n")
    assert refused_by(call(bench, GERMANY)) == ""
    assert refused_by(call(bench, GERMANY, blocknotprofitablecalls=1)) == "blocknotprofitablecalls"
    assert "agency earns 1.47 and pays 1.50 EUR" in bench.store.cdrs()[0].reason


@pytest.mark.setting("blocknotprofitablecalls")
@pytest.mark.parametrize(("value", "next_"), [(0, True), (1, False)])
def test_a_call_that_fails_over_never_takes_a_route_that_loses(bench: Bench, value: int, next_: bool) -> None:
    deck(bench.store, "cheap", "49,0.99\n")
    answer = call(bench, GERMANY, blocknotprofitablecalls=value)
    assert refused_by(answer) == ""
    carrier = Client(bench, "carrier", TRUNK)
    (invite,) = carrier.requests()
    carrier.reply(invite, 503)
    assert ("other" in asked(bench)) is next_


@pytest.mark.setting("expectedtalk")
def test_profit_is_judged_over_the_expected_talk_time(bench: Bench) -> None:
    ident = bench.store.import_begin("dear")
    bench.store.import_rows(ident, 1, "prefix,per_minute,connect_fee\n49,0.10,1\n")
    bench.store.import_commit(ident)
    bench.store.remove_trunk("other")
    strict = {"blocknotprofitablecalls": 1}
    assert refused_by(call(bench, GERMANY, expectedtalk="3m", **strict)) == ""  # 1.50 for 1.30
    assert refused_by(call(bench, GERMANY, expectedtalk="2m", **strict)) == "blocknotprofitablecalls"  # 1.00 for 1.20


@pytest.mark.setting("blockhighcostcalls")
def test_routes_that_cost_too_much_are_left_out_and_the_last_one_is_named(bench: Bench) -> None:
    call(bench, GERMANY, blockhighcostcalls="0")
    assert asked(bench) == ["carrier"]
    call(bench, GERMANY, blockhighcostcalls="0.25")
    assert asked(bench) == ["other"]
    assert refused_by(call(bench, GERMANY, blockhighcostcalls="0.15")) == "blockhighcostcalls"


@pytest.mark.setting("blockhighcostcalls")
def test_a_setting_in_report_only_leaves_no_route_out(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.store.set_report_only("blockhighcostcalls", on=True)
    assert refused_by(call(bench, GERMANY, blockhighcostcalls="0.15")) == ""
    assert asked(bench) == ["carrier"]
    assert "would be refused" in caplog.text


@pytest.mark.setting("notbilledcallerr")
@pytest.mark.parametrize(
    ("value", "level", "words"),
    [
        (0, logging.ERROR, "severity=error priority=2"),
        (1, logging.ERROR, "severity=error priority=1"),
        (2, logging.CRITICAL, "severity=critical priority=1"),
    ],
)
def test_a_call_without_a_price_is_said_as_loudly_as_set(
    bench: Bench, caplog: pytest.LogCaptureFixture, value: int, level: int, words: str
) -> None:
    call(bench, FRANCE, notbilledcallerr=value)
    (record,) = [each for each in caplog.records if "call without a price" in each.message]
    assert record.levelno == level
    assert words in record.message
    assert "notice kind=not_billed account=shop" in caplog.text


@pytest.mark.setting("routing")
@pytest.mark.parametrize(("mode", "trunk"), [("priority", "carrier"), ("cost", "other")])
def test_the_order_of_trunks_is_the_one_that_is_set(bench: Bench, mode: str, trunk: str) -> None:
    call(bench, GERMANY, routing=mode)
    assert asked(bench) == [trunk]


@pytest.mark.setting("routing")
@pytest.mark.setting("routingsamples")
def test_a_trunk_that_answers_nothing_sinks(bench: Bench) -> None:
    for _ in range(20):
        bench.store.count_attempt("other", GERMANY[:5], bench.service.parts.world.clock.wall())
    call(bench, GERMANY, routing="cost", routingsamples=21)
    assert asked(bench) == ["other"]
    call(bench, GERMANY, routing="cost", routingsamples=20)
    assert asked(bench) == ["carrier"]


@pytest.mark.setting("routingminasr")
def test_the_least_asr_is_the_one_that_is_set(bench: Bench) -> None:
    now = bench.service.parts.world.clock.wall()
    for each in range(40):
        bench.store.count_attempt("other", GERMANY[:5], now, 60 if each % 10 == 0 else 0)
    call(bench, GERMANY, routing="cost", routingminasr=10)
    assert asked(bench) == ["other"]
    call(bench, GERMANY, routing="cost", routingminasr=11)
    assert asked(bench) == ["carrier"]


@pytest.mark.setting("routingwindow")
def test_what_lies_before_the_window_does_not_count(bench: Bench) -> None:
    past = bench.service.parts.world.clock.wall() - 5 * 3600
    for _ in range(40):
        bench.store.count_attempt("other", GERMANY[:5], past)
    call(bench, GERMANY, routing="cost", routingwindow="1d")
    assert asked(bench) == ["carrier"]
    call(bench, GERMANY, routing="cost", routingwindow="2h")
    assert asked(bench) == ["other"]


def test_a_trunk_that_fails_and_one_that_answers_are_counted(bench: Bench) -> None:
    client = Client(bench, "shop", SHOP)
    client.invite(GERMANY)
    carrier, other = Client(bench, "carrier", TRUNK), Client(bench, "other", OTHER)
    (invite,) = carrier.requests()
    carrier.reply(invite, 503)
    (invite,) = other.requests()
    other.reply(invite, 200, sdp(OTHER, 20_000))
    (answer,) = [each for each in client.responses() if each.status == 200]
    bench.receive(client.inside(answer, "ACK", 2), client.flow)
    bench.sleep(30)
    bench.receive(client.inside(answer, "BYE", 3), client.flow)
    counted = {row.trunk: (row.attempts, row.answered, row.talk_s) for row in bench.store.trunk_hours(0.0)}
    assert counted == {"carrier": (1, 0, 0), "other": (1, 1, 30)}
    (cdr,) = bench.store.cdrs()
    assert (cdr.charge, cdr.cost, cdr.trunk) == (300_000, 100_000, "other")
    assert [(row.level, row.amount) for row in bench.store.charges(cdr.call_id)] == [(0, 300_000), (1, 250_000)]


def test_a_call_costs_what_was_said_at_its_setup_whatever_becomes_of_the_decks(bench: Bench) -> None:
    client, carrier = Client(bench, "shop", SHOP), Client(bench, "carrier", TRUNK)
    client.invite(GERMANY)
    (invite,) = carrier.requests()
    carrier.reply(invite, 200, sdp(TRUNK, 20_000))
    (answer,) = [each for each in client.responses() if each.status == 200]
    bench.receive(client.inside(answer, "ACK", 2), client.flow)
    for name in ("shop", "agency", "dear"):
        deck(bench.store, name, "49,9.99\n")
    bench.sleep(30)
    bench.receive(client.inside(answer, "BYE", 3), client.flow)
    (cdr,) = bench.store.cdrs()
    assert (cdr.charge, cdr.cost) == (300_000, 150_000)


@pytest.mark.setting("peakhours")
@pytest.mark.setting("weekend")
@pytest.mark.setting("holidays")
def test_prices_go_by_the_class_of_the_instant(bench: Bench) -> None:
    deck(bench.store, "shop", "49,0.60,peak\n49,0.40,offpeak\n49,0.30,weekend\n49,0.20,holiday\n")

    def per_minute(at: float, **settings: str) -> int:
        rate = quotes(bench, **settings).deck("shop", GERMANY, at).rate
        assert rate is not None
        return rate.per_minute // 10_000

    assert per_minute(MONDAY) == 60
    assert per_minute(MONDAY, peakhours="Tue 08:00-20:00") == 40
    assert per_minute(SUNDAY) == 30
    assert per_minute(SUNDAY, weekend="Sat") == 40
    assert per_minute(MONDAY, holidays="11-02") == 20
    assert per_minute(MONDAY, holidays="2025-11-02") == 60


@pytest.mark.setting("timezone")
def test_prices_go_by_the_zone(bench: Bench) -> None:
    deck(bench.store, "shop", "49,0.60,peak\n49,0.40,offpeak\n")
    evening = datetime(2026, 11, 2, 19, 30, tzinfo=UTC).timestamp()
    found = [quotes(bench, timezone=zone).deck("shop", GERMANY, evening).rate for zone in ("UTC", "Europe/Berlin")]
    assert [rate and rate.per_minute for rate in found] == [600_000, 400_000]


@pytest.mark.setting("maxlinesoffpeak")
@pytest.mark.parametrize(("peakhours", "refused"), [("Mon-Sun 00:00-24:00", ""), ("", "maxlinesoffpeak")])
def test_off_peak_there_may_be_fewer_lines(bench: Bench, peakhours: str, refused: str) -> None:
    bench.store.set_account("shop", maxlines=5, maxlinesoffpeak=1)
    call(bench, GERMANY, peakhours=peakhours)
    answer = call(bench, GERMANY)
    named = b"" if answer is None else answer.headers.get(b"warning") or b""
    assert named.decode().partition('"')[2].rstrip('"') == refused


@pytest.mark.setting("basecurrency")
def test_an_exchange_rate_that_is_not_known_is_no_price(bench: Bench) -> None:
    deck(bench.store, "shop", "49,0.60\n", currency="USD")
    assert sold(bench, GERMANY)[0][1] is None
    assert refused_by(call(bench, GERMANY, blocknotbilledcalls=1)) == "blocknotbilledcalls"
    bench.store.set_currency("USD", "0.92")
    assert refused_by(call(bench, GERMANY, blocknotbilledcalls=1)) == ""
    rate = quotes(bench).deck("shop", GERMANY, MONDAY, "EUR").rate
    assert rate is not None and rate.paid_per_minute == 552_000
    assert quotes(bench, basecurrency="GBP").deck("shop", GERMANY, MONDAY, "EUR").rate is None


def test_a_tax_is_the_account_s_own_before_the_deck_s(bench: Bench) -> None:
    bench.store.set_tax("vat", 190_000)
    bench.store.set_tax("low", 70_000)
    deck(bench.store, "shop", "49,0.60\n", tax="vat")
    for own, ppm in (("", 190_000), ("low", 70_000), ("none", 0)):
        bench.store.set_account("shop", tax=own)
        chain = bench.store.chain(account) if (account := bench.store.account("shop")) else ()
        rate = quotes(bench).sell(chain, GERMANY, MONDAY)[0].rate
        assert rate is not None and rate.tax_ppm == ppm
    bench.store.remove_tax("low")
    bench.store.set_account("shop", tax="low")
    assert sold(bench, GERMANY)[0][1] is None


def test_margins_are_without_tax_and_in_the_currency_of_who_pays(bench: Bench) -> None:
    bench.store.set_tax("vat", 190_000)
    bench.store.set_currency("USD", "0.5")
    deck(bench.store, "shop", "49,0.60\n", tax="vat")
    deck(bench.store, "cheap", "49,0.20\n", currency="USD")
    made = quotes(bench)
    chain = bench.store.chain(account) if (account := bench.store.account("shop")) else ()
    selling = made.sell(chain, GERMANY, MONDAY)
    other = bench.store.trunk("other")
    assert other is not None
    margins = made.margins(selling, made.buy(other, GERMANY, MONDAY), 60, MONDAY)
    assert [(each.earner, each.earned, each.paid) for each in margins] == [
        ("agency", 600_000, 500_000),
        ("", 500_000, 100_000),
    ]


def test_an_emergency_call_takes_the_first_route_and_costs_nobody_anything(bench: Bench) -> None:
    bench.store.set_trunk("carrier", routes=(Route(""),))
    call(bench, "112", blocknotbilledcalls=5, blocknotprofitablecalls=3, blockhighcostcalls="0.01")
    assert asked(bench) == ["carrier"]


def test_by_quality_the_ways_carry_what_they_were_worth(bench: Bench) -> None:
    values = Settings({"routing": "quality"})
    now = bench.service.parts.world.clock.wall()
    bench.store.count_attempt("other", GERMANY[:5], now, 60)
    ways = Routing(bench.store, quotes(bench), lambda: values).ways(GERMANY, (), now)
    assert [(way.trunk.name, way.quality.asr, way.quality.acd_s) for way in ways] == [
        ("carrier", None, None),
        ("other", 1000, 60),
    ]
