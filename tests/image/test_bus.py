"""Who may talk to RAUC over the bus, asked of a real dbus-daemon with Debian's policy and the image's after it."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

OURS = Path(__file__).resolve().parents[2] / "image/files/etc/dbus-1/system.d/zz-appliance-rauc.conf"
NAME = "de.pengutronix.rauc"
# What rauc-service installs below /usr/share/dbus-1/system.d.
DEBIANS = f"""<busconfig><policy context="default"><allow send_destination="{NAME}"/></policy>
<policy user="root"><allow own="{NAME}"/></policy></busconfig>"""
# As in /usr/share/dbus-1/system.conf: calls are let through nowhere but where a file says so.
WHOLE = """<busconfig><type>system</type><listen>unix:path={place}/bus</listen><servicedir>{place}</servicedir>
<policy context="default"><allow user="*"/><deny send_type="method_call"/><allow send_type="signal"/>
<allow send_destination="org.freedesktop.DBus"/><allow receive_type="method_call"/>
<allow receive_type="method_return"/><allow receive_type="error"/></policy>
<include>{place}/debians.conf</include>{ours}</busconfig>"""
CALL = ("call", NAME, "/", f"{NAME}.Installer", "Mark", "ss", "active", "other")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user can look into."""
    with tempfile.TemporaryDirectory(prefix="bus-") as made:
        place = Path(made)
        place.chmod(0o755)
        (place / "debians.conf").write_text(DEBIANS)
        (place / f"{NAME}.service").write_text(f"[D-BUS Service]\nName={NAME}\nExec=/bin/false\nUser=root\n")
        yield place


@pytest.fixture(params=["with ours", "without"])
def bus(request: pytest.FixtureRequest, place: Path) -> Iterator[tuple[str, str]]:
    """Which policy, and the bus's address."""
    ours = f"<include>{OURS}</include>" if request.param == "with ours" else ""
    (place / "bus.conf").write_text(WHOLE.format(place=place, ours=ours))
    command = ["dbus-daemon", f"--config-file={place}/bus.conf", "--nofork", "--nopidfile", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as daemon:
        assert daemon.stdout is not None
        address = daemon.stdout.readline().strip()
        assert address
        (place / "bus").chmod(0o666)
        yield request.param, address
        daemon.terminate()


def refused(address: str, *before: str) -> bool:
    """Whether the bus lets nothing through: of what it lets through, nobody is there to answer."""
    command = [*before, "busctl", f"--address={address}", *CALL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode
    return "denied" in done.stderr.lower() or "rejected" in done.stderr.lower()


def test_root_alone_may_install_and_choose_slots(bus: tuple[str, str]) -> None:
    policy, address = bus
    assert not refused(address)
    assert refused(address, "setpriv", "--reuid=65534", "--clear-groups") == (policy == "with ours")
