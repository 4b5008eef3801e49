"""The audit trail as a chain: each row's digest covers the row and the digest before it (a linear hash chain, as in
RFC 6962's idea of an append-only log, without its tree). Whoever changes or removes a row in the file behind the
appliance's back breaks the chain from there on; cutting the end off is seen by whoever noted the last digest.
"""

from dataclasses import dataclass

from pysrv.store.database import Reading, Writing, link
from pysrv.store.rows import AuditRow

_COLUMNS = "id, at, who, action, subject, before, after"
_BITE = 1000


@dataclass(frozen=True, slots=True)
class Chain:
    """What a walk along the trail found. `broken_at`: number of the first row that does not fit, 0: none."""

    rows: int
    unchained: int  # written before there was a chain
    head: str
    broken_at: int = 0


class TrailReading(Reading):
    """Questions about the trail."""

    def audit(self, limit: int = 100, subject: str | None = None, before_id: int | None = None) -> list[AuditRow]:
        """The newest changes of anything, newest first."""
        sql = (
            f"SELECT {_COLUMNS} FROM audit WHERE (?1 IS NULL OR subject = ?1) AND (?3 IS NULL OR id < ?3) "  # noqa: S608
            "ORDER BY id DESC LIMIT ?2"
        )
        return [AuditRow(*row) for row in self._all(sql, (subject, limit, before_id))]

    def audit_chain(self) -> Chain:
        """Walks the whole trail. Reads the whole table: not for the conductor."""
        rows = unchained = last = 0
        head = ""
        sql = f"SELECT {_COLUMNS}, digest FROM audit WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
        while bite := self._all(sql, (last, _BITE)):
            for number, *row, digest in bite:
                if not head and not digest:
                    unchained += 1
                elif number != last + 1 or digest != link(head, number, tuple(row)):
                    return Chain(rows, unchained, head, number)
                rows, last, head = rows + 1, number, digest
        return Chain(rows, unchained, head)


class TrailWriting(Writing):
    """What is done outside the database and belongs into the trail all the same."""

    def note(self, who: str, action: str, subject: str, before: str = "", after: str = "") -> None:
        """One row."""
        self._audit(who, action, subject, before, after)
