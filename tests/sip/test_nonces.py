"""Nonces that the kernel makes too: their form, their keys by epoch, and clocks that do not agree."""

import pytest

from pysrv.sip.nonces import AHEAD_S, KEY_SLOTS, NonceKeys
from pysrv.sip.siphash import siphash_24

SECRET, NOW, SOURCE = bytes(range(32)), 1_800_000_000.0, "192.0.2.7"


def test_a_nonce_is_seconds_salt_and_a_keyed_hash_over_both_and_the_address() -> None:
    keys = NonceKeys(SECRET)
    nonce = keys.make(NOW, SOURCE)
    assert len(nonce) == 32
    assert int(nonce[:8], 16) == NOW
    key = keys.slots(NOW)[keys.epoch(NOW) % KEY_SLOTS]
    message = bytes.fromhex(nonce[:16].decode()) + bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 7])
    assert nonce[16:] == b"%016x" % siphash_24(key, message)


@pytest.mark.parametrize("step", [-1, 0, 1, 2])
def test_the_kernel_has_the_keys_of_the_last_epoch_and_the_next_two(step: int) -> None:
    keys = NonceKeys(SECRET)
    then = NOW + step * keys.rotate_s
    slot = keys.epoch(then) % KEY_SLOTS
    assert keys.slots(NOW)[slot] == NonceKeys(SECRET).slots(then)[slot]


def test_an_address_counts_and_not_how_it_is_written() -> None:
    keys = NonceKeys(SECRET)
    assert keys.made_at(keys.make(NOW, SOURCE), NOW, f"::ffff:{SOURCE}") == NOW
    assert keys.made_at(keys.make(NOW, "fe80::1%eth0"), NOW, "fe80:0::1") == NOW
    assert keys.made_at(keys.make(NOW, "2001:db8::1"), NOW, "2001:db8::2") is None


def test_a_nonce_from_a_clock_a_little_ahead_is_taken() -> None:
    keys = NonceKeys(SECRET)
    assert keys.made_at(keys.make(NOW + AHEAD_S, SOURCE), NOW, SOURCE) == NOW + AHEAD_S
    assert keys.made_at(keys.make(NOW + AHEAD_S + 1, SOURCE), NOW, SOURCE) is None
