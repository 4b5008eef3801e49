"""Sounds that need no recording: tones and beeps, as mu-law. No frequency of a DTMF digit is among them.

What an installation says in words lies in files (see pysrv.net.clips); every clip has its tones here for where there
are none. A number is said digit by digit: as many short beeps as the digit says, one long low one for zero.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import pi, sin
from typing import Final

from pysrv.media.g711 import RATE_HZ, mu

LEVEL: Final = 6000  # of 32767: about -15 dBm0, at which phones are comfortable
FADE_MS: Final = 5  # no clicks
Tone = tuple[int, int]
"""Hertz (0: silence) and milliseconds."""

_BEEP: Final[tuple[Tone, ...]] = ((1000, 90), (0, 90))
DIGITS: Final[Mapping[str, tuple[Tone, ...]]] = {
    "0": ((500, 400), (0, 350)),
    **{str(digit): _BEEP * digit + ((0, 300),) for digit in range(1, 10)},
    "point": ((600, 90), (0, 60), (600, 90), (0, 400)),
}
CLIPS: Final[Mapping[str, tuple[Tone, ...]]] = {
    **DIGITS,
    "welcome": ((440, 150), (554, 150), (659, 300), (0, 300)),
    "pin": ((1000, 200), (0, 100), (1000, 200), (0, 300)),
    "number": ((1150, 400), (0, 300)),
    "credit": ((660, 150), (880, 150), (0, 300)),
    "minutes": ((880, 150), (660, 150), (0, 300)),
    "wrong": ((400, 300), (0, 100), (400, 300), (0, 300)),
    "refused": ((950, 330), (1400, 330), (1800, 330), (0, 300)),
    "ringing": ((425, 1000), (0, 4000)),
    "busy": ((425, 480), (0, 480)) * 4,
    "goodbye": ((659, 150), (554, 150), (440, 300), (0, 200)),
}


@lru_cache(maxsize=64)
def clip(name: str) -> bytes:
    """The tones of a clip as mu-law. Raises KeyError for a clip that the table does not have."""
    return b"".join(_tone(hertz, ms) for hertz, ms in CLIPS[name])


def _tone(hertz: int, ms: int) -> bytes:
    count = RATE_HZ * ms // 1000
    fade = RATE_HZ * FADE_MS // 1000
    step = 2 * pi * hertz / RATE_HZ
    return mu(int(LEVEL * min(1.0, n / fade, (count - n) / fade) * sin(step * n)) for n in range(count))


def digits_of(number: str) -> tuple[str, ...]:
    """A number or an amount as the clips that say it, digit by digit."""
    return tuple(
        "point" if character == "." else character for character in number if character.isdigit() or character == "."
    )
