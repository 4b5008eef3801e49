"""What each limit of an account, an address and the appliance does to calls: off, the call goes out; on, it does not.

Alice has 10.00 and talks at 0.01 a second. A case says what she does first, what is set, and which setting then
refuses her next call; without what is set, the same call goes out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pysrv.billing.calendar import day_of, first_day, month_of
from pysrv.store.account import AccountType, NewAccount
from pysrv.store.rows import CdrFilter, Route
from tests.calls.playbook import sdp
from tests.service.bench import TRUNK, WALL, Bench, Client, opened
from tests.service.test_service import ALICE, BOB, NUMBER, hang_up, in_dialog

CENT = 10_000
DAY = 86_400.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


def use(bench: Bench, settings: Mapping[str, str]) -> None:
    bench.service.operators.apply_settings(bench.service.operators.settings().with_changes(dict(settings)))


def talks(bench: Bench, seconds: float, name: str = "alice", address: str = ALICE) -> None:
    """One answered call over the trunk, hung up after so many seconds."""
    caller, carrier = Client(bench, name, address), Client(bench, "carrier", TRUNK)
    caller.invite(NUMBER)
    (invite,) = carrier.requests()
    carrier.reply(invite, 200, sdp(TRUNK, 12_000))
    answer = caller.responses()[-1]
    bench.receive(in_dialog("ACK", answer, caller, answer.cseq.number), caller.flow)
    carrier.requests()
    bench.sleep(seconds, 1.0)
    hang_up(caller, carrier, answer)
    bench.sleep(1.5, 1.5)  # out of the second that maxcps looks at


def rings(bench: Bench) -> None:
    """A call that goes out and rings on."""
    Client(bench, "alice", ALICE).invite(NUMBER)
    Client(bench, "carrier", TRUNK).requests()


def refusal(bench: Bench, number: str = NUMBER, address: str = ALICE) -> str:
    """The setting that refuses alice's next call, as her phone and the record name it; empty: it goes out."""
    caller = Client(bench, "alice", address)
    caller.invite(number)
    bench.take(address)
    if Client(bench, "carrier", TRUNK).requests():
        return ""
    (cdr,) = bench.store.cdrs(limit=1)
    return cdr.refused_by


@dataclass(frozen=True)
class Case:
    """`name` is the setting that is shown. `always` holds in both runs, `on` and `account` only in the second."""

    name: str
    refused_by: str
    on: Mapping[str, str] = field(default_factory=dict)
    account: Mapping[str, Any] = field(default_factory=dict)
    always: Mapping[str, str] = field(default_factory=dict)
    always_account: Mapping[str, Any] = field(default_factory=dict)
    first: Callable[[Bench], None] = lambda bench: talks(bench, 10)


def a_peak_of_nine_cents(bench: Bench) -> None:
    """Yesterday cost 0.09, today so far 0.10."""
    talks(bench, 9)
    bench.now += DAY
    talks(bench, 10)


def half_a_day_ago(bench: Bench) -> None:
    talks(bench, 10)
    bench.now += DAY * 0.6


def nothing(_: Bench) -> None:
    """She has not called yet."""


