"""Accounts and their numbers. A password passes through to `passwords.py`.

A removed account keeps its row, because postings and CDRs point at it; its name and numbers become free.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from pysrv.billing import money
from pysrv.billing.ledger import Funds, PostingKind
from pysrv.billing.number import normalise
from pysrv.passwords.policy import UNKNOWN, Strength
from pysrv.store.account import AS_MAXLINES, PROFILE, Account, AccountType, NewAccount
from pysrv.store.account_checks import check, check_currency, check_name, invalid
from pysrv.store.account_reading import DEEPEST, STORED, AccountReading
from pysrv.store.entrances import ENTERS, EntranceWriting
from pysrv.store.errors import StoreCode, StoreError
from pysrv.store.passwords import PasswordWriting, check_secret

CHANGEABLE = (*PROFILE, "numbers", "password")
"""What `set_account` takes by keyword; money moves by `deposit` and `adjust` alone."""
_REMEMBERED = 50_000
POSTING = (
    "INSERT INTO postings (account_id, at, kind, amount, balance_after, call_id, note, who) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


class AccountWriting(AccountReading, EntranceWriting, PasswordWriting):
    """Changes of accounts. Every change leaves an audit row."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._memory: dict[str, Account] = {}
        self._name_of: dict[int, str] = {}
        self._nobodys: set[str] = set()  # names and numbers that no account has: most numbers that are dialled

    def account(self, name: str) -> Account | None:
        """The account of that name, remembered until it changes; that there is none, until there are new names."""
        key, held = "name " + name, self._memory.get(name)
        if held is not None or key in self._nobodys:
            return held
        held = super().account(name)
        if held is None:
            self._note_nobodys(key)
        else:
            if len(self._memory) >= _REMEMBERED:
                self._forget()
            self._memory[name], self._name_of[held.id] = held, name
        return held

    def account_by_id(self, account_id: int) -> Account | None:
        """The account with that id, a removed one included; the remembered one where there is one."""
        name = self._name_of.get(account_id)
        held = self._memory.get(name) if name is not None else None
        if held is not None:
            return held
        found = super().account_by_id(account_id)
        if found is not None and (live := self.account(found.name)) is not None and live.id == account_id:
            return live
        return found

    def account_by_number(self, number: str) -> Account | None:
        """The account that owns a number; that nobody owns it is remembered until numbers change."""
        key = "number " + number
        if key in self._nobodys:
            return None
        found = super().account_by_number(number)
        if found is None:
            self._note_nobodys(key)
        return found

    def _note_nobodys(self, key: str) -> None:
        if len(self._nobodys) >= _REMEMBERED:
            self._nobodys.clear()
        self._nobodys.add(key)

    def credentials(self, name: str) -> Account | None:
        """The account that digest asks about at every request: the remembered one."""
        return self.account(name)

    def _forget(self) -> None:
        self._memory.clear()
        self._name_of.clear()
        self._nobodys.clear()
        super()._forget()

    def _changed(self, account_id: int) -> None:
        self._memory.pop(self._name_of.pop(account_id, ""), None)

    def _moved(self, account_id: int, funds: Funds) -> None:
        """A call has moved an account's figures: what is remembered of it moves along."""
        name = self._name_of.get(account_id, "")
        held = self._memory.get(name)
        if held is not None:
            self._memory[name] = replace(
                held,
                balance=funds.balance,
                reserved=funds.reserved,
                reserved_s=funds.reserved_s,
                running_per_minute=funds.running_per_minute,
                lines=funds.running_calls,
            )

    def add_account(self, new: NewAccount, who: str = "") -> Account:
        """Adds an account; a first balance is a posting. CONFLICT: name or number is taken. INVALID: says what."""
        check_name(new.name)
        if new.maxlinesoffpeak == AS_MAXLINES:
            new = replace(new, maxlinesoffpeak=new.maxlines)
        check(new.name, {name: getattr(new, name) for name in PROFILE})
        check_currency(new.currency)
        check_secret(new.realm, new.password)
        if self.account(new.name):
            raise StoreError(StoreCode.CONFLICT, f"there is already an account {new.name!r}")
        with self._atomic():
            account_id = self._insert(new)
            self._keep_password(account_id, new.name, new.realm, new.password, new.strength)
            self._number(account_id, new.numbers)
            self._audit(who, "account.add", new.name)
            if new.parent:
                self._place(self._named(new.name), new.parent, who)
            self._enters(self._named(new.name), new=True)
            if new.balance:
                self._post(account_id, PostingKind.DEPOSIT, new.balance, "first balance", who)
        return self._named(new.name)

    def set_account(self, name: str, *, who: str = "", **changes: Any) -> Account:
        """Changes some of CHANGEABLE (a password for the account's realm, or for `realm` given with it; `strength` says
        what is known of it)."""
        before = self._named(name)
        realm, strength = str(changes.pop("realm", before.realm)), changes.pop("strength", UNKNOWN)
        if unknown := set(changes) - set(CHANGEABLE):
            raise invalid(f"{', '.join(sorted(unknown))}: not to be set; what can be: {', '.join(CHANGEABLE)}")
        if changes.get("type", before.type) != before.type and (below := self.accounts_below(name)):
            hint = "give them another parent first"
            raise StoreError(StoreCode.CONFLICT, f"{name} stays a reseller: {len(below)} accounts are below it", hint)
        if "maxlines" in changes and before.maxlinesoffpeak == before.maxlines:
            changes.setdefault("maxlinesoffpeak", changes["maxlines"])  # who never told them apart means both
        check(name, changes)
        if changes.get("postpaid") is False and before.postpaid and before.balance < before.reserved:
            short = money.format(before.reserved - before.balance)
            raise invalid(f"{name} cannot become prepaid now: its running calls hold {short} more than it has")
        with self._atomic():
            for field_name in STORED:
                if field_name in changes:
                    self._change(before, field_name, changes[field_name], who)
            if "enabled" in changes:
                by = "" if changes["enabled"] else who
                self._write("UPDATE accounts SET disabled_by = ? WHERE id = ?", (by, before.id))
            if ENTERS & set(changes):
                self._enters(self._named(name), new=False)
            if "parent" in changes:
                self._place(before, str(changes["parent"]), who)
            if "numbers" in changes:
                self._number(before.id, tuple(changes["numbers"]))
                self._audit(who, "account.numbers", name, " ".join(before.numbers), " ".join(changes["numbers"]))
            if "password" in changes:
                self._password(before, str(changes["password"]), realm, strength, who)
        return self._named(name)

    def remove_account(self, name: str, who: str = "") -> None:
        """Frees name and numbers; bindings go too. CONFLICT while a call of it runs."""
        account = self._named(name)
        if account.lines:
            hint = "wait for its calls to end, or hang them up"
            raise StoreError(StoreCode.CONFLICT, f"{name} has {account.lines} running calls", hint)
        if below := self.accounts_below(name):
            hint = "give them another parent first"
            raise StoreError(StoreCode.CONFLICT, f"{len(below)} accounts are below {name}", hint)
        with self._atomic():
            sql = "UPDATE accounts SET removed_at = ?, enabled = 0, authpin_hash = '' WHERE id = ?"
            self._write(sql, (self._clock(), account.id))
            self._drop_password(account.id)
            for table in ("card_callers", "card_proofs"):
                self._write(f"DELETE FROM {table} WHERE account_id = ?", (account.id,))  # noqa: S608
            self._write("DELETE FROM account_numbers WHERE account_id = ?", (account.id,))
            self._write("DELETE FROM bindings WHERE aor = ?", (name,))
            self._write("DELETE FROM web_sessions WHERE kind = 'account' AND name = ?", (name,))
            self._audit(who, "account.remove", name, money.format(account.balance))
        self._entrances = None
        self._changed(account.id)

    def deposit(self, name: str, amount: int, *, who: str = "", note: str = "") -> Account:
        """Adds money (micro-units, above 0) to a balance."""
        if amount <= 0:
            raise invalid("a deposit is above 0; to take money off, adjust")
        return self._move(name, PostingKind.DEPOSIT, amount, note, who)

    def adjust(self, name: str, amount: int, *, who: str = "", note: str = "") -> Account:
        """Moves a balance by a signed amount; of a prepaid account never below what its calls have reserved."""
        account = self._named(name)
        if not account.postpaid and account.balance + amount < account.reserved:
            reserved = money.format(account.reserved)
            raise invalid(f"{name} would have less than its running calls have reserved ({reserved})")
        return self._move(name, PostingKind.ADJUSTMENT, amount, note, who)

    def _named(self, name: str) -> Account:
        account = self.account(name)
        if account is None:
            raise StoreError(StoreCode.NOT_FOUND, f"there is no account {name!r}", "accounts list shows all")
        return account

    def _move(self, name: str, kind: PostingKind, amount: int, note: str, who: str) -> Account:
        account = self._named(name)
        if abs(account.balance + amount) >= money.MAX_UNITS * money.MICRO:
            raise invalid(f"the balance of {name} would leave the range of amounts")
        with self._atomic():
            self._post(account.id, kind, amount, note, who)
            self._audit(who, f"account.{kind}", name, "", money.format(amount))
        return self._named(name)

    def _post(self, account_id: int, kind: PostingKind, amount: int, note: str, who: str) -> None:
        """Moves a balance and writes down why; part of an atomic step."""
        self._changed(account_id)
        sql = "UPDATE accounts SET balance = balance + ? WHERE id = ? RETURNING balance"
        after = self._write(sql, (amount, account_id)).fetchone()[0]
        self._write(POSTING, (account_id, self._clock(), kind, amount, after, "", note, who))

    def _insert(self, new: NewAccount) -> int:
        self._nobodys.clear()
        columns = {name: _written(getattr(new, name)) for name in (*STORED, "name", "currency")}
        columns |= {"realm": new.realm, "ha1_md5": "", "ha1_sha256": "", "created_at": self._clock()}
        names = ", ".join(columns)
        sql = f"INSERT INTO accounts ({names}) VALUES ({', '.join('?' * len(columns))}) RETURNING id"  # noqa: S608
        return int(self._write(sql, tuple(columns.values())).fetchone()[0])

    def _change(self, before: Account, field_name: str, value: Any, who: str) -> None:
        sql = f"UPDATE accounts SET {field_name} = ? WHERE id = ?"  # noqa: S608
        self._write(sql, (_written(value), before.id))
        self._audit(who, f"account.{field_name}", before.name, str(getattr(before, field_name)), str(value))
        self._changed(before.id)

    def _place(self, account: Account, parent: str, who: str) -> None:
        """Puts an account below a reseller; an empty `parent`: below the owner. No account is above itself."""
        if parent == account.parent:
            return
        above = self._named(parent) if parent else None
        if above is not None and above.type is not AccountType.RESELLER:
            raise invalid(f"{account.name}: {parent} is no reseller, so no account can be below it")
        if above is not None and account.id in (each.id for each in self.chain(above)):
            raise invalid(f"{account.name}: {parent} is the account itself or below it")
        if above is not None and len(self.chain(above)) >= DEEPEST:
            raise invalid(f"{account.name}: more than {DEEPEST} levels of resellers")
        if account.lines:
            hint = "wait for its calls to end, or hang them up"
            raise StoreError(StoreCode.CONFLICT, f"{account.name} has {account.lines} running calls", hint)
        self._write("UPDATE accounts SET parent_id = ? WHERE id = ?", (above.id if above else None, account.id))
        self._audit(who, "account.parent", account.name, account.parent, parent)
        self._changed(account.id)

    def _password(self, before: Account, password: str, realm: str, strength: Strength, who: str) -> None:
        self._keep_password(before.id, before.name, realm, password, strength)
        self._audit(who, "account.password", before.name)

    def _number(self, account_id: int, numbers: tuple[str, ...]) -> None:
        self._changed(account_id)
        self._write("DELETE FROM account_numbers WHERE account_id = ?", (account_id,))
        for position, written in enumerate(numbers):
            number = normalise(written)
            if number is None:
                raise invalid(f"{written!r} is not a number: digits, with or without +, at most 32")
            owner = self.account_by_number(number)
            if owner is not None:
                raise StoreError(StoreCode.CONFLICT, f"number {number} already belongs to {owner.name}")
            self._write("INSERT INTO account_numbers VALUES (?, ?, ?)", (number, account_id, position))
            self._nobodys.discard("number " + number)


def _written(value: Any) -> Any:
    """A profile's value as a column holds it."""
    if isinstance(value, tuple):
        return " ".join(value)
    return str(value) if isinstance(value, Decimal) else value
