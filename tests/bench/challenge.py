"""The first answer that a stranger gets, 401 a second: the gate's, our own service's and Kamailio's.

All get the same flood of REGISTERs from one address. The gate answers on the flood's own CPU, so its figure pays for
making the flood too; the others have a CPU for themselves, and only what they send is counted.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from appliance import wire
from appliance.kernel.gate import Gate
from appliance.selftest.frames import Wire, request
from appliance.selftest.generator import Generator, Sink
from tests.bench import kamailio, office
from tests.bench.gate_bench import mac_of
from tests.bench.processes import pinned_to, processors
from tests.bench.report import Row, compare, say
from tests.lab.network import Lab, entered
from tests.lab.storm import Storm

PACKETS, ROUNDS = 100_000, 5
SECONDS = 3.0
KEYS = ("00112233445566778899aabbccddeeff",) * 4
NAME = "challenge: 401 a second on one CPU"


def frames(lab: Lab) -> list[bytes]:
    """REGISTERs without credentials, one Call-ID each."""
    load = lab.hosts["load"]
    wired = Wire(
        mac_of(lab, load.namespace, load.interface),
        mac_of(lab, lab.appliance, load.appliance_interface),
        load.address,
        load.gateway,
    )
    return [wired.udp(5062, 5060, request("REGISTER", "100", load.gateway, i, agent="bench")) for i in range(512)]


def gate(lab: Lab) -> float:
    """The best of a few runs: noise only ever takes away."""
    load = lab.hosts["load"]
    with entered(lab.appliance):
        loaded = Gate.load()
        try:
            loaded.attach(load.appliance_interface)
            challenge = wire.Challenge(enabled=True, realm="bench", keys=KEYS)
            # Slots that would make a bench of the limits and not of the answer.
            limits = wire.Limits({"stranger_interval": 0, "interface_interval": 0})
            loaded.sync(wire.Plan(1, (("udp", 5060),), (20000, 29999), limits, challenge=challenge))
            with Sink(load.namespace) as sink, Generator(load.namespace, frames(lab)) as source:
                source.run(5_000)
                rates = []
                for _ in range(ROUNDS):
                    before, sent = sink.packets(), source.run(PACKETS)
                    rates.append((sink.packets() - before) / sent.seconds)
                return max(rates)
        finally:
            loaded.close()


def service(lab: Lab) -> float:
    """What arrives of the answers to a flood, a second. The gate leaves an allowed address to the service."""
    load = lab.hosts["load"]
    with Sink(load.namespace) as sink, Storm(load.namespace, frames(lab), forge=False, cpu=processors()[1]):
        before, began = sink.packets(), time.monotonic()
        while time.monotonic() - began < SECONDS:
            time.sleep(0.05)  # the flood's time
        return (sink.packets() - before) / (time.monotonic() - began)


def _ours(lab: Lab, directory: Path) -> float:
    with office.appliance(lab, directory / "appliance", processors()[0]):
        return service(lab)


def _kamailio(lab: Lab, directory: Path) -> float | None:
    if not kamailio.installed():
        say("kamailio is not installed: no comparison with it")
        return None
    address, users = lab.hosts["load"].gateway, [("100", "secret")]
    lab.run(lab.appliance, ["ethtool", "-K", lab.hosts["load"].appliance_interface, "gro", "on"])
    with kamailio.Kamailio(lab, directory / "kamailio", users, processors()[0], address=address, carrier=address):
        return service(lab)


def run() -> Iterator[Row]:
    """Two rows: beside Kamailio, and beside our own service."""
    pinned_to(processors()[1])
    with tempfile.TemporaryDirectory(prefix="bench") as folder, Lab(["load"], tag="bch", passing=False) as lab:
        directory = Path(folder)
        directory.chmod(0o755)
        kernel = gate(lab)
        yield compare(NAME, kernel, _kamailio(lab, directory), "kamailio")
        yield compare(NAME, kernel, _ours(lab, directory), "our service")
