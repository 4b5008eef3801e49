"""How secrets stand in the database (`securepasswords`): as they are, or sealed under a key outside of it.

A secret has a place, `table.column:row`, to which a sealed one is bound. Which level holds is a row of the database,
so that whoever writes knows; a change of level converts what is stored in bites. The key is asked for at the start:
without it nothing is opened and nothing is changed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pysrv.passwords.vault import KEY_FILE, Vault, VaultError, is_sealed
from pysrv.store.database import Reading, Writing
from pysrv.store.errors import StoreCode, StoreError


class Level(IntEnum):
    """The values of securepasswords."""

    AS_ENTERED = 0
    HASHED = 1
    SEALED = 2


@dataclass(frozen=True, slots=True)
class Place:
    """One column that holds secrets; `key` names the row."""

    table: str
    key: str
    column: str
    secret_names: bool = False  # only rows whose key is a secret setting

    def of(self, row: Any) -> str:
        """What a secret of that row is bound to."""
        return f"{self.table}.{self.column}:{row}"


HA1_MD5 = Place("accounts", "id", "ha1_md5")
HA1_SHA256 = Place("accounts", "id", "ha1_sha256")
FORMER_MD5 = Place("accounts", "id", "former_ha1_md5")
FORMER_SHA256 = Place("accounts", "id", "former_ha1_sha256")
TRUNK_PASSWORD = Place("trunks", "id", "password")
SETTING = Place("settings", "name", "value", secret_names=True)
KEY = Place("secrets", "name", "value")
UNDO = Place("pending_change", "id", "undo")
TOTP = Place("administrators", "name", "totp_secret")
PLACES = (HA1_MD5, HA1_SHA256, FORMER_MD5, FORMER_SHA256, TRUNK_PASSWORD, SETTING, KEY, UNDO, TOTP)
"""Every secret that the appliance has to use again as it is."""
_SINCE = 4  # the step of the schema that brought sealing


class SecrecyReading(Reading):
    """Opens what is sealed."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._vault = Vault(self._path.with_name(KEY_FILE))

    def check_key(self) -> None:
        """Raises StoreError when secrets are sealed and their key is not there."""
        if self.schema_version < _SINCE:
            return
        key_id = (self._one("SELECT key_id FROM protection") or ("",))[0]
        if key_id:
            try:
                self._vault.demand(key_id)
            except VaultError as error:
                raise _locked(error) from None

    def _opened(self, text: str, place: Place, row: Any) -> str:
        """The secret that stands at a place."""
        if not is_sealed(text):
            return text
        try:
            return self._vault.open(text, place.of(row))
        except VaultError as error:
            raise _locked(error) from None


