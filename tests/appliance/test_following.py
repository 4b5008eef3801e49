"""Following a source of updates: a real server behind TLS, real updates that RAUC reads and whose signature it checks.

`rauc install` and the status of the slots need the image; here they are a record of what would have been done.
"""

import dataclasses
import datetime
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from appliance import reset
from appliance.backup import record
from appliance.backup.making import Backups
from appliance.backup.place import BackupError, Place
from appliance.cli import follow
from appliance.cli.book import BOOK
from appliance.cli.exits import Exit
from appliance.cli.link import Link
from appliance.following.choice import (
    Deed,
    FollowError,
    Last,
    Options,
    Room,
    check_source,
    is_due,
    parsed,
    remembered,
)
from appliance.following.deed import Following, Outcome
from appliance.following.source import FETCH_S, SUMS_S, Source, offers
from appliance.slots import SlotError, Slots, run
from image import bundle, layout
from image.progress import Progress
from image.variables import Variables
from tests.appliance.shell import Shell
from tests.appliance.test_slots import VERSION, told
from tests.lab.shelf import Authority, Shelf

NIGHT = time.mktime((2026, 3, 4, 3, 30, 0, 0, 0, -1))
NOON = time.mktime((2026, 3, 4, 12, 0, 0, 0, 0, -1))
MOST = 8 << 20
KIB = 1024


@dataclasses.dataclass(frozen=True)
class Signed:
    """Updates by version, and one of another signer's; `certificate` is the image's."""

    certificate: Path
    files: dict[str, Path]
    foreign: Path


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    place = tmp_path_factory.mktemp("signed")
    progress = Progress(place / "logs")
    ours = bundle.signer(Variables(), place / "ours", progress)
    theirs = bundle.signer(Variables(), place / "theirs", progress)

    def made(version: str, pair: tuple[Path, Path], name: str) -> Path:
        system = place / "system"
        system.write_bytes(os.urandom(600 * KIB))
        return bundle.write(system, version, pair, place / name, progress)

    files = {version: made(version, ours, f"appliance-{version}.raucb") for version in ("0.9", "1.1", "1.2", "2.0-rc1")}
    return Signed(ours[1], files, made("1.3", theirs, "foreign.raucb"))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def shelf(tmp_path: Path, authority: Authority) -> Iterator[Shelf]:
    with Shelf(socket.socket(), "127.0.0.1", tmp_path / "shelf", authority) as made:
        yield made


class Machine:
    """Slot A runs; RAUC checks updates by the image's certificate, and what it would install is in `installed`."""

    def __init__(self, place: Path, signed: Signed) -> None:
        self._signed, self.installed, self.restarts = signed, list[str](), 0
        self.state, self.now, self.up = place / "state", NIGHT, 0
        self.state.mkdir(exist_ok=True)
        self._status, self._counters = told(), place / "grubenv"
        version = place / "version"
        version.write_text(VERSION + "\n")
        subprocess.run(["grub-editenv", self._counters, "create"], check=True)
        disks = place / "block"
        (disks / "vda3").mkdir(parents=True)
        (disks / "vda3" / "uevent").write_text(f"DEVTYPE=partition\nPARTNAME={layout.slot_name('B')}\n")
        self.slot_bytes = MOST
        self.slots = _Slots(self, self._counters, version, self._run)
        self.room = Room(self.state)
        self.following = Following(self.state, self.slots, lambda: self.up, clock=lambda: self.now)

    def _run(self, command: Sequence[str]) -> str:
        words = list(command)
        if words[0] == "systemctl":
            self.restarts += 1
            return ""
        if words[:2] == ["rauc", "info"]:
            return run(["rauc", f"--keyring={self._signed.certificate}", *words[1:]])
        if words[:2] == ["rauc", "status"]:
            return self._status
        if words[:2] == ["rauc", "install"]:
            told_of = json.loads(self._run(["rauc", "info", "--output-format=json", words[2]]))
            self.installed.append(told_of["version"])
            self.has(next=True, version=told_of["version"], trial="B")
            return ""
        return run(command)

    def has(self, *, next: bool, version: str, trial: str) -> None:
        """Slot B: its version, whether it starts next, and which slot is on trial."""
        self._status = told(b_good=next, b_next=next, b_version=version)
        run(["grub-editenv", str(self._counters), "set", f"TRIAL={trial}"])

    def runs(self, version: str, other: str) -> None:
        """Slot A: its version; B holds another one that was confirmed once."""
        self._status = told(b_good=True, b_version=other)
        self.slots.version.write_text(version + "\n")
        run(["grub-editenv", str(self._counters), "unset", "TRIAL"])

    def follows(self, shelf: Shelf | str, authority: Authority | None = None, **given: Any) -> None:
        url = shelf if isinstance(shelf, str) else shelf.url
        name = self.room.keep_authority(authority.pem) if authority else ""
        self.room.choose(Options(url, authority=name, **given))

    def look(self, *, if_due: bool = False) -> Outcome:
        return self.following.look(lambda done, total: None, if_due=if_due)

    def refused(self) -> FollowError:
        with pytest.raises(FollowError) as caught:
            self.look()
        assert self.installed == []
        assert self.room.last().problem == caught.value.message
        return caught.value

    def left(self) -> list[str]:
        """What a look left behind."""
        kept = ("options.toml", "last.json", "lock")
        return [path.name for path in self.room.directory.iterdir() if not path.name.startswith((*kept, "authority-"))]


