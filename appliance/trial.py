"""python -m appliance.trial [--limit-s N]: watch over a start of a slot on trial, and confirm it or start anew.

Healthy is who answers /readyz with 200 (store, SIP sockets and keeper work: pysrv/service/health.py) and a SIP OPTIONS
over UDP, LOOKS times in a row. Whoever is not within the limit restarts the machine: GRUB counts, and goes back to the
other slot when the tries are used up. The unit runs from early on, so a start that hangs ends too.
"""

import argparse
import os
import re
import socket
import ssl
import sys
import time
import urllib.request
from pathlib import Path
from typing import Final

from appliance.config.options import DEFAULT_RUNTIME, OPTIONS_VARIABLE, BadOption, RunOptions
from appliance.slots import SlotError, Slots, run
from appliance.unit import ENVIRONMENT

LIMIT_S: Final = 900.0  # a first start on a slow machine
LOOKS: Final = 3
LOOK_S: Final = 10.0  # between two
ANSWER_S: Final = 5.0
OPTIONS: Final = (
    "OPTIONS sip:{host} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n"
    "From: <sip:trial@{host}>;tag={branch}\r\nTo: <sip:{host}>\r\nCall-ID: {branch}@trial\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


def options(environment: Path) -> RunOptions | None:
    """How the office was started; None before it was. It is the keeper's own word (appliance/unit.py)."""
    try:
        rows = dict(line.partition("=")[::2] for line in environment.read_text().splitlines())
        return RunOptions.from_json(re.sub(r"\\(.)", r"\1", rows.get(OPTIONS_VARIABLE, "")[1:-1]))
    except (OSError, BadOption):
        return None


def ready(address: str, port: int) -> bool:
    """Whether /readyz says that calls can be taken."""
    context = ssl._create_unverified_context()  # noqa: S323 - this machine asks itself
    host = f"[{address}]" if ":" in address else address
    try:
        with urllib.request.urlopen(f"https://{host}:{port}/readyz", context=context, timeout=ANSWER_S) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def answers(address: str, port: int) -> bool:
    """Whether SIP over UDP answers an OPTIONS with 200."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    host = f"[{address}]" if ":" in address else address
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(ANSWER_S)
        try:
            asking.connect((address, port))
            own = f"{host}:{asking.getsockname()[1]}"
            asking.send(OPTIONS.format(host=host, own=own, branch=os.urandom(8).hex()).encode())
            return asking.recv(4096).startswith(b"SIP/2.0 200")
        except OSError:
            return False


def healthy(environment: Path) -> bool:
    """Whether the appliance does its work, at the first address that it serves."""
    started = options(environment)
    if started is None or not started.listen:
        return False
    return ready(started.listen[0], started.https_port) and answers(started.listen[0], started.sip_port)


def watch(environment: Path, limit_s: float) -> bool:
    """Whether it was healthy LOOKS times in a row before the limit."""
    until, seen = time.monotonic() + limit_s, 0
    while seen < LOOKS and time.monotonic() < until:
        seen = seen + 1 if healthy(environment) else 0
        time.sleep(LOOK_S)
    return seen >= LOOKS


def main(arguments: list[str]) -> int:
    """Confirm, or restart the machine; returns the exit status."""
    reader = argparse.ArgumentParser(prog="appliance.trial", description="Watch over a slot on trial.")
    reader.add_argument("--limit-s", type=float, default=LIMIT_S, help="seconds until the machine starts anew")
    given = reader.parse_args(arguments)
    try:
        if watch(Path(DEFAULT_RUNTIME, ENVIRONMENT), given.limit_s):
            found = Slots().confirm()
            print(f"slot {found.running.name} is confirmed: version {found.running.version}", flush=True)
            return 0
        print(f"not healthy within {given.limit_s:.0f} s: the machine starts anew", flush=True)
    except SlotError as error:
        print(f"cannot be confirmed, so the machine starts anew: {error}", flush=True)
    run(["systemctl", "--no-block", "reboot"])
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
