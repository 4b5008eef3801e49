"""Runs inside a booted image at each of its starts, as root, and leads it through its updates; see updates.py.

Which start it is, it keeps with the machine's state, so it also finds out whether that outlives the slots. What it
finds it says on the second serial line. One file of the standard library alone, for the image's own Python.
"""

import hashlib
import json
import subprocess
import time
from pathlib import Path
from typing import Any

STEP = Path("/var/lib/appliance/check-step")
UPDATES, BROKEN = Path("/run/check-updates"), Path("/run/check-broken")
COUNTERS = "/boot/efi/grub/grubenv"
CONFIRMED_S, INSTALL_S = 1200.0, 1500.0
NAME = "kept-by-the-state"
KEPT = ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/hostname", "/var/lib/appliance/office/password")
READ_ONLY = ("/check", "/usr/check", "/opt/appliance/check", "/boot/check")
WRITTEN = ("/etc/check", "/var/check", "/tmp/check", "/run/check")


def run(*command: str) -> dict[str, Any]:
    """What a program says, and its exit status."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        return {"exit": -1, "said": f"{command[0]}: not within {INSTALL_S:.0f} s"}
    return {"exit": done.returncode, "said": (done.stdout + done.stderr)[-1500:]}


def update(*words: str) -> dict[str, Any]:
    """`appliance update`, with what it says read where it can be."""
    told = run("appliance", "update", *words, "--json")
    try:
        return told | {"told": json.loads(told["said"])}
    except ValueError:
        return told


def ready() -> bool:
    """Whether office and keeper answered before the time was up."""
    until = time.monotonic() + CONFIRMED_S
    while time.monotonic() < until:
        if run("appliance", "status")["exit"] == 0:
            return True
        time.sleep(2)
    return False


def confirmed() -> dict[str, Any]:
    """The state of the slots once no trial is left, or when the time was up."""
    until = time.monotonic() + CONFIRMED_S
    while (found := update("status")).get("told", {"trial": "?"})["trial"] and time.monotonic() < until:
        time.sleep(5)
    return found


def kept() -> dict[str, str]:
    """Digests of what must be the same whichever slot runs."""
    return {each: hashlib.sha256(Path(each).read_bytes()).hexdigest() for each in KEPT if Path(each).exists()}


def writable(places: tuple[str, ...]) -> list[str]:
    """Those where something could be written."""
    found = []
    for each in places:
        try:
            Path(each).write_text("x")
            Path(each).unlink()
            found.append(each)
        except OSError:
            pass
    return found


def mounted() -> None:
    """The disk with the updates."""
    UPDATES.mkdir(exist_ok=True)
    run("mount", "-o", "ro", "/dev/disk/by-label/updates", str(UPDATES))


def broken(*commands: tuple[str, ...]) -> list[dict[str, Any]]:
    """Spoil slot A, which does not run, by these commands in it."""
    BROKEN.mkdir(exist_ok=True)
    done = [run("mount", "/dev/disk/by-partlabel/root-a", str(BROKEN))]
    done += [run(*each) for each in commands]
    return [*done, run("umount", str(BROKEN))]


def tried(times: int) -> None:
    """Have slot A started next, as an update that was tried so often: to write one takes long."""
    run("rauc", "status", "mark-active", "other")
    run("grub-editenv", COUNTERS, "set", "TRIAL=A", f"A_TRY={times}")


def first() -> dict[str, Any]:
    """In slot A, as delivered: refuse what others signed, take what is ours."""
    came = ready()
    run("hostnamectl", "hostname", NAME)
    mounted()
    return {
        "ready": came,
        "written": writable(READ_ONLY),
        "could": writable(WRITTEN),
        "status": update("status"),
        "back": update("rollback"),
        "foreign": update("install", str(UPDATES / "foreign.raucb")),
        "install": update("install", str(UPDATES / "update.raucb")),
    }


def second() -> dict[str, Any]:
    """In slot B, on trial, which confirms itself; then back and forth by command, and A is spoilt: it cannot start."""
    found = {"at_first": update("status"), "ready": ready(), "confirmed": confirmed(), "written": writable(READ_ONLY)}
    found |= {"back": update("rollback"), "back_again": update("rollback")}
    found["spoilt"] = broken(("mv", f"{BROKEN}/usr/lib/systemd/systemd", f"{BROKEN}/usr/lib/systemd/off"))
    tried(1)
    return found


def third() -> dict[str, Any]:
    """In slot B again, because A never came up; A is mended so far that it starts, does not work, and has one try."""
    found = {"status": update("status"), "back": update("rollback"), "ready": ready()}
    limit = f"{BROKEN}/etc/systemd/system/appliance-trial.service"
    found["spoilt"] = broken(
        ("mv", f"{BROKEN}/usr/lib/systemd/off", f"{BROKEN}/usr/lib/systemd/systemd"),
        ("mv", f"{BROKEN}/opt/appliance/pysrv/__main__.py", f"{BROKEN}/opt/appliance/pysrv/off.py"),
        ("sed", "-i", "s/-m appliance.trial$/& --limit-s 60/", limit),
    )
    tried(2)
    return found


def fourth() -> dict[str, Any]:
    """In slot B for good, because A was not healthy."""
    said = run("journalctl", "-b", "-1", "-u", "appliance-trial", "-o", "cat")
    return {"status": update("status"), "ready": ready(), "why": said["said"]}


STEPS = (first, second, third, fourth)


def main() -> None:
    """This start's step, said; then a restart, until the last."""
    number = int(STEP.read_text()) if STEP.exists() else 0
    slot = next((word for word in Path("/proc/cmdline").read_text().split() if word.startswith("rauc.slot=")), "")
    if number == 3 and slot.endswith("A"):  # the spoilt one, which is to end by itself
        return
    try:
        found = STEPS[number]()
    except Exception as error:  # said to whoever waits for an answer
        found = {"fault": f"{type(error).__name__}: {error}"}
    told = {"slot": slot.removeprefix("rauc.slot="), "kept": kept(), **found}
    STEP.write_text(str(number + 1))
    last = "fault" in found or number + 1 == len(STEPS)
    with open("/dev/ttyS1", "w") as line:
        line.write(f"\n@step {number} {json.dumps(told)}\n" + ("@end\n" if last else ""))
    if not last:
        run("systemctl", "--no-block", "reboot")


if __name__ == "__main__":
    main()
