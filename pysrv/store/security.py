"""Bans, the allow list, refused attempts, secrets that survive restarts, and administrators (argon2id)."""

import json
import secrets
from typing import Any

from pysrv.store.rows import AllowRow, Attempt, BanRow
from pysrv.store.secrecy import KEY, SecrecyReading, SecrecyWriting

_BAN = (
    "prefix, rule, reason, created_at, expires_at, who, port, scope, spares_known, proven, count, allowed, window_s, "
    "repetition, samples, neighbours"
)
ATTEMPTS_SEARCHED = 200_000  # of a million that are kept: a question must not hold up calls
_ALLOW = "prefix, kind, reason, created_at, expires_at, who"
# One that had ended when it was written, by an old file for instance, was never trusted.
_TRUSTS = "kind = 'allow' AND (expires_at = 0 OR created_at < expires_at)"
_END = f"CASE WHEN {_TRUSTS} THEN expires_at ELSE trusted_until END"
_LASTING_LONGEST = (
    f"WHERE ({_TRUSTS}) OR trusted_until > 0 ORDER BY ({_TRUSTS} AND expires_at = 0) DESC, {_END} DESC, prefix LIMIT 1"
)
_UNEXPIRED = "WHERE (expires_at = 0 OR expires_at > ?) ORDER BY prefix"


class SecurityReading(SecrecyReading):
    """Questions about bans, trust and attempts."""

    def bans(self) -> list[BanRow]:
        """Bans that have not expired, of ports too."""
        rows = self._all(f"SELECT {_BAN} FROM bans {_UNEXPIRED}, port", (self._clock(),))  # noqa: S608
        return [_ban(row) for row in rows]

    def ban(self, prefix: str, port: int = 0) -> BanRow | None:
        """The ban of exactly this source, unless it has expired."""
        sql = f"SELECT {_BAN} FROM bans WHERE prefix = ? AND port = ? AND (expires_at = 0 OR expires_at > ?)"  # noqa: S608
        row = self._one(sql, (prefix, port, self._clock()))
        return _ban(row) if row else None

    def ban_count(self) -> int:
        """How many bans have not expired."""
        row = self._one("SELECT count(*) FROM bans WHERE expires_at = 0 OR expires_at > ?", (self._clock(),))
        return int(row[0]) if row else 0

    def ban_page(self, words: str, limit: int, offset: int = 0) -> tuple[list[BanRow], int]:
        """Some bans, the newest first, and how many fit: `words` stand in address, rule or reason."""
        fits = (
            "FROM bans WHERE (expires_at = 0 OR expires_at > ?1) AND (?2 = '' OR instr(prefix, ?2) "
            "OR instr(lower(rule), ?2) OR instr(lower(reason), ?2))"
        )
        now, wanted = self._clock(), words.lower()
        sql = f"SELECT {_BAN} {fits} ORDER BY created_at DESC, prefix, port LIMIT ?3 OFFSET ?4"
        count = self._one(f"SELECT count(*) {fits}", (now, wanted))
        return [_ban(row) for row in self._all(sql, (now, wanted, limit, offset))], int(count[0]) if count else 0

    def banned_pairs(self, prefix: str, since: float) -> int:
        """How many ports of this address were banned since then and still are; ports that may be forged not counted."""
        sql = "SELECT count(*) FROM bans WHERE prefix = ? AND port > 0 AND created_at >= ? AND proven = 1"
        row = self._one(sql, (prefix, since))
        return int(row[0]) if row else 0

    def banned_addresses(self, since: float) -> list[str]:
        """Addresses that were proven and automatically banned since then and still are, each once, ports or not."""
        sql = "SELECT DISTINCT prefix FROM bans WHERE created_at >= ? AND proven = 1 AND scope != 'network'"
        return [str(row[0]) for row in self._all(sql, (since,))]

    def repetitions(self, prefix: str, port: int, since: float) -> int:
        """How many bans of this source ended after `since`, or still hold."""
        sql = "SELECT bans FROM ban_repeaters WHERE prefix = ? AND port = ? AND until_at > ?"
        row = self._one(sql, (prefix, port, since))
        return int(row[0]) if row else 0

    def allows(self) -> list[AllowRow]:
        """Rows of the allow list that have not expired, of both kinds."""
        rows = self._all(f"SELECT {_ALLOW} FROM allows {_UNEXPIRED}", (self._clock(),))  # noqa: S608
        return [AllowRow(*row) for row in rows]

    def trusted(self) -> list[AllowRow]:
        """Those of them that are trusted: a row of kind `known` is for the gate alone."""
        return [row for row in self.allows() if row.kind == "allow"]

    def ended_allow(self) -> AllowRow | None:
        """The trusted source that ended last, when none is left. Somebody was trusted then: it takes a person's word,
        and not the end of a time, to make the machine one again that nobody has set up."""
        if self.trusted():
            return None
        sql = f"SELECT prefix, 'allow', reason, created_at, {_END}, who FROM allows {_LASTING_LONGEST}"  # noqa: S608
        row = self._one(sql)
        return AllowRow(*row) if row else None

    def next_allow_end(self) -> float:
        """When the next row of the allow list ends, of whichever kind (Unix seconds); 0: none does."""
        row = self._one("SELECT min(expires_at) FROM allows WHERE expires_at > ?", (self._clock(),))
        return float(row[0]) if row and row[0] else 0.0

    def trust_begun(self) -> bool:
        """Whether somebody was trusted, and nobody has taken the last one off the list."""
        return bool(self.trusted()) or self.ended_allow() is not None

    def attempts(self, limit: int = 100, source: str | None = None, user: str | None = None) -> list[Attempt]:
        """The newest refused attempts, newest first; those of an address or a user among the last ATTEMPTS_SEARCHED."""
        sql = (
            "SELECT at, source, kind, user, setting, detail FROM attempts WHERE (?1 IS NULL OR source = ?1) "
            "AND (?3 IS NULL OR user = ?3) AND id > (SELECT coalesce(max(id), 0) FROM attempts) - ?4 "
        )
        rows = self._all(sql + "ORDER BY id DESC LIMIT ?2", (source, limit, user, ATTEMPTS_SEARCHED))
        return [Attempt(*row) for row in rows]