TS = {"type": AccountType.TRAFFIC_SENDER}
CASES = (
    Case("maxlines", "maxlines", account={"maxlines": 1}, first=rings),
    Case("maxcps", "maxcps", account={"maxcps": Decimal(1)}, first=rings),
    Case("licensecfg", "licensecfg", on={"licensecfg": "calls=1"}, first=rings),
    Case("locklevel", "locklevel", account={"locklevel": 2}, first=nothing),
    Case("onlylocalaccess", "onlylocalaccess", account={"onlylocalaccess": True}, first=nothing),
    Case("maxdailycredit", "maxdailycredit", account={"maxdailycredit": 10 * CENT}),
    Case("maxdailycreditforenduser", "maxdailycreditforenduser", on={"maxdailycreditforenduser": "0.10"}),
    Case("maxdailycreditforts", "maxdailycreditforts", on={"maxdailycreditforts": "0.10"}, always_account=TS),
    Case(
        "checkmaxdyndailycredit",
        "checkmaxdyndailycredit",
        on={"checkmaxdyndailycredit": "1"},
        always={"maxdyndailycreditforenduser_min": "0.10"},
    ),
    Case(
        "maxdyndailycreditforenduser_min",
        "checkmaxdyndailycredit",
        on={"maxdyndailycreditforenduser_min": "0.10"},
        always={"checkmaxdyndailycredit": "1"},
    ),
    Case(
        "maxdynmaxdailycreditforts_min",
        "checkmaxdyndailycredit",
        on={"maxdynmaxdailycreditforts_min": "0.10"},
        always={"checkmaxdyndailycredit": "2"},
        always_account=TS,
    ),
    Case(
        "maxdyndailycredit_multiplier",
        "checkmaxdyndailycredit",
        on={"maxdyndailycredit_multiplier": "1"},
        always={"checkmaxdyndailycredit": "1", "maxdyndailycreditforenduser_min": "0.10"},
        first=a_peak_of_nine_cents,
    ),
    Case("maxmonthlycredit", "maxmonthlycredit", account={"maxmonthlycredit": 10 * CENT}),
    Case(
        "creditcheckforpostp",
        "maxmonthlycredit",
        on={"creditcheckforpostp": "true"},
        always_account={"postpaid": True, "maxmonthlycredit": 10 * CENT},
    ),
    Case("maxdailyminutes", "maxdailyminutes", account={"maxdailyminutes": 1}, first=lambda bench: talks(bench, 60)),
    Case(
        "maxmonthlyminutes", "maxmonthlyminutes", account={"maxmonthlyminutes": 1}, first=lambda bench: talks(bench, 60)
    ),
    Case("maxcallperip", "maxcallperip", on={"maxcallperip": "1"}),
    Case("maxdurationperip", "maxdurationperip", on={"maxdurationperip": "10s"}),
    Case("maxcostperip", "maxcostperip", on={"maxcostperip": "0.10"}),
    Case(
        "maxcallperperiod",
        "maxcallperip",
        on={"maxcallperperiod": "2"},
        always={"maxcallperip": "1", "maxcallperperiod": "0.5"},
        first=half_a_day_ago,
    ),
    Case(
        "maxcallperuserid",
        "maxcallperip",
        on={"maxcallperuserid": "-1"},
        always={"maxcallperip": "1", "maxcallperuserid": "4711"},
    ),
)  # fmt: skip


def arranged(bench: Bench, case: Case, *, on: bool) -> None:
    """The appliance as a case wants it."""
    use(bench, {**case.always, **(case.on if on else {})})
    fields = {**case.always_account, **(case.account if on else {})}
    if fields:
        bench.store.set_account("alice", **fields)


def marked(case: Case) -> Any:
    return pytest.param(case, id=case.name, marks=pytest.mark.setting(case.name))


@pytest.mark.parametrize("on", [False, True], ids=["off", "on"])
@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_a_limit_refuses_the_next_call_only_when_it_is_on_and_names_itself(bench: Bench, case: Case, on: bool) -> None:
    arranged(bench, case, on=on)
    case.first(bench)
    assert refusal(bench) == (case.refused_by if on else "")


def alice_hears(bench: Bench, number: str = NUMBER) -> tuple[int, bytes]:
    """Status and Warning of the answer to alice's next call."""
    answer = Client(bench, "alice", ALICE).invite(number)
    assert answer is not None
    return answer.status, answer.headers.get(b"warning") or b""


@pytest.mark.setting("credit")
@pytest.mark.setting("postpaid")
def test_an_empty_prepaid_account_is_refused_and_a_postpaid_one_is_not(bench: Bench) -> None:
    assert refusal(bench) == ""
    bench.sleep(200, 50)
    bench.store.adjust("alice", -10_000_000)
    assert alice_hears(bench) == (403, b'399 appliance "credit"')
    bench.store.set_account("alice", postpaid=True)
    assert refusal(bench) == ""


@pytest.mark.setting("quotadiscreason")
def test_a_spend_limit_answers_with_quotadiscreason(bench: Bench) -> None:
    bench.store.adjust("alice", -10_000_000)
    assert alice_hears(bench)[0] == 403
    use(bench, {"quotadiscreason": "402"})
    assert alice_hears(bench)[0] == 402


@pytest.mark.setting("emergencynumbers")
def test_an_emergency_number_passes_every_limit_of_an_account_that_has_nothing_left(bench: Bench) -> None:
    bench.store.set_account("alice", locklevel=3, maxlines=1, maxdailycredit=1, onlylocalaccess=True)
    bench.store.adjust("alice", -10_000_000)
    use(bench, {"maxcallperip": "1", "licensecfg": "calls=1", "emergencynumbers": "4930112"})
    assert refusal(bench, "4930112") == ""
    assert refusal(bench, "4930113") == "licensecfg"
    use(bench, {"licensecfg": ""})
    assert refusal(bench, "4930113") == "locklevel"
    (opened_call,) = bench.store.open_calls()
    assert opened_call.emergency


