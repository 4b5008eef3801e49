"""Tones that identify a speaker, and the proof that a recording holds one (Goertzel 1958)."""

import math
import struct
import wave
from pathlib import Path

SAMPLE_RATE = 8000
LEVEL = 12_000


def write_tone(path: Path, frequency_hz: int, seconds: float = 60.0) -> Path:
    """A mono 16-bit 8 kHz file with one tone."""
    count = int(seconds * SAMPLE_RATE)
    period = [int(LEVEL * math.sin(2 * math.pi * frequency_hz * i / SAMPLE_RATE)) for i in range(SAMPLE_RATE)]
    samples = struct.pack(f"<{count}h", *(period[i % SAMPLE_RATE] for i in range(count)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples)
    return path


def read_samples(path: Path) -> list[int]:
    """All samples of a recording; of a file that is still being written, what is there."""
    raw = path.read_bytes()
    start = raw.find(b"data") + 8
    body = raw[start : start + (len(raw) - start) // 2 * 2]
    return list(struct.unpack(f"<{len(body) // 2}h", body))


def share(samples: list[int], frequency_hz: int) -> float:
    """The part of the signal's energy that lies at one frequency, 0.0 to 1.0."""
    energy = sum(s * s for s in samples)
    if not samples or not energy:
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * frequency_hz / SAMPLE_RATE)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    power = last * last + before * before - coefficient * last * before
    return 2 * power / (energy * len(samples))


def seconds_with_tone(samples: list[int], frequency_hz: int, window_s: float = 0.1, least: float = 0.8) -> float:
    """How many seconds of a recording carry the tone, in whole windows."""
    size = int(window_s * SAMPLE_RATE)
    windows = (samples[i : i + size] for i in range(0, len(samples) - size + 1, size))
    return sum(share(window, frequency_hz) >= least for window in windows) * window_s
