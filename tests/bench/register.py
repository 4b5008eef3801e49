"""REGISTER with digest (401, then 200) a second, and what 1,000 of them cost: the appliance beside Kamailio.

One REGISTER here is the whole exchange of two requests. The appliance has the gate attached (native XDP) and writes
every binding to disk; Kamailio has one worker, asks SQLite for each credential and keeps locations in memory.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench import kamailio, office
from tests.bench.load import Best, Load, best
from tests.bench.processes import processors
from tests.bench.report import Row, compare, say
from tests.lab.carrier import callers_file, registering
from tests.lab.network import Lab

FLOOR = 3000.0
AT_ONCE = 256


def run() -> Iterator[Row]:
    """Two rows: rate and cost."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder, Lab(["load"], tag="brg") as lab:
        directory = Path(folder)
        directory.chmod(0o755)
        ours = _appliance(lab, directory)
        peer = _kamailio(lab, directory)
    rate, cost = "register: REGISTER with digest/s", "register: CPU-seconds per 1,000"
    yield compare(rate, ours.per_second, peer.per_second if peer else None, "kamailio", FLOOR)
    level = peer.cpu_per_1000 if peer else None
    yield compare(cost, ours.cpu_per_1000, level, "kamailio", level, less=True)


def _load(lab: Lab, directory: Path, expected: float) -> Load:
    host, (_, cpu) = lab.hosts["load"], processors()
    table = callers_file(directory / "users.csv", [(name, password, "") for name, password in office.users()])
    return Load(lab, host, directory / "sipp", registering(), table, host.gateway, AT_ONCE, cpu, expected)


def _appliance(lab: Lab, directory: Path) -> Best:
    cpu, _ = processors()
    with office.appliance(lab, directory / "appliance", cpu) as product:
        return best("register: appliance", _load(lab, directory, FLOOR), lambda: office.pids(product))


def _kamailio(lab: Lab, directory: Path) -> Best | None:
    if not kamailio.installed():
        say("kamailio is not installed: no comparison with it")
        return None
    cpu, _ = processors()
    address = lab.hosts["load"].gateway
    with kamailio.Kamailio(
        lab, directory / "kamailio", office.users(), cpu, address=address, carrier=address
    ) as server:
        return best("register: kamailio", _load(lab, directory, 2 * FLOOR), server.pids)
