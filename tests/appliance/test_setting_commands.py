"""`settings` and `check`: what is set, what a profile would set, and what is wrong with a file."""

import json
from pathlib import Path

import pytest

from appliance.cli.exits import Exit
from appliance.config.schema import ROWS
from pysrv.store import Store
from tests.appliance.shell import Shell
from tests.control.office import Service


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


def test_a_settings_file_with_an_error_is_in_the_way_of_nothing_while_the_office_runs(up: Shell) -> None:
    (up.state / "settings.toml").write_text("no settings\n")
    assert up.run("ban", "192.0.2.7").exit_code == Exit.OK
    assert up.run("calls").exit_code == Exit.OK


def test_a_settings_file_with_an_error_is_named_where_it_is_needed(single_run: Shell) -> None:
    (single_run.state / "settings.toml").write_text("nosuch = 1\n")
    told = single_run.run("accounts", "list")
    assert told.exit_code == Exit.REFUSED
    assert "settings.toml, line 1: there is no setting 'nosuch'" in told.stderr


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
