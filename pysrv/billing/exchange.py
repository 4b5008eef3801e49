"""Currencies: what one unit of each is worth in the base currency, as exact fractions, and the way from one to another.

A rate is written as a decimal (`0.92`) or a fraction (`23/25`): both are exact. A currency without a rate has none: it
is never taken as 1:1. Knows no store and no clock.
"""

import re
from collections.abc import Mapping
from fractions import Fraction

MAX_DIGITS = 12
ONE = Fraction(1)
_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
_DECIMAL = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,12}))?", re.ASCII)
_FRACTION = re.compile(r"([0-9]{1,12})\s*/\s*([0-9]{1,12})", re.ASCII)
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,4}))?\s*%", re.ASCII)


class ExchangeError(ValueError):
    """A text that is no currency, rate or tax; the message says why, fit for an operator."""


def currency(text: str) -> str:
    """A currency's code (ISO 4217) in capitals. Raises ExchangeError."""
    code = text.strip().upper()
    if not _CODE.fullmatch(code):
        raise ExchangeError(f"{text[:20]!r} is no currency: three letters, such as EUR")
    return code


def parse(text: str) -> Fraction:
    """What one unit is worth in the base currency. Raises ExchangeError."""
    word = text.strip()
    value = Fraction(0)
    if match := _DECIMAL.fullmatch(word):
        value = Fraction(int(match[1] + (match[2] or "")), 10 ** len(match[2] or ""))
    elif (match := _FRACTION.fullmatch(word)) and int(match[2]):
        value = Fraction(int(match[1]), int(match[2]))
    if value <= 0:
        raise ExchangeError(f"{text[:40]!r} is no exchange rate: write 0.92 or 23/25, above 0, {MAX_DIGITS} digits")
    return value


def between(from_: str, to: str, base: str, known: Mapping[str, Fraction]) -> Fraction | None:
    """What one unit of `from_` costs in `to`; None: one of them has no rate. The same currency needs none."""
    if from_ == to:
        return ONE
    one, other = _worth(from_, base, known), _worth(to, base, known)
    return None if one is None or other is None else one / other


def tax_ppm(text: str) -> int:
    """Millionths of a tax such as `19%`. Raises ExchangeError."""
    match = _PERCENT.fullmatch(text.strip())
    ppm = int(match[1] + (match[2] or "").ljust(4, "0")) if match else -1
    if not 0 <= ppm <= 1_000_000:
        raise ExchangeError(f"{text[:20]!r} is no tax: write it as 19% or 7.7%, from 0 to 100")
    return ppm


def _worth(code: str, base: str, known: Mapping[str, Fraction]) -> Fraction | None:
    return ONE if code == base else known.get(code)
