"""Telephone numbers as the ledger and the rate decks write them: bare digits, E.164 without its plus.

Knows no numbering plan. Short internal numbers (`101`, `*43`) stay as dialled.
"""

import re

MAX_DIGITS = 32
_VISUAL = str.maketrans("", "", " -./()\t")
_NUMBER = re.compile(r"[0-9*#]{1,32}", re.ASCII)


def normalise(dialled: str) -> str | None:
    """Digits of a dialled number with RFC 3966's visual separators and a leading plus removed; None: not a number."""
    bare = dialled.translate(_VISUAL)
    if bare.startswith("+"):
        bare = bare[1:]
        return bare if bare.isdigit() and _NUMBER.fullmatch(bare) else None
    return bare if _NUMBER.fullmatch(bare) else None


def prefixes(number: str, longest: int = 16) -> tuple[str, ...]:
    """Every prefix of a number, longest first, down to the empty one that matches all."""
    return tuple(number[:length] for length in range(min(longest, len(number)), -1, -1))
