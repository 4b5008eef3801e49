"""The office's voice: sends clips as RTP every 20 ms, and finds keys in what it hears.

Packets leave by the relay session that the call has (GateClient.say), so nothing is sent beyond its end. Knows no
calls. RFC 3550, RFC 4733.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pysrv.media.events import Presses
from pysrv.media.g711 import RATE_HZ, spoken
from pysrv.media.rtp import FRAME_BYTES, FRAME_MS, Packetiser, frames, heard
from pysrv.media.spoken import Tongue
from pysrv.net.clips import Clips

FRAME_S: Final = FRAME_MS / 1000
LATEST_S: Final = 0.2  # so far behind, time is given up: frames in a heap would only be dropped
Say = Callable[[int, bytes], bool]
Pressed = Callable[[int, str], None]


@dataclass(slots=True)
class _Speech:
    tongue: Tongue
    packetiser: Packetiser
    presses: Presses | None
    frames: tuple[bytes, ...] = ()
    at: int = 0
    again_at: int | None = None  # where it begins anew at its end
    next_at: float = 0.0
    timer: asyncio.TimerHandle | None = None


class Player:
    """All sessions that the office speaks on. `pick(n)` gives an unguessable number below n."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clips: Clips, say: Say, pressed: Pressed, pick: Callable[[int], int]
    ) -> None:
        self._loop, self._clips, self._say, self._pressed, self._pick = loop, clips, say, pressed, pick
        self._speeches: dict[int, _Speech] = {}

    def __len__(self) -> int:
        return len(self._speeches)

    def begin(self, session: int, tongue: Tongue) -> None:
        """Speak like this from now on; one stream goes on as the same."""
        presses = None if tongue.events is None else Presses(tongue.events)
        speech = self._speeches.get(session)
        if speech is None:
            pick = self._pick
            packetiser = Packetiser(tongue.payload_type, pick(2**32), pick(2**16), pick(2**32))
            self._speeches[session] = _Speech(tongue, packetiser, presses)
        else:
            speech.tongue, speech.packetiser.payload_type = tongue, tongue.payload_type
            if speech.presses is None or presses is None:
                speech.presses = presses
            else:
                speech.presses.payload_type = presses.payload_type

    def play(self, session: int, clips: tuple[str, ...], *, again: bool = False, after_s: float = 0.0) -> float:
        """Say these clips in the place of what is being said, beginning after `after_s`; returns how many seconds they
        take. `again`: the last one over and over."""
        speech = self._speeches.get(session)
        if speech is None:
            return 0.0
        self.hush(session)
        sounds = [self._clips.sound(name) for name in clips]
        speech.frames = tuple(frames(spoken(b"".join(sounds), speech.tongue.law)))
        speech.at = 0
        speech.again_at = sum(map(len, sounds[:-1])) // FRAME_BYTES if again else None
        self._silent_until(speech, self._loop.time() + after_s)
        if after_s:
            speech.timer = self._loop.call_at(speech.next_at, self._tick, session)
        else:
            self._tick(session)
        return sum(map(len, sounds)) / RATE_HZ

    def hush(self, session: int) -> None:
        """Say no more."""
        speech = self._speeches.get(session)
        if speech is not None and speech.timer is not None:
            speech.timer.cancel()
            speech.timer = None

    def end(self, session: int) -> None:
        """Neither speak nor hear any more."""
        self.hush(session)
        self._speeches.pop(session, None)

    def close(self) -> None:
        """End all."""
        for session in list(self._speeches):
            self.end(session)

    def heard(self, session: int, packet: bytes) -> None:
        """A packet that the relay has let through."""
        speech = self._speeches.get(session)
        rtp = heard(packet) if speech is not None and speech.presses is not None else None
        if speech is None or speech.presses is None or rtp is None:
            return
        digit = speech.presses.receive(rtp)
        if digit:
            self._pressed(session, digit)

    def _silent_until(self, speech: _Speech, then: float) -> None:
        """Timestamps go on while nothing is sent."""
        if speech.next_at:
            speech.packetiser.skip(max(0, int((then - speech.next_at) / FRAME_S)))
        speech.next_at = then

    def _tick(self, session: int) -> None:
        speech = self._speeches.get(session)
        if speech is None:
            return
        speech.timer = None
        if speech.at >= len(speech.frames):
            if speech.again_at is None or speech.again_at >= len(speech.frames):
                return
            speech.at = speech.again_at
        self._say(session, speech.packetiser.packet(speech.frames[speech.at], first=speech.at == 0))
        speech.at += 1
        speech.next_at = max(speech.next_at + FRAME_S, self._loop.time() - LATEST_S)
        speech.timer = self._loop.call_at(speech.next_at, self._tick, session)