@dataclasses.dataclass(frozen=True, slots=True)
class _Slots(Slots):
    machine: Any = None

    def __init__(self, machine: Machine, counters: Path, version: Path, run: Callable[[Sequence[str]], str]) -> None:
        for name, value in (("machine", machine), ("counters", counters), ("version", version), ("run", run)):
            object.__setattr__(self, name, value)

    def room(self, disks: Path = Path()) -> int:
        place = self.counters.parent / "block"
        (place / "vda3" / "size").write_text(f"{self.machine.slot_bytes // 512}\n")
        return Slots.room(self, place)


@pytest.fixture
def machine(tmp_path: Path, signed: Signed) -> Machine:
    return Machine(tmp_path, signed)


class Commands(Shell):
    """A shell on a machine with slots."""

    def __init__(self, place: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(place / "commands")
        monkeypatch.setattr("appliance.cli.slots.here", lambda: "A")
        monkeypatch.setattr("appliance.cli.slots.Slots", lambda: machine.slots)
        self.file = place / "ca.pem"


@pytest.fixture
def commands(tmp_path: Path, machine: Machine, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Commands:
    (tmp_path / "commands").mkdir()
    made = Commands(tmp_path, machine, monkeypatch)
    made.file.write_bytes(authority.pem)
    return made


def lay(shelf: Shelf, signed: Signed, *versions: str) -> None:
    for version in versions:
        (shelf.directory / f"appliance-{version}.raucb").write_bytes(signed.files[version].read_bytes())
    shelf.list()


def test_the_highest_version_is_fetched_held_against_its_digest_and_installed(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "0.9", "1.1", "1.2")
    (shelf.directory / "appliance-1.2.qcow2").write_bytes(b"not asked for")
    shelf.list()
    machine.follows(shelf, authority)
    heard: list[tuple[int, int]] = []
    done = machine.following.look(lambda here, total: heard.append((here, total)))
    assert (done.found, done.installed, done.restarts) == ("1.2", "1.2", False)
    assert machine.installed == ["1.2"]
    assert [name for name, _ in shelf.asked] == ["SHA256SUMS", "appliance-1.2.raucb"]
    size = signed.files["1.2"].stat().st_size
    assert heard[-1] == (size, size)
    assert machine.left() == []
    last = machine.room.last()
    assert (last.looked_at, last.found, last.installed, last.problem, last.tried) == (NIGHT, "1.2", "1.2", "", ("1.2",))
    modes = {path.name: path.stat().st_mode & 0o777 for path in machine.room.directory.iterdir()}
    assert set(modes.values()) == {0o600}
    assert machine.room.directory.stat().st_mode & 0o777 == 0o700
    assert "version 1.2 starts with the next restart" in machine.look().words
    assert machine.installed == ["1.2"]
    assert machine.restarts == 0


def test_a_mounted_disk_is_a_source_too(tmp_path: Path, machine: Machine, signed: Signed) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    update = signed.files["1.1"].read_bytes()
    (disk / "appliance-1.1.raucb").write_bytes(update)
    digest = subprocess.run(["sha256sum", "appliance-1.1.raucb"], cwd=disk, capture_output=True, check=True, text=True)
    (disk / "SHA256SUMS").write_text(digest.stdout)
    machine.follows(str(disk))
    assert machine.look().installed == "1.1"
    (disk / "SHA256SUMS").unlink()
    with pytest.raises(FollowError, match="No such file") as caught:
        machine.look()
    assert caught.value.again


def test_a_source_of_older_versions_offers_nothing(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "0.9")
    machine.follows(shelf, authority)
    done = machine.look()
    assert (done.looked, done.found, done.installed) == (True, "", "")
    assert done.words == (f"nothing newer than {VERSION} is offered",)


def test_an_older_version_under_a_newer_name_is_refused(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    (shelf.directory / "appliance-3.0.raucb").write_bytes(signed.files["0.9"].read_bytes())
    shelf.list()
    machine.follows(shelf, authority)
    assert "is version 0.9 by what was signed" in machine.refused().message
    assert machine.left() == []


def test_what_another_signed_is_refused_by_rauc_itself(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    (shelf.directory / "appliance-1.3.raucb").write_bytes(signed.foreign.read_bytes())
    shelf.list()
    machine.follows(shelf, authority)
    assert "ignature" in machine.refused().message
    assert machine.left() == []
    last = machine.room.last()
    assert (last.looked_at, last.again) == (NIGHT, False)  # it is not fetched again before tomorrow
    assert not is_due(Options(shelf.url), last, NOON)


def test_a_digest_that_does_not_fit_is_refused_and_the_file_forgotten(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    with (shelf.directory / "appliance-1.1.raucb").open("r+b") as file:
        file.write(b"x")
    machine.follows(shelf, authority)
    assert "its digest is another" in machine.refused().message
    assert machine.left() == []
    assert len(shelf.asked) == 2


@pytest.mark.parametrize("sized", [True, False])
def test_what_is_larger_than_a_slot_is_not_fetched(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority, *, sized: bool
) -> None:
    lay(shelf, signed, "1.1")
    machine.slot_bytes, shelf.manners.sized = 300 * KIB, sized
    machine.follows(shelf, authority)
    assert "is larger than the slot" in machine.refused().message
    assert machine.left() == []


@pytest.mark.parametrize("ranges", [True, False])
def test_one_that_breaks_off_is_gone_on_with_or_begun_anew(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority, *, ranges: bool
) -> None:
    lay(shelf, signed, "1.1")
    shelf.manners.cuts, shelf.manners.ranges = [200 * KIB, 300 * KIB], ranges
    machine.follows(shelf, authority)
    assert machine.look().installed == "1.1"
    begun = [each for name, each in shelf.asked if name.endswith(".raucb")]
    assert begun == ["", "bytes=204800-", f"bytes={(500 if ranges else 300) * KIB}-"]


def test_what_came_before_a_run_was_ended_is_not_fetched_twice(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    shelf.manners.cuts = [100 * KIB, 0]
    machine.follows(shelf, authority)
    error = machine.refused()
    assert "broke off after 102400 of" in error.message
    assert machine.room.last().again
    assert len(machine.left()) == 1
    assert machine.look(if_due=True).installed == "1.1"  # within the same hour of the clock
    assert shelf.asked[-1] == ("appliance-1.1.raucb", "bytes=102400-")
    assert machine.left() == []


def test_a_part_that_is_another_files_is_dropped_and_the_whole_fetched(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority)
    (offer,) = offers((shelf.directory / "SHA256SUMS").read_text()).values()
    (machine.room.directory / f"{offer.digest}.part").write_bytes(b"\0" * 4096)
    (machine.room.directory / f"{'0' * 64}.part").write_bytes(b"\0")
    assert machine.look().installed == "1.1"
    assert [each for name, each in shelf.asked if name == offer.name] == ["bytes=4096-", ""]
    assert machine.left() == []


def test_a_source_that_says_nothing_is_given_up(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    shelf.manners.speaks.clear()
    machine.follows(shelf, authority)
    with pytest.raises(FollowError, match=r"cannot be reached: .*timed out") as caught:
        looking(machine, silence_s=0.3).look(lambda done, total: None)
    assert caught.value.again


def test_a_source_that_sends_drop_by_drop_is_given_up(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority)
    source = source_of(machine)
    with pytest.raises(FollowError, match="sends too slowly"):
        source.offers(within_s=-1)
    (offer,) = source.offers().values()
    with pytest.raises(FollowError, match="sends too slowly"):
        source.fetch(offer, machine.room.directory, MOST, lambda done, total: None, within_s=-1)


def looking(machine: Machine, **given: Any) -> Following:
    """With a source of other times."""
    return Following(
        machine.state, machine.slots, lambda: 0, clock=lambda: NIGHT,
        source=lambda options, ca: Source(options, ca, **given),
    )  # fmt: skip


def source_of(machine: Machine, **given: Any) -> Source:
    options = machine.room.options()
    assert options is not None
    return Source(options, machine.room.directory / options.authority, **given)


def test_a_header_that_comes_letter_by_letter_ends_with_the_time_of_the_whole_request(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority)
    shelf.manners.drip_s = 0.05
    begun = time.monotonic()
    with pytest.raises(FollowError, match="sends too slowly") as caught:
        source_of(machine, silence_s=1.0).offers(within_s=0.5)
    assert (caught.value.again, time.monotonic() - begun < 5) == (True, True)


def test_a_name_of_many_addresses_that_do_not_answer_ends_in_time_too(
    machine: Machine, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def deaf(place: tuple[str, int], timeout: float) -> socket.socket:
        tried.append(timeout)
        time.sleep(timeout)
        raise TimeoutError

    one = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [one] * 1000)
    monkeypatch.setattr(socket, "create_connection", deaf)
    machine.follows("https://updates.example/", authority)
    with pytest.raises(FollowError, match="sends too slowly"):
        source_of(machine, silence_s=0.05).offers(within_s=0.2)
    assert 4 <= len(tried) <= 6


def test_what_follows_a_redirect_is_not_read(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority)
    shelf.manners.redirect, shelf.manners.chatter = shelf.url.removesuffix("/updates/") + "/x", 64 << 20
    with pytest.raises(FollowError, match="the source says 302"):  # too many of them
        source_of(machine).offers()
    assert shelf.sent < 64 << 20


@pytest.mark.parametrize("header", ["Content-Length", "Content-Range"])
def test_numbers_without_an_end_are_believed_nothing(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority, header: str
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority)
    (offer,) = offers((shelf.directory / "SHA256SUMS").read_text()).values()
    (machine.room.directory / f"{offer.digest}.part").write_bytes(signed.files["1.1"].read_bytes()[:4096])
    many = "9" * 5000
    shelf.manners.claims = {header: many if header == "Content-Length" else f"bytes {many}-{many}/{many}"}
    if header == "Content-Length":
        assert machine.look().installed == "1.1"  # the digest says whether it is whole
    else:
        assert "sends another part than was asked for" in machine.refused().message


@pytest.mark.parametrize("place", ["https://[", "https://127.0.0.1:99999999", "https://" + "x" * 64 + ".example"])
def test_a_redirect_to_what_is_no_address_is_a_problem_and_no_crash(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority, place: str
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority)
    shelf.manners.redirect = place
    assert "cannot be reached" in machine.refused().message


def test_what_a_source_says_of_itself_leaves_the_record_readable(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority)
    machine.room.change(lambda _: Last(tried=("1.1",)))
    shelf.manners.reason = "\x1b[2J" + "x" * 65_000
    error = machine.refused()
    assert error.message.isprintable() and len(error.message) < 400
    assert machine.room.last().tried == ("1.1",)


def test_whatever_ends_a_look_is_noted_before_it_goes_on(
    shelf: Shelf, machine: Machine, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.follows(shelf, authority)
    monkeypatch.setattr(Source, "offers", lambda self: int("\x1bx" * 2000))
    with pytest.raises(ValueError, match="invalid literal"):
        machine.look()
    problem = machine.room.last().problem
    assert problem.startswith("the look failed: ValueError: invalid literal") and problem.isprintable()


def test_the_end_of_following_waits_for_no_look_and_nothing_is_installed_then(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority, commands: Commands
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority)
    machine.room.directory.rename(commands.state / "follow")
    machine.following.room = machine.room = Room(commands.state)
    heard: list[int] = []

    def off(here: int, total: int) -> None:
        heard.append(here)
        if len(heard) == 1:
            assert commands.json("update", "follow", "off") == {"followed": None}
            assert len(machine.left()) == 1  # the look tidies up what is its own

    with pytest.raises(FollowError, match="taken away meanwhile"):
        machine.following.look(off)
    assert (len(heard), machine.installed, machine.left()) == (1, [], [])
    assert [path.name for path in machine.room.directory.glob("authority-*")] == []


@pytest.mark.parametrize("moment", ["contents", "install"])
def test_a_choice_that_ends_late_is_seen_before_the_slot_is_written_and_before_the_restart(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority, deed=Deed.RESTART)
    done: Callable[..., Any] = getattr(machine.slots, moment)

    def last(self: Slots, file: Path) -> Any:
        machine.room.forget()
        return done(file)

    monkeypatch.setattr(_Slots, moment, last, raising=False)
    with pytest.raises(FollowError, match="taken away meanwhile"):
        machine.look()
    assert (machine.installed, machine.restarts) == (["1.1"] if moment == "install" else [], 0)


def test_the_unit_ends_soon_after_a_download_within_bounds_would() -> None:
    unit = Path("image/files/etc/systemd/system/appliance-follow.service").read_text()
    (hours,) = re.findall(r"^TimeoutStartSec=([0-9]+)h$", unit, re.M)
    assert FETCH_S + SUMS_S < int(hours) * 3600 <= FETCH_S + SUMS_S + 3600


@pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
def test_no_redirect_leaves_tls(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority, scheme: str
) -> None:
    lay(shelf, signed, "1.1")
    shelf.manners.redirect = f"{scheme}://127.0.0.1:9"
    machine.follows(shelf, authority)
    words = {"http": "which is not https", "ftp": "which is not https", "file": "the source says 302"}
    assert words[scheme] in machine.refused().message


def test_a_redirect_to_another_server_behind_tls_is_followed(
    tmp_path: Path, shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    (tmp_path / "two").mkdir()
    with Shelf(socket.socket(), "127.0.0.1", tmp_path / "two/shelf", authority) as other:
        lay(other, signed, "1.1")
        shelf.manners.redirect = other.url.removesuffix("/updates/")
        machine.follows(shelf, authority)
        assert machine.look().installed == "1.1"


@pytest.mark.parametrize("vouched", ["nobody", "another"])
def test_a_server_that_nobody_vouches_for_is_not_asked(
    shelf: Shelf, machine: Machine, signed: Signed, vouched: str
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, Authority() if vouched == "another" else None)
    assert "certificate verify failed" in machine.refused().message.lower()
    assert shelf.asked == []


def test_a_certificate_of_another_name_is_not_taken(
    tmp_path: Path, machine: Machine, signed: Signed, authority: Authority
) -> None:
    with Shelf(socket.socket(), "127.0.0.1", tmp_path / "shelf", authority) as shelf:
        lay(shelf, signed, "1.1")
        machine.follows(shelf.url.replace("127.0.0.1", "localhost"), authority)
        assert "mismatch" in machine.refused().message.lower()


def test_a_disk_without_room_keeps_its_room(tmp_path: Path, shelf: Shelf, signed: Signed, authority: Authority) -> None:
    lay(shelf, signed, "1.1")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=True)
    try:
        machine = Machine(small, signed)
        (small / "filler").write_bytes(b"\0" * (500 * KIB))
        machine.follows(shelf, authority)
        for shelf.manners.sized in (True, False):
            error = machine.refused()
            assert "there is no room for the update" in error.message
            assert error.again
        assert os.statvfs(small).f_bavail / os.statvfs(small).f_blocks >= 0.09
    finally:
        subprocess.run(["umount", small], check=True)


def test_lines_of_a_list_that_name_no_update_are_passed_over() -> None:
    digest = "a" * 64
    said = (
        f"{digest}  appliance-1.0.raucb\n{digest} *appliance-1.1~rc1.raucb\n{digest}  appliance-1.0.qcow2\n"
        f"{digest}  ../appliance-9.raucb\n{digest}  appliance-../x.raucb\n{digest[1:]}  appliance-8.raucb\n"
        f"appliance-7.raucb\n{digest}  appliance-.raucb\n\n\0\n"
    )
    assert sorted(offers(said)) == ["1.0", "1.1~rc1"]


@pytest.mark.parametrize("content", ["", "x" * 70_000])
def test_a_list_that_names_nothing_or_has_no_end_is_refused(
    shelf: Shelf, machine: Machine, authority: Authority, content: str
) -> None:
    (shelf.directory / "SHA256SUMS").write_text(content)
    machine.follows(shelf, authority)
    assert ("names no update" if not content else "is larger than") in machine.refused().message


def test_a_version_that_failed_its_trial_is_not_installed_again(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1", "1.2")
    machine.has(next=False, version="1.2", trial="B")  # installed by hand, and given up by GRUB
    machine.follows(shelf, authority)
    assert machine.look().installed == "1.1"
    machine.has(next=False, version="1.1", trial="B")
    done = machine.look()
    assert (done.found, done.installed) == ("1.2", "")
    assert done.words[-1] == "version 1.2 failed its trial: 'appliance update install' takes it"
    assert machine.installed == ["1.1"]
    assert (machine.room.last().tried, machine.room.last().failed) == (("1.2", "1.1"), ("1.2", "1.1"))


def test_with_restarts_nothing_below_a_version_that_failed_is_tried_until_a_higher_one_is_there(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1", "1.2")
    machine.has(next=False, version="1.2", trial="B")
    machine.follows(shelf, authority, deed=Deed.RESTART)
    assert (machine.look().installed, machine.installed) == ("", [])
    (shelf.directory / "appliance-1.2.raucb").unlink()  # its maker took it back
    shelf.list()
    done = machine.look()
    assert done.words[-1] == (
        "version 1.1 is below 1.2, which failed its trial: no restart tries it by itself: "
        "'appliance update install' takes it"
    )
    lay(shelf, signed, "2.0-rc1")
    assert (machine.look().installed, machine.restarts) == ("2.0-rc1", 1)


def test_what_an_operator_took_back_is_not_installed_again_whoever_installed_it(
    shelf: Shelf, machine: Machine, signed: Signed, commands: Commands, authority: Authority
) -> None:
    lay(shelf, signed, "1.1", "1.2")
    commands.state = machine.state
    machine.runs("1.2", other=VERSION)  # installed by hand, and confirmed
    assert commands.run("update", "rollback").exit_code == Exit.OK
    machine.runs(VERSION, other="1.2")
    machine.follows(shelf, authority, deed=Deed.RESTART)
    done = machine.look()
    assert (done.found, done.installed, machine.installed, machine.restarts) == ("1.2", "", [], 0)
    assert done.words[-1] == "version 1.2 was taken back: 'appliance update install' takes it"
    assert "version 1.2 is there and was taken back" in commands.run("update", "status").output
    assert machine.room.last().taken_back == ("1.2",)


def test_an_update_that_is_taken_back_while_it_waits_is_known_too_and_no_trial_of_its(
    machine: Machine, commands: Commands
) -> None:
    commands.state = machine.state
    machine.has(next=True, version="1.1", trial="B")
    assert commands.run("update", "rollback").exit_code == Exit.OK
    machine.has(next=False, version="1.1", trial="B")
    machine.follows("/")
    with pytest.raises(FollowError):  # no source there
        machine.look()
    last = machine.room.last()
    assert (last.taken_back, last.failed, last.became("1.1")) == (("1.1",), (), "was taken back")


def test_a_rollback_needs_no_state_and_says_what_it_could_not_note(machine: Machine, commands: Commands) -> None:
    machine.has(next=True, version="1.1", trial="B")
    commands.state = machine.state / "nowhere"
    assert commands.run("update", "rollback").exit_code == Exit.OK
    assert not commands.state.exists()
    commands.state = machine.state
    (machine.state / "follow").write_text("")
    result = commands.run("update", "rollback")
    assert (result.exit_code, "may bring version 1.1 again" in result.output) == (Exit.OK, True)


def test_what_an_operator_chose_to_go_back_to_is_neither_written_over_nor_restarted_into(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.has(next=True, version="0.9", trial="")
    machine.follows(shelf, authority, deed=Deed.RESTART)
    machine.room.change(lambda last: dataclasses.replace(last, installed="0.9"))
    done = machine.look()
    assert (done.installed, machine.installed, machine.restarts) == ("", [], 0)
    assert done.words[-1] == "the next restart goes back to slot B: nothing is installed before"


def test_what_became_of_a_version_is_noted_within_the_hour(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority)
    machine.look()
    assert machine.room.last().became("1.1") == "waits for its restart"
    machine.has(next=False, version="1.1", trial="B")
    assert machine.look(if_due=True) == Outcome(looked=False)
    assert machine.room.last().became("1.1") == "failed its trial"


def test_what_is_noted_while_a_look_runs_is_kept(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority)
    machine.following.look(lambda done, total: machine.room.change(lambda last: last.having_taken_back("1.2")) and None)
    assert (machine.room.last().tried, machine.installed) == (("1.2", "1.1"), ["1.1"])


def test_what_was_rolled_back_is_not_installed_again_though_its_slot_was_filled_since(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority)
    machine.look()
    machine.has(next=False, version="0.9", trial="")
    assert machine.look().installed == ""
    lay(shelf, signed, "1.2")
    assert machine.look().installed == "1.2"
    assert machine.installed == ["1.1", "1.2"]


def test_nothing_is_done_while_the_slot_that_runs_is_on_trial(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.has(next=False, version="0.9", trial="A")
    machine.follows(shelf, authority, deed=Deed.RESTART)
    done = machine.look()
    assert (done.looked, done.restarts) == (False, False)
    assert shelf.asked == []


def test_a_newer_one_takes_the_place_of_one_that_waits_and_an_older_one_does_not(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.has(next=True, version="1.2", trial="B")
    machine.follows(shelf, authority)
    assert machine.look().installed == ""
    lay(shelf, signed, "2.0-rc1")
    assert machine.look().installed == "2.0-rc1"


def test_telling_installs_nothing(shelf: Shelf, machine: Machine, signed: Signed, authority: Authority) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority, deed=Deed.TELL)
    done = machine.look()
    assert (done.found, done.installed, machine.installed) == ("1.1", "", [])
    assert "nothing was installed: 'appliance update follow --install' would" in done.words
    assert [name for name, _ in shelf.asked] == ["SHA256SUMS"]


def test_the_restart_waits_for_the_window_and_for_calls_to_end(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority, deed=Deed.RESTART)
    machine.now = NOON
    assert "waits for the restart: it comes from 3:00 to 6:00 (" in machine.look().words[-1]
    machine.now = NIGHT + 86_400
    for machine.up, why in ((2, "2 calls are up"), (1, "1 call is up"), (None, "nobody says whether a call is up")):
        done = machine.look()
        assert (done.restarts, done.words[-1].endswith(f"waits for the restart: {why}")) == (False, True)
    machine.up = 0
    with Backups(machine.state, "1").alone():
        assert machine.look().words[-1].endswith("a backup is made now")
    assert machine.restarts == 0
    asked = len(shelf.asked)
    done = machine.look(if_due=True)  # the look was made tonight: the restart alone is left
    assert (done.restarts, machine.restarts) == (True, 1)
    assert len(shelf.asked) == asked


HOUR = 3600.0
DAY = 24 * HOUR


def backed_up(machine: Machine, at: float) -> None:
    place = Backups(machine.state, "1").place
    place.make()
    place.make_password()
    place.choose(place.options())
    record.write(place, record.Record(succeeded_at=at))


@pytest.mark.parametrize(
    ("at", "restarts"),
    [
        (0.0, False),  # none yet
        (NIGHT - DAY, False),  # last night's, before the update was here
        (NIGHT - HOUR, False),  # of this evening, before the update was here
        (NIGHT - HOUR / 2, True),  # at 3:00, when the window begins
        (NIGHT, True),
        (NIGHT + DAY, False),  # by a clock that went wrong
    ],
)
def test_where_backups_are_set_up_the_restart_waits_for_one_of_this_window(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority, at: float, *, restarts: bool
) -> None:
    lay(shelf, signed, "1.1")
    backed_up(machine, at)
    machine.follows(shelf, authority, deed=Deed.RESTART)
    done = machine.look()
    assert (done.installed, done.restarts, machine.restarts) == ("1.1", restarts, int(restarts))
    if not restarts:
        assert "waits for the restart: no backup was made since 3:00 (" in done.words[-1]
        backed_up(machine, NIGHT + HOUR / 2)
        machine.now = NIGHT + HOUR
        assert machine.look(if_due=True).restarts


def test_a_backup_of_the_same_day_serves_where_the_update_was_here_before_it(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority, deed=Deed.RESTART)
    machine.up = 1
    machine.look()
    machine.up, machine.now = 0, NIGHT + DAY
    backed_up(machine, NIGHT + HOUR / 2)
    assert machine.look(if_due=True).restarts
    machine.now = NIGHT + 2 * DAY
    assert not machine.look(if_due=True).restarts  # two nights later it is too old


def test_a_choice_of_backups_that_cannot_be_read_speaks_against_a_restart(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(self: Place) -> bool:
        raise BackupError("no")

    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority, deed=Deed.RESTART)
    monkeypatch.setattr(Place, "is_set_up", property(unreadable))
    assert "whether backups are set up cannot be read" in machine.look().words[-1]
    assert machine.restarts == 0


def test_a_download_that_outlasts_the_window_ends_in_no_restart(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.follows(shelf, authority, deed=Deed.RESTART)

    def slow(done: int, total: int) -> None:
        machine.now = NIGHT + 4 * HOUR

    assert machine.following.look(slow).installed == "1.1"
    assert machine.restarts == 0


def test_restarts_without_backups_are_warned_of(commands: Commands, machine: Machine) -> None:
    commands.state = machine.state
    chosen = commands.json("update", "follow", "https://updates.example/", "--restart")
    assert [each.partition(":")[0] for each in chosen["warnings"]] == ["no backup is set up"]
    assert "no backup is set up" in commands.run("update", "follow").output
    backed_up(machine, NIGHT)
    assert commands.json("update", "follow")["warnings"] == []
    place = Place(machine.state)
    place.choose(dataclasses.replace(place.options(), every_h=0))
    assert "made by hand alone" in commands.run("update", "follow").output
    assert commands.json("update", "follow", "--install")["warnings"] == []


def test_what_somebody_installed_by_hand_is_not_restarted_into(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "1.1")
    machine.has(next=True, version="1.1", trial="B")
    machine.follows(shelf, authority, deed=Deed.RESTART)
    assert machine.look().restarts is False
    assert machine.restarts == 0


@pytest.mark.parametrize(
    ("at", "length", "hours"), [(3, 3, {3, 4, 5}), (22, 4, {22, 23, 0, 1}), (0, 24, set(range(24))), (23, 1, {23})]
)
def test_the_window_may_go_over_midnight(at: int, length: int, hours: set[int]) -> None:
    options = Options("/srv", at_h=at, for_h=length)
    found = {hour for hour in range(24) if options.within(time.mktime((2026, 3, 4, hour, 59, 0, 0, 0, -1)))}
    assert found == hours


def test_one_look_a_day_is_due_and_an_hourly_one_where_it_broke_off() -> None:
    options = Options("/srv")
    assert is_due(options, Last(), NOON)
    assert not is_due(options, Last(looked_at=NIGHT), NOON)
    assert is_due(options, Last(looked_at=NIGHT, again=True), NOON)
    assert not is_due(options, Last(looked_at=NIGHT), NIGHT + 23 * 3600)
    assert is_due(options, Last(looked_at=NIGHT), NIGHT + 24 * 3600)
    assert is_due(options, Last(looked_at=NOON + 86_400 * 400), NOON)  # by a clock that went wrong


def test_a_look_that_is_not_due_asks_nobody(
    shelf: Shelf, machine: Machine, signed: Signed, authority: Authority
) -> None:
    lay(shelf, signed, "0.9")
    machine.follows(shelf, authority)
    assert machine.look(if_due=True).looked
    asked = len(shelf.asked)
    machine.now = NOON
    assert machine.look(if_due=True) == Outcome(looked=False)  # and says nothing: the journal has it each hour
    assert len(shelf.asked) == asked


def test_before_a_choice_while_another_runs_and_in_a_reset_nothing_is_looked_at(
    machine: Machine, tmp_path: Path
) -> None:
    with pytest.raises(FollowError, match="nothing is followed"):
        machine.look()
    machine.follows(str(tmp_path))
    with machine.room.alone(), pytest.raises(FollowError, match="looked for or installed now"):
        machine.look()
    reset.begin(machine.state, reset.Wanted())
    with pytest.raises(FollowError, match="a factory reset was begun"):
        machine.look()
    assert not reset.is_image(tmp_path)
    reset.finish(machine.state)
    assert list(machine.state.iterdir()) == []


def test_a_reset_waits_for_an_update_that_is_being_installed(
    tmp_path: Path, machine: Machine, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.cli.reset.ROOT", tmp_path)
    monkeypatch.setattr("appliance.cli.reset._stopped", lambda: False)  # no service of whoever runs this
    room = Room(commands.state)
    room.choose(Options("/srv"))
    with room.alone():
        result = commands.run("reset", "--yes")
    assert (result.exit_code, "looked for or installed now" in result.output) == (Exit.REFUSED, True), result.output
    assert room.options() == Options("/srv")
    assert commands.run("reset", "--yes").exit_code == Exit.OK
    assert room.options() is None


def test_a_slot_of_an_unknown_size_takes_nothing(tmp_path: Path) -> None:
    with pytest.raises(SlotError, match="there is no partition root-b"):
        Slots().room(tmp_path)
    assert layout.slot_name("B") == "root-b"


@pytest.mark.parametrize(
    "text",
    ["", "srv", "http://updates.example/", "https://", "https://u:p@updates.example/", "https://updates.example/?a",
     "https://updates.example/#a", "ftp://updates.example/", "https://updates.example:0/", "https://x:y/", "/a\nb",
     "file:///srv", "https://a b/", "/" + "x" * 1000],
)  # fmt: skip
def test_what_is_no_source_is_not_chosen(text: str) -> None:
    with pytest.raises(FollowError, match="is no source of updates"):
        check_source(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("source = ", "Invalid value"),
        ('source = "/srv"\nevery = 3', "there is no option 'every'"),
        ('source = "/srv"\nat_h = 24', "at_h is 24"),
        ('source = "/srv"\nfor_h = 0', "for_h is 0"),
        ('source = "/srv"\nat_h = true', "at_h is True"),
        ('source = "/srv"\ndeed = "reboot"', "deed one of tell, install, restart"),
        ('source = "/srv"\nauthority = "../x"', "is no file of an authority"),
        ("at_h = 3", "is no source"),
        ('source = "/srv"\nzone = "../x"', "is no time zone"),
        ('source = "/srv"\nzone = 3', "is no time zone"),
    ],
)
def test_a_file_of_options_that_is_wrong_says_what(text: str, words: str) -> None:
    with pytest.raises(FollowError, match=words):
        parsed(text)


def test_a_record_of_a_newer_version_keeps_what_was_tried() -> None:
    assert remembered('{"tried": ["1.1"], "later": 1}') == Last(tried=("1.1",))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tried": 3}', '{"tried": [], "x": 1}', "\0"])
def test_a_record_that_cannot_be_read_makes_a_look_due(text: str) -> None:
    assert remembered(text) == Last()


def test_commands_choose_look_show_and_end_it(
    shelf: Shelf, machine: Machine, signed: Signed, commands: Commands
) -> None:
    assert commands.json("update", "follow") == {"followed": None}
    assert commands.json("update", "status")["followed"] is None
    lay(shelf, signed, "1.1")
    chosen = commands.json("update", "follow", shelf.url, "--tell", "--at", "4", "--ca", str(commands.file))["followed"]
    assert (chosen["source"], chosen["deed"], chosen["at_h"], chosen["for_h"]) == (shelf.url, "tell", 4, 3)
    assert commands.json("update", "look")["found"] == "1.1"
    assert "version 1.1 is there" in commands.run("update", "status").output
    chosen = commands.json("update", "follow", "--restart", "--for", "1")["followed"]
    assert (chosen["deed"], chosen["at_h"], chosen["for_h"], chosen["last"]["found"]) == ("restart", 4, 1, "1.1")
    assert re.search(
        r"^restarts +from 4:00 to 5:00 \(\w+\), while no call is up$", commands.run("update", "follow").output, re.M
    )
    chosen = commands.json("update", "follow", "--install")["followed"]
    assert chosen["deed"] == "install"
    assert commands.json("update", "look")["installed"] == "1.1"
    assert commands.json("update", "status")["followed"]["last"]["installed"] == "1.1"
    other = commands.json("update", "follow", "https://updates.example/")["followed"]
    assert (other["authority"], other["last"]["looked_at"], other["last"]["tried"]) == ("", 0.0, ["1.1"])
    assert [path.name for path in (commands.state / "follow").glob("authority-*")] == []
    assert commands.json("update", "follow", "off") == {"followed": None}
    assert not (commands.state / "follow/options.toml").exists()
    assert "nothing is followed" in commands.run("update", "look").output


UNSEEN = (
    (["/root/updates"], "/root"), (["/home/anna"], "/home"), (["/tmp"], "/tmp"), (["/var/tmp/x"], "/var/tmp"),
    (["/srv/../root"], "/root"), (["/proc/self/root/root"], "/root"),
)  # fmt: skip


def test_words_that_are_taken_for_a_source_are_the_other_commands_and_hidden_places_the_units() -> None:
    assert sorted(follow.OTHERS) == sorted(set(update_words()) - {"follow"})
    unit = (Path(__file__).parents[2] / "image/files/etc/systemd/system/appliance-follow.service").read_text()
    assert "\nProtectHome=yes\n" in unit
    assert "\nPrivateTmp=yes\n" in unit


def update_words() -> list[str]:
    return [words.split()[1] for words in dict(BOOK.rows()) if words.startswith("update ")]


def test_the_hours_are_those_of_the_zone_through_its_changes_of_the_clock() -> None:
    def at(*words: int) -> float:
        return datetime.datetime(2026, *words, tzinfo=datetime.UTC).timestamp()

    berlin = Options("/srv", at_h=3, for_h=3, zone="Europe/Berlin")
    assert [hour for hour in range(24) if berlin.within(at(7, 1, hour))] == [1, 2, 3]
    assert [hour for hour in range(24) if berlin.within(at(1, 1, hour))] == [2, 3, 4]
    assert berlin.turn(at(7, 1, 12)) == at(7, 1, 1)
    assert berlin.turn(at(7, 1, 0)) == at(6, 30, 1)
    assert berlin.turn(at(3, 29, 12)) == at(3, 29, 1)  # the night on which 3:00 is an hour earlier
    assert berlin.turn(at(3, 29, 0)) == at(3, 28, 2)
    assert berlin.window == "from 3:00 to 6:00 (Europe/Berlin)"
    assert Options("/srv").window == f"from 3:00 to 6:00 ({time.strftime('%Z')})"


def test_the_zone_is_the_settings_of_when_it_was_chosen_and_another_one_is_warned_of(
    commands: Commands, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: dict[str, Any] = {"value": "Europe/Berlin"}
    monkeypatch.setattr(Link, "running_office", lambda self, verb, args=None: said if verb == "settings.get" else {})
    url = "https://updates.example/"
    assert commands.json("update", "follow", url)["followed"]["zone"] == "Europe/Berlin"
    assert re.search(
        r"^looked for +each day from 3:00 \(Europe/Berlin\)$", commands.run("update", "follow").output, re.M
    )
    said["value"] = "Asia/Tokyo"
    found = commands.json("update", "follow")
    assert found["followed"]["zone"] == "Europe/Berlin"
    assert ["the setting timezone is Asia/Tokyo" in each for each in found["warnings"]] == [True]
    for said["value"] in ("../x", 3, None):
        assert commands.json("update", "follow", "--at", "4")["followed"]["zone"] == "Europe/Berlin"
    said["value"] = "Asia/Tokyo"
    assert commands.json("update", "follow", "--at", "4")["followed"]["zone"] == "Asia/Tokyo"
    assert commands.json("update", "follow")["warnings"] == []


def test_a_window_of_a_whole_day_is_any_hour() -> None:
    assert Options("/srv", for_h=24).window == "at any hour"
    assert Options("/srv", at_h=22, for_h=4, zone="UTC").window == "from 22:00 to 2:00 (UTC)"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--tell"], Exit.REFUSED, "nothing is followed"),
        (["http://updates.example/"], Exit.REFUSED, "is no source of updates"),
        (["/nowhere"], Exit.REFUSED, "there is no directory /nowhere"),
        (["/", "--ca", "{ca}"], Exit.REFUSED, "a directory has no certificate"),
        (["https://updates.example/", "--ca", "/etc/hostname"], Exit.REFUSED, "this file holds no certificate"),
        (["https://updates.example/", "--at", "25"], Exit.REFUSED, "at_h is 25"),
        (["off", "--tell"], Exit.USAGE, "takes no options"),
        (["https://updates.example/", "--tell", "--restart"], Exit.USAGE, "one of --tell, --restart, not more of them"),
        (["status"], Exit.REFUSED, "'appliance update status'"),
        (["updates.example.com/pbx"], Exit.REFUSED, "https://updates.example.com/pbx"),
        (["updates"], Exit.REFUSED, "https://HOST/PATH/"),
        (["./updates"], Exit.REFUSED, "https://HOST/PATH/"),
        *((place, Exit.REFUSED, f"lies below {hides}, and") for place, hides in UNSEEN),
    ],
)
def test_a_choice_that_cannot_be_is_refused_with_words(
    commands: Commands, words: list[str], code: Exit, said: str
) -> None:
    result = commands.run("update", "follow", *[each.replace("{ca}", str(commands.file)) for each in words])
    assert (result.exit_code, said in result.output) == (code, True), result.output
    assert not (commands.state / "follow/options.toml").exists()


def test_a_machine_without_slots_follows_nothing(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    for words in (["follow", "/"], ["look"]):
        assert shell.run("update", *words).exit_code == Exit.NOT_RUNNING


def test_calls_are_counted_by_the_office_else_by_the_keeper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from appliance.cli.exits import Failure
    from appliance.cli.table import Session

    session, said = Session(tmp_path, tmp_path, None, json=False), dict[str, dict[str, Any]]()

    class Link:
        def running_office(self, verb: str) -> dict[str, Any]:
            return self._said("office")

        def keeper(self, verb: str) -> dict[str, Any]:
            return self._said("keeper")

        @staticmethod
        def _said(whom: str) -> dict[str, Any]:
            if whom not in said:
                raise Failure(Exit.NOT_RUNNING, "down")
            return said[whom]

    monkeypatch.setattr(Session, "link", lambda self: Link())
    assert follow._calls(session) is None
    said["keeper"] = {"sessions": 4}
    assert follow._calls(session) == 4
    said["office"] = {"calls": 1}
    assert follow._calls(session) == 1
    for wrong in ("x", None, -1, True, 1.5, 10**5000, [1]):
        said["office"] = {"calls": wrong}
        assert follow._calls(session) is None, wrong
    said["office"] = {}
    assert follow._calls(session) is None
