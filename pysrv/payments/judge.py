"""Whether a payment is credited at once, or waits for a person: every reason in words. Pure."""

from dataclasses import dataclass
from typing import Final, Protocol

from pysrv.billing import money
from pysrv.billing.payment import Fact, History

NEW_S: Final = 86_400.0  # an account that is younger is new
MOST_RECENT: Final = 3  # payments within an hour, this one among them
MOST_FAILED: Final = 3  # tries within a day that came to nothing
FAR_ABOVE: Final = 5  # times the usual amount


class PaymentSettings(Protocol):
    """The settings that decide."""

    @property
    def paymentfirstmanual(self) -> bool: ...
    @property
    def paymentmaxauto(self) -> int: ...
    @property
    def homecountry(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Ordered:
    """What the customer was sent to pay."""

    amount: int
    currency: str


def reasons(captured: Fact, ordered: Ordered, history: History, settings: PaymentSettings) -> tuple[str, ...]:
    """Why a captured payment waits; empty: it is credited at once."""
    found = [
        *_order(captured, ordered),
        *_amount(captured, history, settings),
        *_account(history, settings),
        *_pace(history),
        *_payer(captured, history, settings),
    ]
    return tuple(found)


def _order(captured: Fact, ordered: Ordered) -> list[str]:
    if (captured.amount, captured.currency) == (ordered.amount, ordered.currency):
        return []
    took = f"{money.format(captured.amount)} {captured.currency}"
    return [f"the gateway took {took}, the order was for {money.format(ordered.amount)} {ordered.currency}"]


def _amount(captured: Fact, history: History, settings: PaymentSettings) -> list[str]:
    found = []
    if not settings.paymentmaxauto:
        found.append("every payment waits (paymentmaxauto is 0)")
    elif captured.amount > settings.paymentmaxauto:
        found.append(f"it is above paymentmaxauto ({money.format(settings.paymentmaxauto)})")
    if history.usual and captured.amount > FAR_ABOVE * history.usual:
        found.append(f"it is more than {FAR_ABOVE} times the account's usual payment ({money.format(history.usual)})")
    return found


def _account(history: History, settings: PaymentSettings) -> list[str]:
    said = (
        (history.first and settings.paymentfirstmanual, "it is the account's first payment (paymentfirstmanual)"),
        (not history.exists, "the account was removed"),
        (history.exists and not history.enabled, "the account is disabled"),
        (history.locklevel > 0, f"the account is locked (locklevel {history.locklevel})"),
        (history.age_s < NEW_S, f"the account is new: {max(0.0, history.age_s) / 3600:.0f} hours old"),
        (history.disputed, "an earlier payment of the account was disputed"),
    )
    return [words for holds, words in said if holds]


def _pace(history: History) -> list[str]:
    found = []
    if history.recent + 1 > MOST_RECENT:
        found.append(f"it is payment number {history.recent + 1} of the account within an hour")
    if history.failed >= MOST_FAILED:
        found.append(f"{history.failed} tries of the last day came to nothing")
    return found


def _payer(captured: Fact, history: History, settings: PaymentSettings) -> list[str]:
    """A payer who is neither the account's owner nor somebody who paid for it before."""
    found = []
    email, country = captured.payer_email.lower(), captured.payer_country.upper()
    if email and history.email and email not in {history.email.lower(), *history.emails}:
        found.append("the payer's mail address is neither the account's nor one that has paid for it before")
    homes = history.countries or frozenset({settings.homecountry} - {""})
    if country and homes and country not in homes:
        found.append(f"the payer is in {country}, not in {', '.join(sorted(homes))}")
    return found
