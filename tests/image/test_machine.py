"""The machine that a check boots: it reaches nobody, and what comes in comes in through its firmware's tables."""

import base64
import compileall
import re
import subprocess
from pathlib import Path

import pytest

from tests.image import inside, machine
from tests.image.__main__ import main


@pytest.mark.parametrize("firmware", machine.FIRMWARE)
def test_the_machines_ports_are_on_loopback_alone(firmware: str) -> None:
    words = machine.command(Path("disk"), firmware, Path("place"))
    (network,) = (word for word in words if word.startswith("user,"))
    forwards = re.findall(r"hostfwd=(\w+):([0-9.]+):", network)
    assert forwards == [("tcp", "127.0.0.1"), ("udp", "127.0.0.1"), ("tcp", "127.0.0.1")]
    assert "tcg,tb-size=256" in words
    assert ("pflash" in " ".join(words)) == (firmware != "bios")
    assert ("q35,smm=on" in words) == (firmware == "secureboot")


def test_what_looks_around_comes_in_whole_and_fits_the_firmwares_tables() -> None:
    words = machine.command(Path("disk"), "bios", Path("place"))
    values = [word.partition("binary:")[2] for word in words if word.startswith("type=11,")]
    brought = {name: base64.b64decode(value) for name, _, value in (each.partition("=") for each in values)}
    assert brought == machine.credentials()
    assert sum(map(len, values)) < 60_000  # SMBIOS 2.1: 64 KiB for the whole table


def test_what_looks_around_needs_nothing_but_python() -> None:
    assert compileall.compile_file(machine.INSIDE, quiet=2, force=True)
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", "import runpy, sys; runpy.run_path(sys.argv[1])", machine.INSIDE], check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["firmware=coreboot"], "'coreboot' is none of"),
        (["colour=red"], "'colour' is none of"),
        (["image=/nowhere/appliance.qcow2"], "there is no /nowhere/appliance.qcow2"),
    ],
)
def test_what_cannot_be_checked_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.image.__main__.shutil.which", lambda name: name)  # no matter what is installed here
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_databases_that_differ_in_their_log_alone_are_told_apart(tmp_path: Path) -> None:
    place = tmp_path / "appliance.db"
    place.write_bytes(bytes(4096))
    empty = inside._with_log(place)
    (tmp_path / "appliance.db-wal").write_bytes(b"a password")
    assert inside._with_log(place) == empty + b"a password"
