"""What audits of the machine found: the newest whole, older ones by their score."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pysrv.store.database import Reading, Writing

MOST_KEPT: Final = 400  # about a year of them


@dataclass(frozen=True, slots=True)
class MachineAudit:
    """One audit. `at` is Unix seconds, `findings` as root told them; `worse` names what had passed the time before."""

    at: float
    host: str
    score: int
    failed: int
    warned: int
    findings: tuple[dict[str, Any], ...] = ()
    worse: tuple[str, ...] = ()


class MachineAuditReading(Reading):
    """Questions about them."""

    def machine_audit(self) -> MachineAudit | None:
        """The newest; None: there was none."""
        row = self._one(
            "SELECT at, host, score, failed, warned, findings, worse FROM machine_audits ORDER BY id DESC LIMIT 1"
        )
        if row is None:
            return None
        at, host, score, failed, warned, findings, worse = row
        return MachineAudit(at, host, score, failed, warned, tuple(json.loads(findings)), tuple(json.loads(worse)))

    def machine_audit_counts(self) -> tuple[float, int, int]:
        """(when, score, how many failed) of the newest; 0 as the time: there was none."""
        row = self._one("SELECT at, score, failed FROM machine_audits ORDER BY id DESC LIMIT 1")
        return (float(row[0]), int(row[1]), int(row[2])) if row else (0.0, 0, 0)

    def machine_audit_scores(self, limit: int) -> list[tuple[float, int]]:
        """(when, score), newest first."""
        rows = self._all("SELECT at, score FROM machine_audits ORDER BY id DESC LIMIT ?", (limit,))
        return [(float(at), int(score)) for at, score in rows]


class MachineAuditWriting(MachineAuditReading, Writing):
    """What root tells."""

    def add_machine_audit(self, who: str, found: MachineAudit) -> None:
        """One was made; what older ones found is forgotten, but for their score."""
        told = (_text(found.findings), _text(found.worse))
        with self._atomic():
            self._write("UPDATE machine_audits SET findings = '[]' WHERE findings != '[]'")
            self._write(
                "INSERT INTO machine_audits (at, host, score, failed, warned, findings, worse) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (found.at, found.host, found.score, found.failed, found.warned, *told),
            )
            self._write("DELETE FROM machine_audits WHERE id <= (SELECT max(id) FROM machine_audits) - ?", (MOST_KEPT,))
            self._audit(who, "audit", "machine", "", f"score {found.score}, {found.failed} failed")


def _text(values: Sequence[Any]) -> str:
    return json.dumps(values, separators=(",", ":"))
