"""The command against real sockets: what it prints, what it exits with, and what it does while the office is down."""

import datetime
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance import launch
from appliance.cli import BOOK
from appliance.cli.bans import covers_this_session, evidence, ssh_client
from appliance.cli.calls import when
from appliance.cli.exits import Exit
from appliance.cli.show import visible
from appliance.config.schema import ROWS
from appliance.release import version
from appliance.wire import WireError
from pysrv.control.single import run_once
from pysrv.store import Store
from tests.control.office import Service, keeper, office
from tests.notify.servers import running_mail_server

DECK = "prefix;per_minute;destination\n49;0,02;Germany\n4930;0,01;Berlin\n"
STATUS = {"version": 1, "relay": "user", "relay_reason": "lo", "pinned": False, "generation": 3, "sessions": 0}
ATTACHED = [{"name": "lo", "mode": "generic", "reason": "loopback"}]
GATE = {
    "status": STATUS | {"bans": 0, "started_at": 1.0, "interfaces": ATTACHED},
    "tallies": {"tallies": [{"verdict": "BANNED", "action": "DROP", "text": "banned", "packets": 7, "bytes": 700}]},
}


class Shell:
    """Runs commands against one appliance."""

    def __init__(self, directory: Path) -> None:
        self.state, self.runtime = directory / "state", directory / "run"
        (self.state / "office").mkdir(parents=True)
        self.runtime.mkdir()
        self.database = self.state / "office" / "office.db"

    def run(self, *words: str, stdin: str | None = None, **environment: str) -> Result:
        places = {"APPLIANCE_STATE": str(self.state), "APPLIANCE_RUNTIME": str(self.runtime)}
        return CliRunner().invoke(BOOK.root, list(words), input=stdin, env=places | environment, catch_exceptions=False)

    def json(self, *words: str, stdin: str | None = None) -> Any:
        result = self.run(*words, "--json", stdin=stdin)
        assert result.exit_code == Exit.OK, result.output
        return json.loads(result.stdout)


@pytest.fixture
def down(tmp_path: Path) -> Shell:
    """An appliance that does not run."""
    return Shell(tmp_path)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def up(tmp_path: Path, service: Service) -> Iterator[Shell]:
    """An office that runs."""
    shell = Shell(tmp_path)
    with office(shell.runtime, shell.database, service):
        yield shell


@pytest.fixture
def single_run(monkeypatch: pytest.MonkeyPatch, down: Shell) -> Shell:
    """An office that is down; a single run happens here instead of in a process of another user."""

    def once(_state: Path, _runtime: Path, lines: bytes, on_line: Callable[[bytes], None]) -> int:
        return run_once(lambda: Store.open(down.database), "root", lines.splitlines(), on_line)

    monkeypatch.setattr(launch, "once", once)
    return down


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


def test_a_deck_is_imported_and_listed(up: Shell, tmp_path: Path) -> None:
    file = tmp_path / "retail.csv"
    file.write_text(DECK + "".join(f"88{n:04d};1,5;somewhere\n" for n in range(2500)))
    assert up.json("rates", "import", "retail", str(file)) == {"deck": "retail", "rates": 2502}
    assert up.json("rates", "list")["decks"][0]["rates"] == 2502
    assert up.json("rates", "list", "retail", "--prefix", "4930")["rates"][0]["per_minute"] == "0.01"
    assert up.run("rates", "remove", "retail").exit_code == Exit.OK


def test_a_wrong_cell_names_file_line_and_column(up: Shell, tmp_path: Path) -> None:
    file = tmp_path / "retail.csv"
    file.write_text(DECK + "".join(f"88{n:04d};1,5;somewhere\n" for n in range(1500)) + "33;dear;France\n")
    result = up.run("rates", "import", "retail", str(file))
    assert result.exit_code == Exit.REFUSED
    assert "retail.csv, line 1504, column per_minute" in result.stderr
    assert up.json("rates", "list") == {"decks": []}


def test_a_deck_comes_from_standard_input_too(up: Shell) -> None:
    assert up.json("rates", "import", "retail", "-", stdin=DECK)["rates"] == 2


