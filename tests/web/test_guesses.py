"""How long those who guess must wait."""

from pysrv.web.guesses import FORGET_AFTER_S, FREE_GUESSES, LONGEST_WAIT_S, MAX_ADDRESSES, BackOff, network


def guess(back_off: BackOff, address: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        back_off.charge(address, now)


def test_the_first_guesses_are_free_and_then_the_wait_doubles_up_to_its_longest() -> None:
    back_off = BackOff()
    guess(back_off, "192.0.2.7", FREE_GUESSES - 1)
    assert back_off.wait_s("192.0.2.7", 0.0) == 0.0
    waits = []
    for _ in range(12):
        back_off.charge("192.0.2.7", 0.0)
        waits.append(back_off.wait_s("192.0.2.7", 0.0))
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == LONGEST_WAIT_S


def test_a_wait_ends_and_old_guesses_are_forgotten() -> None:
    back_off = BackOff()
    guess(back_off, "192.0.2.7", 50)
    assert back_off.wait_s("192.0.2.7", LONGEST_WAIT_S - 1) == 1.0
    assert back_off.wait_s("192.0.2.7", LONGEST_WAIT_S) == 0.0
    back_off.charge("192.0.2.7", FORGET_AFTER_S + 1)
    assert back_off.wait_s("192.0.2.7", FORGET_AFTER_S + 1) == 0.0


def test_the_right_password_clears_the_address() -> None:
    back_off = BackOff()
    guess(back_off, "192.0.2.7", 50)
    back_off.forgive("192.0.2.7")
    assert back_off.wait_s("192.0.2.7", 0.0) == 0.0


def test_neighbours_in_a_64_wait_together_and_others_do_not() -> None:
    back_off = BackOff()
    guess(back_off, "2001:db8:1:2::1", 50)
    assert back_off.wait_s("2001:db8:1:2:3:4:5:6", 0.0) > 0
    assert back_off.wait_s("2001:db8:1:3::1", 0.0) == 0.0
    assert network("::ffff:192.0.2.7") == network("192.0.2.7") == "192.0.2.7"
    assert network("fe80::1%eth0") == "fe80::/64"


def test_many_addresses_do_not_fill_the_memory() -> None:
    back_off = BackOff()
    for number in range(MAX_ADDRESSES + 100):
        back_off.charge(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(back_off._guesses) == MAX_ADDRESSES
