"""Fraud rules in the running service: off, the call goes out; on, it does not, and the record names the setting."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import networks
from pysrv.limits.blacklist import ListKind
from pysrv.store.blacklists import BlacklistFilter, BlacklistRow
from pysrv.store.rows import AccountType, NewAccount
from tests.service.bench import PASSWORD, Client
from tests.service.fraud_bench import DEAR, Line, line_to_the_world, restarted

IRIDIUM, PREMIUM, SHARED_COST = "881631234567", "499001234567", "491805123456"
BERLIN, PARIS, SOMALIA = "493012345678", "33142345678", "252612345678"


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with line_to_the_world(tmp_path) as made:
        yield made


def listed(line: Line, **entry: object) -> None:
    """An entry as an operator makes it."""
    row = line.bench.store.add_blacklist(BlacklistRow(0, **entry), "test")  # type: ignore[arg-type]
    line.bench.service.operators.blacklist_changed([row], [])


# -- numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "off", "on", "number"),
    [
        pytest.param("blocksatellitecalls", "false", "true", IRIDIUM, marks=pytest.mark.setting("blocksatellitecalls")),
        pytest.param("blockpremiumnumbers", "false", "true", PREMIUM, marks=pytest.mark.setting("blockpremiumnumbers")),
        pytest.param(
            "blocksharedcostnumbers", "false", "true", SHARED_COST, marks=pytest.mark.setting("blocksharedcostnumbers")
        ),
        pytest.param("blockcountries", "", "SO,CU", SOMALIA, marks=pytest.mark.setting("blockcountries")),
    ],
)
def test_a_number_is_refused_by_what_it_is(line: Line, setting: str, off: str, on: str, number: str) -> None:
    line.set(**{setting: off})
    assert line.dial(number) == ""
    line.set(**{setting: on})
    assert line.dial(number) == setting
    assert line.dial(BERLIN) == ""
    (record,) = line.bench.store.cdrs(limit=1, wanted=None)[:1]
    assert record.callee == BERLIN


def test_the_caller_hears_the_setting_and_the_record_says_the_figures(line: Line) -> None:
    answer = line.phone.invite(IRIDIUM)
    assert answer is not None and answer.status == 403
    assert b"blocksatellitecalls" in (answer.headers.get(b"warning") or b"")
    assert "is reached over Iridium" in line.bench.store.cdrs(limit=1)[0].reason


@pytest.mark.setting("homecountry")
def test_a_number_that_is_dialled_as_at_home_is_judged_as_at_home(line: Line) -> None:
    assert line.dial("09001234567") == ""  # nobody knows what 0900 is
    line.set(homecountry="DE")
    assert line.dial("09001234567") == "blockpremiumnumbers"
    assert line.dial("00870776123456") == "blocksatellitecalls"
    line.account(country="GB")
    assert line.dial("09001234567") == "blockpremiumnumbers"
    assert line.dial("09098790123") == "blockpremiumnumbers"
    assert line.dial("0" + BERLIN[2:]) == ""


@pytest.mark.setting("locklevel")
def test_a_lock_on_foreign_numbers_lets_home_pass(line: Line) -> None:
    line.set(homecountry="DE", blockpremiumnumbers="false", blocksatellitecalls="false")
    assert [line.dial(number) for number in (BERLIN, PARIS, PREMIUM, IRIDIUM)] == [""] * 4
    line.account(locklevel=1)
    assert [line.dial(number) for number in (BERLIN, "03012345678")] == ["", ""]
    assert [line.dial(number) for number in (PARIS, PREMIUM, IRIDIUM)] == ["locklevel"] * 3
    line.set(homecountry="FR")
    assert line.dial(PARIS) == ""
    assert line.dial(BERLIN) == "locklevel"


def test_emergency_numbers_pass_everything(line: Line) -> None:
    line.set(homecountry="DE", blockcountries="DE")
    listed(line, side="destination", kind="fixed", digits="112")
    listed(line, side="caller", kind="fixed", digits="101")
    assert line.dial("112") == ""
    assert line.dial(BERLIN) == "blacklists"


def test_a_rule_in_report_only_lets_the_call_pass_and_the_next_rule_decides(line: Line) -> None:
    listed(line, side="destination", kind="fixed", digits="8816")
    line.bench.store.set_report_only("blacklists", True, "test")
    line.bench.service.operators.policy_changed()
    assert line.dial(IRIDIUM) == "blocksatellitecalls"
    line.bench.store.set_report_only("blocksatellitecalls", True, "test")
    line.bench.service.operators.policy_changed()
    assert line.dial(IRIDIUM) == ""


@pytest.mark.setting("blocksourcecountries")
def test_nobody_calls_from_an_unwanted_country(line: Line) -> None:
    store = line.bench.store
    ident = store.list_begin("CN", "country", "a test", 0)
    store.list_rows_add(ident, b"".join(networks.merged(map(networks.parsed, ["192.0.2.0/28", "203.0.113.0/24"]))))
    store.list_commit(ident)
    line.bench.service.operators.lists_changed()
    assert line.dial(BERLIN) == ""
    line.set(blocksourcecountries="CN")
    assert line.dial(BERLIN) == "blocksourcecountries"
    assert line.dial("102") == "blocksourcecountries"
    elsewhere = Line(line.bench, Client(line.bench, "alice", "192.0.2.16"), line.carrier)
    assert elsewhere.dial(BERLIN) == ""


# -- blacklists ---------------------------------------------------------------------------------------------------


@pytest.mark.setting("blacklists")
def test_numbers_on_a_list_are_refused(line: Line) -> None:
    listed(line, side="destination", kind="fixed", digits="3314")
    listed(line, side="destination", kind="fixed", digits="4930", account="bob")
    assert line.dial(PARIS) == "blacklists"
    assert "fixed destination prefix 3314" in line.bench.store.cdrs(limit=1)[0].reason
    assert line.dial(BERLIN) == ""  # that is bob's list
    line.set(blacklists="false")
    assert line.dial(PARIS) == ""


def test_a_number_is_found_on_a_list_however_it_is_dialled(line: Line) -> None:
    line.set(homecountry="FR")
    listed(line, side="destination", kind="fixed", digits=PARIS, whole=True)
    assert line.dial("0" + PARIS[2:]) == "blacklists"
    assert line.dial(PARIS + "1") == ""


@pytest.mark.setting("blacklistlevel")
def test_smart_entries_block_from_the_level_on(line: Line) -> None:
    listed(line, side="destination", kind="smart", digits="3314", confidence=4)
    assert line.dial(PARIS) == ""
    for level, refused in ((5, ""), (4, "blacklistlevel"), (1, "blacklistlevel")):
        line.set(blacklistlevel=str(level))
        assert line.dial(PARIS) == refused
    line.account(blacklistlevel=5)
    assert line.dial(PARIS) == ""


def test_callers_on_a_list_reach_nobody_or_not_that_user(line: Line) -> None:
    bob = Client(line.bench, "bob", "192.0.2.12")
    bob.register()
    line.bench.take("192.0.2.12")
    listed(line, side="caller", kind="fixed", digits="4915199", account="bob")
    for caller, rings in ((b"<sip:+4915199001@x>", False), (b"<sip:+4915188001@x>", True)):
        line.carrier.invite("102", from_=caller)
        assert [request.method for request in bob.requests()] == ([b"INVITE"] if rings else []), caller
    (record,) = line.bench.store.cdrs()
    assert (record.caller, record.refused_by) == ("+4915199001", "blacklists")


def test_an_entry_that_is_removed_or_ran_out_blocks_no_more(line: Line) -> None:
    store, service = line.bench.store, line.bench.service
    row = store.add_blacklist(BlacklistRow(0, "destination", "fixed", "3314"))
    service.operators.blacklist_changed([row], [])
    assert line.dial(PARIS) == "blacklists"
    service.operators.blacklist_changed([], [store.remove_blacklist(row.id)])
    assert line.dial(PARIS) == ""


# -- patterns -----------------------------------------------------------------------------------------------------


def war_dial(line: Line, first: int, count: int) -> list[str]:
    return [line.dial(str(first + each)) for each in range(count)]


@pytest.mark.setting("maxsequentialcalls")
@pytest.mark.setting("callpatternaction")
@pytest.mark.setting("dynamicblacklistperiod")
def test_an_account_that_dials_a_range_through_is_stopped(line: Line) -> None:
    line.set(maxsequentialcalls="10", callpatternaction="0", dynamicblacklistperiod="2h")
    assert set(war_dial(line, 252612345000, 15)) == {""}
    assert len(line.notices("call_pattern")) == 1
    line.set(callpatternaction="1")
    assert war_dial(line, 252613345000, 15) == [""] * 11 + ["blacklists"] * 4
    (entry,) = line.bench.store.blacklist(BlacklistFilter(kind=ListKind.DYNAMIC))
    assert (entry.digits, entry.account, entry.who) == ("252613345", "alice", "callpatternaction")
    assert "maxsequentialcalls is 10" in entry.reason
    assert line.notices("blacklisted") == [f"252613345:{line.bench.store.today()}"]
    assert line.dial("252614345000") == ""
    line.bench.sleep(7200, step=60)
    assert line.dial("252613345000") == ""  # the entry ran out
    assert line.bench.store.blacklist() == []
    line.set(maxsequentialcalls="0")
    assert set(war_dial(line, 252615345000, 15)) == {""}


def test_extensions_that_are_dialled_through_lock_the_account(line: Line) -> None:
    """What svwar does with a stolen password: 100, 101, 102 and so on."""
    line.bench.store.remove_trunk("world")
    line.set(maxsequentialcalls="10", callpatternaction="3")
    for extension in range(200, 230):
        line.phone.invite(str(extension))
    records = [record.refused_by for record in reversed(line.bench.store.cdrs())]
    assert records == ["routes"] * 11 + ["locklevel"] * 19
    assert line.bench.store.account("alice").locklevel == 2  # type: ignore[union-attr]
    assert line.notices("call_pattern")
    assert line.notices("account_locked") == [f"2:{line.bench.store.today()}"]


@pytest.mark.setting("maxshortcalls")
@pytest.mark.setting("shortcallseconds")
def test_a_burst_of_short_calls_to_one_range_is_stopped(line: Line) -> None:
    """International revenue share fraud: the same few numbers, answered at once, over and over."""
    line.set(maxshortcalls="0", callpatternaction="1")
    burst = [f"252612345{each % 7:03d}" for each in range(12)]
    assert {line.dial(number, talk_s=1) for number in burst} == {""}
    line.set(maxshortcalls="8", shortcallseconds="6s")
    assert [line.dial(number, talk_s=1) for number in burst] == [""] * 9 + ["blacklists"] * 3
    line.set(shortcallseconds="500ms")
    other = [number.replace("2526", "2527") for number in burst]
    assert {line.dial(number, talk_s=1) for number in other} == {""}


@pytest.mark.setting("maxcallcountries")
def test_calls_to_many_countries_lock_foreign_numbers(line: Line) -> None:
    abroad = [PARIS, SOMALIA, "390612345678", "34911234567", "442079460000"]
    line.set(homecountry="DE", callpatternaction="2")
    assert {line.dial(number) for number in abroad} == {""}
    line.set(maxcallcountries="3")
    assert [line.dial(number) for number in abroad] == ["", "", "", "", "locklevel"]
    assert line.dial(BERLIN) == ""


@pytest.mark.setting("maxfailedcalls")
def test_calls_that_reach_nobody_are_a_pattern(line: Line) -> None:
    numbers = [f"4930{each * 10_007:08d}" for each in range(8)]
    assert {line.dial(number) for number in numbers} == {""}
    assert line.notices("call_pattern") == []
    line.set(maxfailedcalls="5")
    for number in numbers:
        line.dial(number)
    assert len(line.notices("call_pattern")) == 1


@pytest.mark.setting("callpatternperiod")
def test_what_is_older_than_the_period_counts_no_more(line: Line) -> None:
    line.set(maxsequentialcalls="10", callpatternaction="1", callpatternperiod="1m")
    for each in range(30):
        assert line.dial(str(252612345000 + each)) == ""
        line.bench.sleep(10, step=5)
    assert line.notices("call_pattern") == []
    line.set(callpatternperiod="1h")
    assert "blacklists" in war_dial(line, 252613345000, 15)


def test_a_range_is_one_however_it_is_dialled(line: Line) -> None:
    line.set(maxsequentialcalls="10", callpatternaction="1", homecountry="DE")
    numbers = [("49" if each % 2 else "0") + str(3012345000 + each) for each in range(15)]
    assert [line.dial(number) for number in numbers] == [""] * 11 + ["blacklists"] * 4


def test_a_range_is_closed_to_all_only_when_several_accounts_burn_it(line: Line) -> None:
    line.set(maxshortcalls="8", callpatternaction="1")
    lines = [line]
    for name in ("carol", "dave"):
        settings = line.bench.service.operators.settings()
        new = NewAccount(name, PASSWORD, settings.realm, deck="world", balance=10_000_000)
        line.bench.store.add_account(new, "test")
        lines.append(Line(line.bench, Client(line.bench, name, f"192.0.2.{len(lines) + 20}"), line.carrier))
    for each in range(9):
        assert lines[each % 3].dial(f"252612345{each:03d}", talk_s=1) == ""
    (entry,) = line.bench.store.blacklist()
    assert (entry.digits, entry.account) == ("252612345", "")
    assert [each.dial("252612345999") for each in lines] == ["blacklists"] * 3


def test_a_pattern_in_report_only_is_told_and_does_nothing(line: Line) -> None:
    line.set(maxsequentialcalls="10", callpatternaction="3")
    line.bench.store.set_report_only("maxsequentialcalls", True, "test")
    line.bench.service.operators.policy_changed()
    assert set(war_dial(line, 252612345000, 15)) == {""}
    assert len(line.notices("call_pattern")) == 1


def test_the_lists_of_a_reseller_hold_for_its_customers(line: Line) -> None:
    store, settings = line.bench.store, line.bench.service.operators.settings()
    store.add_account(NewAccount("reseller", PASSWORD, settings.realm, type=AccountType.RESELLER, balance=10_000_000))
    listed(line, side="destination", kind="fixed", digits="3314", account="reseller")
    assert line.dial(PARIS) == ""
    store.set_account("alice", parent="reseller")
    assert line.dial(PARIS) == "blacklists"


def test_a_lock_is_never_lowered(line: Line) -> None:
    line.set(maxsequentialcalls="5", callpatternaction="2", homecountry="DE")
    line.account(locklevel=3)
    war_dial(line, 252612345000, 8)
    assert line.bench.store.account("alice").locklevel == 3  # type: ignore[union-attr]


def test_a_restart_forgets_neither_what_was_dialled_nor_what_is_listed(line: Line) -> None:
    line.set(maxsequentialcalls="10", callpatternaction="1")
    assert set(war_dial(line, 252612345000, 8)) == {""}
    listed(line, side="destination", kind="fixed", digits="3314")
    restarted(line.bench)
    assert line.dial(PARIS) == "blacklists"
    assert war_dial(line, 252612345008, 5) == [""] * 3 + ["blacklists"] * 2


# -- the exposure brake -------------------------------------------------------------------------------------------


def used_to(line: Line, per_minute: int, dearest: int) -> None:
    """What yesterday taught."""
    store = line.bench.store
    account = store.account("alice")
    assert account is not None
    store.note_exposure(account.id, store.today() - 1, per_minute, dearest, alarmed=False)
    store.set_account("alice", maxlines=50)


@pytest.mark.setting("exposurewarn")
def test_a_balance_that_burns_at_an_unusual_rate_is_told(line: Line) -> None:
    used_to(line, 100_000, 10_000)
    line.set(exposurewarn="off", exposurenew="off")
    for each in range(3):
        assert line.begin(f"25261000{each}999")
    assert line.notices("exposure") == []
    line.set(exposurewarn="30m")
    assert line.begin("252610003999")  # 10.00 at 20.00 a minute last half a minute
    assert len(line.notices("exposure")) == 1


@pytest.mark.setting("exposurenew")
def test_no_dear_call_begins_while_money_burns(line: Line) -> None:
    used_to(line, 100_000, 10_000)
    assert line.dial(SOMALIA) == "exposurenew"
    assert "a minute, usual are at most 0.10" in line.bench.store.cdrs(limit=1)[0].reason
    assert line.dial(BERLIN) == ""  # as cheap as ever
    line.set(exposurenew="off")
    assert line.dial(SOMALIA) == ""


@pytest.mark.setting("exposurecut")
def test_the_dearest_calls_end_first(line: Line) -> None:
    used_to(line, 100_000, 10_000)
    line.set(exposurenew="off")
    assert line.begin(BERLIN)
    assert line.begin(SOMALIA)  # ten units last two minutes
    line.bench.sleep(5)
    assert len(line.bench.service.parts.accounting.running) == 2
    line.set(exposurecut="2m")
    line.bench.sleep(60)
    assert {call.cdr.callee for call in line.bench.service.parts.accounting.running.values() if not call.ended} == {
        BERLIN
    }
    for bye in line.carrier.requests():
        line.carrier.reply(bye, 200)
    line.bench.turn()
    (record,) = line.bench.store.cdrs()
    assert (record.callee, record.refused_by, record.answered) == (SOMALIA, "exposurecut", True)
    assert record.charge == record.billable_seconds * DEAR // 60


def test_the_brake_in_report_only_is_told_and_ends_nothing(line: Line) -> None:
    used_to(line, 100_000, 10_000)
    for name in ("exposurenew", "exposurecut"):
        line.bench.store.set_report_only(name, True, "test")
    line.bench.service.operators.policy_changed()
    line.set(exposurecut="2m")
    assert line.begin(SOMALIA)
    line.bench.sleep(60)
    assert len(line.bench.service.parts.accounting.running) == 1
    assert line.notices("exposure")


@pytest.mark.setting("exposurejump")
def test_what_is_a_multiple_of_the_usual_alarms_nobody(line: Line) -> None:
    used_to(line, 2_000_000, 10_000)
    assert line.dial(SOMALIA) == ""  # 5.00 a minute is less than three times 2.00
    line.set(exposurejump="2")
    assert line.dial(SOMALIA) == "exposurenew"


@pytest.mark.setting("exposurefloor")
def test_below_the_floor_nobody_wonders(line: Line) -> None:
    used_to(line, 10_000, 10_000)
    assert line.dial(SOMALIA) == "exposurenew"
    line.set(exposurefloor="6")
    assert line.dial(SOMALIA) == ""


def test_a_new_account_is_only_told_about_and_a_day_teaches_the_next(line: Line) -> None:
    line.account(maxlines=50)
    assert line.dial(SOMALIA, talk_s=1) == ""
    assert len(line.notices("exposure")) == 1
    account = line.bench.store.account("alice")
    assert account is not None
    today = line.bench.store.today()
    assert line.bench.store.usual_exposure(account.id, today + 1) == (0, 0)  # a day with an alarm teaches nothing
    assert line.dial(BERLIN, talk_s=1) == ""
    line.bench.now += 86_400
    assert line.dial(BERLIN, talk_s=1) == ""
    assert line.bench.store.usual_exposure(account.id, today + 2) == (10_000, 10_000)


def test_the_networks_of_a_country_are_searched_by_halves() -> None:
    from pysrv.service.fraud import _holds

    packed = b"".join(networks.merged(map(networks.parsed, ["192.0.2.0/28", "203.0.113.7", "2001:db8::/32"])))
    for address, inside in (
        ("192.0.2.15", True), ("192.0.2.16", False), ("192.0.1.255", False), ("203.0.113.7", True),
        ("203.0.113.8", False), ("2001:db8:ffff::1", True), ("2001:db9::", False), ("0.0.0.0", False),
    ):  # fmt: skip
        assert _holds(packed, networks.parsed(address)[:16]) is inside, address


@pytest.mark.parametrize(("digits", "status"), [("3314", 403), ("3315", 202)])
def test_a_transfer_is_no_way_around_a_list_of_callers(line: Line, digits: str, status: int) -> None:
    bob = Client(line.bench, "bob", "192.0.2.12")
    bob.register()
    listed(line, side="caller", kind="fixed", digits=digits, account="bob")
    answer = line.begin(PARIS)
    assert answer is not None
    line.phone.responses()
    refer = line.phone.inside(answer, "REFER", answer.cseq.number + 1, b"Refer-To: <sip:102@example.org>")
    line.bench.receive(refer, line.phone.flow)
    assert [each.status for each in line.phone.responses()] == [status]
