"""`rules try` and `rules replay` on the command line: what is asked, what is shown, and how it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance import launch
from appliance.cli import policy, trying
from appliance.cli.exits import Exit, Failure
from pysrv.control.replaying import run_replay
from pysrv.store import Reader
from tests.appliance.shell import Shell
from tests.control.office import office
from tests.control.past import NOW, PastOffice


@pytest.fixture(autouse=True)
def on_the_spot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is logged in over the network, whoever runs the tests."""
    monkeypatch.setattr(policy, "ssh_client", lambda: "")
    monkeypatch.setattr(policy.logged_in, "__defaults__", (Path("/nonexistent"),))


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """An appliance with a day of calls; the process of its own is this one."""
    made = Shell(tmp_path)
    past = PastOffice(made.database)
    past.account("alice")
    past.account("bob")
    for hour in (8, 9, 10):
        past.call("alice", 1, hour, 600)
    past.call("bob", 1, 8, 300)
    past.done()
    past.store.close()

    def replay(_state: Path, _runtime: Path, lines: bytes, on_line: Callable[[bytes], None]) -> int:
        return run_replay(lambda: Reader.open(made.database), NOW, lines.splitlines(), on_line)

    monkeypatch.setattr(launch, "replay", replay)
    monkeypatch.setattr("appliance.cli.link.os.geteuid", lambda: 0)
    return made


def test_what_a_limit_would_have_done_is_shown_with_a_picture(shell: Shell) -> None:
    result = shell.run("rules", "try", "maxdailycreditforenduser=15.00", "--days", "3")
    assert result.exit_code == Exit.OK, result.output
    for words in (
        "maxdailycreditforenduser=15 (now 0)", "against", "settings in force", "1 refused, 1 cut, of 1 accounts",
        "15.00 EUR", "7.50 EUR", "alice", "2026-05-26", "before 35.00 EUR", "2 stopped, 1 blocked",
    ):  # fmt: skip
        assert words in result.stdout, words
    assert "█" in result.stdout


def test_in_json_it_is_the_whole_answer_and_nothing_else(shell: Shell) -> None:
    answer = shell.json("rules", "try", "maxlines=1", "--account", "alice")
    assert answer["tried"] == [{"name": "maxlines", "now": "", "tried": "1"}]
    assert (answer["accounts_named"], answer["calls"]) == (["alice"], 3)


def test_the_settings_in_force_are_replayed_against_the_records(shell: Shell) -> None:
    result = shell.run("rules", "replay", "--days", "3")
    assert result.exit_code == Exit.OK, result.output
    assert "the records" in result.stdout
    assert "0 refused, 0 cut" in result.stdout


def test_it_works_beside_an_office_that_runs(shell: Shell) -> None:
    with office(shell.runtime, shell.database) as service:
        assert shell.json("rules", "try", "maxdailyminutes=5")["total"]["refused"] == 2
        assert service.told == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("maxlines",), Exit.USAGE, "is no SETTING=VALUE"),
        (("maxlines=1", "maxlines=2"), Exit.USAGE, "given twice"),
        (("maxlines=-1",), Exit.REFUSED, "maxlines"),
        (("maxlinez=1",), Exit.NOT_FOUND, "maxlines"),
        (("banperiod=60s",), Exit.REFUSED, "no limit of calls"),
        (("maxlines=1", "--account", "nobody"), Exit.NOT_FOUND, "nobody"),
        (("maxlines=1", "--days", "0"), Exit.USAGE, "--days"),
        ((), Exit.USAGE, "SETTING=VALUE"),
    ],
)
def test_what_is_wrong_ends_with_its_own_code(shell: Shell, words: tuple[str, ...], code: Exit, said: str) -> None:
    result = shell.run("rules", "try", *words)
    assert result.exit_code == code
    assert said in result.stderr


def test_whoever_is_not_root_is_told(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.cli.link.os.geteuid", lambda: 1000)
    assert shell.run("rules", "try", "maxlines=1").exit_code == Exit.NOT_PERMITTED


def day(**more: Any) -> dict[str, Any]:
    fields = {"day": "2026-05-26", "before": {}, "after": {}, "ceiling": None, "stopped": 0, "blocked": 0}
    return fields | more


def test_the_picture_is_to_scale_and_shows_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "unicode_shown", lambda: False)
    full = day(before={"EUR": "20.00"}, after={"EUR": "10.00"}, ceiling="15.00", stopped=3)
    lines = trying.picture([full, day()]).plain.splitlines()
    assert lines[0] == f"2026-05-26 {'#' * 16}{'-' * 7}|{'-' * 8} 10.00 EUR  before 20.00 EUR, 3 stopped"
    assert lines[1].rstrip() == f"2026-05-26 {' ' * 32} 0.00"


def test_a_pair_without_a_name_is_none() -> None:
    with pytest.raises(Failure, match="no SETTING=VALUE"):
        trying.proposal(["=3"])
