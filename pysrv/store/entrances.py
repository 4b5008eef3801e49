"""From where accounts come: the index that calls are looked up in, and what is refused when an account is saved.

The rules are pysrv.limits.entrances; here they meet the table of accounts.
"""

from typing import Any

from pysrv.limits.entrances import Entrances, entrances_of, lack
from pysrv.store.account import Account
from pysrv.store.account_checks import invalid
from pysrv.store.database import Reading, Writing
from pysrv.store.errors import StoreCode, StoreError

ENTERS = frozenset(("needauth", "authip", "techprefix", "enabled"))
"""The fields that say from where an account comes, and whether it may: the gate knows accounts by them."""


class EntranceReading(Reading):
    """Questions about where accounts come from."""

    def entrances(self) -> Entrances:
        """From where accounts come, for those that are found by it."""
        sql = "SELECT name, needauth, authip, techprefix FROM accounts WHERE needauth != 4 AND removed_at IS NULL"
        rows = ((row[0], row[1], row[2].split(), row[3]) for row in self._all(sql))
        return Entrances.of(each for row in rows for each in entrances_of(*row))

    def account_count(self) -> int:
        """How many accounts there are."""
        row = self._one("SELECT count(*) FROM accounts WHERE removed_at IS NULL", ())
        return int(row[0]) if row else 0


class EntranceWriting(EntranceReading, Writing):
    """The memory of it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._entrances: Entrances | None = None

    def entrances(self) -> Entrances:
        """From where accounts come, remembered until one changes that."""
        if self._entrances is None:
            self._entrances = super().entrances()
        return self._entrances

    def _forget(self) -> None:
        self._entrances = None
        super()._forget()

    def _enters(self, account: Account, *, new: bool) -> None:
        """Checks what an account that was just written is found by. Raises StoreError: INVALID, CONFLICT."""
        if lacking := lack(account.needauth, account.authip, account.techprefix):
            raise invalid(f"{account.name}: {lacking}")
        if not new:
            self._entrances = None
        held = self._entrances is not None  # else it is read now, this account included
        found = self.entrances()
        wanted = entrances_of(account.name, account.needauth, account.authip, account.techprefix)
        for entrance in wanted:
            if (rival := found.collision(entrance)) is not None:
                words = f"{account.name} ({entrance}) and {rival.account} ({rival}) could not be told apart"
                raise StoreError(StoreCode.CONFLICT, words, "give one of them another authip or another techprefix")
        for entrance in wanted if held else ():
            found.add(entrance)
