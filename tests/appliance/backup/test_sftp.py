"""Backups over SFTP: a real OpenSSH in a namespace of its own, whose account sees a jail and may do nothing else."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.backup import ssh
from appliance.backup.contents import DATABASE, OFFICE
from appliance.backup.making import Backups
from appliance.backup.place import BackupError, Options
from appliance.backup.restic import Repository
from appliance.backup.restoring import restore, restore_into
from appliance.backup.ssh import Client, chosen, target_of
from tests.appliance.backup.test_repository import Office, silent
from tests.lab.network import Lab, entered
from tests.lab.storage import SftpServer, until

BIG = 40 * 1024 * 1024
LITTLE_DISK = "20m"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(["box", "small"], tag="sftp", passing=False) as made:
        yield made


@pytest.fixture(scope="module")
def box(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> SftpServer:
    server = SftpServer(lab, lab.hosts["box"], tmp_path_factory.mktemp("box") / "server", size="256m")
    server.start()
    return server


class Machine:
    """One appliance: its state, its office, its way to a server."""

    def __init__(self, lab: Lab, directory: Path, name: str) -> None:
        self._lab, self.state, self.run = lab, directory / name, directory / f"{name}.run"
        self.office = Office(self.state)
        self.backups = Backups(self.state, "1.0")
        self.client = Client(self.backups.place)

    def knows(self, server: SftpServer) -> None:
        target = target_of(server.place)
        with entered(self._lab.appliance):
            self.client.vouch(target, chosen(self.client.offered(target), "", target))

    def set_up(self, place: str, password: str = "") -> bool:
        with entered(self._lab.appliance):
            return self.backups.set_up(Options(place), password).made

    def make(self) -> str:
        with entered(self._lab.appliance):
            return self.backups.make(self.office, silent).snapshot

    def grows(self, size: int) -> None:
        (self.state / OFFICE / "recording").write_bytes(os.urandom(size))

    def repository(self) -> Repository:
        return self.backups.repository()[1]


@pytest.fixture(scope="module")
def full(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, SftpServer, Future[str]]]:
    """A backup that its place has no room for. It runs beside the other tests: restic tries for most of a minute."""
    directory = tmp_path_factory.mktemp("full")
    server = SftpServer(lab, lab.hosts["small"], directory / "server", port=2222, size=LITTLE_DISK)
    server.start()
    machine = Machine(lab, directory, "state")
    server.lets_in(machine.client.public_key())
    machine.knows(server)
    assert machine.set_up(server.place)
    machine.grows(BIG)
    with ThreadPoolExecutor(1) as pool:
        yield machine, server, pool.submit(machine.make)


@pytest.fixture(autouse=True)
def _beside(full: object) -> None:
    """Begun with the first test."""


@pytest.fixture()
def machine(lab: Lab, box: SftpServer, tmp_path: Path) -> Machine:
    """One that is let in, and knows the server."""
    made = Machine(lab, tmp_path, "state")
    box.lets_in(made.client.public_key())
    made.knows(box)
    return made


def place_of(box: SftpServer, name: str) -> str:
    """A repository of a test's own."""
    return box.place.removesuffix("backup") + name


def test_nothing_is_sent_to_a_host_that_nobody_vouched_for(lab: Lab, box: SftpServer, tmp_path: Path) -> None:
    machine, target = Machine(lab, tmp_path, "state"), target_of(box.place)
    box.lets_in(machine.client.public_key())
    with pytest.raises(
        BackupError, match=r"nobody has vouched for the key of 10\.77\.\d\.2 so far; it shows ED25519 "
    ) as caught:
        machine.set_up(place_of(box, "first"))
    assert "'appliance backup trust REPOSITORY'" in caught.value.hint
    assert not machine.backups.place.is_set_up
    assert "Accepted publickey" not in box.log()

    with entered(lab.appliance):
        offered = machine.client.offered(target)
    assert offered[0].fingerprint in caught.value.message
    with pytest.raises(BackupError, match="and not SHA256:another"):
        chosen(offered, "another", target)
    box.lets_in()
    machine.client.vouch(target, chosen(offered, offered[0].fingerprint, target))
    with pytest.raises(
        BackupError, match=r"does not let this appliance in .*Permission denied \(publickey\)"
    ) as caught:
        machine.set_up(place_of(box, "first"))
    assert "'appliance backup key'" in caught.value.hint

    box.lets_in(f"restrict {machine.client.public_key()}")
    assert machine.set_up(place_of(box, "first"))
    assert machine.make()
    assert box.inside("first/config").exists()
    assert Path(machine.client.key_file).stat().st_mode & 0o777 == 0o600


