"""`replay` over a real database: what other limits would have done, and that nothing is changed by asking."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance import wire
from pysrv.control.replaying import run_replay
from pysrv.store import Reader
from tests.control.past import NOW, PastOffice


@pytest.fixture
def past(tmp_path: Path) -> Iterator[PastOffice]:
    office = PastOffice(tmp_path / "appliance.db")
    yield office
    office.store.close()


def asked(past: PastOffice, file: dict[str, str] | None = None, **args: Any) -> tuple[dict[str, Any], list[Any]]:
    """The last line that came, and the progress before it."""
    past.done()
    lines = [wire.request(0, "context", {"file": file or {}}), wire.request(1, "replay", {"changes": {}} | args)]
    said: list[dict[str, Any]] = []
    run_replay(lambda: Reader.open(past.database), NOW, lines, lambda line: said.append(wire.decode(line)))
    return said[-1], [each["progress"] for each in said if "progress" in each]


def replayed(past: PastOffice, **args: Any) -> dict[str, Any]:
    reply, _ = asked(past, **args)
    assert reply["ok"], reply
    return dict(reply["result"])


def test_a_daily_limit_stops_whom_when_and_what_that_loses_and_saves(past: PastOffice) -> None:
    past.account("alice")
    past.account("bob")
    for hour in (9, 10, 11):
        past.call("alice", 2, hour, 600)
    past.call("bob", 2, 9, 300)
    result = replayed(past, changes={"maxdailycreditforenduser": "15"}, days=5)
    total = result["total"]
    assert (total["refused"], total["cut"], total["talk_s"], total["trusted"]) == (1, 1, 900, 2)
    assert (total["revenue"], total["cost"]) == ({"EUR": "15.00"}, {"EUR": "7.50"})
    assert [row["setting"] for row in result["settings"]] == ["maxdailycreditforenduser"]
    assert [row["account"] for row in result["accounts"]] == ["alice"]
    (block,) = result["blocked"]
    assert (block["account"], block["setting"], block["spent"]) == ("alice", "maxdailycreditforenduser", "15.00")
    assert [(row["ending"], row["talk_s"], row["of_s"]) for row in result["stopped"]] == [
        ("cut", 300, 600), ("refused", 0, 600),
    ]  # fmt: skip
    (day,) = result["days"]
    assert (day["calls"], day["before"], day["after"], day["stopped"], day["blocked"]) == (
        4, {"EUR": "35.00"}, {"EUR": "20.00"}, 2, 1,
    )  # fmt: skip


def test_what_is_in_force_changes_nothing_beside_itself_and_beside_the_records(past: PastOffice) -> None:
    past.account("alice", 40)
    for hour in (9, 10, 11):
        past.call("alice", 2, hour, 600)
    past.call("alice", 1, 9, 0)
    same = replayed(past, changes={"maxdailycreditforenduser": "0"})
    assert same["total"] == replayed(past)["total"]
    assert (same["total"]["refused"], same["total"]["cut"], same["unlike_records"], same["calls"]) == (0, 0, 0, 4)


def test_a_field_of_accounts_is_tried_for_those_that_are_named(past: PastOffice) -> None:
    past.account("alice")
    past.account("bob")
    for name in ("alice", "bob"):
        past.call(name, 1, 9, 600)
    result = replayed(past, changes={"maxdailyminutes": "5"}, accounts=["bob"])
    assert ([row["account"] for row in result["accounts"]], result["calls"]) == (["bob"], 1)
    assert replayed(past, changes={"maxdailyminutes": "5"})["accounts_hit"] == 2


def test_a_balance_of_the_past_is_what_postings_say(past: PastOffice) -> None:
    past.account("alice", 20)
    past.call("alice", 4, 9, 600)  # before the days that are looked at
    past.store.deposit("alice", 3_000_000)
    past.call("alice", 1, 9, 600)
    result = replayed(past, changes={"maxlines": "9"}, days=2)
    assert (result["unlike_records"], result["calls"]) == (0, 1)
    past.store.set_account("alice", postpaid=True)
    assert replayed(past, changes={"postpaid": "false"}, days=2)["total"]["cut"] == 0


def test_every_level_is_charged_by_its_recorded_rate_and_a_resellers_limit_is_named(past: PastOffice) -> None:
    past.account("seller", type="reseller", deck="wholesale")
    past.account("alice", parent="seller")
    past.call("alice", 1, 9, 600)
    past.call("alice", 1, 10, 600)
    result = replayed(past, changes={"maxdailycredit": "12"}, accounts=["seller"])
    (row,) = result["accounts"]
    assert (row["account"], row["cut"], row["talk_s"], row["revenue"]) == ("seller", 1, 300, {"EUR": "5.00"})
    assert result["days"][0]["ceiling"] == "12.00"


def test_attempts_that_a_limit_refused_are_let_through_by_a_wider_one(past: PastOffice) -> None:
    past.account("alice", maxlines=1, maxlinesoffpeak=1)
    past.call("alice", 1, 9, 3600)
    past.refused("alice", 1, 9.5, "maxlines")
    past.refused("alice", 1, 9.6, "channels")
    assert replayed(past)["unlike_records"] == 0
    result = replayed(past, changes={"maxlines": "2"})
    assert (result["total"]["freed"], result["settings"][0]["setting"]) == (1, "maxlines")


def test_a_rule_that_only_reports_acts_when_it_is_tried(past: PastOffice) -> None:
    past.account("alice")
    past.call("alice", 1, 9, 600)
    past.store.set_setting("maxdailycreditforenduser", "5")
    past.store.set_report_only("maxdailycreditforenduser", True)
    assert replayed(past)["total"]["cut"] == 0
    assert replayed(past, changes={"maxdailycreditforenduser": "5"})["total"]["cut"] == 1


def test_the_settings_file_counts_and_days_are_those_of_its_time_zone(past: PastOffice) -> None:
    past.account("alice")
    past.call("alice", 1, 23, 300)
    past.call("alice", 0, 1, 300)
    changes = {"maxdailycreditforenduser": "7"}
    reply, _ = asked(past, {"timezone": "Asia/Tokyo"}, changes=changes)
    assert reply["result"]["total"]["cut"] == 1, "one day in Tokyo"
    assert replayed(past, changes=changes)["total"]["cut"] == 0, "two in UTC"


def test_numbers_are_what_their_digits_say_and_lists_of_then_are_not_known(past: PastOffice) -> None:
    past.account("alice", country="DE")
    past.call("alice", 1, 9, 60, "4990012345")
    past.call("alice", 1, 10, 60, "493012345678")
    past.store.set_setting("blockpremiumnumbers", "false")
    result = replayed(past, changes={"blockpremiumnumbers": "true", "blacklists": "true"})
    assert (result["total"]["refused"], result["settings"][0]["setting"]) == (1, "blockpremiumnumbers")
    assert result["not_in_records"] == ["blacklists"]
    assert replayed(past, changes={"locklevel": "1"})["total"]["refused"] == 1, "premium is locked, home is not"


def test_lines_are_counted_by_the_hour_of_the_call(past: PastOffice) -> None:
    past.account("alice", maxlines=9, maxlinesoffpeak=9)
    past.store.set_setting("peakhours", "mon-sun 08:00-20:00")
    for hour in (3.0, 9.0):
        past.overlap("alice", 2, hour)
    assert replayed(past)["total"]["refused"] == 0
    stopped = replayed(past, changes={"maxlinesoffpeak": "1"})["stopped"]
    assert [row["setting"] for row in stopped] == ["maxlinesoffpeak"]
    assert len(replayed(past, changes={"maxlines": "1"})["stopped"]) == 2, "who never told them apart means both"
    past.store.set_account("alice", maxlinesoffpeak=8)
    assert [row["setting"] for row in replayed(past, changes={"maxlines": "1"})["stopped"]] == ["maxlines"]


def test_progress_is_said_and_a_removed_account_keeps_its_calls(past: PastOffice) -> None:
    past.account("alice")
    past.call("alice", 1, 9)
    past.store.remove_account("alice")
    reply, progress = asked(past, changes={"maxdailyminutes": "5"})
    assert reply["result"]["calls"] == 1
    assert (progress[0], progress[-1]) == ([0, 1], [1, 1])


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ({"changes": {"maxdailycreditforenduser": "much"}}, "invalid", "maxdailycreditforenduser"),
        ({"changes": {"maxlines": "-3"}}, "invalid", "maxlines"),
        ({"changes": {"maxlinez": "3"}}, "unknown_setting", "maxlines"),
        ({"changes": {"banperiod": "60s"}}, "invalid", "no limit of calls"),
        ({"changes": {"credit": "5"}}, "invalid", "no limit of calls"),
        ({"days": 0}, "bad_args", "days"),
        ({"accounts": ["nobody"]}, "not_found", "nobody"),
    ],
)
def test_what_cannot_be_tried_is_refused_by_name(past: PastOffice, args: dict[str, Any], code: str, words: str) -> None:
    reply, _ = asked(past, **args)
    assert reply["error"]["code"] == code
    assert words in reply["error"]["message"]


def test_a_database_that_is_not_there_is_named(tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    line = wire.request(1, "replay", {"changes": {}})
    where = tmp_path / "none.db"
    assert run_replay(lambda: Reader.open(where), NOW, [line], lambda each: said.append(wire.decode(each))) == 1
    assert "none.db" in said[0]["error"]["message"]


def test_a_process_of_its_own_reads_beside_the_writer_and_after_it(past: PastOffice) -> None:
    past.account("alice")
    past.call("alice", 1, 9, 600)
    past.done()
    line = wire.request(1, "replay", {"changes": {"maxdailyminutes": "5"}, "days": 400})
    command = [sys.executable, "-m", "pysrv", "replay"]
    environment = {"APPLIANCE_STATE": str(past.database.parent)}
    for closed in (False, True):
        if closed:
            past.store.close()
        ended = subprocess.run(command, input=line, stdout=subprocess.PIPE, env=environment, check=False)
        reply = wire.decode(ended.stdout.splitlines()[-1])
        assert ended.returncode == 0, reply
        assert reply["ok"]