class SecurityWriting(SecurityReading, SecrecyWriting):
    """Changes of them."""

    def add_ban(self, ban: BanRow) -> None:
        """Bans, or replaces the ban of the same source."""
        row = (
            ban.prefix, ban.rule, ban.reason, ban.created_at or self._clock(), ban.expires_at, ban.who, ban.port,
            ban.scope, ban.spares_known, ban.proven, ban.count, ban.allowed, ban.window_s, ban.repetition,
            json.dumps(ban.samples), json.dumps(ban.neighbours),
        )  # fmt: skip
        marks = ", ".join("?" * len(row))
        self._write(f"INSERT OR REPLACE INTO bans ({_BAN}) VALUES ({marks})", row)  # noqa: S608
        self._audit(ban.who or ban.rule, "ban.add", ban.source, "", ban.reason)

    def remember_ban(self, prefix: str, port: int, bans: int, until: float) -> None:
        """Notes how often a source was banned, so that the next ban is longer."""
        sql = "INSERT OR REPLACE INTO ban_repeaters (prefix, port, bans, until_at) VALUES (?, ?, ?, ?)"
        self._write(sql, (prefix, port, bans, until))

    def forget_repeaters(self, until: float) -> None:
        """Forgets who was banned last before `until`."""
        self._write("DELETE FROM ban_repeaters WHERE until_at <= ?", (until,))

    def remove_ban(self, prefix: str, who: str = "", port: int = 0) -> bool:
        """Lifts a ban, and forgets how often there was one; False: there was none."""
        removed = self._write("DELETE FROM bans WHERE prefix = ? AND port = ?", (prefix, port)).rowcount > 0
        if removed:
            self._write("DELETE FROM ban_repeaters WHERE prefix = ? AND port = ?", (prefix, port))
            self._audit(who, "ban.remove", BanRow(prefix, "", port=port).source)
        return removed

    def remove_bans(self, who: str = "") -> int:
        """Lifts every ban, and forgets how often there was one; returns how many."""
        removed = self._write("DELETE FROM bans").rowcount
        self._write("DELETE FROM ban_repeaters")
        self._audit(who, "ban.remove", "all", "", str(removed))
        return removed

    def expire_sources(self) -> list[tuple[str, int]]:
        """Removes bans and rows of the allow list that have expired, but not the trusted source that ended last.

        Returns prefix and port of the bans."""
        now = self._clock()
        self._sweep_allows(now)
        sql = "DELETE FROM bans WHERE expires_at > 0 AND expires_at <= ? RETURNING prefix, port"
        return [(str(row[0]), int(row[1])) for row in self._write(sql, (now,)).fetchall()]

    def add_allow(self, allow: AllowRow) -> None:
        """Puts a row on the allow list, or replaces that of the same prefix; what trusts nobody ends no trust so."""
        now = self._clock()
        before = self._one(f"SELECT kind, ({_TRUSTS}), {_END} FROM allows WHERE prefix = ?", (allow.prefix,))  # noqa: S608
        kind, trusted, end = before or ("", False, 0.0)
        until = min(end or now, now) if trusted or end else 0.0  # read only where the new row trusts nobody
        row = (allow.prefix, allow.kind, allow.reason, allow.created_at or now, allow.expires_at, allow.who, until)
        sql = f"INSERT OR REPLACE INTO allows ({_ALLOW}, trusted_until) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        self._write(sql, row)
        self._audit(allow.who, "allow.add", allow.prefix, kind, allow.kind)

    def remove_allow(self, prefix: str, who: str = "") -> bool:
        """Takes a row off the allow list; False: there was none. Without the last trusted source it is as if nobody had
        ever been trusted."""
        self._sweep_allows(self._clock())
        return self._removed("allows", prefix, who, "allow.remove")

    def _sweep_allows(self, now: float) -> None:
        row = self._one(f"SELECT prefix FROM allows {_LASTING_LONGEST}")  # noqa: S608
        kept = row[0] if row else None
        sql = "DELETE FROM allows WHERE expires_at > 0 AND expires_at <= ? AND prefix IS NOT ?"
        self._write(sql, (now, kept))
        self._write("UPDATE allows SET trusted_until = 0 WHERE trusted_until > 0 AND prefix IS NOT ?", (kept,))

    def record_attempt(self, attempt: Attempt) -> None:
        """Writes a refused attempt down. Call `prune_attempts` now and then."""
        row = (attempt.at, attempt.source, attempt.kind, attempt.user, attempt.setting, attempt.detail[:500])
        sql = "INSERT INTO attempts (at, source, kind, user, setting, detail) VALUES (?, ?, ?, ?, ?, ?)"
        self._write(sql, row)

    def prune_attempts(self, keep: int = 1_000_000, limit: int = 2000) -> int:
        """Removes up to `limit` of the oldest attempts beyond the newest `keep`; returns how many."""
        newest = self._one("SELECT max(id) FROM attempts")
        beyond = (newest[0] if newest and newest[0] else 0) - keep
        sql = "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts WHERE id <= ? ORDER BY id LIMIT ?)"
        return self._write(sql, (beyond, limit)).rowcount if beyond > 0 else 0

    def get_or_make(self, name: str, length: int) -> bytes:
        """A secret of `length` random bytes, made at the first call and the same ever after."""
        row = self._one("SELECT value FROM secrets WHERE name = ?", (name,))
        held = self._opened_key(name, bytes(row[0])) if row is not None else b""
        if len(held) == length:
            return held
        made = secrets.token_bytes(length)
        self.put_secret(name, made)
        return made

    def put_secret(self, name: str, value: bytes) -> None:
        """Replaces a secret (key rotation)."""
        kept = self._kept(value.hex(), KEY, name)
        held = value if kept == value.hex() else kept.encode()
        self._write("INSERT OR REPLACE INTO secrets (name, value) VALUES (?, ?)", (name, held))

    def _opened_key(self, name: str, held: bytes) -> bytes:
        sealed = held.startswith(b"sealed:")
        return bytes.fromhex(self._opened(held.decode(), KEY, name)) if sealed else held

    def _removed(self, table: str, prefix: str, who: str, action: str) -> bool:
        parameters: tuple[Any, ...] = (prefix,)
        removed = self._write(f"DELETE FROM {table} WHERE prefix = ?", parameters).rowcount > 0  # noqa: S608
        if removed:
            self._audit(who, action, prefix)
        return removed


def _ban(row: tuple[Any, ...]) -> BanRow:
    values = list(row)
    for at in (8, 9):  # spares_known, proven
        values[at] = bool(values[at])
    for at in (14, 15):  # samples, neighbours
        values[at] = tuple(json.loads(values[at]))
    return BanRow(*values)
