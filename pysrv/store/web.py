"""Sessions on the web and tokens of programs. Both are kept as digests: a copy of the database opens nothing.

A cookie or a token is random (256 bits), so plain SHA-256 will do where a password needs Argon2id.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from pysrv.store.database import Reading, Writing

TOKEN_BYTES = 32
MOST_SESSIONS = 50  # of one person; the one seen longest ago makes room
_CLIPPED = 64  # of a name that somebody made up
_SESSION = "digest, kind, name, form_token, created_at, seen_at, proven_at, complete, address, agent, challenge"
_TOKEN = "id, name, label, scopes, created_at, expires_at, used_at"  # noqa: S105 - columns


class PersonKind(StrEnum):
    """Whose session it is."""

    ADMINISTRATOR = "administrator"
    ACCOUNT = "account"


_WHERE = {PersonKind.ADMINISTRATOR: "web", PersonKind.ACCOUNT: "portal"}


@dataclass(frozen=True, slots=True)
class WebSession:
    """One login. `form_token` stands in every form; `proven_at` is when the password was last typed; not `complete`:
    the second factor is still missing; `challenge` is what a passkey has to sign."""

    digest: str = field(repr=False)
    kind: PersonKind
    name: str
    form_token: str = field(repr=False)
    created_at: float
    seen_at: float
    proven_at: float
    complete: bool
    address: str
    agent: str
    challenge: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A program's token. `name` is the administrator for whom it acts; `scopes` as in pysrv.people.permissions."""

    id: int
    name: str
    label: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float
    used_at: float


