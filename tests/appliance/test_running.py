"""The whole product as `appliance run` starts it: the office's powers, and either half killed."""

import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.namespaces import Namespace
from tests.appliance.trees import REPOSITORY, KeeperProcess

SERVES = "panel on https://"
CONNECTED = "INFO pysrv.service: gate connected"
READ = """
import ssl, sys, urllib.request
asked = urllib.request.Request(sys.argv[1], headers={"Authorization": f"Bearer {sys.argv[2]}"})
with urllib.request.urlopen(asked, context=ssl._create_unverified_context()) as answer:
    sys.stdout.write(answer.read().decode())
"""


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace() as namespace:
        yield namespace


def appliance(namespace: Namespace, directory: Path) -> KeeperProcess:
    where = [f"--state={directory}/state", f"--runtime={directory}/run"]
    command = [sys.executable, "-m", "appliance", "run", "--interface=ours", "--mode=native", *where]
    return KeeperProcess([*namespace.enter, f"--wdns={REPOSITORY}", *command], REPOSITORY)


def office(directory: Path) -> int:
    return int(json.loads((directory / "run" / "office.pid").read_text())[0])


def test_the_running_office_has_no_power(namespace: Namespace, tmp_path: Path) -> None:
    with appliance(namespace, tmp_path) as process:
        process.line(SERVES)
        lines = Path(f"/proc/{office(tmp_path)}/status").read_text().splitlines()
        namespaces = {name: os.readlink(f"/proc/{office(tmp_path)}/ns/{name}") for name in ("mnt", "net")}
        keeper_namespaces = {name: os.readlink(f"/proc/{process.process.pid}/ns/{name}") for name in ("mnt", "net")}
    status = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    user = pwd.getpwnam("pysrv")
    assert status["Uid"] == [str(user.pw_uid)] * 4
    assert status["Gid"] == [str(user.pw_gid)] * 4
    assert status["Groups"] == []
    assert {name: int(status[name][0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        "CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": 0, "CapAmb": 0,
    }  # fmt: skip
    assert status["NoNewPrivs"] == ["1"]
    assert namespaces["mnt"] != keeper_namespaces["mnt"]
    assert namespaces["net"] == keeper_namespaces["net"]


def test_a_killed_office_serves_again(namespace: Namespace, tmp_path: Path) -> None:
    with appliance(namespace, tmp_path) as process:
        process.line(SERVES)
        os.kill(office(tmp_path), signal.SIGKILL)
        process.line("keeper: the office was killed by SIGKILL; it is started again in ")
        process.line(SERVES)


def test_a_killed_keeper_leaves_nothing_and_the_next_one_serves(namespace: Namespace, tmp_path: Path) -> None:
    with appliance(namespace, tmp_path) as process:
        process.line(SERVES)
        process.process.kill()
        process.rest()
    assert namespace.xdp("ours") == ""
    with appliance(namespace, tmp_path) as process:
        process.line(SERVES)
        assert namespace.xdp("ours") == "native"


def test_secrets_are_printed_once_only(namespace: Namespace, tmp_path: Path) -> None:
    for times in (1, 0):
        with appliance(namespace, tmp_path) as process:
            process.line(CONNECTED)
            process.process.send_signal(signal.SIGINT)
            printed = [*process.seen, *process.rest()]
        assert sum("password" in line for line in printed if line.startswith("administrator")) == times


def test_prometheus_reads_the_gate_of_a_running_appliance(namespace: Namespace, tmp_path: Path) -> None:
    with appliance(namespace, tmp_path) as process:
        while not all(any(line.startswith(each) for line in process.seen) for each in (SERVES, CONNECTED)):
            process.line("")  # either may come first
        address = next(line for line in process.seen if line.startswith(SERVES)).split()[2].removesuffix("panel/,")
        words = ["tokens", "add", "admin", "--label", "Prometheus", "--scope", "state:read"]
        command = [sys.executable, "-m", "appliance", "--json", f"--runtime={tmp_path}/run", *words]
        made = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
        read = [*namespace.enter, sys.executable, "-c", READ, f"{address}metrics", json.loads(made.stdout)["token"]]
        told = subprocess.run(read, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "appliance_gate_up 1.0" in told
    assert 'appliance_gate_interface_mode{interface="ours",mode="native"} 1.0' in told
    assert any(line.startswith("appliance_service_queue_delay_seconds ") for line in told)
