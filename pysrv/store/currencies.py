"""Exchange rates and taxes. A currency may have several rates, each from its day on; none is ever taken as 1:1."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from pysrv.billing.exchange import parse
from pysrv.store.database import Reading, Writing
from pysrv.store.errors import StoreCode, StoreError
from pysrv.store.rows import CurrencyRow, TaxRow

NO_TAX = "none"
_TAX_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}", re.ASCII)
MAX_NOTE = 200


class CurrencyReading(Reading):
    """Questions about currencies and taxes."""

    def currencies(self) -> list[CurrencyRow]:
        """All rates by code, the oldest first."""
        rows = self._all("SELECT code, valid_from, rate FROM currencies ORDER BY code, valid_from")
        return [CurrencyRow(*row) for row in rows]

    def exchange_rates(self, at: float) -> Mapping[str, Fraction]:
        """What one unit of each currency is worth in the base currency at an instant."""
        return {row.code: parse(row.rate) for row in self.currencies() if row.valid_from <= at}

    def taxes(self) -> list[TaxRow]:
        """All tax schemes by name."""
        return [TaxRow(*row) for row in self._all("SELECT name, ppm, note FROM taxes ORDER BY name")]

    def tax(self, name: str) -> TaxRow | None:
        """The scheme of that name."""
        return next((row for row in self.taxes() if row.name == name), None)


class CurrencyWriting(CurrencyReading, Writing):
    """Changes, and the memory that makes asking cheap."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._currency_memory: list[CurrencyRow] | None = None
        self._worth_memory: tuple[float, float, Mapping[str, Fraction]] | None = None
        self._tax_memory: list[TaxRow] | None = None

    def _forget(self) -> None:
        self._currency_memory = self._worth_memory = self._tax_memory = None
        super()._forget()

    def currencies(self) -> list[CurrencyRow]:
        """All rates by code, the oldest first; remembered."""
        if self._currency_memory is None:
            self._currency_memory = super().currencies()
        return self._currency_memory

    def exchange_rates(self, at: float) -> Mapping[str, Fraction]:
        """The same, remembered for as long as no other rate begins."""
        held = self._worth_memory
        if held is None or not held[0] <= at < held[1]:
            starts = sorted({row.valid_from for row in self.currencies()})
            since = max((start for start in starts if start <= at), default=float("-inf"))
            until = min((start for start in starts if start > at), default=float("inf"))
            held = self._worth_memory = since, until, super().exchange_rates(at)
        return held[2]

    def taxes(self) -> list[TaxRow]:
        """All tax schemes by name; remembered."""
        if self._tax_memory is None:
            self._tax_memory = super().taxes()
        return self._tax_memory

    def set_currency(self, code: str, rate: str, valid_from: float = 0.0, who: str = "") -> CurrencyRow:
        """Sets what one unit is worth from an instant on; `code` and `rate` are checked by billing.exchange."""
        before = next((row.rate for row in self.currencies() if (row.code, row.valid_from) == (code, valid_from)), "")
        with self._atomic():
            sql = "INSERT OR REPLACE INTO currencies (code, valid_from, rate) VALUES (?, ?, ?)"
            self._write(sql, (code, valid_from, rate))
            self._audit(who, "currencies.set", code, before, rate)
        self._forget()
        return CurrencyRow(code, valid_from, rate)

    def remove_currency(self, code: str, who: str = "") -> None:
        """Removes all rates of a currency. NOT_FOUND. CONFLICT while an account pays in it: its calls would have no
        price."""
        row = self._one("SELECT count(*) FROM accounts WHERE currency = ? AND removed_at IS NULL", (code,))
        if row is not None and row[0]:
            hint = "give it another rate with 'currencies set'"
            raise StoreError(StoreCode.CONFLICT, f"{row[0]} accounts pay in {code}", hint)
        if not self._write("DELETE FROM currencies WHERE code = ?", (code,)).rowcount:
            raise StoreError(StoreCode.NOT_FOUND, f"there is no exchange rate of {code!r}", "see 'currencies list'")
        self._audit(who, "currencies.remove", code)
        self._forget()

    def remove_currency_rate(self, code: str, valid_from: float, who: str = "") -> None:
        """Removes one of several rates of a currency; none such is fine."""
        sql = "DELETE FROM currencies WHERE code = ? AND valid_from = ? RETURNING rate"
        for row in self._write(sql, (code, valid_from)).fetchall():
            self._audit(who, "currencies.remove", code, row[0])
        self._forget()

    def set_tax(self, name: str, ppm: int, note: str = "", who: str = "") -> TaxRow:
        """Sets a tax scheme. INVALID: says what."""
        if not _TAX_NAME.fullmatch(name) or name == NO_TAX:
            words = f"{name[:40]!r} cannot be a tax's name: small letters, digits and ._-, at most 32, not {NO_TAX!r}"
            raise StoreError(StoreCode.INVALID, words)
        if len(note) > MAX_NOTE or not note.isprintable():
            raise StoreError(StoreCode.INVALID, f"a note has at most {MAX_NOTE} printable characters")
        before = self.tax(name)
        with self._atomic():
            self._write("INSERT OR REPLACE INTO taxes (name, ppm, note) VALUES (?, ?, ?)", (name, ppm, note))
            self._audit(who, "taxes.set", name, "" if before is None else f"{before.ppm} ppm", f"{ppm} ppm")
        self._forget()
        return TaxRow(name, ppm, note)

    def remove_tax(self, name: str, who: str = "") -> None:
        """Removes a scheme. CONFLICT while a deck names it: its prices would be gone."""
        users = [row[0] for row in self._all("SELECT deck FROM imports WHERE tax = ? AND state = 'active'", (name,))]
        if users:
            raise StoreError(StoreCode.CONFLICT, f"deck {users[0]} is taxed by {name}", "import it with another tax")
        if not self._write("DELETE FROM taxes WHERE name = ?", (name,)).rowcount:
            raise StoreError(StoreCode.NOT_FOUND, f"there is no tax {name!r}", "see 'taxes list'")
        self._audit(who, "taxes.remove", name)
        self._forget()
