"""What the keeper has done by others: laid down for a unit, or started, and never twice at once."""

import asyncio
import stat
import sys
from pathlib import Path

import pytest

from appliance import errands
from appliance.cli.backups import _now
from appliance.cli.table import Session
from appliance.errands import AUDIT_WANTED, WANTED, Errands, take
from appliance.wire import BackupWork, WireError


def made(directory: Path, *, by_unit: bool) -> tuple[Errands, list[str]]:
    said: list[str] = []
    return Errands(directory / "state", directory, said.append, by_unit=by_unit), said


@pytest.mark.parametrize("work", BackupWork)
def test_what_is_wanted_is_laid_for_the_unit_and_taken_once(tmp_path: Path, work: BackupWork) -> None:
    keeper, _ = made(tmp_path, by_unit=True)
    keeper.backup(work)
    keeper.backup(work)
    assert stat.S_IMODE((tmp_path / WANTED).stat().st_mode) == 0o600
    assert take(tmp_path) is work
    assert take(tmp_path) is None


def test_who_asks_without_end_is_refused_and_only_for_a_while(tmp_path: Path) -> None:
    now = [1000.0]
    keeper = Errands(tmp_path, tmp_path, lambda _: None, by_unit=True, clock=lambda: now[0])
    asks = (lambda: keeper.backup(BackupWork.NOW), WANTED, "backups"), (keeper.audit, AUDIT_WANTED, "audits")
    for ask, name, words in asks:  # each kind by itself
        for _ in range(errands.MOST_WANTED):
            now[0] += 1.0
            ask()
        (tmp_path / name).unlink()
        with pytest.raises(WireError, match=f"too many {words} were asked for") as refused:
            ask()
        assert refused.value.code == "too_many" and not (tmp_path / name).exists()
    now[0] += errands.WITHIN_S
    for ask, name, _ in asks:
        ask()
        assert (tmp_path / name).exists()


def test_a_word_that_cannot_be_laid_is_refused(tmp_path: Path) -> None:
    keeper = Errands(tmp_path, tmp_path / "nowhere", lambda _: None, by_unit=True)
    with pytest.raises(WireError, match="No such file"):
        keeper.backup(BackupWork.NOW)


def test_one_runs_at_a_time_and_ends_with_the_keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    keeper, _ = made(tmp_path, by_unit=False)
    keeper.backup(BackupWork.NOW)
    with pytest.raises(WireError, match="runs already"):
        keeper.backup(BackupWork.CHECK)
    keeper.stop()
    keeper.backup(BackupWork.CHECK)
    keeper.stop()


def test_who_asks_while_it_is_being_done_uses_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    keeper, _ = made(tmp_path, by_unit=False)
    for ask in (lambda: keeper.backup(BackupWork.NOW), keeper.audit):
        for _ in range(errands.MOST_WANTED):
            ask()
            for _ in range(errands.MOST_WANTED):
                with pytest.raises(WireError, match="runs already"):
                    ask()
            keeper.stop()
        with pytest.raises(WireError, match="were asked for"):
            ask()


def test_an_audit_that_is_wanted_is_laid_and_taken_with_the_next(tmp_path: Path) -> None:
    keeper, _ = made(tmp_path, by_unit=True)
    keeper.audit()
    assert (tmp_path / AUDIT_WANTED).exists()
    errands.take_audit(tmp_path)
    errands.take_audit(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_audit_and_a_backup_run_beside_each_other_but_no_second_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    keeper, _ = made(tmp_path, by_unit=False)
    keeper.backup(BackupWork.NOW)
    keeper.audit()
    with pytest.raises(WireError, match="an audit of the machine runs already"):
        keeper.audit()
    keeper.stop()
    keeper.audit()
    keeper.stop()


def test_a_command_that_cannot_be_started_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    keeper, _ = made(tmp_path, by_unit=False)
    with pytest.raises(WireError, match="no audit can be started: No such file"):
        keeper.audit()


async def test_the_machine_is_audited_some_minutes_after_a_start_and_each_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, ...]] = []
    now = [1000.0]
    keeper = Errands(tmp_path, tmp_path, lambda _: None, by_unit=False, look_s=0.0, clock=lambda: now[0])
    monkeypatch.setattr(keeper, "_start", started.append)
    task = asyncio.create_task(keeper.run())
    counts = []
    for passed in (0.0, errands.AUDIT_AFTER_S, 10.0, errands.AUDIT_EVERY_S - 20.0, 20.0):
        now[0] += passed
        for _ in range(4):
            await asyncio.sleep(0)
        counts.append(len(started))
    task.cancel()
    assert counts == [0, 1, 1, 1, 2]
    assert set(started) == {errands.AUDIT}


async def test_the_schedule_is_looked_at_where_a_place_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, ...]] = []
    keeper = Errands(tmp_path / "state", tmp_path, lambda _: None, by_unit=False, look_s=0.0)
    monkeypatch.setattr(keeper, "_start", started.append)
    task = asyncio.create_task(keeper.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not started
    (tmp_path / "state" / "backup").mkdir(parents=True)
    (tmp_path / "state" / "backup" / "options.toml").touch()
    while not started:
        await asyncio.sleep(0)
    task.cancel()
    assert started[0] == errands.IF_DUE


def test_nothing_is_made_before_a_place_is_chosen(tmp_path: Path) -> None:
    answer = _now(Session(tmp_path / "state", tmp_path, None, json=True), full=False, if_due=True)
    assert answer.value == {"made": None, "due": False}
    assert not (tmp_path / "state").exists()
