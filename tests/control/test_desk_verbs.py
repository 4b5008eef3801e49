"""The verbs behind the panel's pages of settings, checklist and first set-up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.wire import WireError
from pysrv.control.session import Control, Session
from pysrv.control.setup import Step
from pysrv.store import NewTrunk, Store
from tests.control.office import NOW


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    store = Store.open(tmp_path / "appliance.db", lambda: NOW)
    yield Control(store, clock=lambda: NOW).session("root")
    store.close()


def ask(session: Session, verb: str, **args: Any) -> dict[str, Any]:
    return session.do(verb, args)


def test_a_setting_is_shown_with_its_history_the_newest_first(session: Session) -> None:
    assert ask(session, "settings.show", name="calltimeout")["history"] == []
    for text in ("1h", "2h", None):
        ask(session, "settings.set", changes={"calltimeout": text})
    shown = ask(session, "settings.show", name="CallTimeout")
    assert [(each["before"], each["after"]) for each in shown["history"]] == [("2h", None), ("1h", "2h"), (None, "1h")]
    assert {each["who"] for each in shown["history"]} == {"root"}
    assert (shown["source"], shown["changed_at"], shown["is_strict"]) == ("default", None, True)
    with pytest.raises(WireError, match="no setting"):
        ask(session, "settings.show", name="nothing")


def test_a_setting_says_who_changed_it_whether_it_is_strict_and_can_be_tried(session: Session) -> None:
    shown = ask(session, "settings.show", name="blocknotbilledcalls")
    assert (shown["is_strict"], shown["strict_text"], shown["triable"], shown["dangerous"]) == (False, "1", True, False)
    ask(session, "settings.set", changes={"blocknotbilledcalls": "1"})
    shown = ask(session, "settings.show", name="blocknotbilledcalls")
    assert (shown["is_strict"], shown["changed_by"], shown["changed_at"]) == (True, "root", NOW)
    assert ask(session, "settings.show", name="remoteadmin")["dangerous"]
    assert not ask(session, "settings.show", name="calltimeout")["triable"]


def test_a_secrets_history_is_known_by_time_alone(session: Session) -> None:
    ask(session, "settings.set", changes={"mailpassword": "open-sesame-77"})
    shown = ask(session, "settings.show", name="mailpassword")
    assert "open-sesame-77" not in str(shown)
    assert (shown["secret"], shown["text"], [each["known"] for each in shown["history"]]) == (True, "", [False])


def test_the_set_up_goes_from_step_to_step_and_can_be_resumed(session: Session) -> None:
    assert ask(session, "setup.show")["next"] == Step.PASSWORD
    for step in Step:
        told = ask(session, "setup.mark", step=step, state="skipped" if step is Step.TRUNK else "done")
    assert (told["finished"], told["next"]) == (True, None)
    assert {each["step"]: each["state"] for each in told["steps"]}["trunk"] == "skipped"
    assert ask(session, "setup.mark", step="trunk", state="")["next"] == "trunk"
    for wrong in ({"step": "nothing"}, {"step": "trunk", "state": "half"}):
        with pytest.raises(WireError):
            ask(session, "setup.mark", **wrong)


def test_the_checklist_judges_what_the_store_holds(session: Session) -> None:
    def graded() -> dict[str, str]:
        return {each["name"]: each["grade"] for each in ask(session, "checklist.show")["findings"]}

    before = ask(session, "checklist.show")["score"]
    assert (graded()["open_trunks"], graded()["notices"], graded()["certificate"]) == ("pass", "fail", "pass")
    session._desk.store.add_trunk(NewTrunk("carrier", "192.0.2.1", inbound=("10.0.0.0/8",)))
    assert graded()["open_trunks"] == "fail"
    session._desk.store.set_trunk("carrier", enabled=False)
    assert graded()["open_trunks"] == "pass"
    mail = {"mailserver": "mail.example", "mailfrom": "a@b.example", "adminemails": "c@b.example"}
    ask(session, "settings.set", changes=mail)
    assert graded()["notices"] == "pass"
    assert ask(session, "checklist.show")["score"] > before
