"""The commands about what has just been and what should be seen to, against a running office."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cli.duties import STEPS
from appliance.cli.exits import Exit
from pysrv.control.memory import Memory
from pysrv.control.setup import Step
from pysrv.service.history import Reading
from pysrv.store import NewCall, Store
from pysrv.store.rows import Attempt
from tests.appliance.shell import Shell
from tests.control import past
from tests.control.office import Service, office

WIDTH = 80


@pytest.fixture
def remembering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Shell, Memory]]:
    """An office at the noon of tests/control/past.py, with its calls, that remembers its log and samples."""
    monkeypatch.setattr("tests.control.office.NOW", past.NOW)
    shell, memory = Shell(tmp_path), Memory()
    before = past.PastOffice(shell.database)
    before.account("alice")
    for day in range(1, 8):
        before.call("alice", day, 9)
    for hour in range(9):
        before.call("alice", 0, hour + 0.5, 600)
    before.refused("alice", 0, 10, "maxlines")
    before.store.record_attempt(
        Attempt(past.NOW, "203.0.113.7", "login", "alice", "maxwrongpassword", "wrong password")
    )
    before.done()
    before.store.close()
    with office(shell.runtime, shell.database, memory=memory):
        yield shell, memory


def test_the_log_is_shown_from_a_level_on_and_by_words(remembering: tuple[Shell, Memory]) -> None:
    shell, memory = remembering
    for level, words in ((logging.INFO, "trunk up"), (logging.WARNING, "trunk down"), (logging.WARNING, "disk")):
        memory.log.handle(logging.LogRecord("pysrv", level, "", 0, words, (), None))
    shown = shell.run("log", "--level", "warning", "--words", "trunk").stdout
    assert "trunk down" in shown
    assert "trunk up" not in shown and "disk" not in shown
    assert len(shell.json("log")["lines"]) == 3


def test_no_more_samples_are_shown_than_asked_for(remembering: tuple[Shell, Memory]) -> None:
    shell, memory = remembering
    assert "nothing was sampled yet" in shell.run("history").stdout
    for second in range(0, 50, 10):
        memory.history.add(Reading(at=past.NOW + second, calls=second))
    assert [each["calls"] for each in shell.json("history", "--last", "2")["samples"]] == [30, 40]


def test_who_calls_more_than_usual_is_worth_a_look(remembering: tuple[Shell, Memory]) -> None:
    shell, _ = remembering
    (row,) = shell.json("analyze")["rows"]
    assert (row["key"], row["today"]["calls"], row["usual"]["calls"]) == ("alice", 10, 1)
    shown = shell.run("analyze").stdout
    assert "1 of 1 worth a look; against 7 days, amounts in EUR" in shown
    assert max(map(len, shown.splitlines())) <= WIDTH


def test_a_refusal_names_its_setting_and_the_value_now(remembering: tuple[Shell, Memory]) -> None:
    shell, _ = remembering
    shown = shell.run("refusals", "--account", "alice").stdout
    assert "call of alice to 4912345, answered 486" in shown
    assert "maxlines = " in shown
    assert "wrong password" in shown
    assert len(shell.json("refusals", "--number", "4912345")["refusals"]) == 1
    assert shell.run("refusals", "--account", "nobody").exit_code == Exit.NOT_FOUND


def test_an_address_s_refusals_end_with_what_the_gate_says_of_it(remembering: tuple[Shell, Memory]) -> None:
    shell, _ = remembering
    assert (
        "of 203.0.113.7 now: no rule about the source stops it"
        in shell.run("refusals", "--address", "203.0.113.7").stdout
    )
    shell.run("firewall", "deny", "203.0.113.0/24")
    shown = shell.run("refusals", "--address", "203.0.113.7").stdout
    assert "of 203.0.113.7 now: dropped as firewall_denied" in shown
    assert shell.run("refusals", "--address", "nowhere").exit_code != Exit.OK


def test_a_running_call_is_shown_with_its_price_so_far(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    with Store.open(shell.database, lambda: past.NOW) as store:
        store.open_call(NewCall("c1", None, "alice", "bob", setup_at=past.NOW))
        store.commit()
    with office(shell.runtime, shell.database):
        shown = shell.run("calls", "show", "c1").stdout
        assert "price so far" in shown and "alice" in shown
        assert shell.run("calls", "show", "c2").exit_code == Exit.NOT_FOUND


def test_a_setting_is_shown_with_who_changed_it(up: Shell) -> None:
    assert "never changed" in up.run("settings", "show", "maxlines").stdout
    up.run("settings", "set", "maxlines", "7")
    shown = up.run("settings", "show", "maxlines").stdout
    assert "maxlines = 7" in shown and "(default)" in shown
    assert up.json("settings", "show", "maxlines")["history"][0]["after"] == "7"
    assert up.run("settings", "show", "maxlimes").exit_code == Exit.NOT_FOUND


def test_a_secret_is_shown_neither_now_nor_in_its_history(up: Shell) -> None:
    up.run("settings", "set", "httpapikey", "-", stdin="correct-horse-battery\n")
    result = up.run("settings", "show", "httpapikey")
    assert "(secret)" in result.stdout
    assert "horse" not in result.output


def test_the_checklist_names_the_command_that_mends(up: Shell) -> None:
    found = up.json("checklist")
    mend = next(each for each in found["findings"] if each["fix"])
    (name, value), *_ = mend["fix"].items()
    shown = up.run("checklist").stdout
    assert f"appliance settings set {name} {value}" in shown
    assert f"score {found['score']} of 100" in shown
    assert all(each["grade"] != "pass" for each in found["findings"])
    assert len(up.json("checklist", "--all")["findings"]) > len(found["findings"])


def test_steps_of_the_set_up_are_marked_and_taken_back(up: Shell) -> None:
    assert tuple(map(str, Step)) == STEPS
    assert up.json("setup")["next"] == "password"
    assert up.json("setup", "mark", "password")["next"] == "address"
    assert "skipped" in up.run("setup", "mark", "mail", "skipped").stdout
    assert up.json("setup", "mark", "password", "ahead")["next"] == "password"
    assert up.run("setup", "mark", "dinner").exit_code == Exit.USAGE


def test_what_is_stored_is_read_again(up: Shell, service: Service) -> None:
    service.told.clear()
    assert "is in force" in up.run("reload").stdout
    assert ("policy",) in service.told


def test_a_phone_is_asked_to_call(up: Shell, service: Service) -> None:
    up.run("accounts", "add", "alice")
    refused = up.run("calls", "dial", "alice", "4930123")
    assert "no phone of alice is registered" in refused.stderr
    service.phones.add("alice")
    assert "asked to call 4930123" in up.run("calls", "dial", "alice", "+49 30 123").stdout
    assert ("dial", "alice", "4930123") in service.told


def test_a_text_says_how_many_devices_it_went_to(up: Shell, service: Service) -> None:
    up.run("accounts", "add", "alice")
    assert up.run("messages", "send", "alice", "bob", "hello").exit_code != Exit.OK
    service.phones.add("bob")
    assert "sent to 1 device of bob" in up.run("messages", "send", "alice", "bob", "hello").stdout


@pytest.mark.parametrize("words", [("log",), ("history",), ("reload",), ("calls", "dial", "a", "1")])
def test_what_only_a_running_office_knows_says_that_it_is_down(down: Shell, words: tuple[str, ...]) -> None:
    result = down.run(*words)
    assert result.exit_code not in (Exit.OK, Exit.USAGE)
    assert "Traceback" not in result.output
