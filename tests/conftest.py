"""What holds for all tests: they run as root, take down what they made, and fail no example on a busy machine.

Inside the test process Argon2id runs with its smallest parameters: thousands of logins say nothing about its cost. That
the product hashes at full cost is asked of a process of its own (tests/passwords/test_cost.py), and every test that
starts the product meets it.
"""

import importlib.util
import os

import pytest
from hypothesis import settings

from tests.interrupt import interruptible

if importlib.util.find_spec("argon2"):  # a machine that tests the gate alone has none
    import argon2

    from pysrv.passwords import people, pins
    from pysrv.passwords.nobody import hash_of_nobody

    for _room in (people, pins):
        _room._HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        _room.NOBODYS_HASH = hash_of_nobody(_room._HASHER)

settings.register_profile("appliance", deadline=None)
settings.load_profile("appliance")


def pytest_configure() -> None:
    """Stop before the first test without root: namespaces and XDP need it, and nothing here is skipped."""
    if os.geteuid() != 0:
        pytest.exit("the tests must run as root: they make network namespaces and load XDP programs", returncode=1)
    interruptible()
