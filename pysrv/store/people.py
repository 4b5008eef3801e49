"""Administrators: their roles, passwords (Argon2id) and second factors. Every change leaves an audit row."""

import re
import secrets
from dataclasses import dataclass

from pysrv.passwords import people
from pysrv.people import codes
from pysrv.people.permissions import Role
from pysrv.store.errors import StoreCode, StoreError
from pysrv.store.secrecy import TOTP, SecrecyReading, SecrecyWriting

_PASSWORD_BYTES = 18
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}").fullmatch  # none looks like another in the trail
SHORTEST_PASSWORD = 8
_HELD = "totp:"
_COLUMNS = "name, role, enabled, display_name, email, language, totp_secret <> '', seen_at, handle"


@dataclass(frozen=True, slots=True)
class Administrator:
    """One administrator. `has_totp`: a one-time code is asked for; `passkeys` and `recovery_codes` are how many."""

    name: str
    role: Role
    enabled: bool
    display_name: str
    email: str
    language: str
    has_totp: bool
    seen_at: float
    handle: bytes
    passkeys: int = 0
    recovery_codes: int = 0

    @property
    def has_second_factor(self) -> bool:
        """Whether a password alone does not do."""
        return self.has_totp or self.passkeys > 0


@dataclass(frozen=True, slots=True)
class Passkey:
    """A credential of WebAuthn. `sign_count` is the last counter that it told."""

    id: bytes
    name: str
    public_key: bytes
    sign_count: int
    label: str
    created_at: float
    used_at: float = 0.0


@dataclass(frozen=True, slots=True)
class FirstPassword:
    """The first owner's, by chance, and its hash."""

    password: str
    hash: str

    @classmethod
    def new(cls) -> "FirstPassword":
        """Takes about 50 ms, and needs no store: a thread may do it."""
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        return cls(password, people.hashed(password))


class PeopleReading(SecrecyReading):
    """Questions about administrators."""

    def has_administrator(self) -> bool:
        """Whether there is any."""
        return self._one("SELECT 1 FROM administrators") is not None

    def administrators(self) -> list[Administrator]:
        """All of them, by name."""
        rows = self._all("SELECT name FROM administrators ORDER BY name")
        return [found for row in rows if (found := self.administrator(row[0])) is not None]

    def administrator(self, name: str) -> Administrator | None:
        """One of them."""
        row = self._one(f"SELECT {_COLUMNS} FROM administrators WHERE name = ?", (name,))  # noqa: S608
        if row is None:
            return None
        passkeys = self._one("SELECT count(*) FROM passkeys WHERE name = ?", (name,)) or (0,)
        left = self._one("SELECT count(*) FROM recovery_codes WHERE name = ?", (name,)) or (0,)
        known, role, enabled, display_name, email, language, has_totp, seen_at, handle = row
        return Administrator(
            known, Role(role), bool(enabled), display_name, email, language, bool(has_totp), seen_at, handle,
            passkeys[0], left[0],
        )  # fmt: skip

    def verify_admin(self, name: str, password: str) -> bool:
        """Whether the password is the administrator's. Takes about 50 ms on purpose, also for unknown names."""
        row = self._one("SELECT password_hash FROM administrators WHERE name = ? AND enabled", (name,))
        return people.matches(row[0] if row else people.NOBODYS_HASH, password) and row is not None

    def totp(self, name: str) -> tuple[str, int]:
        """The shared secret of an administrator and the last step that was used; empty: there is none."""
        row = self._one("SELECT totp_secret, totp_step FROM administrators WHERE name = ?", (name,))
        return (self._opened(row[0], TOTP, name), int(row[1])) if row else ("", 0)

    def passkeys(self, name: str) -> list[Passkey]:
        """The passkeys of an administrator, the oldest first."""
        sql = (
            "SELECT id, name, public_key, sign_count, label, created_at, used_at FROM passkeys WHERE name = ? "
            "ORDER BY created_at"
        )
        return [Passkey(*row) for row in self._all(sql, (name,))]


