"""The command against real sockets: what it prints, what it exits with, and what it does while the office is down."""

import datetime
import json
import os
import socket
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner

from appliance import launch
from appliance.cli import link
from appliance.cli.book import BOOK
from appliance.cli.calls import when
from appliance.cli.exits import Exit
from appliance.cli.show import visible
from appliance.config.opening import HONOUR_LISTED
from appliance.release import version
from appliance.wire import WireError
from tests.appliance.shell import DECK, Shell
from tests.control.office import Service, keeper
from tests.notify.servers import running_mail_server

STATUS = {"version": 1, "relay": "user", "relay_reason": "lo", "pinned": False, "generation": 3, "sessions": 0}
ATTACHED = [{"name": "lo", "mode": "generic", "reason": "loopback"}]
GATE = {
    "status": STATUS | {"bans": 0, "started_at": 1.0, "interfaces": ATTACHED},
    "tallies": {"tallies": [{"verdict": "BANNED", "action": "DROP", "text": "banned", "packets": 7, "bytes": 700}]},
}


def test_while_the_office_is_down_the_database_is_still_at_hand(single_run: Shell) -> None:
    (single_run.state / "settings.toml").write_text('localdomain = "sip.example.com"\n')
    assert single_run.json("accounts", "add", "alice")["account"]["realm"] == "sip.example.com"
    assert single_run.json("rates", "import", "retail", "-", stdin=DECK)["rates"] == 2
    shown = single_run.run("settings", "set", "maxlines", "3")
    assert "in force when the appliance starts" in shown.stdout


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


def test_a_change_of_trust_says_whom_ssh_answers_and_warns_whoever_would_not_come_again(up: Shell) -> None:
    guarded = GATE["status"] | {"ssh_guarded": True, "ssh": ["10.0.0.0/8"]}
    told = GATE | {"status": guarded, "tunnel": {"networks": ["10.99.0.0/24"]}}

    def said(*words: str, client: str = "") -> str:
        result = up.run(*words, SSH_CONNECTION=f"{client} 40000 192.0.2.1 22" if client else "192.0.2.1 1 192.0.2.1 22")
        assert result.exit_code == Exit.OK, result.output
        return " ".join(result.stdout.split())

    with keeper(up.runtime, told):
        assert "ssh SSH answers the tunnel and 10.0.0.0/8" in said("status")
        first = said("allow", "198.51.100.0/24", client="203.0.113.9")
        assert "SSH answers the tunnel and 198.51.100.0/24" in first
        assert "warning: SSH is closed to 203.0.113.9, where you come from" in first
        for inside in ("198.51.100.7", "10.99.0.2", "127.0.0.1", "::ffff:198.51.100.7", "::1"):
            assert "warning" not in said("allowed", client=inside)
        assert "warning" not in said("settings", "set", "maxlines", "3", client="203.0.113.9")
        assert "SSH answers everybody" in said("settings", "set", "remoteadmin", "2", client="203.0.113.9")
        assert "warning: SSH is closed" in said("settings", "set", "remoteadmin", "1", client="203.0.113.9")
        assert "SSH answers the tunnel alone warning" in said(
            "settings", "set", "allowtrustedip", "1", client="198.51.100.7"
        )
        gone = said("disallow", "198.51.100.0/24", client="203.0.113.9")
        assert "SSH answers the tunnel and 10.0.0.0/8, 172.16.0.0/12" in gone
        assert up.json("allowed")["administered_from"][0] == "10.0.0.0/8"
    with keeper(up.runtime, GATE):  # a machine whose packet filter is none of ours
        assert "SSH answers" not in said("allow", "198.51.100.0/24", client="203.0.113.9")


def test_an_address_that_a_setting_keeps_out_is_trusted_with_a_warning_that_names_it(up: Shell) -> None:
    up.run("settings", "set", "allowtrustedip", "1")
    said = " ".join(up.run("allow", "198.51.100.7").stdout.split())
    assert "warning: the panel, and on the image SSH, stays shut to 198.51.100.7: allowtrustedip is 1;" in said
    assert "'appliance settings set allowtrustedip 3' opens both" in said
    assert up.run(*HONOUR_LISTED.split()[1:]).exit_code == Exit.OK  # what it names does it
    assert "warning" not in up.run("allow", "198.51.100.7").stdout


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


def test_the_option_nearest_to_the_end_wins(up: Shell) -> None:
    assert up.run("--runtime", "/nonexistent", "accounts", "list", "--runtime", str(up.runtime)).exit_code == Exit.OK


def test_control_characters_of_a_peer_do_not_reach_the_terminal(up: Shell) -> None:
    up.run("settings", "set", "validateinput", "0")  # which would not let it in
    up.run("ban", "192.0.2.1", "--reason", "\x1b[2J[red]gone")
    shown = up.run("bans").stdout
    assert "\x1b" not in shown
    assert "\\x1b[2J[red]gone" in shown
    assert visible("a\u202eb\n") == "a\\u202eb\n"


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


@pytest.mark.parametrize("reply", [{"ok": True, "result": "x"}, {"ok": True, "result": [1]}, {"error": "x"}])
def test_a_reply_that_holds_no_object_is_refused_with_words(reply: dict[str, Any]) -> None:
    with pytest.raises(WireError, match="a reply must hold an object"):
        link._result(reply)
