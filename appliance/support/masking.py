"""Hides whom a text is about: each address, number and name becomes a word, the same all over a bundle. Pure.

So whoever helps sees that it is the same telephone each time, and not whose. Loopback and unspecified addresses stay:
they are nobody's. The words mean nothing in the next bundle.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

# Fields of the log that hold a person, an address or a number (pysrv/service/journal.py).
PERSONAL: Final = (
    "account", "by", "callee", "caller", "contact", "name", "neighbours", "source", "target", "to", "user",
)  # fmt: skip
LEAST_DIGITS: Final = 7  # fewer are a port or a figure as well; short numbers stand in fields and URIs
_FIELD: Final = re.compile(rf"""\b({"|".join(PERSONAL)})=("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s,;]+)""")
_NAME: Final = re.compile(r"[\w.+-]+")
_URI: Final = re.compile(r"\b(sips?|tel|mailto):([^\s@;>:,]+)", re.IGNORECASE)
_MAIL: Final = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
_V4: Final = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)")
_V6: Final = re.compile(
    r"(?<![0-9A-Za-z:])(?=[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:)[0-9A-Fa-f:]+(?:\.\d+){0,3}(?![0-9A-Za-z:])"
)
_MAC: Final = re.compile(r"(?<![0-9A-Fa-f:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:])")
_NUMBER: Final = re.compile(rf"(?<![\w.:-])\+?\d{{{LEAST_DIGITS},}}(?![\w.:-]*\w)")


class Masks:
    """The words of one bundle."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """`known` are names that are hidden wherever they stand."""
        self._words: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()
        self._known = frozenset(known)

    def word(self, kind: str, value: str) -> str:
        """The word for that value: `address-3` for instance."""
        if (kind, value) not in self._words:
            self._counts[kind] += 1
            self._words[kind, value] = f"{kind}-{self._counts[kind]}"
        return self._words[kind, value]

    def text(self, text: str) -> str:
        """`text` with nobody in it."""
        text = _MAIL.sub(lambda found: self.word("mail", found[0].lower()), text)
        text = _URI.sub(lambda found: f"{found[1]}:{self._who(found[2])}", text)
        text = _FIELD.sub(lambda found: f"{found[1]}={self._who(found[2])}", text)
        text = _NUMBER.sub(lambda found: self.word("number", found[0].lstrip("+")), self.addresses(text))
        return _NAME.sub(lambda found: self._known_name(found[0]), text) if self._known else text

    def addresses(self, text: str) -> str:
        """`text` without addresses of machines; for what holds figures that are nobody's number."""
        text = _MAC.sub(lambda found: self.word("card", found[0].lower()), text)
        return _V6.sub(self._address, _V4.sub(self._address, text))

    def _known_name(self, word: str) -> str:
        whole = word.rstrip(".")
        return self.word("name", whole) + word[len(whole) :] if whole in self._known else word

    def _who(self, given: str) -> str:
        value = given.strip("\"'")
        masked = self.addresses(value)
        if masked != value:
            return masked
        kind = "number" if value.lstrip("+").isdigit() else "name"
        return self.word(kind, value.lstrip("+"))

    def _address(self, found: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            return found[0]
        if address.is_loopback or address.is_unspecified:
            return found[0]
        return self.word("address", str(address))
