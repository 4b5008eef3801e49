"""Credentials, and how long those who guess must wait."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.panel.login import (
    FORGET_AFTER_S,
    FREE_GUESSES,
    LONGEST_WAIT_S,
    MAX_ADDRESSES,
    MAX_REMEMBERED,
    REMEMBER_S,
    BackOff,
    Credentials,
    Remembered,
    network,
    parse_basic,
)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def guess(back_off: BackOff, address: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        back_off.charge(address, now)


def test_credentials_are_read_up_to_the_first_colon() -> None:
    assert parse_basic(basic("admin:a:b")) == Credentials("admin", "a:b")
    assert parse_basic(basic("jürgen:größe").replace("Basic", "bAsIc")) == Credentials("jürgen", "größe")


@pytest.mark.parametrize(
    "header",
    [None, "", "Basic", "Basic !!!", "Bearer YTpi", basic("no colon"), "Basic /////w==", basic("a:" + "b" * 1000)],
)
def test_anything_else_is_no_credentials(header: str | None) -> None:
    assert parse_basic(header) is None


@given(st.text())
def test_no_header_raises(header: str) -> None:
    parse_basic(header)
    parse_basic("Basic " + header)


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


def test_right_credentials_are_remembered_for_a_while_and_only_exactly() -> None:
    remembered = Remembered(b"k" * 32)
    remembered.add(Credentials("admin", "x:y"), 0.0)
    assert remembered.holds(Credentials("admin", "x:y"), REMEMBER_S - 1)
    assert not remembered.holds(Credentials("admin", "x:y"), REMEMBER_S)
    assert not remembered.holds(Credentials("admin:x", "y"), 0.0)
    for number in range(MAX_REMEMBERED):
        remembered.add(Credentials("admin", str(number)), 0.0)
    assert not remembered.holds(Credentials("admin", "x:y"), 1.0)


@pytest.mark.setting("sessionabsolutetimeout")
def test_a_login_ends_once_it_has_lasted_too_long_and_may_begin_anew() -> None:
    remembered, mine = Remembered(b"k" * 32), Credentials("admin", "right")
    remembered.add(mine, 0.0)
    remembered.add(mine, 250.0)  # the password was checked again meanwhile: it is the same login
    assert not remembered.ended(mine, 299.0, 300.0)
    assert remembered.ended(mine, 300.0, 300.0)
    assert not remembered.holds(mine, 300.0)
    assert not remembered.ended(mine, 301.0, 300.0)
    remembered.add(mine, 301.0)
    assert not remembered.ended(mine, 600.0, 300.0)
    assert not remembered.ended(Credentials("admin", "other"), 9999.0, 300.0)
