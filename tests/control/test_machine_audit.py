"""Verbs about audits of the machine: what root tells is kept, shown and compared, and who must hear of it does."""

import logging
from typing import Any

import pytest

from appliance.wire import WireError
from pysrv.control.audit_run import SILENT_S
from pysrv.control.memory import Memory
from pysrv.control.session import Control, Licence
from pysrv.people.permissions import Powers, Role
from pysrv.store import Store
from pysrv.store.machine_audits import MOST_KEPT
from tests.control.office import NOW, Operator, Service


def operator(store: Store, service: Service | None = None) -> Operator:
    return Operator(Control(store, service, clock=lambda: NOW).session("root"))


def found(name: str, grade: str, value: str = "seen") -> dict[str, Any]:
    return {"name": name, "area": name.partition(".")[0], "what": "w", "why": "y", "grade": grade, "value": value,
            "weight": 2, "fix": "f", "mendable": False}  # fmt: skip


def tell(who: Operator, at: float, score: int, **grades: str) -> dict[str, Any]:
    findings = [found(f"kernel.{name}", grade.replace("_", " ")) for name, grade in grades.items()]
    return who.ask("audit.report", made_at=at, host="pbx", score=score, findings=findings)


def test_before_the_first_audit_there_is_none(store: Store) -> None:
    assert operator(store).ask("audit.show") == {"report": None, "scores": [], "running_since": None, "refusal": ""}
    assert store.machine_audit_counts() == (0.0, 0, 0)


def test_the_newest_audit_is_shown_whole_and_earlier_ones_by_their_score(store: Store) -> None:
    who = operator(store)
    tell(who, NOW, 50, swap="fail", apparmor="pass")
    tell(who, NOW + 86_400, 90, swap="warn", apparmor="pass", lockdown="not_here")
    shown = who.ask("audit.show")
    assert shown["scores"] == [{"at": NOW + 86_400, "score": 90}, {"at": NOW, "score": 50}]
    report = shown["report"]
    assert (report["at"], report["host"], report["score"], report["failed"], report["warned"]) == (
        NOW + 86_400,
        "pbx",
        90,
        0,
        1,
    )
    assert [(each["name"], each["grade"]) for each in report["findings"]] == [
        ("kernel.swap", "warn"), ("kernel.apparmor", "pass"), ("kernel.lockdown", "not here"),
    ]  # fmt: skip
    assert store.last_audit("audit") == NOW


def test_what_passed_and_fails_now_is_told_to_administrators_once(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service()
    who = operator(store, service)
    caplog.set_level(logging.INFO, "pysrv.audit")
    assert tell(who, NOW, 100, swap="pass", apparmor="pass") == {"worse": []}
    assert store.unrouted_notices() == []
    assert tell(who, NOW + 1, 60, swap="fail", apparmor="warn") == {"worse": ["kernel.swap"]}
    [notice] = store.unrouted_notices()
    assert (notice.kind, notice.figures) == ("audit_worse", {"count": 1, "checks": "kernel.swap", "score": 60})
    assert service.told == [("notices",)]
    assert "machine audited score=60 failed=1 worse=kernel.swap" in caplog.text
    assert tell(who, NOW + 2, 60, swap="fail", apparmor="warn") == {"worse": []}  # nothing new
    assert len(store.unrouted_notices()) == 1
    assert who.ask("audit.show")["report"]["worse"] == []


def test_metrics_have_the_newest_score(store: Store) -> None:
    tell(operator(store), NOW, 87, swap="fail")
    assert store.machine_audit_counts() == (NOW, 87, 1)


def test_a_year_of_scores_is_kept_and_no_more(store: Store) -> None:
    who = operator(store)
    for number in range(MOST_KEPT + 3):
        tell(who, NOW + number, 80, swap="fail")
    assert len(store.machine_audit_scores(10_000)) == MOST_KEPT


def test_one_that_is_asked_for_goes_to_the_keeper_and_runs_until_it_is_told(store: Store) -> None:
    now, service = [NOW], Service()
    who = Operator(Control(store, service, {}, lambda: now[0], Memory()).session("root"))
    assert who.ask("audit.make") == {"running_since": NOW}
    assert service.told[-1][:2] == ("audit", None)
    now[0] += 5.0
    with pytest.raises(WireError, match="runs already"):
        who.ask("audit.make")
    assert who.ask("audit.show")["running_since"] == NOW
    tell(who, now[0], 90, swap="pass")
    shown = who.ask("audit.show")
    assert (shown["running_since"], shown["refusal"], shown["report"]["score"]) == (None, "", 90)


def test_one_that_comes_to_nothing_says_so(store: Store) -> None:
    now, service = [NOW], Service()
    who = Operator(Control(store, service, {}, lambda: now[0], Memory()).session("root"))
    who.ask("audit.make")
    service.told[-1][2]("another one runs")
    shown = who.ask("audit.show")
    assert (shown["running_since"], shown["refusal"]) == (None, "another one runs")
    who.ask("audit.make")
    now[0] += SILENT_S + 1  # whoever made it was killed
    shown = who.ask("audit.show")
    assert (shown["running_since"], shown["refusal"]) == (None, "it was begun, and nothing was reported")
    service.keeper_is_there = False
    with pytest.raises(WireError, match="keeper is away"):
        who.ask("audit.make")
    with pytest.raises(WireError, match="not running"):
        operator(store).ask("audit.make")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"score": 101}, "is no audit"),
        ({"findings": [found("kernel.x", "fine")]}, "grade"),
        ({"findings": [found("kernel.x", "fail", "v" * 601)]}, "longer than 600"),
        ({"host": 5}, "host"),
    ],
)
def test_what_is_no_audit_is_refused(store: Store, changes: dict[str, Any], words: str) -> None:
    told = {"made_at": NOW, "host": "pbx", "score": 5, "findings": [found("kernel.x", "fail")]} | changes
    with pytest.raises(WireError, match=words):
        operator(store).ask("audit.report", **told)
    assert store.machine_audit() is None


COMMAND = "select it; drop table accounts; -- 'x' or 1=1 <script>"


def test_roots_words_about_the_machine_are_not_taken_for_an_attack_but_others_are(store: Store) -> None:
    told = {"made_at": NOW, "host": "pbx", "score": 5, "findings": [found("kernel.x", "fail", COMMAND)]}
    control = Control(store, None, clock=lambda: NOW)
    with pytest.raises(WireError, match="validateinput"):
        control.session("ann", Licence(Powers.of(Role.OWNER), proven=True)).do("audit.report", told)
    control.session("root").do("audit.report", told)
    assert operator(store).ask("audit.show")["report"]["findings"][0]["value"] == COMMAND
