"""Amounts as gateways write them, to and from micro-units, exactly. Pure.

Stripe: whole numbers of the smallest unit ("Minor units in API amounts", docs.stripe.com/currencies); some currencies
have none, some have three decimals of which the last is 0. PayPal: decimal texts; HUF, JPY and TWD take no decimals
(developer.paypal.com/reference/currency-codes).
"""

from typing import Final

from pysrv.billing import money

_WHOLE = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
STRIPE_WHOLE: Final = frozenset(_WHOLE.split())  # ISK and UGX are written with two zeros
STRIPE_HUNDREDS: Final = frozenset({"ISK", "UGX"})
STRIPE_THREE: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
PAYPAL_WHOLE: Final = frozenset({"HUF", "JPY", "TWD"})
MOST: Final = 10**9 * money.MICRO  # of one payment
_CENT: Final = money.MICRO // 100


class BadAmount(ValueError):
    """An amount that no gateway would say, or that cannot be paid through one; the message says why."""


def step(gateway: str, currency: str) -> int:
    """The smallest step of an amount, in micro-units."""
    whole = PAYPAL_WHOLE if gateway == "paypal" else STRIPE_WHOLE | STRIPE_HUNDREDS
    return money.MICRO if currency in whole else _CENT


def payable(gateway: str, amount: int, currency: str) -> int:
    """The amount itself, if the gateway can take it. Raises BadAmount."""
    size = step(gateway, currency)
    if not 0 < amount <= MOST:
        raise BadAmount(f"{money.format(amount)} {currency} cannot be paid: more than 0, at most {MOST // money.MICRO}")
    if amount % size:
        raise BadAmount(f"{money.format(amount)} {currency} cannot be paid: the smallest step is {money.format(size)}")
    return amount


def _stripe_unit(currency: str) -> int:
    if currency in STRIPE_WHOLE:
        return money.MICRO
    return money.MICRO // 1000 if currency in STRIPE_THREE else _CENT


def to_stripe(amount: int, currency: str) -> int:
    """Smallest units. Raises BadAmount: it is not a whole number of them."""
    units, rest = divmod(payable("stripe", amount, currency), _stripe_unit(currency))
    if rest:
        raise BadAmount(f"{money.format(amount)} {currency} has too many decimals")
    return units


def of_stripe(units: object, currency: str) -> int:
    """Micro-units. Raises BadAmount."""
    if type(units) is not int or not 0 <= units * _stripe_unit(currency) <= MOST:
        raise BadAmount(f"the gateway said the amount {str(units)[:40]!r}")
    return units * _stripe_unit(currency)


def to_paypal(amount: int, currency: str) -> str:
    """A decimal text. Raises BadAmount."""
    return money.format(payable("paypal", amount, currency), 0 if currency in PAYPAL_WHOLE else 2)


def of_paypal(text: object) -> int:
    """Micro-units of a decimal text, 0 or more. Raises BadAmount."""
    try:
        amount = money.parse(text) if isinstance(text, str) else -1
    except money.MoneyError:
        amount = -1
    if not 0 <= amount <= MOST:
        raise BadAmount(f"the gateway said the amount {str(text)[:40]!r}")
    return amount
