"""What root reports of backups is shown, noted and told; what an operator asks for goes to the keeper alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.config.settings import Settings
from appliance.wire import BackupWanted, BackupWork, WireError
from pysrv.control.backup_run import SILENT_S
from pysrv.control.memory import Memory
from pysrv.control.session import Control, Session
from pysrv.store import Store
from tests.control.office import NOW, Service

HELD = {"ident": "a1b2c3d4e5", "at": NOW, "host": "vm", "kind": "full", "size_bytes": 1000, "version": "1.0"}
PLACE = {"place": "sftp:b@192.0.2.9:/x", "local": False, "every_h": 24, "checked_at": 0.0}
MADE = {"event": "made", "snapshot": "a1b2c3d4e5", "size_bytes": 1000, "added_bytes": 10, "snapshots": [HELD], **PLACE}


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture()
def office(tmp_path: Path) -> Iterator[tuple[Session, Service, Store, Clock]]:
    clock, service = Clock(), Service(Settings({"adminemails": ("ops@example.org",)}))
    with Store.open(tmp_path / "a.db", clock) as store:
        yield Control(store, service, {}, clock, Memory()).session("root"), service, store, clock


def finding(session: Session) -> str:
    found: list[dict[str, Any]] = session.do("checklist.show")["findings"]
    return next(str(each["grade"]) for each in found if each["name"] == "backup")


def test_one_that_was_made_is_listed_noted_and_contents_the_checklist(
    office: tuple[Session, Service, Store, Clock],
) -> None:
    session, _, store, _ = office
    assert finding(session) == "fail"
    session.do("backups.report", MADE)
    told = session.do("backups.list")
    assert told["backups"] == [HELD]
    assert told["state"]["place"] == PLACE["place"]
    assert (told["state"]["made_at"], told["state"]["size_bytes"]) == (NOW, 1000)
    assert [row.action for row in store.audit(1)] == ["backup"]
    assert finding(session) == "pass"
    session.do("backups.report", {"event": "listed", **PLACE, "snapshots": []})
    assert session.do("backups.list")["backups"] == []


def test_one_that_failed_is_told_once_a_day_and_forgotten_with_the_next(
    office: tuple[Session, Service, Store, Clock],
) -> None:
    session, service, store, clock = office
    failed = {"event": "failed", "failure": "no route to host", "place": PLACE["place"]}
    session.do("backups.report", MADE)
    for _ in range(3):
        session.do("backups.report", failed)
        clock.now += 3600
    assert [notice["subject"] for notice in session.do("notices.list")["notices"]].count("no backup was made") == len(
        {row.recipient for row in store.notices(100)}
    )
    assert ("notices",) in service.told
    state = session.do("backups.list")["state"]
    assert state["failure"] == "no route to host"
    assert session.do("backups.list")["backups"] == [HELD]  # what there was is there still
    session.do("backups.report", MADE)
    assert session.do("backups.list")["state"]["failure"] == ""


def test_what_is_asked_for_goes_to_the_keeper_and_its_progress_is_seen(
    office: tuple[Session, Service, Store, Clock],
) -> None:
    session, service, _, clock = office
    session.do("backups.make")
    assert service.told[-1][:2] == ("backup", BackupWanted(BackupWork.NOW))
    with pytest.raises(WireError, match="runs already"):
        session.do("backups.make", {"work": "check"})
    session.do("backups.report", {"event": "progress", "step": "save", "done": 3, "total": 4})
    assert session.do("backups.list")["running"] == {"work": "now", "step": "save", "done": 3, "total": 4}
    clock.now += SILENT_S + 1
    assert session.do("backups.list")["running"] is None  # whoever made it was killed
    session.do("backups.make", {"work": "check"})
    service.told[-1][2]("another one runs")
    told = session.do("backups.list")
    assert (told["running"], told["refusal"]) == (None, "another one runs")
    service.keeper_is_there = False
    with pytest.raises(WireError, match="keeper is away"):
        session.do("backups.make")


@pytest.mark.parametrize("wrong", [{"event": "made", "kind": "odd"}, {"event": "none"}, {"event": "made", "at": 1}])
def test_a_report_that_is_none_is_refused(office: tuple[Session, Service, Store, Clock], wrong: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        office[0].do("backups.report", wrong)


def test_a_database_that_came_out_of_a_backup_knows_of_that_backup(
    office: tuple[Session, Service, Store, Clock],
) -> None:
    session, _, _, _ = office  # what it noted of the backup itself came after the copy
    report = {"event": "restored", "snapshot": "a1b2c3d4e5", "made_at": NOW, "snapshots": [HELD], **PLACE}
    session.do("backups.report", report)
    assert finding(session) == "pass"
