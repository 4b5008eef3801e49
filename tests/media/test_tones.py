"""The tones of the voice menu: there for every action, at their frequencies, never a DTMF digit."""

import pytest

from pysrv.media.g711 import MU_SAMPLES
from pysrv.media.tones import CLIPS, clip, digits_of
from pysrv.service.card_calls import _SAYS
from tests.lab.tones import share

LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)


@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_carries_its_tones_and_no_digit(name: str) -> None:
    samples, at = [MU_SAMPLES[byte] for byte in clip(name)], 0
    for hertz, ms in CLIPS[name]:
        part = samples[at : at + 8 * ms]
        at += 8 * ms
        if hertz:
            assert share(part, hertz) > 0.9
        else:
            assert not any(part)
        assert min(max(share(part, tone) for tone in group) for group in (LOW, HIGH)) < 0.1
    assert at == len(samples)


def test_everything_that_is_said_has_a_clip() -> None:
    said = {name for names in _SAYS.values() for name in names} | {"credit", "minutes", "ringing", *"0123456789"}
    assert said <= set(CLIPS)


def test_a_number_is_said_digit_by_digit() -> None:
    assert digits_of("12.05") == ("1", "2", "point", "0", "5")
    assert digits_of("") == ()
