"""One press is one digit, whatever is lost, repeated or late on the way (RFC 4733)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.media.events import EVENTS, Presses
from pysrv.media.rtp import Heard

TYPE = 101


def event(digit: str, at: int, duration: int = 160, *, end: bool = False, ssrc: int = 1, kind: int = TYPE) -> Heard:
    payload = bytes([EVENTS.index(digit), (0x80 if end else 0) | 10]) + duration.to_bytes(2, "big")
    return Heard(kind, 0, at, ssrc, payload)


def press(digit: str, at: int) -> list[Heard]:
    """As phones send it: the event grows, and its end is said three times."""
    return [event(digit, at, 160 * n) for n in range(1, 6)] + [event(digit, at, 960, end=True)] * 3


def heard(packets: list[Heard]) -> str:
    presses = Presses(TYPE)
    return "".join(presses.receive(packet) for packet in packets)


TALES = [
    ("every digit", [packet for n, digit in enumerate(EVENTS) for packet in press(digit, 8000 * n)], EVENTS),
    ("the same digit twice", press("5", 0) + press("5", 8000), "55"),
    ("only one packet of it came", [event("7", 0)], "7"),
    ("only its end came", [event("7", 0, 960, end=True)], "7"),
    ("the end was lost", press("1", 0)[:5] + press("2", 8000), "12"),
    ("packets come late", [*press("1", 0), *press("2", 8000), *press("1", 0)[:3]], "12"),
    ("packets come out of order", list(reversed(press("1", 0))) + press("2", 8000), "12"),
    ("a press that is longer than an event can say",
     [event("9", 0, 0xFFFF), event("9", 0xFFFF, 160), event("9", 0xFFFF, 320, end=True)], "9"),
    ("the same digit after such a press",
     [event("9", 0, 0xFFFF), event("9", 0xFFFF, 320, end=True), *press("9", 200_000)], "99"),
    ("another timestamp that is no continuation", [event("9", 0, 500), event("9", 0xFFFF, 160)], "99"),
    ("another stream", [event("1", 0, ssrc=1), event("1", 0, ssrc=2)], "11"),
    ("another payload type", [event("1", 0, kind=0)], ""),
    ("too short", [Heard(TYPE, 0, 0, 1, b"\x01\x0a\x00")], ""),
    ("no digit (flash)", [Heard(TYPE, 0, 0, 1, b"\x10\x0a\x00\xa0")], ""),
    ("the timestamp wraps around", press("1", 0xFFFFFF00) + press("2", 0x100), "12"),
]  # fmt: skip


@pytest.mark.parametrize(("packets", "digits"), [tale[1:] for tale in TALES], ids=[tale[0] for tale in TALES])
def test_a_press_is_one_digit(packets: list[Heard], digits: str) -> None:
    assert heard(packets) == digits


@given(st.lists(st.sampled_from(EVENTS), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_loss_and_repetition_change_nothing_while_one_packet_of_each_press_comes(
    digits: list[str], chance: random.Random
) -> None:
    sent = []
    for n, digit in enumerate(digits):
        whole = press(digit, 8000 * n)
        sent += [each for each in whole if chance.random() > 0.6] or [whole[-1]]
        sent += [each for each in whole if chance.random() > 0.9]
    assert heard(sent) == "".join(digits)
