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
    """What a walk along the trail found. `broken_at`: number of the first row that does not fit, 0: none.
    `noted_at`: the row whose digest is the one that was noted earlier, 0: none.
    """

    rows: int
    unchained: int  # written before there was a chain
    head: str
    broken_at: int = 0
    noted_at: int = 0


class TrailReading(Reading):
    """Questions about the trail."""

    def audit(
        self, limit: int = 100, subject: str | None = None, before_id: int | None = None, who: str | None = None
    ) -> list[AuditRow]:
        """The newest changes of anything, newest first. `who` is a name as the trail has it, or without its `web:`."""
        sql = (
            f"SELECT {_COLUMNS} FROM audit WHERE (?1 IS NULL OR subject = ?1) AND (?3 IS NULL OR id < ?3) "  # noqa: S608
            "AND (?4 IS NULL OR who = ?4 OR substr(who, instr(who, ':') + 1) = ?4) ORDER BY id DESC LIMIT ?2"
        )
        return [AuditRow(*row) for row in self._all(sql, (subject, limit, before_id, who))]

    def audit_chain(self, noted: str = "") -> Chain:
        """Walks the whole trail. `noted` is a head of earlier: while it is found, nothing up to there was cut off.
        Reads the whole table: not for the conductor.
        """
        rows = unchained = last = found = 0
        head = ""
        sql = f"SELECT {_COLUMNS}, digest FROM audit WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
        while bite := self._all(sql, (last, _BITE)):
            for number, *row, digest in bite:
                if not head and not digest:
                    unchained += 1
                elif number != last + 1 or digest != link(head, number, tuple(row)):
                    return Chain(rows, unchained, head, number, found)
                rows, last, head = rows + 1, number, digest
                found = number if noted and digest == noted else found
        return Chain(rows, unchained, head, 0, found)


class TrailWriting(TrailReading, Writing):
    """What is done without a change of any other row, or outside the database."""

    def note(self, who: str, action: str, subject: str, before: str = "", after: str = "") -> None:
        """Somebody did this."""
        self._audit(who, action, subject, before, after)

    def console_session(self, name: str, address: str, *, begun: bool) -> None:
        """An administrator came to the console, or went."""
        self._audit(f"console:{name}", "session.begin" if begun else "session.end", name, "", address)