def test_a_file_that_is_not_text_names_the_place(up: Shell, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"prefix,per_minute\n49,\xff\n")
    result = up.run("rates", "import", "retail", str(tmp_path / "x.csv"))
    assert "line 2, column 4: not UTF-8" in result.stderr
    assert up.run("rates", "import", "retail", str(tmp_path / "none")).exit_code == Exit.NOT_FOUND


def test_trunks_and_their_routes(up: Shell) -> None:
    words = ("--prefix", "49", "--inbound", "192.0.2.0/28", "--channels", "30", "--transport", "tcp")
    trunk = up.json("trunks", "add", "carrier", "192.0.2.9", *words)["trunk"]
    assert (trunk["transport"], trunk["max_channels"], trunk["inbound"]) == ("tcp", 30, ["192.0.2.0/28"])
    routes = up.json("trunks", "routes", "carrier", "--add", "44", "--priority", "5", "--remove", "49")["routes"]
    assert routes == [{"prefix": "44", "priority": 5, "strip": 0, "prepend": ""}]
    assert up.json("trunks", "routes", "carrier", "--add", "all")["routes"][0]["prefix"] == ""
    assert up.json("trunks", "set", "carrier", "--disable")["trunk"]["enabled"] is False
    assert "carrier" in up.run("trunks").stdout
    assert up.run("trunks", "remove", "carrier").exit_code == Exit.OK


def test_a_setting_is_explained_changed_and_reset(up: Shell, service: Service) -> None:
    assert "Must be one of 0 = any source" in " ".join(up.run("settings", "get", "checkrtpaddr").stdout.split())
    shown = up.run("settings", "set", "CallTimeout", "2h").stdout
    assert "calltimeout = 2h" in shown
    assert "in force" in shown
    assert service.settings().calltimeout == 7200.0
    assert [each["name"] for each in up.json("settings", "list", "--changed")["settings"]] == ["calltimeout"]
    assert up.run("settings", "reset", "calltimeout").exit_code == Exit.OK
    assert service.settings().calltimeout == 14_400.0


def test_a_setting_that_nothing_acts_on_says_so_wherever_it_is_shown(up: Shell) -> None:
    for words in (("list", "encv2_usetls"), ("set", "encv2_usetls", "false"), ("list", "--idle")):
        assert "not in force yet" in up.run("settings", *words).stdout
    assert "nothing acts on it yet" in up.run("settings", "get", "encv2_usetls").stdout
    assert "not in force yet" not in up.run("settings", "list", "--in-force").stdout


