"""The policy row of the gate, and the double buffer in which it lies.

A packet reads one number, `active`, and is judged by that one of the two policies. Writing one means: wait until no
packet of the time before the last change is under way, fill the other one, turn the number. Must not know: bcc.
"""

import ctypes
import errno
import os
import platform
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from appliance.kernel import challenge, layout, syscall
from appliance.kernel.challenge import ChallengeRow

_MEMBARRIER: Final = {"x86_64": 324, "aarch64": 283, "riscv64": 283, "ppc64le": 365, "s390x": 356, "armv7l": 389}
_BARRIER_GLOBAL: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_ACT, _REPORT = 0, 1


class PolicyRow(NamedTuple):
    """All that packets are judged by beside the tables.

    `relay_here`: the kernel relays; else media packets pass to a userspace relay. `limits` in the order of limits.def.
    `reported`: verdicts that are counted and not acted on.
    """

    generation: int = 0
    relay_first: int = 0
    relay_last: int = 0
    relay_here: bool = False
    limits: tuple[int, ...] = ()
    reported: frozenset[str] = frozenset()
    challenge: ChallengeRow = ChallengeRow()

    def limit(self, slot: str) -> int:
        """The value of a slot of limits.def."""
        return self.limits[next(row.number for row in layout.limits() if row.name == slot)]


def fresh() -> PolicyRow:
    """What new maps hold: nothing."""
    return PolicyRow(limits=(0,) * len(layout.limits()))


def reported(names: Iterable[str], left_out: list[str]) -> frozenset[str]:
    """The verdicts of a plan's `report_only`; a name that no rule of this release has goes to `left_out` instead.

    An office of another release must not lose its whole plan over a verdict that was renamed.
    """
    rules = {verdict.name for verdict in layout.verdicts() if verdict.action == "DROP"}
    wanted = frozenset(names)
    left_out += sorted(wanted - rules)
    return wanted & rules


def pack(shape: layout.Shape, _key: Any, row: PolicyRow) -> bytes:
    """The row as the program has it."""
    fields: dict[str, int] = {f"limits.{number}": value for number, value in enumerate(row.limits)}
    modes = bytearray(shape.size("modes"))
    for verdict in layout.verdicts():
        modes[verdict.number] = _REPORT if verdict.name in row.reported else _ACT
    head = {name: int(getattr(row, name)) for name in ("generation", "relay_first", "relay_last", "relay_here")}
    return shape.pack({**head, **fields, **challenge.pack(row.challenge), "modes": bytes(modes)})


def unpack(shape: layout.Shape, row: bytes) -> PolicyRow:
    """The row of the program's bytes."""
    fields: Mapping[str, Any] = shape.unpack(row)
    return PolicyRow(
        fields["generation"],
        fields["relay_first"],
        fields["relay_last"],
        bool(fields["relay_here"]),
        tuple(fields[f"limits.{slot.number}"] for slot in layout.limits()),
        frozenset(v.name for v in layout.verdicts() if fields["modes"][v.number] == _REPORT),
        challenge.unpack(fields),
    )


class DoubleBuffer(syscall.MapDescriptor):
    """The two policies as a map of one row: reading gives the one in force, writing replaces it at one instant."""

    def __init__(self, policies: syscall.MapDescriptor, active: syscall.MapDescriptor) -> None:
        super().__init__(policies.fd, policies.key_bytes, policies.leaf_bytes)
        self._active = active
        self._zero = bytes(active.key_bytes)

    def _slot(self) -> int:
        return int.from_bytes(self._active.lookup(self._zero) or b"", "little") & 1

    def snapshot(self, chunk: int = 1) -> list[tuple[bytes, bytes]]:  # noqa: ARG002 - one row needs no chunks
        """The policy in force, as row 0."""
        leaf = self.lookup(_number(self._slot()))
        return [] if leaf is None else [(_number(0), leaf)]

    def update(self, key: bytes, leaf: bytes) -> None:  # noqa: ARG002 - the row is always 0
        """Puts this policy in force, between two packets."""
        spare = 1 - self._slot()
        _wait_for_packets()
        super().update(_number(spare), leaf)
        self._active.update(self._zero, _number(spare))


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _wait_for_packets() -> None:
    """Returns when no packet is under way that began before: a grace period of the kernel (membarrier(2))."""
    if _LIBC.syscall(_MEMBARRIER[platform.machine()], _BARRIER_GLOBAL, 0, 0) < 0:
        code = ctypes.get_errno()
        if code not in (errno.ENOSYS, errno.EINVAL):  # a kernel without it, or with nohz_full
            raise OSError(code, os.strerror(code))
