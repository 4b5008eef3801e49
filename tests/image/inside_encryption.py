"""Runs inside a machine whose state may be encrypted, early in its start and as root; says how the state lies on the
disk, as one JSON object on the second serial line, and powers the machine off.

It comes in as a credential, so it is one file of the standard library alone, for the image's own Python.
"""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

STATE, ESP = Path("/var/lib/appliance"), Path("/boot/efi")
PLANTED = "planted-here-to-be-looked-for-from-outside"  # what the disk is searched for
AUDITED = STATE / "audited"
CHECK = "system.state_encrypted"


def out(*command: str) -> str:
    """What a program prints, its complaints as well; empty when it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"! {error}"
    return (done.stdout + done.stderr).strip()


def told(path: Path) -> str:
    """A file's text; empty when there is none."""
    return path.read_text() if path.exists() else ""


def audited() -> dict[str, Any]:
    """The audit's row about the state; asked once on a disk, because it takes long where a machine is emulated."""
    if AUDITED.exists():
        return {}
    AUDITED.touch()
    said = out("appliance", "audit", "--json")
    rows = json.loads(said).get("findings", []) if said.startswith("{") else []
    return next((row for row in rows if row["name"] == CHECK), {})


def look() -> dict[str, Any]:
    """Everything. What was planted at an earlier start is said before it is planted."""
    partition = out("findfs", "PARTLABEL=state")
    found: dict[str, Any] = {
        "was_planted": told(STATE / "planted") == PLANTED,
        "ready_s": time.clock_gettime(time.CLOCK_BOOTTIME),
        "kind": out("blkid", "-p", "-s", "TYPE", "-o", "value", partition),
        "source": out("findmnt", "-n", "-o", "SOURCE", str(STATE)),
        "bytes": int(out("findmnt", "-n", "-b", "-o", "SIZE", str(STATE)) or 0),
        "slots": [line.split()[-1] for line in out("systemd-cryptenroll", partition).splitlines()[1:] if line.split()],
        "header": out("cryptsetup", "luksDump", partition),
        "recovery": told(Path("/run/appliance-console/recovery")),
        "failed": out("systemctl", "--failed", "--plain", "--no-legend").splitlines(),
        "growfs": out("systemctl", "show", "-P", "Result", "systemd-growfs@var-lib-appliance.service"),
        "audit": audited(),
    }
    key = found["recovery"].splitlines()[-1:]
    found["in_journal"] = bool(key) and key[0] in out("journalctl", "-b", "-o", "cat")
    for place in (STATE, ESP):
        if place.is_mount():
            (place / "planted").write_text(PLANTED)
    out("sync")
    return found


if __name__ == "__main__":
    try:
        answer = look()
    except Exception as error:  # said to whoever waits for an answer
        answer = {"fault": f"{type(error).__name__}: {error}"}
    with open("/dev/ttyS1", "w") as line:
        line.write("\n@state " + json.dumps(answer) + "\n@end\n")
    out("systemctl", "--force", "poweroff")  # does not wait for an appliance that is just starting
