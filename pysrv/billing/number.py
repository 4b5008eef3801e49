"""Telephone numbers as the ledger and the rate decks write them: bare digits, E.164 without its plus or 00.

Knows no numbering plan. Short internal numbers (`101`, `*43`) stay as dialled.
"""

import re

_VISUAL = str.maketrans("", "", " -./()\t")
# No country code begins with 0, 10 or 11: 000 and the like stay short numbers.
_INTERNATIONAL = re.compile(r"\A00(?=(?:[2-9]|1[2-9])[0-9]{6,})", re.ASCII)
_INTERNATIONAL_PREFIX = re.compile(r"\A00(?=[2-9]|1(?:[2-9]|\Z))", re.ASCII)
_NUMBER = re.compile(r"[0-9*#]{1,32}", re.ASCII)


def normalise(dialled: str) -> str | None:
    """A dialled number without plus or 00 and RFC 3966's visual separators; None: not a number."""
    bare = dialled.translate(_VISUAL)
    if bare.startswith("+"):
        bare = bare[1:]  # no country code begins with 0 (E.164): whatever +00 means, decks and routes do not know it
        return bare if bare.isdigit() and _NUMBER.fullmatch(bare) and not bare.startswith("0") else None
    return _INTERNATIONAL.sub("", bare, count=1) if _NUMBER.fullmatch(bare) else None


def prefix_digits(written: str) -> str:
    """A prefix of a price or route as `normalise` writes the numbers that it is meant for: without plus or 00."""
    bare = written.strip().removeprefix("+")
    return _INTERNATIONAL_PREFIX.sub("", bare, count=1)


def prefixes(number: str, longest: int = 16) -> tuple[str, ...]:
    """Every prefix of a number, longest first, down to the empty one that matches all."""
    return tuple(number[:length] for length in range(min(longest, len(number)), -1, -1))
