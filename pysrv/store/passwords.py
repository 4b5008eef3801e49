"""Accounts' passwords: HA1 for SIP (RFC 7616, 3.4.2), Argon2id for people, the text itself with securepasswords 0
alone; what the sweep of weak ones knows, and the former password that registered devices may use for a while.
"""

import hashlib
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any

from pysrv.passwords import people
from pysrv.passwords.policy import Owner, Strength
from pysrv.store import secrecy
from pysrv.store.account_checks import invalid
from pysrv.store.database import Row
from pysrv.store.errors import StoreCode, StoreError
from pysrv.store.secrecy import Level, SecrecyReading, SecrecyWriting

_DIGEST_USERS = "removed_at IS NULL AND enabled AND needauth IN (4, 8, 10)"
_NUMBERS = "(SELECT group_concat(number, ' ') FROM account_numbers n WHERE n.account_id = accounts.id)"
_STATE = (
    f"id, name, realm, ha1_md5, password_score, password_length, password_searched, weak_since, weak_why, {_NUMBERS}, "
    "display_name, email, password_set_at, password_checked_at, former_until, web_own, length(clear)"
)


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """What is known of an account's password. `*_at` in Unix seconds; `searched`: common guesses were tried."""

    account_id: int
    owner: Owner
    realm: str
    ha1_md5: str = field(repr=False)
    strength: Strength
    searched: bool
    weak_since: float
    weak_why: str
    set_at: float
    checked_at: float
    former_until: float
    web_own: bool
    readable: bool


class PasswordReading(SecrecyReading):
    """Questions about passwords."""

    def passwords(self) -> list[StoredPassword]:
        """What is known of every account's password, by name."""
        sql = f"SELECT {_STATE} FROM accounts WHERE removed_at IS NULL ORDER BY name"  # noqa: S608
        return [self._stored(row) for row in self._all(sql)]

    def passwords_waiting(self) -> list[StoredPassword]:
        """Those that wait for their replacement, or whose former one is still good, by name."""
        sql = (
            f"SELECT {_STATE} FROM accounts "  # noqa: S608
            "WHERE removed_at IS NULL AND (weak_since > 0 OR former_until > ?) ORDER BY name"
        )
        return [self._stored(row) for row in self._all(sql, (self._clock(),))]

    def passwords_to_check(self, before: float, limit: int) -> list[StoredPassword]:
        """Passwords that devices use and that were not checked since then, the longest unchecked first."""
        sql = (
            f"SELECT {_STATE} FROM accounts WHERE {_DIGEST_USERS} AND password_checked_at < ? "  # noqa: S608
            "ORDER BY password_checked_at LIMIT ?"
        )
        return [self._stored(row) for row in self._all(sql, (before, limit))]

    def passwords_warned(self, before: float, limit: int) -> list[StoredPassword]:
        """Weak passwords whose owners were warned before then."""
        sql = (
            f"SELECT {_STATE} FROM accounts WHERE weak_since > 0 AND weak_since <= ? AND {_DIGEST_USERS} "  # noqa: S608
            "ORDER BY weak_since LIMIT ?"
        )
        return [self._stored(row) for row in self._all(sql, (before, limit))]

    def former_ha1(self, account_id: int) -> tuple[str, str] | None:
        """HA1 (MD5, SHA-256) of the password before the one that replaced it, while it may still be used."""
        sql = "SELECT former_ha1_md5, former_ha1_sha256 FROM accounts WHERE id = ? AND former_until > ?"
        row = self._one(sql, (account_id, self._clock()))
        if row is None:
            return None
        md5 = self._opened(row[0], secrecy.FORMER_MD5, account_id)
        return md5, self._opened(row[1], secrecy.FORMER_SHA256, account_id)

    def has_web_password(self, account_id: int) -> bool:
        """Whether the web has a password of its own for the account."""
        return self._one("SELECT 1 FROM accounts WHERE id = ? AND web_own", (account_id,)) is not None

    def has_device(self, account: str, transport: str, host: str, port: int) -> bool:
        """Whether a device of the account is registered from exactly there."""
        sql = (
            "SELECT 1 FROM bindings WHERE aor = ? AND transport = ? AND remote_host = ? AND remote_port = ? "
            "AND expires_at > ?"
        )
        return self._one(sql, (account, transport, host, port, self._clock())) is not None

    def verify_account(self, name: str, password: str, *, lenient: bool = False) -> bool:
        """Whether this is the account's password for people. Takes as long for a name that nobody has.

        `lenient` also takes the forms of people.lenient_forms (uauthverifypwd).
        """
        return self._verified(name, password, lenient=lenient) is not None

    def _verified(self, name: str, password: str, *, lenient: bool) -> str | None:
        """The form of the password that is right."""
        sql = "SELECT id, web_hash, realm, ha1_sha256 FROM accounts WHERE name = ? AND removed_at IS NULL AND enabled"
        row, right = self._one(sql, (name,)), None
        for form in people.lenient_forms(password) if lenient else (password,):
            if self._fits(row, name, form) and right is None:
                right = form
        return right

    def _fits(self, row: Row | None, name: str, password: str) -> bool:
        matched = people.matches((row[1] if row else "") or people.NOBODYS_HASH, password)
        if row is None:
            return False
        if row[1]:
            return matched
        wanted = self._opened(row[3], secrecy.HA1_SHA256, row[0])
        return bool(wanted) and compare_digest(wanted, ha1(name, row[2], password, "sha256"))

    def _stored(self, row: Row) -> StoredPassword:
        owner = Owner(row[1], tuple((row[9] or "").split()), row[10], row[11])
        ha1_md5 = self._opened(row[3], secrecy.HA1_MD5, row[0])
        strength = Strength(row[4], row[5])
        state = (bool(row[6]), row[7], row[8], row[12], row[13], row[14], bool(row[15]), bool(row[16]))
        return StoredPassword(row[0], owner, row[2], ha1_md5, strength, *state)


