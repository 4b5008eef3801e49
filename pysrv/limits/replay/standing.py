"""One account in the course of a replay: its balance, what it used, what its running calls hold. Mutable, and no more.

Two sums of what runs stand side by side. `liability` is what the running calls will have cost at most when they have
ended as the records say: while even that leaves ten minutes for all of them, no lease of the account can be short, and
none needs to be followed. `held` is what the leases hold that are followed. The first is never less than the second.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from pysrv.billing.calendar import month_of
from pysrv.billing.lease import COVER_S
from pysrv.billing.ledger import Ceiling, Funds, Unit
from pysrv.billing.usage import Usage
from pysrv.limits.replay.past import ReplayAccount, ReplaySettings, Start
from pysrv.limits.spend import BLOCKING, ceilings

if TYPE_CHECKING:
    from pysrv.limits.replay.course import Running

ENDLESS = 1 << 62


class Standing:
    """Fits AccountView, so that stages look at it as at the store's account.

    Whether an account is let in, locked or kept local is taken as it turned out: an operator who closed it since would
    hide everything else. What is tried (`asked`) counts.
    """

    own_locklevel = 0  # an owner's lock is no trial of an operator's
    __slots__ = (
        "_balance", "_ceilings", "_extras", "_peak", "_profile", "_reporting", "_seconds_month", "_seconds_today",
        "_settings", "_spent_month", "_spent_today", "_stale", "blocked", "currency", "day", "enabled", "held",
        "held_s", "id", "liability", "liability_s", "limited", "lines", "locklevel", "maxcps", "maxlines",
        "maxlinesoffpeak", "month", "name", "onlylocalaccess", "per_minute", "room", "room_s", "runs", "trusted",
    )  # fmt: skip

    def __init__(
        self,
        profile: ReplayAccount,
        settings: ReplaySettings,
        start: Start,
        asked: Collection[str] = (),
        reporting: Collection[str] = (),
    ) -> None:
        self._profile, self._settings, self._reporting = profile, settings, reporting
        self._balance, self._extras = start.balance, start.extras or {}
        self.id, self.name, self.currency = profile.id, profile.name, profile.currency
        self.maxlines, self.maxlinesoffpeak, self.maxcps = profile.maxlines, profile.maxlinesoffpeak, profile.maxcps
        self.enabled = profile.enabled if "enabled" in asked else True
        self.locklevel = profile.locklevel if "locklevel" in asked else 0
        self.onlylocalaccess = profile.onlylocalaccess if "onlylocalaccess" in asked else False
        self.limited, self.trusted = not profile.postpaid, start.trusted
        self.lines = self.per_minute = self.liability = self.liability_s = self.held = self.held_s = 0
        self.runs: dict[str, Running] = {}  # calls whose leases are not followed
        self.day, self.month, self.blocked, self._peak = start.day, month_of(start.day), "", start.peak
        self._spent_month, self._seconds_month = start.spent_month, start.seconds_month
        self._spent_today = self._seconds_today = 0
        self._ceilings: tuple[Ceiling, ...] = ()
        self.room, self.room_s = ENDLESS, ENDLESS
        self._look()

    @property
    def usage(self) -> Usage:
        """What it has used up by now."""
        return Usage(
            self.day, self.month, self._spent_today, self._seconds_today, self._spent_month, self._seconds_month,
            self._peak, self.blocked, self._extras.get(self.day, 0) if self._extras else 0,
        )  # fmt: skip

    @property
    def ceilings(self) -> tuple[Ceiling, ...]:
        """What limits it now besides its credit."""
        if self._stale:
            self._look()
        return self._ceilings

    def turn(self, day: int) -> None:
        """The day of the next event; a day that was not blocked may have been the largest."""
        if self.day == day:
            return
        if not self.blocked:
            self._peak = max(self._peak, self._spent_today)
        month = month_of(day)
        if month != self.month:
            self._spent_month = self._seconds_month = 0
        self.day, self.month, self.blocked = day, month, ""
        self._spent_today = self._seconds_today = 0
        self._look()

    def block(self, setting: str) -> bool:
        """A daily limit was passed: nothing more today. True: that is news."""
        if setting not in BLOCKING or self.blocked:
            return False
        self.blocked = setting
        self._look()
        return True

    def pay(self, amount: int, seconds: int) -> None:
        """A call is settled, or costs nothing. Every limit has so much less room, whatever it counts in."""
        self._balance -= amount
        self._spent_today += amount
        self._spent_month += amount
        self._seconds_today += seconds
        self._seconds_month += seconds
        self.room -= amount
        self.room_s -= seconds
        self._stale = True

    def move(self, amount: int) -> None:
        """Money came, or went."""
        self._balance += amount
        self._look()

    def roomy(self, liability: int, liability_s: int, per_minute: int) -> bool:
        """Whether, with one more call, no lease of this account can be short or shortened before all have ended."""
        running = per_minute + self.per_minute
        if (self.room - self.liability - liability) * 60 < COVER_S * running:
            return False
        return self.room_s - self.liability_s - liability_s >= COVER_S * (self.lines + 1)

    @property
    def funds(self) -> Funds:
        """As the ledger sees it."""
        return self.funds_with(())

    def funds_with(self, more: tuple[Ceiling, ...]) -> Funds:
        """As the ledger sees it for a call that has ceilings of its own. What is reserved is what leases hold, and
        what they may come to hold where they are not followed: then there is room for it.
        """
        reserved, reserved_s = (self.liability, self.liability_s) if self.runs else (self.held, self.held_s)
        limits = self.ceilings + more
        return Funds(self._balance, reserved, self.per_minute, self.lines, self.limited, reserved_s, limits)

    def _look(self) -> None:
        """What the rules say now, and how much room that leaves."""
        self._ceilings = found = ceilings(self._profile, self._settings, self.usage, self._reporting)
        self._stale = False
        self.room, self.room_s = self._balance if self.limited else ENDLESS, ENDLESS
        for each in found:
            left = each.limit - each.settled
            if each.unit is Unit.MONEY:
                self.room = min(self.room, left)
            else:
                self.room_s = min(self.room_s, left)
