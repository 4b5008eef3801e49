"""`bans`, `ban` and `unban`: with the office, without it, and never against the operator's own session."""

import subprocess
import time

from appliance.cli.bans import covers_this_session, evidence
from appliance.cli.door import ssh_client
from appliance.cli.exits import Exit
from appliance.wire import WireError
from pysrv.store import AllowRow, Store
from tests.appliance.shell import Shell
from tests.control.office import Service, keeper


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
    assert [(verb, args["prefix"]) for verb, args in asked if verb != "status"] == [
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


def test_the_last_entry_of_the_allow_list_is_told_when_it_has_ended(single_run: Shell) -> None:
    warned = "warning: nobody opens panel and SSH without an end"
    assert warned in single_run.run("allow", "192.0.2.3", "--for", "1h").stdout
    assert warned in single_run.run("allowed").stdout
    assert warned not in single_run.run("allow", "192.0.2.4").stdout
    assert warned in single_run.run("disallow", "192.0.2.4").stdout
    assert "ended" not in single_run.run("allowed").stdout
    assert single_run.run("disallow", "192.0.2.3").exit_code == Exit.OK
    now = time.time()
    with Store.open(single_run.database) as store:
        store.add_allow(AllowRow("192.0.2.3", created_at=now - 9, expires_at=now - 1))
        store.commit()
    assert "the last entry, 192.0.2.3, ended at" in single_run.run("allowed").stdout
    assert single_run.run("disallow", "192.0.2.3").exit_code == Exit.OK
    assert "ended" not in single_run.run("allowed").stdout


def test_who_trusts_a_first_address_is_told_whom_it_shuts_out_before_and_after(single_run: Shell) -> None:
    def said(*words: str) -> str:
        return " ".join(single_run.run(*words).stdout.split())

    for command in ("allow", "disallow"):
        text = said(command, "--help")
        assert "private networks" in text and "appliance allow 10.0.0.0/8" in text, command
    assert "the first trusted address shuts the panel, and on the image SSH, to private networks" in said("allowed")
    near = "the panel, and on the image SSH, no longer answers private networks that are not on the allow list"
    assert f"warning: {near}: 'appliance allow 10.0.0.0/8'" in said("allow", "198.51.100.7")
    assert near in said("allowed") and near not in said("allow", "198.51.100.8")
    single_run.run("allow", "10.0.0.0/8")  # what it names
    assert "private networks" not in said("allowed")