def digest_of(secret: str) -> str:
    """How a cookie or a token is kept."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class WebReading(Reading):
    """Questions about sessions and tokens."""

    def web_session(self, cookie: str) -> WebSession | None:
        """The session of a cookie."""
        row = self._one(f"SELECT {_SESSION} FROM web_sessions WHERE digest = ?", (digest_of(cookie),))  # noqa: S608
        return _session(row) if row else None

    def web_sessions(self, kind: PersonKind | None = None, name: str | None = None) -> list[WebSession]:
        """Sessions, those seen last first."""
        sql = (
            f"SELECT {_SESSION} FROM web_sessions WHERE (?1 IS NULL OR kind = ?1) "  # noqa: S608
            "AND (?2 IS NULL OR name = ?2) ORDER BY seen_at DESC"
        )
        return [_session(row) for row in self._all(sql, (kind, name))]

    def api_token(self, token: str) -> ApiToken | None:
        """The token that this is, unless it has expired."""
        sql = f"SELECT {_TOKEN} FROM api_tokens WHERE digest = ? AND expires_at > ?"  # noqa: S608
        row = self._one(sql, (digest_of(token), self._clock()))
        return _token(row) if row else None

    def api_tokens(self, name: str | None = None) -> list[ApiToken]:
        """Tokens, the newest first."""
        sql = f"SELECT {_TOKEN} FROM api_tokens WHERE ?1 IS NULL OR name = ?1 ORDER BY id DESC"  # noqa: S608
        return [_token(row) for row in self._all(sql, (name,))]


class WebWriting(WebReading, Writing):
    """Changes of them."""

    def begin_session(self, kind: PersonKind, name: str, address: str, agent: str, *, complete: bool) -> str:
        """A new login; returns its cookie."""
        cookie, now = secrets.token_urlsafe(TOKEN_BYTES), self._clock()
        row = (
            digest_of(cookie), kind, name, secrets.token_urlsafe(TOKEN_BYTES), now, now, now, int(complete), address,
            agent[:200], "",
        )  # fmt: skip
        marks = ", ".join("?" * len(row))
        self._write(f"INSERT INTO web_sessions ({_SESSION}) VALUES ({marks})", row)  # noqa: S608
        self._write(
            "DELETE FROM web_sessions WHERE digest IN (SELECT digest FROM web_sessions WHERE kind = ? AND name = ? "
            "ORDER BY seen_at DESC, created_at DESC LIMIT -1 OFFSET ?)",
            (kind, name, MOST_SESSIONS),
        )
        if complete:
            self._audit(_who(kind, name), "session.begin", name, "", address)
        return cookie

    def refused_login(self, kind: PersonKind, name: str, address: str, count: int) -> None:
        """Somebody did not get in: so many guesses since the trail last told of them. The name is what he claimed."""
        words = "1 guess" if count == 1 else f"{count} guesses"
        self._audit(_WHERE[kind], "session.refused", name[:_CLIPPED], "", f"{words} from {address}")

    def complete_session(self, session: WebSession) -> str:
        """The second factor was right; returns another cookie, so that nobody who knew the first one is let in."""
        cookie = secrets.token_urlsafe(TOKEN_BYTES)
        sql = "UPDATE web_sessions SET complete = 1, proven_at = ?, challenge = '', digest = ? WHERE digest = ?"
        self._write(sql, (self._clock(), digest_of(cookie), session.digest))
        self._audit(_who(session.kind, session.name), "session.begin", session.name, "", session.address)
        return cookie

    def touch_session(self, digest: str) -> None:
        """It is in use."""
        self._write("UPDATE web_sessions SET seen_at = ? WHERE digest = ?", (self._clock(), digest))

    def prove_session(self, digest: str) -> None:
        """The password was typed again."""
        self._write("UPDATE web_sessions SET proven_at = ? WHERE digest = ?", (self._clock(), digest))

    def challenge_session(self, digest: str, challenge: str) -> None:
        """What a passkey has to sign; empty: it has."""
        self._write("UPDATE web_sessions SET challenge = ? WHERE digest = ?", (challenge, digest))

    def end_session(self, digest: str, who: str = "") -> bool:
        """Logged out; `digest` may be its first 12 digits or more. False: there was none."""
        if len(digest) < 12 or not digest.isalnum():
            return False
        row = self._one("SELECT digest, kind, name FROM web_sessions WHERE digest LIKE ? || '%'", (digest,))
        if row is None:
            return False
        self._write("DELETE FROM web_sessions WHERE digest = ?", (row[0],))
        self._audit(who or _who(PersonKind(row[1]), row[2]), "session.end", row[2])
        return True

    def end_sessions_of(self, kind: PersonKind, name: str, who: str = "", *, but: str = "") -> int:
        """Ends every session of a person but the one with that digest; returns how many."""
        sql = "DELETE FROM web_sessions WHERE kind = ? AND name = ? AND digest <> ?"
        ended = self._write(sql, (kind, name, but)).rowcount
        if ended:
            self._audit(who or name, "session.end", name, "", f"{ended} sessions")
        return ended

    def end_sessions(self, created_before: float, seen_before: float) -> int:
        """Removes what is too old; returns how many. The trail tells of those that had been let in."""
        where = "created_at < ? OR seen_at < ?"
        old = self._all(f"SELECT kind, name, complete FROM web_sessions WHERE {where}", (created_before, seen_before))  # noqa: S608
        if old:
            self._write(f"DELETE FROM web_sessions WHERE {where}", (created_before, seen_before))  # noqa: S608
        for kind, name, complete in old:
            if complete:
                self._audit(_WHERE[PersonKind(kind)], "session.end", name, "", "too old")
        return len(old)

    def add_api_token(self, name: str, label: str, scopes: tuple[str, ...], expires_at: float, who: str = "") -> str:
        """A new token, to be shown once."""
        token = f"ap_{secrets.token_urlsafe(TOKEN_BYTES)}"
        sql = "INSERT INTO api_tokens (digest, name, label, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)"
        self._write(sql, (digest_of(token), name, label, " ".join(scopes), self._clock(), expires_at))
        self._audit(who, "token.add", name, "", f"{label}: {' '.join(scopes)}")
        return token

    def used_api_token(self, token_id: int) -> None:
        """It was used."""
        self._write("UPDATE api_tokens SET used_at = ? WHERE id = ?", (self._clock(), token_id))

    def remove_api_token(self, token_id: int, who: str = "") -> bool:
        """It opens nothing any more; False: there is none like that."""
        row = self._one("SELECT name, label FROM api_tokens WHERE id = ?", (token_id,))
        if row is None:
            return False
        self._write("DELETE FROM api_tokens WHERE id = ?", (token_id,))
        self._audit(who, "token.remove", row[0], row[1], "")
        return True


def _who(kind: PersonKind, name: str) -> str:
    return f"{_WHERE[kind]}:{name}"


def _session(row: tuple[object, ...]) -> WebSession:
    values = list(row)
    values[1], values[7] = PersonKind(str(values[1])), bool(values[7])
    return WebSession(*values)  # type: ignore[arg-type]


def _token(row: tuple[object, ...]) -> ApiToken:
    values = list(row)
    values[3] = tuple(str(values[3]).split())
    return ApiToken(*values)  # type: ignore[arg-type]