@pytest.mark.setting("maxdailycreditperuser")
def test_limits_of_single_accounts_are_consulted_unless_that_is_switched_off(bench: Bench) -> None:
    bench.store.set_account("alice", maxdailycredit=10 * CENT)
    talks(bench, 10)
    assert refusal(bench) == "maxdailycredit"
    bench.store.allow_today("alice", 0)  # an operator lifts the block
    use(bench, {"maxdailycreditperuser": "false"})
    assert refusal(bench) == ""


@pytest.mark.setting("maxmonthlycreditinc")
@pytest.mark.setting("maxmonthlycreditend")
def test_a_monthly_limit_grows_at_the_turn_of_a_month_with_calls_and_no_further_than_its_end(bench: Bench) -> None:
    bench.store.turn_month()
    bench.store.set_account("alice", maxmonthlycredit=20 * CENT, maxmonthlycreditinc=15 * CENT)
    bench.store.set_account("alice", maxmonthlycreditend=30 * CENT)
    bench.store.set_account("bob", maxmonthlycredit=20 * CENT, maxmonthlycreditinc=15 * CENT)
    talks(bench, 10)
    month = month_of(day_of(WALL + bench.now))
    bench.now = first_day(month + 1) * DAY - WALL + 60
    bench.sleep(6, 6)
    limits = {name: getattr(bench.store.account(name), "maxmonthlycredit", 0) for name in ("alice", "bob")}
    assert limits == {"alice": 30 * CENT, "bob": 20 * CENT}
    bench.sleep(60, 6)
    assert bench.store.account("alice").maxmonthlycredit == 30 * CENT  # type: ignore[union-attr]


@pytest.mark.setting("timezone")
@pytest.mark.parametrize(("zone", "refused_by"), [("UTC", ""), ("America/New_York", "maxdailycredit")])
def test_a_day_begins_where_the_time_zone_says(bench: Bench, zone: str, refused_by: str) -> None:
    bench.now = (day_of(WALL) + 2) * DAY - WALL - 3600  # 23:00 in UTC, an hour before midnight
    bench.store.set_account("alice", maxdailycredit=10 * CENT)
    use(bench, {"timezone": zone})
    talks(bench, 10)
    bench.now += 3600
    assert refusal(bench) == refused_by


def test_a_running_call_is_cut_when_the_day_has_cost_what_it_may_and_the_account_is_blocked(bench: Bench) -> None:
    bench.store.set_account("alice", maxdailycredit=10 * CENT)
    caller, carrier = Client(bench, "alice", ALICE), Client(bench, "carrier", TRUNK)
    caller.invite(NUMBER)
    (invite,) = carrier.requests()
    carrier.reply(invite, 200, sdp(TRUNK, 12_000))
    answer = caller.responses()[-1]
    bench.receive(in_dialog("ACK", answer, caller, answer.cseq.number), caller.flow)
    bench.sleep(30, 0.5)
    (cdr,) = bench.store.cdrs(limit=1)
    assert (cdr.charge, cdr.refused_by, cdr.billable_seconds) == (10 * CENT, "maxdailycredit", 10)
    assert [request.method for request in carrier.requests()][-1] == b"BYE"
    assert [(row.spent, row.blocked) for row in bench.store.days("alice")] == [(10 * CENT, "maxdailycredit")]
    assert refusal(bench) == "maxdailycredit"
    bench.store.allow_today("alice", 5 * CENT)
    assert refusal(bench) == ""


def test_a_blocked_account_calls_again_on_the_next_day(bench: Bench) -> None:
    use(bench, {"maxdailycreditforenduser": "0.10"})
    talks(bench, 10)
    assert refusal(bench) == "maxdailycreditforenduser"
    bench.now += DAY
    assert refusal(bench) == ""


def test_a_rule_in_report_only_lets_the_call_pass(bench: Bench) -> None:
    bench.store.set_account("alice", maxlines=1, maxdailycredit=10 * CENT)
    for name in ("maxlines", "maxdailycredit"):
        bench.store.set_report_only(name, True)
    bench.service.operators.policy_changed()
    talks(bench, 12)
    rings(bench)
    assert refusal(bench) == ""


@pytest.mark.setting("spendwarnings")
def test_owners_and_administrators_are_told_before_a_limit_is_reached_and_once_for_each_step(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int]] = []
    monkeypatch.setattr(
        bench.service.parts.spending,
        "_tell",
        lambda kind, account, key, **figures: told.append((kind, figures["percent"])),
    )
    bench.store.set_account("alice", maxdailycredit=100 * CENT)
    use(bench, {"spendwarnings": ""})
    talks(bench, 85)
    assert told == []
    use(bench, {"spendwarnings": "80,95"})
    talks(bench, 12)
    assert [kind for kind, _ in told] == ["spend_warning", "spend_warning"]
    assert 80 <= told[0][1] < 95 <= told[1][1]


