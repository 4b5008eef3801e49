"""Questions about accounts: by name, number or id, pages of them, who is below whom, what moved a balance."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pysrv.limits import forwards
from pysrv.limits.forwards import Forwards
from pysrv.limits.own import NAMES as OWN_NAMES
from pysrv.limits.own import PREFIX, OwnLimits
from pysrv.passwords.vault import is_sealed
from pysrv.store import secrecy
from pysrv.store.account import PROFILE, Account, AccountType
from pysrv.store.database import Row
from pysrv.store.entrances import EntranceReading
from pysrv.store.passwords import PasswordReading
from pysrv.store.rows import AccountFilter, StoredPosting

STORED = tuple(name for name in PROFILE if name != "parent")
"""Columns that a profile's fields are kept in."""
_OWN = (
    "id", "name", "parent_id", "realm", "ha1_md5", "ha1_sha256", "balance", "reserved", "reserved_s", "lines",
    "running_per_minute", "currency", "created_at", "language", "disabled_by", *(PREFIX + name for name in OWN_NAMES),
    *(forwards.PREFIX + name for name in forwards.NAMES),
)  # fmt: skip
_NUMBERS = (
    "(SELECT group_concat(number, ' ') FROM "
    "(SELECT number FROM account_numbers WHERE account_id = a.id ORDER BY position))"
)
_PARENT = "(SELECT name FROM accounts p WHERE p.id = a.parent_id)"
_NAMES = (*_OWN, *STORED, "numbers", "parent")
_COLUMNS = ", ".join([*(f"a.{name}" for name in (*_OWN, *STORED)), _NUMBERS, _PARENT])
_BY_NAME = f"SELECT {_COLUMNS} FROM accounts a WHERE a.name = ? AND a.removed_at IS NULL"  # noqa: S608
_BY_ID = f"SELECT {_COLUMNS} FROM accounts a WHERE a.id = ?"  # noqa: S608
_BY_NUMBER = (
    f"SELECT {_COLUMNS} FROM account_numbers n JOIN accounts a ON a.id = n.account_id "  # noqa: S608
    "WHERE n.number = ? AND a.removed_at IS NULL"
)
_ALL = f"SELECT {_COLUMNS} FROM accounts a WHERE a.removed_at IS NULL ORDER BY a.name"  # noqa: S608
_EVERY = f"SELECT {_COLUMNS} FROM accounts a"  # noqa: S608
_BELOW = (
    f"SELECT {_COLUMNS} FROM accounts a JOIN accounts p ON p.id = a.parent_id "  # noqa: S608
    "WHERE p.name = ? AND p.removed_at IS NULL AND a.removed_at IS NULL ORDER BY a.name"
)
DEEPEST = 8  # levels of accounts, the paying one among them
_FITS = (
    "(name LIKE ?2 ESCAPE '\\' OR display_name LIKE ?2 ESCAPE '\\' OR (?3 IS NOT NULL AND id IN "
    "(SELECT account_id FROM account_numbers WHERE number >= ?3 AND number < ?3 || ':')))"
)
# What a page's filter adds. Only what is asked for stands in the question, so that a search reads nothing but the index
# of words, and stops where the page ends.
_CONDITIONS = {
    "search": _FITS,
    "group": "group_name = ?4",
    "type": "type = ?5",
    "parent": "coalesce((SELECT name FROM accounts p WHERE p.id = accounts.parent_id), '') = ?6",
}
_NOTHING = {"search": "", "group": None, "type": None, "parent": None}


def _page_sql(wanted: AccountFilter) -> str:
    asked = [sql for name, sql in _CONDITIONS.items() if getattr(wanted, name) not in (None, _NOTHING[name])]
    conditions = " AND ".join(["removed_at IS NULL", "name > ?1", *asked])
    return (
        f"WITH found AS (SELECT id FROM accounts WHERE {conditions} ORDER BY name LIMIT ?7) "  # noqa: S608
        f"SELECT {_COLUMNS} FROM found CROSS JOIN accounts a ON a.id = found.id ORDER BY a.name"
    )


