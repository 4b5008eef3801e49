"""What an account's owner sets himself, and what a statement of his is made of."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from pysrv.billing.ledger import PostingKind
from pysrv.billing.tariff import Rate
from pysrv.limits import forwards
from pysrv.limits.forwards import Forwards
from pysrv.limits.own import NAMES, OwnLimits
from pysrv.store.account import Account
from pysrv.store.account_reading import AccountReading
from pysrv.store.accounts import AccountWriting
from pysrv.store.coding import rate_of
from pysrv.store.rows import StoredPosting

_POSTING = "id, account_id, at, kind, amount, balance_after, call_id, note, who"
_LONGEST_LANGUAGE = 8


@dataclass(frozen=True, slots=True)
class ChargedCall:
    """One level's charge of a call as it was posted; `rate` None: it was not kept."""

    at: float
    amount: int
    billable_seconds: int
    rate: Rate | None


class PortalReading(AccountReading):
    """Questions for statements. `since` is the first instant that counts, `until` the first that does not."""

    def balance_at(self, account_id: int, at: float) -> int:
        """What the balance was just before: the sum of its postings until then."""
        row = self._one("SELECT total(amount) FROM postings WHERE account_id = ? AND at < ?", (account_id, at))
        return int(row[0]) if row else 0

    def moved(self, account_id: int, since: float, until: float) -> list[StoredPosting]:
        """Every posting that is no call's charge, oldest first."""
        sql = (
            f"SELECT {_POSTING} FROM postings WHERE account_id = ? AND at >= ? AND at < ? AND kind <> ? "  # noqa: S608
            "ORDER BY id"
        )
        return [StoredPosting(*row) for row in self._all(sql, (account_id, since, until, PostingKind.CHARGE))]

    def charged(self, account_id: int, since: float, until: float) -> Iterator[ChargedCall]:
        """Every charge of a call, whoever called, oldest first."""
        sql = (
            "SELECT p.at, -p.amount, coalesce(c.billable_seconds, 0), c.rate FROM postings p "
            "LEFT JOIN charges c ON c.call_id = p.call_id AND c.account_id = p.account_id "
            "WHERE p.account_id = ? AND p.at >= ? AND p.at < ? AND p.kind = ? ORDER BY p.id"
        )
        for row in self._run(sql, (account_id, since, until, PostingKind.CHARGE)):
            yield ChargedCall(row[0], row[1], row[2], rate_of(row[3]))


class PortalWriting(PortalReading, AccountWriting):
    """Changes by the owner."""

    def set_own_limits(self, name: str, own: OwnLimits, *, who: str = "") -> Account:
        """His own limits; each change leaves an audit row."""
        before = self._named(name)
        told, was = asdict(own), asdict(before.own)
        with self._atomic():
            for each in NAMES:
                if told[each] != was[each]:
                    sql = f"UPDATE accounts SET own_{each} = ? WHERE id = ?"  # noqa: S608
                    self._write(sql, (told[each], before.id))
                    self._audit(who, f"account.own_{each}", name, str(was[each]), str(told[each]))
        self._changed(before.id)
        return self._named(name)

    def set_forwards(self, name: str, wanted: Forwards, *, who: str = "") -> Account:
        """Where his calls go on; each change leaves an audit row."""
        before = self._named(name)
        told, was = asdict(wanted), asdict(before.forwards)
        with self._atomic():
            for each in forwards.NAMES:
                if told[each] != was[each]:
                    sql = f"UPDATE accounts SET {forwards.PREFIX}{each} = ? WHERE id = ?"  # noqa: S608
                    self._write(sql, (told[each], before.id))
                    self._audit(who, f"account.forward_{each}", name, str(was[each]), str(told[each]))
        self._changed(before.id)
        return self._named(name)

    def set_language(self, name: str, language: str, *, who: str = "") -> None:
        """The language in which he is shown his pages; empty: the browser's."""
        before = self._named(name)
        if before.language != language:
            self._write("UPDATE accounts SET language = ? WHERE id = ?", (language[:_LONGEST_LANGUAGE], before.id))
            self._audit(who, "account.language", name, before.language, language)
            self._changed(before.id)