@pytest.mark.setting("creditwarning")
def test_a_prepaid_account_is_told_once_a_day_when_little_is_left(bench: Bench) -> None:
    def told() -> list[tuple[str, object]]:
        rows = bench.store.unrouted_notices()
        return [(row.account, row.figures["limit"]) for row in rows if row.kind == "credit_low"]

    talks(bench, 5)
    assert told() == []
    use(bench, {"creditwarning": "20"})
    for _ in range(3):
        talks(bench, 5)
    assert told() == [("alice", 20_000_000)]
    bench.now += DAY
    bench.store.set_account("alice", postpaid=True)
    talks(bench, 5)
    assert len(told()) == 1
    bench.store.set_account("alice", postpaid=False)
    talks(bench, 5)
    assert len(told()) == 2


@pytest.mark.parametrize("level", ["reseller", "alice"])
def test_a_reseller_pays_by_its_own_deck_and_its_limits_hold_for_everybody_below(bench: Bench, level: str) -> None:
    store = bench.store
    ident = store.import_begin("wholesale")
    store.import_rows(ident, 1, "prefix,per_minute\n49,0.30\n")
    store.import_commit(ident)
    reseller = NewAccount("reseller", "x-secret", "appliance", type=AccountType.RESELLER, deck="wholesale")
    store.add_account(reseller)
    store.deposit("reseller", 5_000_000)
    store.set_account("alice", parent="reseller")
    talks(bench, 10)
    balances = {name: store.account(name).balance for name in ("alice", "reseller")}  # type: ignore[union-attr]
    assert balances == {"alice": 10_000_000 - 10 * CENT, "reseller": 5_000_000 - 5 * CENT}
    for name in ("alice", "reseller"):
        assert [cdr.account for cdr in store.cdrs(CdrFilter(account=name, answered=True))] == ["alice"]
    assert store.cdrs(CdrFilter(account="bob")) == []
    store.set_account(level, locklevel=2)
    assert refusal(bench) == "locklevel"
    store.set_account(level, locklevel=0, enabled=False)
    if level == "reseller":
        assert refusal(bench) == "enabled"
    store.set_account(level, enabled=True, maxdailycredit=4 * CENT)
    assert refusal(bench) == "maxdailycredit"


def test_bob_is_not_limited_by_what_alice_did(bench: Bench) -> None:
    use(bench, {"maxdailycreditforenduser": "0.10"})
    talks(bench, 10)
    talks(bench, 5, "bob", BOB)
    assert [row.blocked for row in bench.store.days("bob")] == [""]


def test_a_customer_whose_calls_only_ring_does_not_close_the_reseller_for_the_day(bench: Bench) -> None:
    store = bench.store
    ident = store.import_begin("wholesale")
    store.import_rows(ident, 1, "prefix,per_minute\n49,0.60\n")
    store.import_commit(ident)
    reseller = NewAccount("reseller", "x-secret", "appliance", type=AccountType.RESELLER, deck="wholesale")
    store.add_account(replace(reseller, maxdailycredit=10 * CENT, maxlines=0))
    store.deposit("reseller", 5_000_000)
    store.set_account("alice", parent="reseller", maxlines=0)
    while refusal(bench) == "":
        assert len(store.open_calls()) < 20
    (cdr,) = store.cdrs(limit=1)
    assert cdr.refused_by == "maxdailycredit"
    assert store.days("reseller") == []


def test_what_a_switch_may_take_for_a_dear_number_is_one(bench: Bench) -> None:
    ident = bench.store.import_begin("retail")
    bench.store.import_rows(ident, 1, "prefix,per_minute\n49,0.60\n979,0.60\n8816,0.60\n")
    bench.store.import_commit(ident)
    carrier = bench.store.trunk("carrier")
    assert carrier is not None
    bench.store.set_trunk("carrier", routes=(*carrier.routes, Route("979"), Route("8816"), Route("*31")))
    for number, setting in (
        ("979123456%23", "blockpremiumnumbers"),
        ("8816123456%23", "blocksatellitecalls"),
        ("*31%23979123456", "blockpremiumnumbers"),
    ):
        assert refusal(bench, number) == setting, number


def test_plus_and_zeros_are_no_way_abroad_and_odd_digits_are_refused_with_a_record(bench: Bench) -> None:
    carrier = bench.store.trunk("carrier")
    assert carrier is not None
    bench.store.set_trunk("carrier", routes=(*carrier.routes, Route("")))
    assert refusal(bench, "+00447700900123") != ""
    assert refusal(bench, "%C2%B2%C2%B2%C2%B2") == "routes"
    assert bench.service.parts.counts.faults == 0
