"""What a guesser tries: found where it is the password, a bite at a time, and nothing else is found."""

import pytest

from pysrv.passwords.estimator import common
from pysrv.passwords.guesses import Search, cheap, own, pins, thorough
from pysrv.store.passwords import ha1

REALM = "voip.example.com"


def search(password: str, *, known: bool = False) -> Search:
    words = ("alice", "49301234")
    groups = cheap(words) if known else thorough(words, common())
    return Search("alice", REALM, ha1("alice", REALM, password, "md5"), groups)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("alice", "owner's name"),
        ("Alice2024", "owner's name"),
        ("ecila1", "owner's name"),
        ("49301234", "owner's name or number"),
        ("letmein", "most used"),
        ("4711", "digits"),
        ("004711", "digits"),
    ],
)
def test_a_password_that_is_tried_first_is_found(password: str, why: str) -> None:
    found = search(password)
    while not found.step(50_000):
        pass
    assert why in found.found


def test_a_good_password_is_not_found() -> None:
    found = search("mupfel-trakt-91", known=True)
    while not found.step(1000):
        pass
    assert (found.found, found.done) == ("", True)


def test_a_search_takes_no_more_than_its_bite() -> None:
    found = search("letmein")
    assert not found.step(10)
    assert not found.done
    assert found.found == ""


def test_every_pin_is_tried_once() -> None:
    tried = list(pins(4))
    assert len(tried) == len(set(tried)) == 10 + 100 + 1000 + 10_000
    assert {"0", "0000", "9999", "4711"} <= set(tried)


def test_what_is_made_of_a_word_is_bounded() -> None:
    assert len(list(own(("alice", "alice", "")))) < 2000
