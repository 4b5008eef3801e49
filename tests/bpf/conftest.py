"""One gate for all packet tables, in a namespace of its own."""

from collections.abc import Iterator

import pytest

from appliance.kernel.gate import Gate
from tests.bpf import rig as bench
from tests.bpf.asking import switch_on
from tests.lab.network import Lab, entered


@pytest.fixture(scope="package")
def loaded() -> Iterator[bench.Rig]:
    with Lab(["phone", "trunk"], tag="bpf") as lab, entered(lab.appliance):
        gate = Gate.load()
        try:
            made = bench.Rig(gate, lab)
            for host in lab.hosts.values():  # silent peers: no packet but those of the tests
                lab.run(host.namespace, ["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"])
            for name, host, mac in (("phone", made.phone, bench.PHONE_MAC), ("trunk", made.trunk, bench.TRUNK_MAC)):
                gate.attach(f"to-{name}")
                bench.ip("neigh", "replace", host.address, "lladdr", mac, "dev", f"to-{name}", "nud", "permanent")
                bench.ip("neigh", "replace", host.address6, "lladdr", mac, "dev", f"to-{name}", "nud", "permanent")
            yield made
        finally:
            gate.close()


@pytest.fixture
def rig(loaded: bench.Rig) -> Iterator[bench.Rig]:
    """The gate with the base plan: no ban, no trust, no session."""
    with entered(loaded.lab.appliance):
        loaded.sync()
        yield loaded


@pytest.fixture
def on(rig: bench.Rig) -> bench.Rig:
    """The same with the challenge switched on."""
    switch_on(rig)
    return rig