class PeopleWriting(PeopleReading, SecrecyWriting):
    """Changes of administrators."""

    def ensure_admin(self, made: FirstPassword | None = None, name: str = "admin") -> str | None:
        """The password of a newly made owner, to be printed once; None: there already is an administrator."""
        if self.has_administrator():
            return None
        made = made or FirstPassword.new()
        self._add(name, Role.OWNER, made.hash)
        return made.password

    def add_administrator(self, name: str, role: Role, password: str, who: str = "") -> None:
        """Somebody new. Takes about 50 ms. Raises StoreError: taken, or not a name, or too short a password."""
        if not _NAME(name):
            hint = "English letters, digits and . _ - @ +, a letter or digit first; the name shown may have any"
            raise StoreError(StoreCode.INVALID, "an administrator's name has 1 to 64 plain characters", hint)
        if taken := self._one("SELECT name FROM administrators WHERE name = ? COLLATE NOCASE", (name,)):
            raise StoreError(StoreCode.CONFLICT, f"there is an administrator {taken[0]!r} already")
        _check(password)
        self._add(name, role, people.hashed(password), who)

    def _add(self, name: str, role: Role, password_hash: str, who: str = "") -> None:
        self._write(
            "INSERT INTO administrators (name, role, password_hash, created_at, handle) VALUES (?, ?, ?, ?, ?)",
            (name, role, password_hash, self._clock(), secrets.token_bytes(32)),
        )
        self._audit(who, "administrator.add", name, "", role)

    def set_admin_password(self, name: str, password: str, who: str = "") -> None:
        """Another password; every session ends, and every token. Takes about 50 ms."""
        self._demand(name)
        _check(password)
        sql = "UPDATE administrators SET password_hash = ? WHERE name = ?"
        self._write(sql, (people.hashed(password), name))
        self._write("DELETE FROM api_tokens WHERE name = ?", (name,))
        self._write("DELETE FROM web_sessions WHERE kind = 'administrator' AND name = ?", (name,))
        self._audit(who, "administrator.password", name)

    def set_administrator(self, name: str, field: str, value: str, who: str = "") -> None:
        """Another role, state or detail. `field` is role, enabled ("0" or "1"), display_name, email or language.

        Raises StoreError for the last owner: somebody must be able to let others in.
        """
        before = self._demand(name)
        if field not in ("role", "enabled", "display_name", "email", "language"):
            raise ValueError(field)
        loses = (field == "role" and value != Role.OWNER) or (field == "enabled" and value == "0")
        if before.role is Role.OWNER and before.enabled and loses:
            self._demand_another_owner(name)
        self._write(f"UPDATE administrators SET {field} = ? WHERE name = ?", (value, name))  # noqa: S608
        if field in ("role", "enabled"):
            self._write("DELETE FROM web_sessions WHERE kind = 'administrator' AND name = ?", (name,))
        self._audit(who, f"administrator.{field}", name, str(getattr(before, field)), value)

    def remove_administrator(self, name: str, who: str = "") -> None:
        """Gone, with sessions, tokens and second factors. Raises StoreError: unknown, or the last owner."""
        before = self._demand(name)
        if before.role is Role.OWNER and before.enabled:
            self._demand_another_owner(name)
        for table in ("recovery_codes", "passkeys", "api_tokens", "administrators"):
            self._write(f"DELETE FROM {table} WHERE name = ?", (name,))  # noqa: S608
        self._write("DELETE FROM web_sessions WHERE kind = 'administrator' AND name = ?", (name,))
        self._audit(who, "administrator.remove", name, before.role, "")

    def set_totp(self, name: str, secret: str, who: str = "") -> None:
        """A new shared secret; empty: none is asked for any more."""
        self._demand(name)
        kept = self._kept(secret, TOTP, name) if secret else ""
        self._write("UPDATE administrators SET totp_secret = ?, totp_step = 0 WHERE name = ?", (kept, name))
        self._audit(who, "administrator.totp", name, "", "on" if secret else "off")
        self._drop_idle_codes(name)

    def use_totp(self, name: str, code: str) -> bool:
        """Whether the code is right and was not used before; now it is."""
        secret, last = self.totp(name)
        step = codes.step_of_code(secret, code, self._clock(), last) if secret else None
        if step is None:
            return False
        self._write("UPDATE administrators SET totp_step = ? WHERE name = ?", (step, name))
        return True

    def set_recovery_codes(self, name: str, made: tuple[str, ...], who: str = "") -> None:
        """These, instead of those before."""
        self._demand(name)
        self._write("DELETE FROM recovery_codes WHERE name = ?", (name,))
        for code in made:
            sql = "INSERT INTO recovery_codes (name, digest) VALUES (?, ?)"
            self._write(sql, (name, codes.recovery_digest(code)))
        self._audit(who, "administrator.recovery_codes", name, "", f"{len(made)} codes")

    def use_recovery_code(self, name: str, code: str, who: str = "") -> bool:
        """Whether the code is one of those left; it is gone now."""
        sql = "DELETE FROM recovery_codes WHERE name = ? AND digest = ?"
        used = self._write(sql, (name, codes.recovery_digest(code))).rowcount > 0
        if used:
            self._audit(who or name, "administrator.recovery_code", name, "", "used")
        return used

    def add_passkey(self, passkey: Passkey, who: str = "") -> None:
        """A passkey more. Raises StoreError: somebody has it."""
        self._demand(passkey.name)
        if self._one("SELECT 1 FROM passkeys WHERE id = ?", (passkey.id,)):
            raise StoreError(StoreCode.CONFLICT, "this passkey is registered already")
        row = (passkey.id, passkey.name, passkey.public_key, passkey.sign_count, passkey.label, self._clock())
        sql = "INSERT INTO passkeys (id, name, public_key, sign_count, label, created_at) VALUES (?, ?, ?, ?, ?, ?)"
        self._write(sql, row)
        self._audit(who, "administrator.passkey", passkey.name, "", passkey.label)

    def used_passkey(self, passkey_id: bytes, sign_count: int) -> None:
        """It was used, and tells this count now."""
        sql = "UPDATE passkeys SET sign_count = ?, used_at = ? WHERE id = ?"
        self._write(sql, (sign_count, self._clock(), passkey_id))

    def remove_passkey(self, name: str, passkey_id: bytes, who: str = "") -> bool:
        """One passkey less; False: there is none like that."""
        sql = "DELETE FROM passkeys WHERE name = ? AND id = ?"
        removed = self._write(sql, (name, passkey_id)).rowcount > 0
        if removed:
            self._audit(who, "administrator.passkey", name, passkey_id.hex()[:16], "")
            self._drop_idle_codes(name)
        return removed

    def forget_second_factor(self, name: str, who: str = "") -> None:
        """No TOTP, no passkey, no recovery code: for somebody who lost them."""
        self._demand(name)
        self._write("UPDATE administrators SET totp_secret = '', totp_step = 0 WHERE name = ?", (name,))
        self._write("DELETE FROM passkeys WHERE name = ?", (name,))
        self._write("DELETE FROM recovery_codes WHERE name = ?", (name,))
        self._write("DELETE FROM web_sessions WHERE kind = 'administrator' AND name = ?", (name,))
        self._audit(who, "administrator.second_factor", name, "", "off")

    def seen_administrator(self, name: str) -> None:
        """He has logged in."""
        self._write("UPDATE administrators SET seen_at = ? WHERE name = ?", (self._clock(), name))

    def hold_totp(self, session_digest: str, name: str, secret: str) -> None:
        """A shared secret that a session shows, until its owner types a right code; kept as secrets are."""
        kept = _HELD + self._kept(secret, TOTP, name)
        self._write("UPDATE web_sessions SET challenge = ? WHERE digest = ?", (kept, session_digest))

    def held_totp(self, session_digest: str, name: str) -> str:
        """The shared secret that the session shows; empty: none."""
        row = self._one("SELECT challenge FROM web_sessions WHERE digest = ?", (session_digest,))
        kept = str(row[0]) if row else ""
        return self._opened(kept.removeprefix(_HELD), TOTP, name) if kept.startswith(_HELD) else ""

    def _drop_idle_codes(self, name: str) -> None:
        """Recovery codes stand in for another factor: with the last one they go."""
        left = self.administrator(name)
        if left is not None and not left.has_second_factor and left.recovery_codes:
            self.set_recovery_codes(name, ())

    def _demand(self, name: str) -> Administrator:
        found = self.administrator(name)
        if found is None:
            raise StoreError(StoreCode.NOT_FOUND, f"there is no administrator {name[:80]!r}")
        return found

    def _demand_another_owner(self, name: str) -> None:
        sql = "SELECT 1 FROM administrators WHERE role = 'owner' AND enabled AND name <> ?"
        if self._one(sql, (name,)) is None:
            hint = "make somebody else an owner first"
            raise StoreError(StoreCode.INVALID, f"{name!r} is the last owner", hint)


def _check(password: str) -> None:
    if len(password) < SHORTEST_PASSWORD:
        raise StoreError(StoreCode.INVALID, f"an administrator's password has at least {SHORTEST_PASSWORD} characters")