class SecrecyWriting(SecrecyReading, Writing):
    """Seals what is written, and converts what was."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._level: Level | None = None
        self._at: tuple[int, Any] = (0, None)  # the place that conversion has come to, and the last row of it
        self._scrub = False

    @property
    def secrecy(self) -> Level:
        """How secrets are kept."""
        if self._level is None:
            row = self._one("SELECT level FROM protection")
            self._level = Level(row[0] if row else Level.HASHED)
        return self._level

    @property
    def is_converted(self) -> bool:
        """Whether every stored secret is kept as `secrecy` says."""
        return bool((self._one("SELECT whole FROM protection") or (1,))[0])

    def protect(self, level: int, who: str = "") -> bool:
        """From now on secrets are kept so; `convert` brings the stored ones along. True: that is a change.

        Clear texts go at once when they may not be kept any more. Raises StoreError: no key can be made or read.
        """
        wanted = Level(level)
        if wanted is self.secrecy:
            return False
        key_id = self._made_key() if wanted is Level.SEALED else None
        with self._atomic():
            self._run("PRAGMA secure_delete=ON")  # what goes away is overwritten, not only forgotten
            self._write("UPDATE protection SET level = ?, whole = 0, key_id = coalesce(?, key_id)", (wanted, key_id))
            if wanted is not Level.AS_ENTERED:
                self._write("UPDATE accounts SET clear = '' WHERE clear <> ''")
            self._audit(who, "secrets.protect", "securepasswords", str(int(self.secrecy)), str(int(wanted)))
        self._level, self._at = wanted, (0, None)
        return True

    def convert(self, limit: int, secret_settings: Collection[str]) -> bool:
        """Brings up to `limit` stored secrets to the level that holds; True: more is left to do.

        After a restart it begins anew: what is converted already is only looked at.
        """
        if self.is_converted:
            return False
        self._run("PRAGMA secure_delete=ON")
        index, last = self._at
        rows = self._rows(PLACES[index], last, limit)
        with self._atomic():
            for key, text in rows:
                self._convert(PLACES[index], key, text, secret_settings)
            if len(rows) == limit:
                self._at = index, rows[-1][0]
            elif index + 1 < len(PLACES):
                self._at = index + 1, None
            else:
                self._finish()
        return not self.is_converted

    def commit(self) -> None:
        """As every commit; after a conversion the log, which still has what was there before, is emptied."""
        super().commit()
        if self._scrub:
            self._run("PRAGMA busy_timeout=0")
            busy = self._run("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self._run("PRAGMA busy_timeout=2000")
            self._scrub = bool(busy)

    def _forget(self) -> None:
        self._level, self._at = None, (0, None)
        super()._forget()

    def _kept(self, text: str, place: Place, row: Any) -> str:
        """A secret as it is to be written."""
        if is_sealed(text):
            raise StoreError(StoreCode.INVALID, "a secret may not begin like a sealed one")
        return self._sealed(text, place, row) if self.secrecy is Level.SEALED and text else text

    def _sealed(self, text: str, place: Place, row: Any) -> str:
        try:
            return self._vault.seal(text, place.of(row))
        except VaultError as error:
            raise _locked(error) from None

    def _made_key(self) -> str:
        self.check_key()
        try:
            return self._vault.make()
        except VaultError as error:
            raise _locked(error) from None

    def _rows(self, place: Place, last: Any, limit: int) -> list[tuple[Any, Any]]:
        after = f"{place.key} > ?1 AND" if last is not None else "?1 IS NULL AND"
        sql = (
            f"SELECT {place.key}, {place.column} FROM {place.table} "  # noqa: S608
            f"WHERE {after} {place.column} <> '' ORDER BY {place.key} LIMIT ?2"
        )
        return [(row[0], row[1]) for row in self._all(sql, (last, limit))]

    def _convert(self, place: Place, key: Any, held: str | bytes, secret_settings: Collection[str]) -> None:
        text = _text(held)
        if (place.secret_names and key not in secret_settings) or is_sealed(text) == (self.secrecy is Level.SEALED):
            return
        made = self._opened(text, place, key) if is_sealed(text) else self._sealed(text, place, key)
        value = made if isinstance(held, str) else made.encode() if is_sealed(made) else bytes.fromhex(made)
        self._write(f"UPDATE {place.table} SET {place.column} = ? WHERE {place.key} = ?", (value, key))  # noqa: S608

    def _finish(self) -> None:
        key_id = "" if self.secrecy is not Level.SEALED else None
        self._write("UPDATE protection SET whole = 1, key_id = coalesce(?, key_id)", (key_id,))
        self._at, self._scrub = (0, None), True


def _text(held: str | bytes) -> str:
    """A secret as the text that is sealed: keys of the appliance itself go through hex."""
    if isinstance(held, str):
        return held
    return held.decode() if held.startswith(b"sealed:") else held.hex()


def _locked(error: VaultError) -> StoreError:
    hint = f"the key is STATE/office/{KEY_FILE}: restore it from its backup; nothing was changed"
    return StoreError(StoreCode.SEALED, str(error), hint)
