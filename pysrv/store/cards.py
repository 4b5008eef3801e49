"""Calling cards: their PINs and the numbers that their holders call from.

A PIN says by itself whose it is, so it cannot be looked up by a name. What is kept is a shelf and a hash: the shelf is
the first bits of a keyed hash (HMAC-SHA256 with a secret of this installation), the hash is Argon2id. A PIN that is
keyed in leads to one shelf, and what lies there is verified slowly; on an empty shelf so is nobody's. Whoever reads the
file, the secret with it, learns 16 bits of a PIN and must try all others at Argon2's price. New PINs go to shelves that
are empty while there are any, so right, wrong and unknown take the same time.
"""

import hmac
import secrets
from hashlib import sha256

from pysrv.billing.number import normalise
from pysrv.passwords import pins
from pysrv.store.account import Account, AccountType
from pysrv.store.account_checks import invalid
from pysrv.store.account_reading import AccountReading
from pysrv.store.accounts import AccountWriting
from pysrv.store.errors import StoreCode, StoreError
from pysrv.store.security import SecurityWriting

SHELF_DIGITS = 4  # of hex
DRAWS = 64  # for an empty shelf
MOST_ON_A_SHELF = 4
MOST_CALLERS = 32  # numbers of one card
SHORTEST_PIN, LONGEST_PIN = 10, 20
PROOFS_KEPT = 64  # callers of one card from which its PIN was given
_SECRET_BYTES = 32


class CardReading(AccountReading):
    """Questions about cards."""

    def card_callers(self, account_id: int) -> tuple[str, ...]:
        """The numbers from which a card's holder calls."""
        sql = "SELECT number FROM card_callers WHERE account_id = ? ORDER BY position"
        return tuple(str(row[0]) for row in self._all(sql, (account_id,)))

    def has_pin(self, account_id: int) -> bool:
        """Whether an account has a PIN."""
        row = self._one("SELECT authpin_hash != '' FROM accounts WHERE id = ?", (account_id,))
        return bool(row and row[0])

    def card_by_caller(self, number: str) -> Account | None:
        """The card whose holder calls from a number, in bare digits."""
        row = self._one("SELECT account_id FROM card_callers WHERE number = ?", (number,))
        found = self.account_by_id(int(row[0])) if row else None
        return found if found is not None and found.type is AccountType.CALLING_CARD else None

    def proof_age(self, account_id: int, caller: str) -> float | None:
        """Seconds since the card's PIN was given by this caller; None: it never was."""
        row = self._one("SELECT at FROM card_proofs WHERE account_id = ? AND caller = ?", (account_id, caller))
        return max(0.0, self._clock() - float(row[0])) if row else None


class CardWriting(CardReading, AccountWriting, SecurityWriting):
    """Changes of them, and the PIN, whose secret is made when it is first needed."""

    def card_by_pin(self, pin: str) -> Account | None:
        """The card of a PIN. Takes about as long for a wrong one, and for one that nobody has."""
        shelf = self._shelf(pin)
        sql = (
            "SELECT id, authpin_hash FROM accounts WHERE authpin_hash >= ? AND authpin_hash < ? AND removed_at IS NULL"
        )
        rows = self._all(sql, (shelf + "$", shelf + "%"))
        found = None
        for account_id, kept in rows or [(None, shelf + pins.NOBODYS_HASH)]:
            if pins.matches(str(kept)[SHELF_DIGITS:], pin) and account_id is not None:
                found = self.account_by_id(int(account_id))
        return found if found is not None and found.type is AccountType.CALLING_CARD else None

    def make_pin(self, name: str, length: int, who: str = "") -> str:
        """Gives a card a new random PIN and returns it; it is kept nowhere else. Raises StoreError."""
        account = self._card(name)
        if not SHORTEST_PIN <= length <= LONGEST_PIN:
            raise invalid(f"a PIN has {SHORTEST_PIN} to {LONGEST_PIN} digits, not {length}")
        pin = self._free_pin(length)
        self._keep_pin(account, self._shelf(pin) + pins.hashed(pin), who)
        return pin

    def drop_pin(self, name: str, who: str = "") -> None:
        """Takes a card's PIN away, and forgets from where it was given."""
        self._keep_pin(self._card(name), "", who)

    def set_card_callers(self, name: str, numbers: tuple[str, ...], who: str = "") -> None:
        """The numbers from which a card's holder calls, all anew. CONFLICT: another card has one."""
        account = self._card(name)
        bare = [normalise(number) for number in numbers]
        if len(bare) > MOST_CALLERS or None in bare:
            raise invalid(f"{name}: at most {MOST_CALLERS} numbers of digits, with or without +")
        with self._atomic():
            before = self.card_callers(account.id)
            self._write("DELETE FROM card_callers WHERE account_id = ?", (account.id,))
            for position, number in enumerate(dict.fromkeys(str(each) for each in bare)):
                if other := self.card_by_caller(number):
                    raise StoreError(StoreCode.CONFLICT, f"number {number} already calls for {other.name}")
                self._write("INSERT OR REPLACE INTO card_callers VALUES (?, ?, ?)", (number, account.id, position))
            self._audit(who, "account.anumbers", name, " ".join(before), " ".join(map(str, bare)))

    def note_proof(self, account_id: int, caller: str) -> None:
        """The card's PIN was given by this caller now."""
        values = (account_id, caller, self._clock())
        self._write("INSERT OR REPLACE INTO card_proofs (account_id, caller, at) VALUES (?, ?, ?)", values)
        sql = (
            "DELETE FROM card_proofs WHERE account_id = ?1 AND caller NOT IN "
            "(SELECT caller FROM card_proofs WHERE account_id = ?1 ORDER BY at DESC LIMIT ?2)"
        )
        self._write(sql, (account_id, PROOFS_KEPT))

    def _card(self, name: str) -> Account:
        account = self._named(name)
        if account.type is not AccountType.CALLING_CARD:
            raise invalid(f"{name} is no calling card: its type is {account.type}")
        return account

    def _keep_pin(self, account: Account, kept: str, who: str) -> None:
        with self._atomic():
            self._write("UPDATE accounts SET authpin_hash = ? WHERE id = ?", (kept, account.id))
            self._write("DELETE FROM card_proofs WHERE account_id = ?", (account.id,))
            self._audit(who, "account.pin", account.name)

    def _free_pin(self, length: int) -> str:
        for most in (0, MOST_ON_A_SHELF - 1):
            for _ in range(DRAWS):
                pin = "".join(secrets.choice("0123456789") for _ in range(length))
                if self._on_shelf(self._shelf(pin)) <= most:
                    return pin
        raise StoreError(StoreCode.CONFLICT, "there are too many cards for one installation", "remove old ones")

    def _on_shelf(self, shelf: str) -> int:
        sql = "SELECT count(*) FROM accounts WHERE authpin_hash >= ? AND authpin_hash < ?"
        row = self._one(sql, (shelf + "$", shelf + "%"))
        return int(row[0]) if row else 0

    def _shelf(self, pin: str) -> str:
        key = self.get_or_make("pins", _SECRET_BYTES)
        return hmac.new(key, pin.encode(), sha256).hexdigest()[:SHELF_DIGITS]
