"""Registrar bindings, so that phones stay reachable across a restart."""

from pysrv.store.database import Reading, Writing
from pysrv.store.rows import SavedBinding

_COLUMNS = (
    "aor, contact, transport, local_host, local_port, remote_host, remote_port, expires_at, call_id, cseq, connection, "
    "instance_id, reg_id, path, user_agent"
)
_SAVE = f"INSERT OR REPLACE INTO bindings ({_COLUMNS}) VALUES ({', '.join('?' * 15)})"  # noqa: S608


class RegistrationReading(Reading):
    """Questions about bindings."""

    def bindings(self, aor: str | None = None) -> list[SavedBinding]:
        """Bindings that have not expired, of one AOR or of all."""
        sql = f"SELECT {_COLUMNS} FROM bindings WHERE expires_at > ?1 AND (?2 IS NULL OR aor = ?2)"  # noqa: S608
        return [SavedBinding(*row) for row in self._all(sql + " ORDER BY aor, contact", (self._clock(), aor))]

    def binding_page(
        self, words: str, limit: int, offset: int = 0, *, aor: str | None = None
    ) -> tuple[list[SavedBinding], int]:
        """Some bindings, of one AOR or of all, and how many fit: `words` stand in AOR, contact, address or program."""
        fits = (
            "FROM bindings WHERE expires_at > ?1 AND (?2 = '' OR instr(lower(aor), ?2) OR instr(lower(contact), ?2) "
            "OR instr(remote_host, ?2) OR instr(lower(user_agent), ?2)) AND (?3 IS NULL OR aor = ?3)"
        )
        now, wanted = self._clock(), words.lower()
        sql = f"SELECT {_COLUMNS} {fits} ORDER BY aor, contact LIMIT ?4 OFFSET ?5"
        count = self._one(f"SELECT count(*) {fits}", (now, wanted, aor))
        return [SavedBinding(*row) for row in self._all(sql, (now, wanted, aor, limit, offset))], count[
            0
        ] if count else 0


class RegistrationWriting(RegistrationReading, Writing):
    """Changes of bindings."""

    def save_binding(self, binding: SavedBinding) -> None:
        """Adds a binding or replaces the one with the same AOR and contact."""
        row = (
            binding.aor, binding.contact, binding.transport, binding.local_host, binding.local_port,
            binding.remote_host, binding.remote_port, binding.expires_at, binding.call_id, binding.cseq,
            binding.connection, binding.instance_id, binding.reg_id, binding.path, binding.user_agent,
        )  # fmt: skip
        self._write(_SAVE, row)

    def remove_binding(self, aor: str, contact: str) -> None:
        """Removes a binding; one that is not there is no error."""
        self._write("DELETE FROM bindings WHERE aor = ? AND contact = ?", (aor, contact))

    def expire_bindings(self) -> int:
        """Removes expired bindings; returns how many."""
        return self._write("DELETE FROM bindings WHERE expires_at <= ?", (self._clock(),)).rowcount
