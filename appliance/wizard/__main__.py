"""python -m appliance.wizard          the set-up, at this terminal
python -m appliance.wizard keys     take an operator's keys out of the machine's metadata, and open SSH to them
"""

import argparse
import contextlib
import os
import select
import signal
import sys
from pathlib import Path

from appliance.wizard.machine import Machine, MachineError
from appliance.wizard.menu import Menu

LOOK_S = 2.0


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    reader = argparse.ArgumentParser(prog="appliance.wizard", description="The machine's set-up.")
    reader.add_argument("what", nargs="?", choices=("menu", "keys"), default="menu")
    reader.add_argument("--root", type=Path, default=Path("/"), help="where the system's files lie")
    reader.add_argument("--interface", default="eth0", help="the interface whose address is set")
    given = reader.parse_args(arguments)
    machine = Machine(given.root, given.interface)
    return keys(machine) if given.what == "keys" else menu(machine)


def typed() -> bool:
    """Whether somebody typed a line, or went, within LOOK_S."""
    return bool(select.select([sys.stdin], [], [], LOOK_S)[0])


def menu(machine: Machine) -> int:
    """Until the terminal is gone. Interrupts are nobody's here."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(EOFError, OSError):
        Menu(machine, input, lambda text: print(text, flush=True), typed).run()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what could not be said any more
    return 0


def keys(machine: Machine) -> int:
    """Open SSH to the keys that were handed in, unless somebody decided about SSH here already."""
    try:
        good, bad = machine.offered_keys()
        for why in bad:
            print(f"a key of the metadata is not taken: {why}", file=sys.stderr)
        if good and not machine.decided():
            machine.open_ssh(good)
            print(f"SSH is open to {len(good)} key(s) of the metadata", file=sys.stderr)
    except MachineError as error:
        print(f"keys: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
