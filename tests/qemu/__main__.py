"""`make test-kernels`: the gate under Debian's own kernels and compilers, in virtual machines without a network.

Each machine boots a kernel of a Debian release by emulation, compiles the gate with that release's bcc, loads it, and
runs the packet tables in it. What comes out is a table: kernel, bcc, programs, instructions that the verifier walked,
tests passed and failed. Arguments choose releases (bookworm, trixie); after `--`, what pytest is given in the guest.
Ends with 1 when a kernel refuses the gate or a test fails. Fetches packages once, and keeps them below .build.
"""

import sys

from tests.interrupt import INTERRUPTED, interruptible
from tests.qemu import machine, root
from tests.qemu.report import Outcome, table

TESTS = ("tests/bpf", "tests/kernel/test_paths.py", "tests/kernel/test_nft.py")


def main(arguments: list[str]) -> int:
    """Test the releases that are named, or all of them; returns the exit status."""
    releases, _, chosen = " ".join(arguments).partition("--")
    wanted = releases.split() or list(root.RELEASES)
    if unknown := [name for name in wanted if name not in root.RELEASES]:
        sys.stderr.write(f"no release {unknown[0]!r}: choose from {', '.join(root.RELEASES)}\n")
        return 2
    if missing := [*root.missing(), *machine.missing()]:
        sys.stderr.write(f"not installed: {', '.join(missing)} (appliance/setup.sh kernels)\n")
        return 2
    outcomes = [_one(release, tuple(chosen.split()) or TESTS) for release in wanted]
    print(table(outcomes), flush=True)
    return 0 if all(outcome.passed_all for outcome in outcomes) else 1


def _one(release: str, tests: tuple[str, ...]) -> Outcome:
    print(f"== {release}: files of the machine", flush=True)
    kernel, disk = root.provide(release, tests)
    print(f"== {release}: boots", flush=True)
    try:
        outcome = machine.run(release, kernel, disk)
    finally:
        disk.unlink()
    for failure in outcome.failures:
        print(f"== {release}: {failure}", flush=True)
    return outcome


if __name__ == "__main__":
    interruptible()
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("== interrupted", flush=True)
        sys.exit(INTERRUPTED)
