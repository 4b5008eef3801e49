"""What a guess costs, asked of a process that no test has touched."""

import subprocess
import sys

import argon2
import pytest

from pysrv.passwords.nobody import hash_of_nobody

HASH = "from pysrv.passwords import {room}; print({room}.{name})"


@pytest.mark.parametrize("name", ["hashed('secret words')", "NOBODYS_HASH"])
@pytest.mark.parametrize(
    ("room", "parameters"),
    [
        ("people", "$argon2id$v=19$m=65536,t=3,p=4$"),  # RFC 9106 section 4, the second recommended option
        ("pins", "$argon2id$v=19$m=19456,t=2,p=1$"),  # OWASP's smallest
    ],
)
def test_every_hash_costs_what_was_recommended(room: str, name: str, parameters: str) -> None:
    command = [sys.executable, "-c", HASH.format(room=room, name=name)]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert made.startswith(parameters)


def test_nobodys_hash_is_computed_in_full_before_it_differs() -> None:
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=2, hash_len=20, salt_len=12)
    nobodys = hash_of_nobody(hasher)
    assert argon2.extract_parameters(nobodys) == argon2.extract_parameters(hasher.hash("a"))
    with pytest.raises(argon2.exceptions.VerifyMismatchError):  # and not InvalidHashError, which comes at once
        hasher.verify(nobodys, "a")
    assert hash_of_nobody(hasher) != nobodys
