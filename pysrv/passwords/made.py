"""Passwords that the machine makes up, and the word by which people ask for one."""

import secrets
import string
from typing import Final

WORD: Final = "generated"
LETTERS: Final = string.ascii_letters + string.digits
LENGTH: Final = 16  # 95 bits, and no key that a telephone lacks


def made_up(least: int = 0) -> str:
    """A password of LENGTH letters and digits, or of `least` characters if that is more."""
    return "".join(secrets.choice(LETTERS) for _ in range(max(LENGTH, least)))


def asks_for_one(password: str) -> bool:
    """Whether somebody typed the word by which one is asked for: as a password it would be the first to be guessed."""
    return password.strip().lower() == WORD
