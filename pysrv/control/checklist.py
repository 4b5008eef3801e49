"""`checklist.show`: gathers what the security checklist (pysrv.limits.checklist) judges."""

from typing import Any, TypedDict

from pysrv.certificates import held, renewer, selfsigned
from pysrv.control.desk import Desk
from pysrv.limits.checklist import SHOWN, Facts, Finding, findings, score
from pysrv.limits.notice_routes import routes

BACKUP = "backup"  # the action that the audit trail notes when a backup was made


def facts(desk: Desk) -> Facts:
    """What there is to judge."""
    store, settings = desk.store, desk.settings
    ordered = renewer.kept(store.path.parent)
    people = [person for person in store.administrators() if person.enabled]
    return Facts(
        now=desk.clock(),
        settings=settings,
        weak=tuple(store.weak_names(SHOWN + 1)),
        lax=tuple(store.lax_names(SHOWN + 1)),
        deckless=tuple(store.deckless_names(SHOWN + 1)),
        without_factor=tuple(person.name for person in people if not person.has_second_factor),
        trunks=tuple((trunk.name, tuple(trunk.inbound), trunk.deck) for trunk in store.trunks() if trunk.enabled),
        decks=len(store.decks()),
        self_made_certificate=not (store.path.parent / held.FILE_NAME).exists()
        and selfsigned.self_made(store.path.parent),
        failed_renewals=ordered.failures if ordered is not None and ordered.fingerprint else 0,
        told_ways=sum(not route.refused for route in routes("test", {}, settings)),
        nobody_trusted=not store.trust_begun(),
        # What was brought back out of a backup is older than the note of that backup.
        backup_at=max((each.at for each in store.backups()), default=store.last_audit(BACKUP)),
    )


class ChecklistAnswer(TypedDict):
    """The security checklist. `score`: per cent of what can be reached."""

    score: int
    findings: list[Finding]


def show(desk: Desk, _: Any) -> ChecklistAnswer:
    """checklist.show"""
    found = findings(facts(desk))
    return {"score": score(found), "findings": list(found)}
