"""Money as whole micro-units (one millionth of the account's currency): read from text, written as text.

Knows no float, no currency rates and no tariff. One unit of currency is 1,000,000 micro-units, so a price per minute
of 0.000001 is the finest that can be said. Amounts stay below 10**12 units, which fits SQLite's 64-bit integers with
room for sums over a million accounts.
"""

import re

MICRO = 1_000_000
PLACES = 6
MAX_UNITS = 10**12
_AMOUNT = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?", re.ASCII)


class MoneyError(ValueError):
    """A text that is not an amount of money; the message says why, fit for an operator."""


def parse(text: str) -> int:
    """Micro-units of a decimal text such as `1.25`, `-3` or `.5`. Raises MoneyError; nothing is ever rounded."""
    amount = text.strip()
    match = _AMOUNT.fullmatch(amount)
    if match is None or not (match[2] or match[3]):
        raise MoneyError(f"{text!r} is not an amount: write digits with a point, like 1.25")
    sign, whole, fraction = match[1], match[2] or "0", match[3] or ""
    if len(fraction.rstrip("0")) > PLACES:
        raise MoneyError(f"{text!r} has more than {PLACES} decimals: the smallest amount is 0.000001")
    # Length before value: int() of a hostile text of a million digits would take minutes.
    if len(whole.lstrip("0")) > len(str(MAX_UNITS)) or int(whole) >= MAX_UNITS:
        raise MoneyError(f"{text[:40]!r} is too large: amounts stay below {MAX_UNITS}")
    micro = int(whole) * MICRO + int(fraction[:PLACES].ljust(PLACES, "0"))
    return -micro if sign == "-" else micro


def format(micro: int, places: int = 2) -> str:
    """The exact amount with at least `places` decimals and no more zeros than that: 1250000 -> `1.25`."""
    whole, fraction = divmod(abs(micro), MICRO)
    digits = f"{fraction:0{PLACES}d}".rstrip("0").ljust(places, "0")
    return ("-" if micro < 0 else "") + (f"{whole}.{digits}" if digits else str(whole))
