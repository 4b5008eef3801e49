"""Ports that a test has to name before whoever binds them does.

A port that the kernel gave and that was closed again may be anybody's a moment later. These lie below the range that it
gives from (ip_local_port_range), and each test process has its own, by a claim that it holds until it ends: processes
side by side, of this run or of another one on the machine, do not meet.
"""

import contextlib
import itertools
import socket
from collections.abc import Iterator
from functools import cache

HOSTS = ("127.0.0.1", "::1")
SIZE, CLAIMS = 100, 56
SINGLES, PAIRS = 10_200, 21_000  # the latter within what the appliance relays by default


def free_port() -> int:
    """A port that nothing has now, over UDP and TCP, on loopback."""
    return next(port for port in _own()[0] if is_free(port))


def free_pair() -> int:
    """An even port that is free together with the next one."""
    return next(port for port in _own()[1] if port % 2 == 0 and is_free(port) and is_free(port + 1))


@cache
def _own() -> tuple[Iterator[int], Iterator[int], socket.socket]:
    claim = socket.socket(socket.AF_UNIX)
    for number in range(CLAIMS):
        with contextlib.suppress(OSError):
            claim.bind(f"\0ports-of-tests-{number}")
            singles, pairs = SINGLES + number * SIZE, PAIRS + number * SIZE
            return (
                itertools.cycle(range(singles, singles + SIZE)), itertools.cycle(range(pairs, pairs + SIZE)), claim,
            )  # fmt: skip
    raise AssertionError(f"{CLAIMS} test processes run on this machine already")


def is_free(port: int) -> bool:
    """Whether nothing has it now, over UDP and TCP, on loopback."""
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    with contextlib.ExitStack() as stack:
        try:
            for host, kind in itertools.product(HOSTS, kinds):
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                stack.enter_context(socket.socket(family, kind)).bind((host, port))
        except OSError:
            return False
    return True
