"""The laboratory itself: what a killed run has left is ended and removed, and nobody else's."""

import subprocess
import sys

from tests.lab.network import NAMESPACES, Lab
from tests.lab.waiting import until


def test_what_a_killed_run_left_is_ended_and_removed_by_the_next_and_a_living_ones_is_not() -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    living = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    left, others = f"labtest{dead.pid}-appliance", f"labtest{living.pid}-appliance"
    inside = []
    try:
        for name in (left, others):
            subprocess.run(["ip", "netns", "add", name], check=True)
            command = ["nsenter", f"--net=/run/netns/{name}", "sleep", "600"]
            inside.append(subprocess.Popen(command))
        for name, process in zip((left, others), inside, strict=True):
            pids = ["ip", "netns", "pids", name]
            until(lambda: str(process.pid) in subprocess.run(pids, capture_output=True, text=True, check=True).stdout)  # noqa: B023
        with Lab(["peer"], tag="labtest") as lab:
            assert not (NAMESPACES / left).exists() and (NAMESPACES / others).exists()
            assert inside[0].wait(30) != 0 and inside[1].poll() is None
            assert (NAMESPACES / lab.appliance).exists()
        assert not (NAMESPACES / lab.appliance).exists()
    finally:
        for each in (*inside, living):
            each.kill()
            each.wait()
        subprocess.run(["ip", "netns", "del", others], check=True)