class PasswordWriting(PasswordReading, SecrecyWriting):
    """Changes of passwords."""

    def verify_account(self, name: str, password: str, *, lenient: bool = False) -> bool:
        """As of a reader; the Argon2id hash of a password that has none yet is made of the one that was right."""
        right = self._verified(name, password, lenient=lenient)
        if right is not None:
            sql = "UPDATE accounts SET web_hash = ? WHERE name = ? AND removed_at IS NULL AND web_hash = ''"
            if (self._one("SELECT web_hash FROM accounts WHERE name = ? AND removed_at IS NULL", (name,)) or ("x",))[0]:
                return True
            self._write(sql, (people.hashed(right), name))
        return right is not None

    def set_web_password(self, name: str, password: str, *, own: bool, who: str = "") -> None:
        """The password for people; `own`: it is not that of SIP, and stays when that one changes."""
        if not password:
            raise invalid("the password is empty")
        sql = "UPDATE accounts SET web_hash = ?, web_own = ? WHERE name = ? AND removed_at IS NULL"
        if not self._write(sql, (people.hashed(password), own, name)).rowcount:
            raise StoreError(StoreCode.NOT_FOUND, f"there is no account {name!r}", "accounts list shows all")
        if own:
            self._audit(who, "account.web_password", name)

    def reveal_password(self, name: str, who: str = "") -> str:
        """The password as it was entered, which securepasswords 0 keeps. Who looked stands in the audit trail."""
        row = self._one("SELECT clear FROM accounts WHERE name = ? AND removed_at IS NULL", (name,))
        if row is None:
            raise StoreError(StoreCode.NOT_FOUND, f"there is no account {name!r}", "accounts list shows all")
        if not row[0]:
            hint = f"'appliance accounts set {name} --password generated' gives it another one"
            raise invalid_with(f"the password of {name} is not kept in clear (securepasswords)", hint)
        self._audit(who, "account.password_shown", name)
        return str(row[0])

    def change_realm(self, realm: str) -> list[str]:
        """HA1 for another realm, where the password is kept as entered; returns whose passwords must be set again."""
        sql = "SELECT id, name, clear, password_score, password_length FROM accounts WHERE removed_at IS NULL "
        rows = self._all(sql + "AND realm <> ? ORDER BY name", (realm,))
        with self._atomic():
            for account_id, name, clear, score, length in rows:
                if clear:
                    kept = self._one("SELECT weak_since, web_hash FROM accounts WHERE id = ?", (account_id,))
                    self._keep_password(account_id, name, realm, clear, Strength(score, length))
                    back = "UPDATE accounts SET weak_since = ?, web_hash = ? WHERE id = ?"
                    self._write(back, (*(kept or (0.0, "")), account_id))
        return [row[1] for row in rows if not row[2]]

    def note_password_checked(self, account_id: int, *, searched: bool) -> None:
        """The sweep found nothing wrong; `searched`: common guesses were tried as well."""
        sql = (
            "UPDATE accounts SET password_checked_at = ?, password_searched = max(password_searched, ?), "
            "weak_since = 0, weak_why = '' WHERE id = ?"
        )
        self._write(sql, (self._clock(), searched, account_id))

    def note_password_weak(self, account_id: int, why: str) -> bool:
        """The sweep found a password weak; True: that is news, and its grace begins."""
        now = self._clock()
        self._write("UPDATE accounts SET password_checked_at = ? WHERE id = ?", (now, account_id))
        sql = "UPDATE accounts SET weak_since = ?, weak_why = ? WHERE id = ? AND weak_since = 0"
        return self._write(sql, (now, why, account_id)).rowcount > 0

    def forget_warnings(self) -> None:
        """Nobody is to have a password replaced on the strength of an old warning."""
        self._write("UPDATE accounts SET weak_since = 0, weak_why = '', password_checked_at = 0 WHERE weak_since > 0")

    def replace_password(
        self, account_id: int, password: str, strength: Strength, former_until: float, who: str
    ) -> None:
        """Another password. Devices that are registered may use the former one until then (`former_ha1`)."""
        sql = "SELECT name, realm, ha1_md5, ha1_sha256 FROM accounts WHERE id = ?"
        name, realm, md5, sha256 = self._one(sql, (account_id,)) or ("", "", "", "")
        md5 = self._opened(md5, secrecy.HA1_MD5, account_id)
        sha256 = self._opened(sha256, secrecy.HA1_SHA256, account_id)
        with self._atomic():
            self._keep_password(account_id, name, realm, password, strength)
            former = (
                self._kept(md5, secrecy.FORMER_MD5, account_id),
                self._kept(sha256, secrecy.FORMER_SHA256, account_id),
            )
            sql = "UPDATE accounts SET former_ha1_md5 = ?, former_ha1_sha256 = ?, former_until = ? WHERE id = ?"
            self._write(sql, (*former, former_until, account_id))
            self._audit(who, "account.password_replaced", name)
        self._changed(account_id)

    def forget_former(self) -> int:
        """Drops former passwords whose time is over; returns how many."""
        sql = (
            "UPDATE accounts SET former_ha1_md5 = '', former_ha1_sha256 = '', former_until = 0 "
            "WHERE former_until > 0 AND former_until <= ?"
        )
        return self._write(sql, (self._clock(),)).rowcount

    def _keep_password(self, account_id: int, name: str, realm: str, password: str, strength: Strength) -> None:
        """Writes what is kept of a password; part of an atomic step. The web's own password stays."""
        check_secret(realm, password)
        values: dict[str, Any] = {
            "realm": realm,
            "ha1_md5": self._kept(ha1(name, realm, password, "md5"), secrecy.HA1_MD5, account_id),
            "ha1_sha256": self._kept(ha1(name, realm, password, "sha256"), secrecy.HA1_SHA256, account_id),
            "clear": password if self.secrecy is Level.AS_ENTERED else "",
            "password_score": strength.score,
            "password_length": strength.most_length,
            "password_set_at": self._clock(),
            "password_checked_at": 0.0,
            "password_searched": 0,
            "weak_since": 0.0,
            "weak_why": "",
            "former_ha1_md5": "",
            "former_ha1_sha256": "",
            "former_until": 0.0,
        }
        fields = ", ".join(f"{column} = ?" for column in values)
        sql = f"UPDATE accounts SET {fields}, web_hash = iif(web_own, web_hash, '') WHERE id = ?"  # noqa: S608
        self._write(sql, (*values.values(), account_id))
        self._changed(account_id)

    def _drop_password(self, account_id: int) -> None:
        """Nothing of it stays."""
        texts = ("ha1_md5", "ha1_sha256", "former_ha1_md5", "former_ha1_sha256", "web_hash", "clear", "weak_why")
        fields = ", ".join(f"{column} = ''" for column in texts)
        sql = f"UPDATE accounts SET {fields}, weak_since = 0, former_until = 0 WHERE id = ?"  # noqa: S608
        self._write(sql, (account_id,))

    def _changed(self, account_id: int) -> None:
        """An account was changed: whoever remembers it forgets."""


def ha1(user: str, realm: str, password: str, algorithm: str) -> str:
    """H(user:realm:password) in hex; `algorithm` is `md5` or `sha256`."""
    digest = hashlib.new(algorithm, f"{user}:{realm}:{password}".encode(), usedforsecurity=False)
    return digest.hexdigest()


def check_secret(realm: str, password: str) -> None:
    """Refuses what no HA1 can be made of. Raises StoreError."""
    if not password:
        raise invalid("the password is empty")
    if not realm or '"' in realm or not realm.isprintable():
        raise invalid(f"realm {realm!r} cannot be used: a domain name, like voip.example.com")


def invalid_with(message: str, hint: str) -> StoreError:
    """The error for something that may not be, and what to do instead."""
    return StoreError(StoreCode.INVALID, message, hint)