def test_a_second_machine_takes_over_and_gets_all_of_it_back(
    lab: Lab, box: SftpServer, machine: Machine, tmp_path: Path
) -> None:
    place = place_of(box, "second")
    assert machine.set_up(place)
    machine.grows(1_000_000)
    first = machine.make()
    machine.office.says("two")
    machine.make()
    report = machine.office.told[-1]
    assert (report["place"], report["local"], report["kind"]) == (place, False, "incremental")
    assert report["added_bytes"] < 100_000

    other = Machine(lab, tmp_path, "other")
    with pytest.raises(BackupError, match="vouched"):
        other.set_up(place, machine.backups.place.password())
    other.knows(box)
    with pytest.raises(BackupError, match="does not let this appliance in"):
        other.set_up(place, machine.backups.place.password())
    box.lets_in(machine.client.public_key(), other.client.public_key())
    with pytest.raises(BackupError, match="wrong password"):
        other.set_up(place, "another")
    assert not other.set_up(place, machine.backups.place.password())
    with entered(lab.appliance):
        restore(other.backups, other.office, "latest", other.run)
        restore_into(other.backups, first, tmp_path / "looked")
    assert (other.state / OFFICE / DATABASE).read_text() == "two"
    assert (tmp_path / "looked" / OFFICE / DATABASE).read_text() == "one"
    recorded = (machine.state / OFFICE / "recording").read_bytes()
    assert (other.state / OFFICE / "recording").read_bytes() == recorded


def test_a_place_outside_of_the_jail_is_not_reached(box: SftpServer, machine: Machine) -> None:
    with pytest.raises(BackupError, match="the place may not be written to"):
        machine.set_up(box.place.replace(":/pbx/", ":/root/"))
    with pytest.raises(BackupError, match="there is no"):
        machine.make()


def test_a_connection_that_falls_silent_is_given_up_and_the_next_run_goes_on(
    box: SftpServer, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "SILENT_S", 4)
    assert machine.set_up(place_of(box, "silent"))
    machine.grows(BIG)
    sent = box.inside("silent/data")

    def cut() -> None:
        until(lambda: any(path.is_file() for path in sent.rglob("*")), box.log)
        box.cut(off=True)

    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        with pytest.raises(BackupError, match=r"took no backup: .*broke off|cannot be reached"):
            machine.make()
    finally:
        cutting.join()
        box.cut(off=False)
    assert machine.office.told[-1]["event"] == "failed"
    assert machine.make()
    assert machine.office.told[-1]["kind"] == "full"


def killed_while_it_holds_a_lock(machine: Machine, locks: Path, lab: Lab, *, host: str) -> None:
    """A look at the repository that dies by SIGKILL, on this machine or on one of another name."""
    repository = machine.repository()
    words = [*repository._begin(), "check", "--read-data"]
    command = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', host, *words]
    process = lab.start(
        lab.appliance, command, env=repository._environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    until(lambda: any("temp" not in path.name for path in locks.iterdir()), lambda: "no lock")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_locks_of_runs_that_were_killed(lab: Lab, box: SftpServer, machine: Machine) -> None:
    assert machine.set_up(place_of(box, "locked"))
    machine.grows(BIG // 2)
    machine.make()
    locks = box.inside("locked/locks")
    killed_while_it_holds_a_lock(machine, locks, lab, host=os.uname().nodename)
    assert machine.make()  # its own are taken away
    killed_while_it_holds_a_lock(machine, locks, lab, host="gone")
    with pytest.raises(BackupError, match=r"already locked exclusively by PID .* on gone") as caught:
        machine.make()
    assert "'appliance backup unlock --all'" in caught.value.hint
    with entered(lab.appliance):
        machine.repository().unlock(everybodys=True)
    assert machine.make()


def test_a_host_that_shows_another_key_is_refused_loudly(lab: Lab, box: SftpServer, machine: Machine) -> None:
    assert machine.set_up(place_of(box, "changed"))
    box.stop()
    with pytest.raises(BackupError, match=r"the place cannot be reached .*Connection refused"):
        machine.make()
    fingerprint = box.new_identity()
    box.start()
    heard = box.log()
    with pytest.raises(BackupError, match=r"THE KEY OF 10\.77\.\d\.2 HAS CHANGED: known is ED25519 SHA256:") as caught:
        machine.make()
    assert fingerprint in caught.value.message
    assert "--changed" in caught.value.hint
    assert "Accepted" not in box.log().removeprefix(heard)
    assert machine.office.told[-1]["failure"] == caught.value.message
    machine.knows(box)
    with pytest.raises(BackupError, match="there is none") as caught:
        machine.make()
    assert "'appliance backup init REPOSITORY'" in caught.value.hint


def test_a_place_without_room_says_so_and_takes_the_next_one_that_fits(
    full: tuple[Machine, SftpServer, Future[str]], lab: Lab
) -> None:
    machine, server, making = full
    with pytest.raises(BackupError, match=r"disk .*full") as caught:
        making.result(timeout=200)
    assert "keep fewer" in caught.value.hint
    assert machine.office.told[-1]["event"] == "failed"
    machine.grows(1_000_000)
    with entered(lab.appliance):
        machine.backups.forget(machine.office)
    assert machine.make()
    assert server.inside("backup/config").exists()
