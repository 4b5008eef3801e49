"""Abnormal traffic out of call records."""

from typing import Any

import pytest

from appliance.wire import WireError
from pysrv.billing.cdr import Cdr
from pysrv.control import analyze
from pysrv.control.session import Control, Licence
from pysrv.people.permissions import Powers, Role
from pysrv.store import Store

DAY = 86_400.0
MIDNIGHT = 1_700_006_400.0  # 2023-11-15 00:00 UTC
NOW = MIDNIGHT + 12 * 3600
OWNER = Licence(Powers.of(Role.OWNER), proven=True)


def called(store: Store, at: float, times: int = 1, **changes: Any) -> None:
    """So many answered calls, a second apart."""
    for number in range(times):
        call = {
            "call_id": f"{at}-{number}-{changes}", "account": "alice", "callee": "4930123456", "source": "192.0.2.7",
            "setup_at": at + number, "answered_at": at + number, "duration_s": 60.0,
        }  # fmt: skip
        store.settle(Cdr(**call | changes))
    store.commit()


def ask(store: Store, **args: Any) -> dict[str, Any]:
    return Control(store, None, {}, lambda: NOW).session("test").do("analyze.traffic", args)


def test_what_is_far_above_the_days_before_comes_first(store: Store) -> None:
    for day in range(1, 8):
        called(store, MIDNIGHT - day * DAY + 3600, 10)
        called(store, MIDNIGHT - day * DAY + 3600, 10, account="bob")
    called(store, MIDNIGHT + 3600, 11)
    called(store, MIDNIGHT + 3600, 200, account="bob", callee="252612345678", answered_at=None, duration_s=0.0)
    found = ask(store)
    assert [row["key"] for row in found["rows"]] == ["bob", "alice"] and found["days"] == 7
    bob, alice = found["rows"]
    assert bob["measure"] == "calls" and bob["score"] > 3 > alice["score"]
    assert (alice["today"]["calls"], alice["usual"]["calls"]) == (11, 10.0)
    assert (bob["today"]["failed"], bob["usual"]["failed"], bob["usual"]["minutes"]) == (200, 0.0, 10.0)


def test_the_days_before_count_up_to_the_same_hour_alone(store: Store) -> None:
    called(store, MIDNIGHT - DAY + 6 * 3600, 4)
    called(store, MIDNIGHT - DAY + 18 * 3600, 100)  # this evening is not there yet
    called(store, MIDNIGHT - 9 * DAY + 6 * 3600, 100)  # longer ago than was asked
    called(store, MIDNIGHT + 3600, 4)
    (row,) = ask(store, days=2)["rows"]
    assert (row["today"]["calls"], row["usual"]["calls"], row["score"]) == (4, 2.0, 0.3)


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("account", {"alice"}),
        ("address", {"192.0.2.7", "198.51.100.1"}),
        ("destination", {"4930", "2526"}),
        ("country", {"DE", "SO"}),
    ],
)
def test_traffic_is_seen_by_account_address_destination_and_country(store: Store, by: str, keys: set[str]) -> None:
    called(store, MIDNIGHT + 60, 3)
    called(store, MIDNIGHT + 60, 2, callee="252612345678", source="198.51.100.1")
    assert {row["key"] for row in ask(store, by=by)["rows"]} == keys
    assert sum(row["today"]["calls"] for row in ask(store, by=by)["rows"]) == 5


def test_short_calls_are_those_below_the_setting(store: Store) -> None:
    called(store, MIDNIGHT + 60, 3, duration_s=5.9)
    called(store, MIDNIGHT + 90, 2, duration_s=6.0)
    (row,) = ask(store)["rows"]
    assert row["today"]["short"] == 3


def test_money_without_a_rate_is_named_and_never_counted_as_ours(store: Store) -> None:
    called(store, MIDNIGHT + 60)
    store._write("UPDATE cdrs SET charge = 5000000, currency = 'XXX'")
    found = ask(store)
    assert found["left_out"] == ["XXX"] and found["rows"][0]["today"]["spend"] == 0
    store._write("UPDATE cdrs SET currency = ?", (found["currency"],))
    assert ask(store)["rows"][0]["today"]["spend"] == 5.0


def test_too_many_calls_are_looked_at_for_fewer_days(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyze, "MOST_RECORDS", 10)
    for day in range(8):
        called(store, MIDNIGHT - day * DAY + 60, 3)
    assert ask(store)["days"] == 1
    aside = Control(store, None, {}, lambda: NOW).ask_aside("test", OWNER, "analyze.traffic", {})
    assert aside["days"] == 7  # a thread of its own may look at more


def test_what_changes_something_is_not_asked_aside_and_a_licence_holds_there_too(store: Store) -> None:
    control = Control(store, None, {}, lambda: NOW)
    for name in ("bans.add", "calls.hangup", "nothing"):
        with pytest.raises(WireError, match="cannot be asked aside"):
            control.ask_aside("test", OWNER, name, {})
    with pytest.raises(WireError, match="may not see records"):
        control.ask_aside("test", Licence(Powers({}), proven=True), "analyze.traffic", {})


def test_nonsense_is_named(store: Store) -> None:
    with pytest.raises(WireError, match="nothing to look at traffic by"):
        ask(store, by="colour")
