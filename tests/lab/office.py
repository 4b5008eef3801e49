"""What the service's process has to do, as the kernel counts it: none of these figures is the service's own."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab.product import Product

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Work:
    """Datagrams that were read from sockets, that wait there and that found no room; wake-ups; CPU seconds; in how
    many seconds."""

    read: int
    waiting: int
    lost: int
    wakeups: int
    cpu_s: float
    seconds: float

    def since(self, before: "Work") -> "Work":
        """The difference; `waiting` is what waits now."""
        return Work(
            self.read - before.read, self.waiting, self.lost - before.lost, self.wakeups - before.wakeups,
            self.cpu_s - before.cpu_s, self.seconds - before.seconds,
        )  # fmt: skip


def work(product: Product) -> Work:
    """Everything up to now. Sockets are counted over the appliance's whole namespace: they are all the service's."""
    process = Path(f"/proc/{product.office_pid()}")
    sockets = [row.split() for name in ("udp", "udp6") for row in (process / "net" / name).read_text().splitlines()[1:]]
    states = [(task / "status").read_text() for task in (process / "task").iterdir()]
    times = (process / "stat").read_text().rpartition(")")[2].split()
    return Work(
        _read_datagrams(process),
        sum(int(row[4].partition(":")[2], 16) for row in sockets),
        sum(int(row[-1]) for row in sockets),
        sum(int(_field(state, "voluntary_ctxt_switches:")) for state in states),
        (int(times[11]) + int(times[12])) / _TICKS,
        time.monotonic(),
    )


def _read_datagrams(process: Path) -> int:
    names, values = (row.split() for row in (process / "net/snmp").read_text().splitlines() if row.startswith("Udp:"))
    six = (process / "net/snmp6").read_text()
    return int(dict(zip(names, values, strict=True))["InDatagrams"]) + int(_field(six, "Udp6InDatagrams"))


def _field(text: str, name: str) -> str:
    return next(row.split()[1] for row in text.splitlines() if row.split()[0] == name)
