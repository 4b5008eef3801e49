"""How far the first set-up has come, and what the security checklist counts."""

from pysrv.store.database import Reading, Writing
from pysrv.store.schema_checklist import DECKLESS, IN_USE, LAX, WEAK


class SetupReading(Reading):
    """Questions about them."""

    def setup_steps(self) -> dict[str, str]:
        """The steps that are behind us: done or skipped."""
        return {str(step): str(state) for step, state in self._all("SELECT step, state FROM setup_steps")}

    def weak_names(self, limit: int) -> list[str]:
        """Accounts whose password waits for its replacement."""
        return self._names(WEAK, limit)

    def lax_names(self, limit: int) -> list[str]:
        """Accounts that need no secret to call."""
        return self._names(LAX, limit)

    def deckless_names(self, limit: int) -> list[str]:
        """Accounts whose calls no rate deck of their own prices, and which are below nobody whose deck would."""
        return self._names(DECKLESS, limit)

    def last_audit(self, action: str) -> float | None:
        """When something was last done; None: never."""
        row = self._one("SELECT max(at) FROM audit WHERE action = ?", (action,))
        return None if row is None or row[0] is None else float(row[0])

    def _names(self, fault: str, limit: int) -> list[str]:
        sql = f"SELECT name FROM accounts WHERE {IN_USE} AND {fault} ORDER BY name LIMIT ?"  # noqa: S608 our own words
        return [str(name) for (name,) in self._all(sql, (limit,))]


class SetupWriting(SetupReading, Writing):
    """Changes of it."""

    def mark_setup_step(self, step: str, state: str, who: str = "") -> None:
        """A step is done or skipped; empty: it is before us again."""
        if state:
            sql = "INSERT OR REPLACE INTO setup_steps (step, state, at, who) VALUES (?, ?, ?, ?)"
            self._write(sql, (step, state, self._clock(), who))
        else:
            self._write("DELETE FROM setup_steps WHERE step = ?", (step,))
        self._audit(who, "setup", step, "", state)
