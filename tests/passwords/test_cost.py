"""What a guess costs, asked of a process that no test has touched."""

import subprocess
import sys

import pytest

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
