"""What runs inside a test machine: load the gate, say what the verifier made of it, run the tests that were wanted.

Speaks on standard output, which is the machine's serial line: lines for people, and JSON after report.MARK.
"""

import ctypes
import json
import platform
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from appliance import wire
from appliance.kernel import syscall
from appliance.kernel.gate import Gate
from tests.qemu.report import MARK

LEFT_OUT = "tests/bpf/test_scanners.py::test_a_library_of_programs_is_let_through"  # it wants compiled packages of PyPI
REPORT = Path("/tmp/report.xml")  # the machine's own memory
_PROG_FD_BY_ID, _NAME, _WALKED, _INFO_BYTES = 13, 64, 216, 228  # linux/bpf.h, struct bpf_prog_info


def say(**words: object) -> None:
    """One line for the host."""
    print(MARK + json.dumps(words), flush=True)


def main() -> None:
    """The whole run; a gate that is refused ends it."""
    from importlib.metadata import version

    try:
        bcc = version("bcc")
    except ModuleNotFoundError:
        bcc = "?"
    say(kernel=platform.release(), bcc=bcc)
    if load():
        run(json.loads((Path(__file__).parent / "wanted.json").read_text()))
    say(ended=True)


def load() -> bool:
    """Load the gate and say what it cost; False, with the verifier's last words, when it is refused."""
    before = syscall.program_ids()
    try:
        gate = Gate.load()
    except wire.WireError as error:
        say(failure=f"the gate was refused: {error}")
        return False
    say(programs=[cost(number) for number in sorted(syscall.program_ids() - before)])
    gate.close()
    return True


def cost(number: int) -> dict[str, object]:
    """A program's name and the instructions that the verifier walked (kernel 5.16)."""
    asked = struct.pack("=III", number, 0, 0)
    descriptor = syscall._call(_PROG_FD_BY_ID, ctypes.create_string_buffer(asked, len(asked)))
    about = syscall._info(descriptor, _INFO_BYTES)
    name = about[_NAME : _NAME + 16].partition(b"\0")[0].decode()
    return {"name": name, "walked": struct.unpack_from("=I", about, _WALKED)[0]}


def run(tests: list[str]) -> None:
    """pytest over what was wanted. Emulated time is slow time: a test may take many times its limit."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "timeout=600", f"--junitxml={REPORT}"]
    subprocess.run([*command, f"--deselect={LEFT_OUT}", *tests], check=False)
    if not REPORT.exists():
        say(failure="pytest wrote no report")
        return
    cases = list(ElementTree.parse(REPORT).getroot().iter("testcase"))
    bad = [case for case in cases if any(part.tag in ("failure", "error") for part in case)]
    for case in bad:
        say(failure=f"{case.get('classname')}::{case.get('name')}")
    say(passed=len(cases) - len(bad), failed=len(bad))


if __name__ == "__main__":
    main()
