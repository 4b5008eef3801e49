"""G.711 by its own properties, and by values that the recommendation prints."""

import pytest

from pysrv.media.g711 import A_SAMPLES, MU_SAMPLES, Law, a_byte, mu, mu_byte, spoken

EVERY = range(-32768, 32768, 13)


@pytest.mark.parametrize(("encode", "samples"), [(mu_byte, MU_SAMPLES), (a_byte, A_SAMPLES)])
def test_every_byte_survives_its_sample(encode: object, samples: tuple[int, ...]) -> None:
    for byte, sample in enumerate(samples):
        again = encode(sample)  # type: ignore[operator]
        assert samples[again] == sample, (byte, sample)
        assert again == byte or sample == 0  # mu-law has two zeros


@pytest.mark.parametrize(("encode", "samples"), [(mu_byte, MU_SAMPLES), (a_byte, A_SAMPLES)])
def test_no_sample_is_further_off_than_half_a_step_of_its_segment(encode: object, samples: tuple[int, ...]) -> None:
    for sample in EVERY:
        heard = samples[encode(sample)]  # type: ignore[operator]
        assert abs(heard - sample) <= max(16, abs(sample) // 16 if abs(sample) < 32_000 else 1100), sample


@pytest.mark.parametrize(("sample", "byte"), [(0, 0xFF), (-1, 0x7F), (32767, 0x80), (-32768, 0x00), (1000, 0xCE)])
def test_mu_law_has_its_known_values(sample: int, byte: int) -> None:
    assert mu_byte(sample) == byte


@pytest.mark.parametrize(("sample", "byte"), [(0, 0xD5), (-1, 0x55), (32767, 0xAA), (-32768, 0x2A), (1000, 0xFA)])
def test_a_law_has_its_known_values(sample: int, byte: int) -> None:
    assert a_byte(sample) == byte


def test_a_clip_is_spoken_in_the_law_that_was_negotiated() -> None:
    clip = mu([0, 500, -500, 20_000])
    assert spoken(clip, Law.MU) == clip
    other = spoken(clip, Law.A)
    for one, another in zip(clip, other, strict=True):
        assert abs(MU_SAMPLES[one] - A_SAMPLES[another]) <= max(16, abs(MU_SAMPLES[one]) // 16)
