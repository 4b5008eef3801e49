"""Who asks: the owner of one account, at a desk of his own."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.billing.calendar import MONTHS_A_YEAR, day_of, day_starts_at, first_day, month_of
from pysrv.control.desk import Desk
from pysrv.store import Store
from pysrv.store.account import Account

FIRST_YEAR, LAST_YEAR = 1970, 9998


@dataclass(frozen=True, slots=True)
class Holder:
    """An account's owner. `session` is the digest of his session, which his own verbs do not end."""

    desk: Desk
    account: Account
    session: str = ""

    @property
    def store(self) -> Store:
        """The store."""
        return self.desk.store

    @property
    def settings(self) -> Settings:
        """The settings now."""
        return self.desk.settings

    @property
    def who(self) -> str:
        """His name in the trail."""
        return self.desk.who

    def again(self) -> Account:
        """The account as it is now."""
        return self.store.account(self.account.name) or self.account

    def changed(self, name: str | None = None) -> None:
        """Tells the running service that the account, or a customer's, was changed."""
        told = name or self.account.name
        self.desk.after_commit(lambda live: live.account_changed(told))


def month(holder: Holder, text: str) -> tuple[str, float, float]:
    """`2026-11` (empty: this month), the instant at which it begins and the one at which it is over. Raises WireError.

    Months are those of the appliance's time zone.
    """
    zone = ZoneInfo(holder.settings.timezone or "UTC")
    number = _number(text) if text else month_of(day_of(holder.desk.clock(), zone))
    if number is None:
        raise WireError("invalid", f"{text[:20]!r} is no month", "write year and month, for instance 2026-11")
    year, index = divmod(number, MONTHS_A_YEAR)
    since, until = (day_starts_at(first_day(each), zone) for each in (number, number + 1))
    return f"{year:04d}-{index + 1:02d}", since, until


def _number(text: str) -> int | None:
    year, _, index = text.partition("-")
    if not (len(year) == 4 and len(index) == 2 and (year + index).isdigit() and text.isascii()):
        return None
    if not (FIRST_YEAR <= int(year) <= LAST_YEAR and 1 <= int(index) <= MONTHS_A_YEAR):
        return None
    return int(year) * MONTHS_A_YEAR + int(index) - 1


Answer = dict[str, Any]