def test_a_setting_that_acts_in_part_says_in_which(up: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    each = ROWS["encv2_usetls"]  # nothing acts on it; a row that acts in part may be there or not
    monkeypatch.setattr(each, "partly", "it does half of what it says")
    value = each.kind.text(each.default)
    for words in (("set", each.name, value), ("list", each.name)):
        assert "acts in part" in up.run("settings", *words).stdout
    assert f"acts in part: {each.partly[:40]}" in up.run("settings", "get", each.name).stdout
    assert "nothing acts on it" not in up.run("settings", "set", each.name, value).output


def test_a_value_may_begin_with_a_minus(up: Shell) -> None:
    assert up.run("settings", "set", "maxcallperuserid", "-1").exit_code == Exit.OK


def test_an_unknown_setting_is_not_found_and_names_like_it_are_said(up: Shell) -> None:
    result = up.run("settings", "get", "maxline")
    assert result.exit_code == Exit.NOT_FOUND
    assert "maxlines" in result.stderr


def test_a_profile_is_shown_then_applied(up: Shell, service: Service) -> None:
    assert "minpwdlength" in up.run("settings", "diff").stdout
    assert up.run("settings", "apply", "strict", stdin="n\n").exit_code == Exit.INTERRUPTED
    assert service.settings().minpwdlength == 4
    assert up.run("settings", "apply", "strict", "--yes").exit_code == Exit.OK
    assert service.settings().minpwdlength == 8
    assert [each["name"] for each in up.json("settings", "diff", "strict")["changes"]] == ["apiv2ipauth"]


def test_the_settings_file_and_its_schema_are_printed(down: Shell) -> None:
    assert "#maxlines = 5" in down.run("settings", "file").stdout
    assert down.json("settings", "schema")["properties"]["maxlines"]["type"] == "integer"
    assert json.loads(down.run("settings", "schema").stdout)["type"] == "object"


def test_a_ban_goes_to_the_running_office(up: Shell, service: Service) -> None:
    assert up.run("ban", "192.0.2.0/24", "--for", "6h", "--reason", "noise").exit_code == Exit.OK
    assert up.json("bans")["bans"][0]["reason"] == "noise"
    assert service.told[0][:2] == ("ban", "192.0.2.0/24")
    assert up.run("unban", "192.0.2.0/24").exit_code == Exit.OK
    assert up.run("unban", "192.0.2.0/24").exit_code == Exit.NOT_FOUND


def test_all_bans_are_lifted_at_once(up: Shell) -> None:
    up.run("ban", "192.0.2.1")
    up.run("ban", "192.0.2.2")
    assert len(up.json("unban", "--all")["lifted"]) == 2
    assert up.run("unban").exit_code == Exit.USAGE


def test_a_ban_is_shown_with_its_evidence_and_how_to_lift_it(up: Shell) -> None:
    up.run("ban", "192.0.2.0/24", "--reason", "noise")
    shown = up.run("bans", "show", "192.0.2.7").stdout
    assert "noise" in shown and "until lifted" in shown and "appliance bans lift 192.0.2.0/24" in shown
    assert up.run("bans", "lift", "192.0.2.7").exit_code == Exit.NOT_FOUND
    assert "lifted the ban of 192.0.2.0/24" in up.run("bans", "lift", "192.0.2.0/24").stdout
    assert up.run("bans", "show", "192.0.2.7").exit_code == Exit.NOT_FOUND


def test_the_evidence_of_an_automatic_ban_is_read_by_people() -> None:
    row = {
        "source": "192.0.2.7:5070", "rule": "maxfailedauthenabledipport", "reason": "51 in 3600 s", "count": 51,
        "allowed": 50, "window_s": 3600.0, "scope": "address:port", "spares_known": True, "proven": True,
        "repetition": 0, "created_at": 1.0, "expires_at": 0.0, "who": "", "samples": ["REGISTER sip:x SIP/2.0"],
        "neighbours": ["alice 192.0.2.7:5060"],
    }  # fmt: skip
    told = "\n".join(str(part) for part in evidence(row))
    for words in ("51 in 3600 s, allowed are 50", "alice 192.0.2.7:5060", "REGISTER sip:x", "proven", "the first"):
        assert words in told


def test_every_ban_is_lifted_by_one_word_and_ports_are_written_with_their_address(up: Shell) -> None:
    up.run("ban", "192.0.2.1")
    assert up.run("bans", "lift", "192.0.2.1:5060").exit_code == Exit.NOT_FOUND
    assert up.run("bans", "lift", "all").exit_code == Exit.OK
    assert up.json("bans", "list")["bans"] == []
    assert up.run("bans", "lift", "nonsense").exit_code == Exit.USAGE


def test_a_ban_that_would_cut_the_operator_off_is_refused_whoever_asks(up: Shell) -> None:
    session = {"SSH_CONNECTION": "192.0.2.77 50000 192.0.2.1 22"}
    assert up.run("ban", "192.0.2.0/24", **session).exit_code == Exit.REFUSED
    assert up.run("ban", "198.51.100.0/24", **session).exit_code == Exit.OK


def test_sudo_does_not_hide_the_session_from_which_an_operator_comes() -> None:
    shell = {"SSH_CONNECTION": "192.0.2.77 50000 192.0.2.1 22", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(["sh", "-c", "echo up; read wait"], env=shell, stdin=-1, stdout=-1) as above:
        assert above.stdout is not None
        above.stdout.readline()  # now its environment is its own
        try:
            assert ssh_client({}, above.pid) == "192.0.2.77"
            assert covers_this_session("192.0.2.0/24", ssh_client({}, above.pid))
        finally:
            above.kill()
    assert not covers_this_session("192.0.2.0/24", "")


def test_a_network_with_host_bits_is_refused_with_what_was_meant(up: Shell) -> None:
    result = up.run("ban", "192.0.2.7/24")
    assert result.exit_code == Exit.USAGE
    assert "did you mean 192.0.2.0/24?" in result.stderr


def test_while_the_office_is_down_a_ban_is_stored_and_the_keeper_is_told(single_run: Shell) -> None:
    with keeper(single_run.runtime, {}) as asked:
        assert single_run.run("ban", "192.0.2.7").exit_code == Exit.OK
        assert single_run.run("allow", "192.0.2.8", "--for", "1h").exit_code == Exit.OK
        assert single_run.run("disallow", "192.0.2.8").exit_code == Exit.OK
        assert single_run.run("unban", "--all").exit_code == Exit.OK
    assert [(verb, args["prefix"]) for verb, args in asked] == [
        ("ban", "192.0.2.7"),
        ("allow", "192.0.2.8"),
        ("disallow", "192.0.2.8"),
        ("unban", "192.0.2.7"),
    ]


def test_while_everything_is_down_a_ban_is_stored_for_the_next_start(single_run: Shell) -> None:
    assert single_run.run("ban", "192.0.2.7").exit_code == Exit.OK
    assert single_run.json("bans")["bans"][0]["prefix"] == "192.0.2.7"


def test_a_ban_that_only_the_keeper_no_longer_knows_is_lifted_all_the_same(single_run: Shell) -> None:
    single_run.run("ban", "192.0.2.7")
    with keeper(single_run.runtime, {"unban": WireError("not_found", "no such ban")}):
        assert single_run.run("unban", "192.0.2.7").exit_code == Exit.OK


def test_while_the_office_is_down_the_database_is_still_at_hand(single_run: Shell) -> None:
    (single_run.state / "settings.toml").write_text('localdomain = "sip.example.com"\n')
    assert single_run.json("accounts", "add", "alice")["account"]["realm"] == "sip.example.com"
    assert single_run.json("rates", "import", "retail", "-", stdin=DECK)["rates"] == 2
    shown = single_run.run("settings", "set", "maxlines", "3")
    assert "in force when the appliance starts" in shown.stdout


def test_a_settings_file_with_an_error_is_in_the_way_of_nothing_while_the_office_runs(up: Shell) -> None:
    (up.state / "settings.toml").write_text("no settings\n")
    assert up.run("ban", "192.0.2.7").exit_code == Exit.OK
    assert up.run("calls").exit_code == Exit.OK


def test_a_settings_file_with_an_error_is_named_where_it_is_needed(single_run: Shell) -> None:
    (single_run.state / "settings.toml").write_text("nosuch = 1\n")
    told = single_run.run("accounts", "list")
    assert told.exit_code == Exit.REFUSED
    assert "settings.toml, line 1: there is no setting 'nosuch'" in told.stderr


def test_a_refusal_of_a_single_run_is_told_like_any_other(single_run: Shell) -> None:
    result = single_run.run("rates", "import", "retail", "-", stdin=DECK + "x;1;\n")
    assert result.exit_code == Exit.REFUSED
    assert "line 4, column prefix" in result.stderr


def test_a_single_run_that_says_nothing_is_a_failure(down: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "once", lambda *_: 78)
    result = down.run("accounts", "list")
    assert result.exit_code == Exit.REFUSED
    assert "status 78" in result.stderr


def test_a_launch_that_is_impossible_is_one_line(down: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise launch.LaunchError("there is no user pysrv: run 'make setup', which makes it")

    monkeypatch.setattr(launch, "once", refuse)
    assert "make setup" in down.run("accounts", "list").stderr


def test_without_root_a_stopped_appliance_has_nothing_to_say(down: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert down.run("accounts", "list").exit_code == Exit.NOT_PERMITTED


def test_what_lives_in_memory_needs_a_running_office(down: Shell) -> None:
    for words in (("calls", "hangup", "--all"), ("status",)):
        result = down.run(*words)
        assert result.exit_code == Exit.NOT_RUNNING
        assert "appliance run" in result.stderr


def test_status_shows_gate_and_office(up: Shell) -> None:
    with keeper(up.runtime, GATE):
        result = up.run("status")
        assert result.exit_code == Exit.OK
        assert "lo (generic: loopback)" in result.stdout
        assert "BANNED" in result.stdout
        told = up.json("status")["office"]
        assert (told["accounts"], told["version"]) == (0, version())
        assert "slot" not in result.stdout
    here = dict(GATE, status=GATE["status"] | {"slot": "B", "trial": True})
    with keeper(up.runtime, here):
        assert "B, on trial" in up.run("status").stdout


def test_half_an_appliance_is_shown_and_is_not_ok(up: Shell) -> None:
    result = up.run("status")
    assert result.exit_code == Exit.REFUSED
    assert "keeper: not running" in result.stdout


def test_check_lists_every_problem_of_the_file(down: Shell, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("maxlines = 'x'\nnonsense = 1\n")
    result = down.run("check", "--config", str(file), "--json")
    assert result.exit_code == Exit.REFUSED
    assert [row["where"] for row in json.loads(result.stdout)["problems"]] == [f"{file}, line 1", f"{file}, line 2"]


def test_check_warns_without_failing(down: Shell) -> None:
    (down.state / "settings.toml").write_text("ringtimeout = '5h'\nusetls = false\n")
    result = down.run("check", "--no-stored")
    assert result.exit_code == Exit.OK
    assert "longer than calltimeout" in result.stdout
    assert "the settings can be used" in result.stdout


def test_check_looks_at_stored_changes(single_run: Shell) -> None:
    with Store.open(single_run.database) as store:
        store.set_setting("maxlines", "many")
        store.commit()
    result = single_run.run("check")
    assert result.exit_code == Exit.REFUSED
    assert "stored change left out" in result.stdout


def test_a_settings_file_with_an_error_stops_every_command_that_needs_it(down: Shell) -> None:
    (down.state / "settings.toml").write_text("maxlines = 'x'\n")
    result = down.run("accounts", "list")
    assert result.exit_code == Exit.REFUSED
    assert "line 1: maxlines must be" in result.stderr


def test_a_settings_file_that_was_named_must_exist(down: Shell) -> None:
    assert down.run("check", "--config", "/nonexistent.toml").exit_code == Exit.NOT_FOUND


def test_the_option_nearest_to_the_end_wins(up: Shell) -> None:
    assert up.run("--runtime", "/nonexistent", "accounts", "list", "--runtime", str(up.runtime)).exit_code == Exit.OK


def test_control_characters_of_a_peer_do_not_reach_the_terminal(up: Shell) -> None:
    up.run("settings", "set", "validateinput", "0")  # which would not let it in
    up.run("ban", "192.0.2.1", "--reason", "\x1b[2J[red]gone")
    shown = up.run("bans").stdout
    assert "\x1b" not in shown
    assert "\\x1b[2J[red]gone" in shown
    assert visible("a\u202eb\n") == "a\\u202eb\n"


def test_call_records_and_registrations_are_empty_at_first(up: Shell) -> None:
    assert up.run("cdrs", "--since", "2026-01-31").stdout.strip() == "no calls were recorded"
    for since in ("today", "Yesterday", "6h"):
        assert up.json("cdrs", "--since", since) == {"cdrs": []}
    assert up.run("cdrs", "--since", "soon").exit_code == Exit.USAGE
    assert up.json("registrations") == {"registrations": [], "total": 0}


def test_a_day_by_name_begins_at_midnight() -> None:
    noon = datetime.datetime(2026, 3, 2, 12).timestamp()
    assert when("today", "--since", noon) == datetime.datetime(2026, 3, 2).timestamp()
    assert when("yesterday", "--since", noon) == datetime.datetime(2026, 3, 1).timestamp()
    assert when("90m", "--since", noon) == noon - 5400


@pytest.mark.parametrize("words", [("nope",), ("accounts", "nope"), ("accounts", "add"), ("cdrs", "--limit", "x")])
def test_wrong_words_are_one_line_and_a_hint_or_json(down: Shell, words: tuple[str, ...]) -> None:
    told = down.run(*words)
    assert told.exit_code == Exit.USAGE
    first, hint = told.stderr.splitlines()
    assert first.startswith("appliance: ")
    assert "--help' explains" in hint
    error = json.loads(down.run("--json", *words).stderr)
    assert (error["error"]["code"], error["exit"]) == ("usage", Exit.USAGE)


def test_an_account_is_shown_with_its_devices(up: Shell) -> None:
    up.json("accounts", "add", "alice", "--number", "101")
    shown = up.json("accounts", "show", "alice")
    assert (shown["account"]["numbers"], shown["registrations"]) == (["101"], [])
    assert "no device is registered" in up.run("accounts", "show", "alice").stdout
    assert up.run("accounts", "show", "nobody").exit_code == Exit.NOT_FOUND


def test_the_gate_is_shown_though_the_office_does_not_answer(down: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.cli.service.STATUS_TIMEOUT_S", 0.2)
    with keeper(down.runtime, GATE), socket.socket(socket.AF_UNIX) as stuck:
        stuck.bind(str(down.runtime / "office.sock"))
        stuck.listen()
        shown = down.run("status")
    assert shown.exit_code == Exit.REFUSED
    assert "loopback" in shown.stdout
    assert "office: runs, but does not answer" in shown.stdout


def test_an_office_that_hangs_up_is_one_line(down: Shell) -> None:
    with keeper(down.runtime, {}):
        os.rename(down.runtime / "keeper.sock", down.runtime / "office.sock")
        result = down.run("accounts", "list")
    assert result.exit_code == Exit.REFUSED
    assert "Traceback" not in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(down: Shell, shell: str) -> None:
    assert "_APPLIANCE_COMPLETE" in down.run("completion", shell).stdout


def test_names_and_values_of_settings_are_completed(down: Shell) -> None:
    words = {"_APPLIANCE_COMPLETE": "bash_complete", "COMP_CWORD": "3", "COMP_WORDS": "appliance settings get maxl"}
    result = CliRunner().invoke(BOOK.root, [], prog_name="appliance", env=words)
    assert result.output.split() == ["plain,maxlines", "plain,maxlinesoffpeak"]
    words |= {"COMP_CWORD": "4", "COMP_WORDS": "appliance settings set usetls "}
    result = CliRunner().invoke(BOOK.root, [], prog_name="appliance", env=words)
    assert result.output.split() == ["plain,true", "plain,false"]


def test_every_command_explains_itself_and_the_root_its_exit_codes(down: Shell) -> None:
    for words, _ in BOOK.rows():
        result = down.run(*words.split(), "--help")
        assert result.exit_code == Exit.OK
        assert "--json" in result.stdout
    shown = " ".join(down.run("--help").stdout.split())
    assert all(f"{int(code)} " in shown for code in Exit)


def test_a_reader_that_goes_is_no_failure(up: Shell) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "appliance", "--state", str(up.state), "--runtime", str(up.runtime), "settings"]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (Exit.OK, b"")


def test_notices_are_listed_and_a_test_without_ways_says_what_is_missing(up: Shell) -> None:
    assert up.run("notices", "list").stdout.strip() == "nobody was told anything"
    assert up.json("notices", "list", "--account", "alice") == {"notices": []}
    refused = up.run("notices", "test")
    assert refused.exit_code != 0
    assert "adminemails" in refused.stderr


def test_a_test_of_notices_says_how_it_went(up: Shell, service: Service) -> None:
    with running_mail_server() as server:
        mail = {"mailserver": "127.0.0.1", "mailport": str(server.port), "mailsecurity": "none"}
        mail |= {"mailfrom": "pbx@example.org", "adminemails": "noc@example.org"}
        service.apply_settings(service.settings().with_changes(mail, 1))
        went = up.json("notices", "test", "--channel", "mail")["notices"]
        assert [(row["recipient"], row["status"]) for row in went] == [("noc@example.org", "sent")]
        assert server.to == ["noc@example.org"]
        server.refuses = {"noc@example.org": "550 nobody here"}
        refused = up.run("notices", "test", "--channel", "mail")
    assert refused.exit_code == Exit.REFUSED
    assert "550 nobody here" in refused.stdout
    assert "not everybody was reached" in refused.stdout
    assert up.json("notices", "retry") == {"retried": 0}


def test_a_trace_is_asked_for_by_call_account_or_source(up: Shell) -> None:
    assert up.run("calls", "trace").exit_code == Exit.USAGE
    assert up.run("calls", "trace", "c1", "--account", "alice").exit_code == Exit.USAGE
    assert up.run("calls", "trace", "c1").exit_code == Exit.NOT_FOUND
    assert "nothing is remembered of it" in up.run("calls", "trace", "--account", "alice").stdout


def test_a_trace_of_an_appliance_that_is_down_cannot_be_had(down: Shell) -> None:
    assert down.run("calls", "trace", "c1").exit_code == Exit.NOT_RUNNING
