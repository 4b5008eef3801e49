"""What a password must be: length, strength, nothing of its owner; and the words that refuse the others."""

import re

import pytest

from pysrv.passwords.estimator import common, estimate
from pysrv.passwords.people import hashed, lenient_forms, matches
from pysrv.passwords.policy import LENGTHS, Check, Owner, Strength, judge, length_class, standing_weakness

ALICE = Owner("alice", ("49301234", "101"), "Alice Liddell", "a.liddell@example.org")


def refusal(password: str, check: int = Check.STRENGTH, least: int = 4) -> str:
    return judge(password, ALICE, check, least, estimate).refusal


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("letmein", "most used passwords"),
        ("P4ssw0rd", "most used passwords"),
        ("ornithologist7", "word or name"),
        ("1984-05-17", "a date"),
        ("qwertzuiop", "is, or is close to|keys that lie"),
        ("abcabcabcabc", "repeats itself"),
        ("x7#q", "too short for the kinds of characters"),
        ("xK9-alice-mPq2", "contains the user name"),
        ("xK9-49301234-mPq", "contains the number"),
        ("Liddell-xK9mPq2v", "contains the name"),
        ("a.liddell@example.org!7", "mail address|contains the"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, words: str) -> None:
    said = refusal(password)
    assert said.startswith("the password is weak: it ")
    assert re.search(words, said), said
    assert said.endswith("(validatepassword)")
    assert refusal(password, Check.LENGTH) == ""


@pytest.mark.parametrize("password", ["xK9mPq2vLw7RtZ3n", "correct horse battery staple", "mupfel-trakt-91-zwirn"])
def test_a_good_password_is_taken(password: str) -> None:
    assert refusal(password) == ""


def test_the_length_counts_only_when_passwords_are_checked() -> None:
    assert "minpwdlength (8 characters)" in refusal("xK9mPq2", Check.LENGTH, 8)
    assert refusal("x", Check.NONE, 8) == ""


@pytest.mark.parametrize("password", ["", "a\nb", "x" * 129])
@pytest.mark.parametrize("check", list(Check))
def test_what_cannot_be_a_password_is_refused_whatever_is_checked(password: str, check: Check) -> None:
    assert "printable" in refusal(password, check)


def test_what_is_written_down_is_a_class_and_not_the_length() -> None:
    assert {length_class(length) for length in range(1, 129)} == set(LENGTHS)
    assert judge("xK9mPq2vLw7RtZ3n", ALICE, 2, 4, estimate).strength == Strength(4, 19)


def test_the_sweep_knows_what_was_written_down() -> None:
    assert "easy to guess" in standing_weakness(Strength(1, 9), 4)
    assert "minpwdlength (12" in standing_weakness(Strength(4, 11), 12)
    assert standing_weakness(Strength(2, 9), 9) == ""
    assert standing_weakness(Strength(), 64) == ""


def test_the_most_used_passwords_come_first() -> None:
    assert common(3)[:2] == ("123456", "password")
    assert len(common()) == 10_000


def test_a_hash_fits_its_password_alone_and_a_broken_one_fits_nothing() -> None:
    wanted = hashed("secret words")
    assert wanted.startswith("$argon2id$")
    assert matches(wanted, "secret words")
    assert not matches(wanted, "Secret words")
    assert not matches("no hash", "secret words")


def test_lenient_forms_are_four_and_the_exact_one_is_first() -> None:
    assert lenient_forms(" Secret1 ") == (" Secret1 ", "Secret1", "secret1", "sECRET1")
    assert lenient_forms("123") == ("123",)
