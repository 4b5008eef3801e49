"""`accounts`, and what is listed of an account's calls and devices."""

import json

from appliance.cli.exits import Exit
from tests.appliance.shell import Shell
from tests.control.office import Service


def test_a_generated_password_is_printed_once(up: Shell) -> None:
    result = up.run("accounts", "add", "alice", "--number", "49301", "--credit", "10.00")
    assert result.exit_code == Exit.OK
    password = next(line.split()[-1] for line in result.stdout.splitlines() if line.startswith("password"))
    assert len(password) == 16
    assert password not in up.run("accounts", "list").stdout
    assert "10.00" in up.run("accounts", "list").stdout


def test_a_password_comes_from_standard_input_and_is_not_shown(up: Shell) -> None:
    result = up.run("accounts", "add", "alice", "--password", "-", stdin="correct horse\n")
    assert result.exit_code == Exit.OK
    assert "horse" not in result.output


def test_a_calling_card_s_pin_is_shown_once_and_can_be_replaced_or_taken_away(up: Shell) -> None:
    added = up.json("accounts", "add", "card", "--type", "calling_card", "--a-number", "+49170111")
    assert len(added["pin"]) == 12 and added["pin"].isdigit()
    shown = up.json("accounts", "show", "card")
    assert shown["account"]["anumbers"] == ["49170111"]
    assert shown["account"]["has_pin"] is True
    assert added["pin"] not in str(shown)
    up.run("settings", "set", "pinlength", "14")
    again = up.run("accounts", "set", "card", "--pin", "generated")
    assert "PIN" in again.stdout and "shown this once" in again.stdout
    assert up.json("accounts", "set", "card", "--pin", "none", "--no-a-number")["account"]["has_pin"] is False
    assert up.json("accounts", "show", "card")["account"]["anumbers"] == []


def test_only_a_calling_card_has_a_pin(up: Shell) -> None:
    assert "pin" not in up.json("accounts", "add", "alice")
    assert up.run("accounts", "set", "alice", "--pin", "generated").exit_code != Exit.OK
    assert up.run("accounts", "add", "bob", "--a-number", "49170111").exit_code != Exit.OK


def test_a_password_on_the_command_line_is_refused(up: Shell) -> None:
    result = up.run("accounts", "add", "alice", "--password", "secret")
    assert result.exit_code == Exit.USAGE
    assert "standard input" in result.output


def test_an_account_is_changed_topped_up_and_removed(up: Shell, service: Service) -> None:
    up.run("accounts", "add", "alice", "--credit", "1")
    account = up.json("accounts", "set", "alice", "--top-up", "-0.50", "--maxlines", "2", "--postpaid")["account"]
    assert (account["balance"], account["maxlines"], account["postpaid"]) == ("0.50", 2, True)
    assert len(up.json("accounts", "ledger", "alice")["postings"]) == 2
    assert up.run("accounts", "remove", "alice").exit_code == Exit.OK
    assert up.json("accounts", "list") == {"accounts": [], "next": None}
    assert service.told[-1] == ("account", "alice")


def test_numbers_are_replaced_or_taken_away(up: Shell) -> None:
    up.run("accounts", "add", "alice", "--number", "1", "--number", "2")
    assert up.json("accounts", "set", "alice", "--number", "3")["account"]["numbers"] == ["3"]
    assert up.json("accounts", "set", "alice", "--no-number")["account"]["numbers"] == []


def test_changing_nothing_is_wrong_usage(up: Shell) -> None:
    assert up.run("accounts", "set", "alice").exit_code == Exit.USAGE
    assert up.run("trunks", "set", "carrier").exit_code == Exit.USAGE


def test_what_is_not_there_exits_with_its_own_code_and_one_line(up: Shell) -> None:
    result = up.run("accounts", "remove", "nobody")
    assert result.exit_code == Exit.NOT_FOUND
    assert result.stderr.startswith("appliance: there is no account 'nobody'")
    assert "Traceback" not in result.output


def test_an_error_in_json_has_code_message_and_hint(up: Shell) -> None:
    result = up.run("--json", "settings", "set", "calltimeout", "soon")
    error = json.loads(result.stderr)
    assert (error["error"]["code"], error["exit"]) == ("invalid", Exit.REFUSED)
    assert "calltimeout must be a duration" in error["error"]["message"]
    assert result.stdout == ""


def test_a_group_alone_lists(up: Shell) -> None:
    assert up.json("accounts") == {"accounts": [], "next": None}
    assert up.run("calls").stdout.strip() == "no calls"


def test_call_records_and_registrations_are_empty_at_first(up: Shell) -> None:
    assert up.run("cdrs", "--since", "2026-01-31").stdout.strip() == "no calls were recorded"
    for since in ("today", "Yesterday", "6h"):
        assert up.json("cdrs", "--since", since) == {"cdrs": []}
    assert up.run("cdrs", "--since", "soon").exit_code == Exit.USAGE
    assert up.json("registrations") == {"registrations": [], "total": 0}


def test_an_account_is_shown_with_its_devices(up: Shell) -> None:
    up.json("accounts", "add", "alice", "--number", "101")
    shown = up.json("accounts", "show", "alice")
    assert (shown["account"]["numbers"], shown["registrations"]) == (["101"], [])
    assert "no device is registered" in up.run("accounts", "show", "alice").stdout
    assert up.run("accounts", "show", "nobody").exit_code == Exit.NOT_FOUND