class AccountReading(EntranceReading, PasswordReading):
    """Questions about accounts."""

    def account(self, name: str) -> Account | None:
        """The account of that name (case counts)."""
        return self._usable(_account(self._one(_BY_NAME, (name,))))

    def account_by_id(self, account_id: int) -> Account | None:
        """The account with that id, a removed one included."""
        return self._usable(_account(self._one(_BY_ID, (account_id,))))

    def account_by_number(self, number: str) -> Account | None:
        """The account that owns a number, in bare digits."""
        return self._usable(_account(self._one(_BY_NUMBER, (number,))))

    def _usable(self, account: Account | None) -> Account | None:
        """The account with its HA1 opened. In lists a sealed one stays so: nobody is authenticated by a list."""
        if account is None or not is_sealed(account.ha1_md5):
            return account
        return replace(
            account,
            ha1_md5=self._opened(account.ha1_md5, secrecy.HA1_MD5, account.id),
            ha1_sha256=self._opened(account.ha1_sha256, secrecy.HA1_SHA256, account.id),
        )

    def accounts(self) -> list[Account]:
        """All accounts by name."""
        return [account for row in self._all(_ALL) if (account := _account(row))]

    def accounts_page(self, wanted: AccountFilter, after: str = "", limit: int = 100) -> list[Account]:
        """Those that fit, by name, from behind `after`: a page that costs the same with a hundred thousand accounts."""
        digits = wanted.search if wanted.search.isdigit() else None
        part = "".join(f"\\{letter}" if letter in "%_\\" else letter for letter in wanted.search)
        parameters = (after, f"%{part}%", digits, wanted.group, wanted.type, wanted.parent, limit)
        return [account for row in self._all(_page_sql(wanted), parameters) if (account := _account(row))]

    def account_words(self) -> list[str]:
        """Every name and every number that an account has."""
        sql = "SELECT name FROM accounts WHERE removed_at IS NULL UNION ALL SELECT number FROM account_numbers"
        return [str(row[0]) for row in self._all(sql)]

    def accounts_using(self, field: str, value: str, limit: int = 5) -> list[str]:
        """Names of accounts with that `deck` or `tax`."""
        assert field in ("deck", "tax")
        sql = f"SELECT name FROM accounts WHERE {field} = ? AND removed_at IS NULL ORDER BY name LIMIT ?"  # noqa: S608
        return [str(row[0]) for row in self._all(sql, (value, limit))]

    def every_account(self) -> dict[int, Account]:
        """All accounts by their ids, removed ones included: whom records may belong to."""
        return {account.id: account for row in self._all(_EVERY) if (account := _account(row))}

    def accounts_below(self, name: str) -> list[Account]:
        """The accounts whose parent is the one of that name, by name."""
        return [account for row in self._all(_BELOW, (name,)) if (account := _account(row))]

    def chain(self, account: Account) -> tuple[Account, ...]:
        """The account and the resellers above it, up to the one that only the owner is above."""
        levels = [account]
        while levels[-1].parent_id is not None and len(levels) <= DEEPEST:
            above = self.account_by_id(levels[-1].parent_id)
            if above is None:
                break
            levels.append(above)
        return tuple(levels)

    def postings(self, account: str, limit: int = 1000, before_id: int | None = None) -> list[StoredPosting]:
        """The newest movements of an account's balance, newest first."""
        sql = (
            "SELECT p.id, p.account_id, p.at, p.kind, p.amount, p.balance_after, p.call_id, p.note, p.who "
            "FROM postings p JOIN accounts a ON a.id = p.account_id "
            "WHERE a.name = ?1 AND a.removed_at IS NULL AND (?3 IS NULL OR p.id < ?3) ORDER BY p.id DESC LIMIT ?2"
        )
        return [StoredPosting(*row) for row in self._all(sql, (account, limit, before_id))]


_READ: Mapping[str, Callable[[Any], Any]] = {
    "numbers": lambda text: tuple((text or "").split()),
    "authip": lambda text: tuple(text.split()),
    "parent": lambda text: text or "",
    "type": AccountType,
    "maxcps": Decimal,
    "enabled": bool,
    "postpaid": bool,
    "onlylocalaccess": bool,
}


def _account(row: Row | None) -> Account | None:
    if row is None:
        return None
    values = dict(zip(_NAMES, row, strict=True))
    for name, read in _READ.items():
        values[name] = read(values[name])
    own = OwnLimits(*(values.pop(PREFIX + name) for name in OWN_NAMES))
    ahead = Forwards(*(values.pop(forwards.PREFIX + name) for name in forwards.NAMES))
    return Account(**values, own=own, forwards=ahead)
