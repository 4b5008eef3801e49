"""The commands about the whole configuration, against a running office and a single run."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from appliance.cli.configuration import _written
from appliance.cli.exits import Exit, Failure
from appliance.tunnel import book
from tests.appliance.shell import Shell
from tests.control.office import keeper

PASSWORD = "carrier-words"


def furnish(shell: Shell) -> None:
    shell.run("taxes", "set", "vat", "19%")
    shell.run("rates", "import", "retail", "-", "--tax", "vat", stdin="prefix,per_minute\n49,0.12\n")
    shell.run("trunks", "add", "carrier", "192.0.2.7", "--user", "us", "--password", "-", stdin=PASSWORD + "\n")
    shell.run("settings", "set", "calltimeout", "77")


def test_what_is_exported_is_imported_and_exported_the_same(up: Shell, tmp_path: Path) -> None:
    furnish(up)
    file, again = tmp_path / "a.json", tmp_path / "b.json"
    assert up.json("config", "export", str(file)) == {"file": str(file), "secrets": False, "bytes": file.stat().st_size}
    assert file.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in file.read_text()
    assert up.json("config", "import", str(file), "--dry-run")["changes"] == []
    for words in (("taxes", "set", "vat", "7%"), ("settings", "reset", "calltimeout"), ("trunks", "remove", "carrier")):
        assert up.run(*words).exit_code == Exit.OK
    shown = up.run("config", "import", str(file), "--dry-run")
    assert "19%" in shown.stdout and "nothing was changed" in shown.stdout
    assert "warning: trunks: carrier has no password" in shown.stdout
    applied = up.json("config", "import", str(file), "--yes")
    assert {name: sum(each.values()) for name, each in applied["counts"].items()} == {
        "settings": 1, "taxes": 1, "trunks": 1,
    }  # fmt: skip
    up.run("config", "export", str(again))
    assert again.read_bytes() == file.read_bytes()
    assert up.run("config", "export", "-").stdout == file.read_text()


def test_secrets_are_written_when_they_are_asked_for_and_the_file_says_so(up: Shell, tmp_path: Path) -> None:
    furnish(up)
    file = tmp_path / "a.json"
    file.write_text("{}")
    file.chmod(0o644)
    assert "nobody else may read it" in up.run("config", "export", "--with-secrets", "--force", str(file)).stdout
    assert file.stat().st_mode & 0o777 == 0o600
    assert "IN CLEAR" in file.read_text().splitlines()[1]
    assert json.loads(file.read_text())["trunks"][0]["password"] == PASSWORD


def test_a_file_that_is_there_is_written_over_only_by_force(up: Shell, tmp_path: Path) -> None:
    file, link = tmp_path / "a.json", tmp_path / "link.json"
    file.write_text("mine")
    link.symlink_to(tmp_path / "nowhere")
    for there in (file, link):
        refused = up.run("config", "export", str(there))
        assert refused.exit_code == Exit.REFUSED
        assert (
            refused.stderr.splitlines()[0].endswith("is there already") and "--force writes over it" in refused.stderr
        )
    assert file.read_text() == "mine"
    assert up.run("config", "export", str(file), "--force").exit_code == Exit.OK
    assert json.loads(file.read_text())
    assert [*tmp_path.glob(".*"), *tmp_path.glob("nowhere")] == []


def test_an_export_that_breaks_off_leaves_no_file_and_the_one_that_was_there(tmp_path: Path) -> None:
    def broken() -> Iterator[str]:
        yield "{"
        raise Failure(Exit.NOT_RUNNING, "the office went away")

    file = tmp_path / "a.json"
    with pytest.raises(Failure, match="went away"):
        _written(file, broken(), force=False)
    assert list(tmp_path.iterdir()) == []
    file.write_text("mine")
    with pytest.raises(Failure, match="went away"):
        _written(file, broken(), force=True)
    with pytest.raises(Failure, match="there already"):  # somebody's, who came after it was looked for
        _written(file, iter("{}"), force=False)
    assert (file.read_text(), list(tmp_path.iterdir())) == ("mine", [file])


def test_a_refusal_names_the_file_and_the_place(up: Shell, tmp_path: Path) -> None:
    furnish(up)
    file = tmp_path / "a.json"
    up.run("config", "export", str(file))
    read = json.loads(file.read_text())
    read["trunks"][0]["port"] = 0
    file.write_text(json.dumps(read))
    refused = up.run("config", "import", str(file), "--yes")
    assert refused.exit_code == Exit.REFUSED
    assert "a.json, trunks[0]: carrier: port is 1 to 65535" in refused.stderr
    file.write_text("{")
    refused = up.run("config", "import", str(file), "--yes")
    assert refused.exit_code == Exit.REFUSED and "a.json, line 1, column 2: expecting" in refused.stderr
    assert up.run("config", "import", str(tmp_path / "none"), "--yes").exit_code == Exit.NOT_FOUND
    assert up.run("config", "export", str(tmp_path / "no" / "a.json")).exit_code == Exit.REFUSED


def test_where_nobody_can_be_asked_it_wants_to_be_told(up: Shell, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    up.run("config", "export", str(file))
    refused = up.run("config", "import", str(file))
    assert refused.exit_code == Exit.USAGE and "needs --yes or --dry-run" in refused.stderr


def test_a_machine_that_is_down_exports_and_imports(single_run: Shell, tmp_path: Path) -> None:
    furnish(single_run)
    file, again = tmp_path / "a.json", tmp_path / "b.json"
    single_run.run("config", "export", "--with-secrets", str(file))
    assert single_run.run("trunks", "remove", "carrier").exit_code == Exit.OK
    shown = single_run.run("config", "import", "--yes", str(file))
    assert "in force when the appliance starts" in shown.stdout
    assert single_run.run("config", "export", "--with-secrets", str(again)).exit_code == Exit.OK
    assert again.read_bytes() == file.read_bytes()


def test_at_a_terminal_it_is_shown_and_asked_for(up: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(up)
    file = tmp_path / "a.json"
    up.run("config", "export", str(file))
    assert up.run("taxes", "set", "vat", "7%").exit_code == Exit.OK
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    refused = up.run("config", "import", str(file), stdin="n\n")
    assert refused.exit_code == Exit.INTERRUPTED and "percent=19%" in refused.stdout
    assert up.json("taxes", "list")["taxes"][0]["percent"] == "7%"
    done = up.run("config", "import", str(file), stdin="y\n")
    assert done.exit_code == Exit.OK and "in force" in done.stdout
    assert up.json("taxes", "list")["taxes"][0]["percent"] == "19%"
    assert "nothing differs" in up.run("config", "import", str(file)).stdout


def test_an_import_says_whom_ssh_answers_and_warns_whoever_would_not_come_again(up: Shell, tmp_path: Path) -> None:
    file, session = tmp_path / "a.json", {"SSH_CONNECTION": "203.0.113.9 40000 192.0.2.1 22"}
    up.run("allow", "198.51.100.7")
    up.run("config", "export", str(file))
    up.run("allow", "203.0.113.9")
    with keeper(up.runtime, {"status": {"ssh_guarded": True}, "tunnel": {"networks": []}}):
        shown = up.run("config", "import", str(file), "--dry-run", **session)
        assert shown.exit_code == Exit.OK and "then SSH answers the tunnel and 198.51.100.7/32" in shown.stdout
        assert "warning: then SSH is closed to 203.0.113.9, where you come from" in shown.stdout
        done = up.run("config", "import", str(file), "--yes", **session)
        assert done.exit_code == Exit.OK and "SSH answers the tunnel and 198.51.100.7" in done.stdout
        assert "warning: SSH is closed to 203.0.113.9, where you come from" in done.stdout


def test_who_comes_over_ssh_and_would_not_come_again_is_shown_so_and_refused_without_yes(
    up: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.json"
    up.run("allow", "198.51.100.7")
    up.run("config", "export", str(file))
    up.run("allow", "203.0.113.9")
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)

    def imported(client: str, *words: str) -> Result:
        session = {"SSH_CONNECTION": f"{client} 40000 192.0.2.1 22"}
        return up.run("config", "import", str(file), *words, stdin="n\n", **session)

    with keeper(up.runtime, {"status": {"ssh_guarded": True}, "tunnel": {"networks": ["10.99.0.0/24"]}}):
        refused = imported("203.0.113.9")
        assert refused.exit_code == Exit.REFUSED and "you come over SSH from 203.0.113.9" in refused.stderr
        assert "warning: then SSH is closed to 203.0.113.9" in refused.stdout
        assert "Change all of this?" not in refused.output and "--yes does it all the same" in refused.stderr
        for client in (
            "198.51.100.7",
            "10.99.0.2",
            "192.0.2.77",
        ):  # comes again; by the tunnel; never could
            asked = imported(client)
            assert asked.exit_code == Exit.INTERRUPTED and "Change all of this?" in asked.output, client
    assert imported("203.0.113.9").exit_code == Exit.INTERRUPTED  # a machine whose packet filter is none of ours
    with keeper(up.runtime, {"status": {"ssh_guarded": True}, "tunnel": {"networks": []}}):
        assert imported("203.0.113.9", "--yes").exit_code == Exit.OK
    assert [each["prefix"] for each in up.json("allowed")["allows"]] == ["198.51.100.7"]


def test_while_all_is_down_an_import_is_shown_and_refused_by_what_the_keeper_has_left(
    single_run: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.json"
    single_run.run("allow", "198.51.100.7")
    single_run.run("config", "export", str(file))
    single_run.run("disallow", "198.51.100.7")
    near = "warning: the panel, and on the image SSH, no longer answers private networks"
    assert near in single_run.run("config", "import", str(file), "--dry-run").stdout
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)

    def imported(client: str) -> Result:
        session = {"SSH_CONNECTION": f"{client} 40000 192.0.2.1 22"}
        return single_run.run("config", "import", str(file), stdin="n\n", **session)

    asked = imported("10.0.0.4")
    assert asked.exit_code == Exit.INTERRUPTED and near in asked.stdout and "then SSH" not in asked.stdout
    (single_run.state / "door").mkdir()
    (single_run.state / "door" / "ssh.nft").write_text("")  # the keeper keeps SSH here
    refused = imported("10.0.0.4")
    assert refused.exit_code == Exit.REFUSED and "you come over SSH from 10.0.0.4" in refused.stderr
    (single_run.state / "tunnel").mkdir()
    kept = replace(book.fresh(), on=True)
    (single_run.state / "tunnel" / "tunnel.json").write_text(kept.to_json())
    assert imported(kept.addresses(2)[0]).exit_code == Exit.INTERRUPTED
    (single_run.state / "tunnel" / "tunnel.json").write_text(replace(kept, on=False).to_json())
    assert imported(kept.addresses(2)[0]).exit_code == Exit.REFUSED
    assert single_run.json("allowed")["allows"] == []
