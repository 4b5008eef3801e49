"""Whether an account may pay an amount now, in words fit for its owner. Pure."""

from collections.abc import Sequence
from typing import Final, Protocol

from pysrv.billing import money
from pysrv.payments.units import BadAmount, payable

MOST_TRIES: Final = 20  # checkouts that an account may begin within an hour
HOUR_S: Final = 3600.0


class PaymentRefused(Exception):
    """A payment that is not begun; the message says why."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class Payer(Protocol):
    """What counts of an account."""

    @property
    def enabled(self) -> bool: ...


class OfferSettings(Protocol):
    """The settings that decide."""

    @property
    def paymentmin(self) -> int: ...
    @property
    def paymentmax(self) -> int: ...


def check(
    gateway: str,
    payer: Payer | None,
    amount: int,
    currency: str,
    tries: Sequence[float],
    now: float,
    settings: OfferSettings,
) -> None:
    """`tries` are the times at which the account began its newest payments. Raises PaymentRefused."""
    if payer is None or not payer.enabled:
        raise PaymentRefused("there is no such account, or it is disabled")
    if amount < settings.paymentmin:
        raise PaymentRefused(f"at least {money.format(settings.paymentmin)} {currency} can be paid (paymentmin)")
    if settings.paymentmax and amount > settings.paymentmax:
        words = f"at most {money.format(settings.paymentmax)} {currency} can be paid at a time (paymentmax)"
        raise PaymentRefused(words)
    if sum(at > now - HOUR_S for at in tries) >= MOST_TRIES:
        raise PaymentRefused(f"{MOST_TRIES} payments were begun within an hour", "try again later")
    try:
        payable(gateway, amount, currency)
    except BadAmount as error:
        raise PaymentRefused(str(error)) from None
