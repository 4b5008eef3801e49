"""What an account's fields may hold: one row for each, with the words that refuse anything else."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pysrv.billing import money
from pysrv.store.account import AccountType
from pysrv.store.errors import StoreCode, StoreError

MOST_LINES = 1_000_000
MOST_ENDPOINTS = 64
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~+-]{0,63}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_EMAIL = re.compile(r"[^\s@<>\",;:\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Check:
    """One field: what it accepts, and how that is said after "must be"."""

    accepts: Callable[[Any], bool]
    words: str


def is_endpoint(text: str) -> bool:
    """Whether `text` is an address, a network or a DNS name, with or without a port (`[v6]:port` for IPv6)."""
    host, _, port = text.rpartition(":") if re.search(r"(\]|^[^:]+):[0-9]+\Z", text) else (text, "", "")
    bare = host.removeprefix("[").removesuffix("]")
    if port and not 1 <= int(port[:6]) <= 65535:
        return False
    return _is_network(bare) or (_HOST.fullmatch(bare) is not None and not bare.replace(".", "").isdigit())


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _within(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and low <= value <= high


def _line(most: int) -> Callable[[Any], bool]:
    return lambda value: len(value) <= most and value.isprintable()


_AMOUNT = Check(_within(0, money.MAX_UNITS * money.MICRO), "an amount of at least 0 (0: off)")
_LINES = Check(_within(0, MOST_LINES), f"0 (no ceiling) to {MOST_LINES}")
_MINUTES = Check(_within(0, 10**6), "0 (off) to 1000000 minutes")
CHECKS: Mapping[str, Check] = {
    "type": Check(lambda value: value in list(AccountType), f"one of {', '.join(AccountType)}"),
    "locklevel": Check(_within(0, 4), "0 to 4"),
    "maxlines": _LINES,
    "maxlinesoffpeak": _LINES,
    "maxcps": Check(lambda value: Decimal(0) <= value <= 10_000, "0 (off) to 10000 calls a second"),
    "maxdailycredit": _AMOUNT,
    "maxmonthlycredit": _AMOUNT,
    "maxmonthlycreditinc": _AMOUNT,
    "maxmonthlycreditend": _AMOUNT,
    "maxdailyminutes": _MINUTES,
    "maxmonthlyminutes": _MINUTES,
    "blacklistlevel": Check(_within(0, 6), "0 (off) to 6"),
    "needauth": Check(_within(0, 10), "0 to 10"),
    "techprefix": Check(lambda value: value == "" or (value.isascii() and value.isdigit() and len(value) <= 16),
                        "at most 16 digits"),
    "authip": Check(lambda value: len(value) <= MOST_ENDPOINTS and all(map(is_endpoint, value)),
                    f"at most {MOST_ENDPOINTS} addresses, networks or DNS names, with ports if wanted"),
    "display_name": Check(_line(100), "at most 100 printable characters"),
    "group_name": Check(_line(64), "at most 64 printable characters"),
    "email": Check(lambda value: value == "" or _EMAIL.fullmatch(value) is not None, "a mail address"),
    "phone": Check(lambda value: re.fullmatch(r"(\+?[0-9]{3,15})?", value, re.ASCII) is not None,
                   "a number of 3 to 15 digits"),
    "country": Check(lambda value: re.fullmatch(r"([A-Z]{2})?", value, re.ASCII) is not None,
                     "a country of two capital letters, such as DE"),
    "tax": Check(_line(64), "at most 64 printable characters"),
}  # fmt: skip


def check_name(name: str) -> None:
    """Refuses what cannot be an account's name. Raises StoreError."""
    if not _NAME.fullmatch(name):
        raise invalid(f"{name!r} cannot be an account's name: letters, digits and ._~+-, at most 64")


def check_currency(currency: str) -> None:
    """Refuses what is no currency code. Raises StoreError."""
    if not _CURRENCY.fullmatch(currency):
        raise invalid(f"currency {currency!r} is not three capital letters, like EUR")


def check(name: str, values: Mapping[str, Any]) -> None:
    """Refuses the first of an account's values that may not be. Raises StoreError."""
    for field_name, value in values.items():
        wanted = CHECKS.get(field_name)
        if wanted is not None and not wanted.accepts(value):
            raise invalid(f"{name}: {field_name} must be {wanted.words}, not {str(value)[:60]!r}")


def invalid(message: str) -> StoreError:
    """The error for a value that may not be."""
    return StoreError(StoreCode.INVALID, message)
