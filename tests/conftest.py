"""What holds for all tests: they run as root, take down what they made, and fail no example on a busy machine."""

import os

import pytest
from hypothesis import settings

from tests.interrupt import interruptible

settings.register_profile("appliance", deadline=None)
settings.load_profile("appliance")


def pytest_configure() -> None:
    """Stop before the first test without root: namespaces and XDP need it, and nothing here is skipped."""
    if os.geteuid() != 0:
        pytest.exit("the tests must run as root: they make network namespaces and load XDP programs", returncode=1)
    interruptible()
