"""A state that is encrypted, on two machines: one with a TPM, whose disk then comes to another one's TPM, and one with
a key that the hypervisor hands in and then keeps to itself. What is done in them is inside_encryption.py's; here they
are booted, typed at, and judged, and the first one's disk is searched from outside."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from image.layout import MIB
from tests.image import inside_encryption, machine
from tests.image.judge import Check

SWTPM: Final = "swtpm"
CHIP_S = 10.0  # until swtpm has its socket
LIMIT_S: Final = 900.0
SIZES_MIB: Final = (4096, 5120)  # before and after the disk was made larger
INSIDE: Final = Path(inside_encryption.__file__)
MARK: Final = "@state "
KEY_CREDENTIAL: Final = "appliance.state-key"
KEY: Final = "0123456789abcdef0123456789abcdef-of-a-test"
WRONG: Final = "this opens nothing"
PROMPT: Final = "(press TAB for no echo)"  # systemd-ask-password's
ASKS, REFUSES, OPENED = "typed here.", "that does not open it.", "from the next start on this machine's TPM opens it"
RECOVERY: Final = re.compile(r"[cbdefghijklnrtuv]{8}(?:-[cbdefghijklnrtuv]{8}){7}")
PIECE_BYTES: Final = 16 * MIB
UNIT: Final = machine.UNIT.replace(
    "After=appliance.service",
    "After=local-fs.target systemd-growfs@var-lib-appliance.service appliance-console.service",
)


@dataclass(slots=True)
class Start:
    """One start: what the machine said (empty: nothing), its console, and its seconds."""

    told: dict[str, Any]
    console: str
    took_s: float


@dataclass(slots=True)
class Found:
    """All that came of both machines. `places` are bytes of the disk's table, `planted` where the text was found."""

    starts: list[Start] = field(default_factory=list)
    state: tuple[int, int] = (0, 0)
    magic: bytes = b""
    planted: list[int] = field(default_factory=list)


@contextmanager
def tpm(state: Path) -> Iterator[Path]:
    """A TPM 2 that keeps its secrets in `state`, for one start; the socket on which qemu speaks with it."""
    state.mkdir(exist_ok=True)
    place = state / "socket"
    place.unlink(missing_ok=True)
    words = [SWTPM, "socket", "--tpm2", "--tpmstate", f"dir={state}", "--ctrl", f"type=unixio,path={place}"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as chip:
        try:
            until = time.monotonic() + CHIP_S
            while not place.exists() and chip.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            yield place
        finally:
            chip.terminate()


def _credentials(key: str) -> dict[str, bytes]:
    told = machine.credentials(INSIDE) | {"systemd.extra-unit.image-inside.service": UNIT.encode()}
    return told | ({KEY_CREDENTIAL: key.encode()} if key else {})


class Keyboard:
    """Answers the console's questions, one after the other, and reads what it shows: a line that nobody reads stops."""

    def __init__(self, place: Path, answers: Sequence[str]) -> None:
        self._place, self._answers, self._line = place, list(answers), socket.socket(socket.AF_UNIX)
        self._shown, self._seen = b"", False
        self.at_a_loss = False  # a question came, and there is no answer left

    def turn(self) -> None:
        """Read, and answer a question that is new."""
        if not self._seen:
            try:
                self._line.connect(str(self._place))
            except OSError:
                return
            self._seen = True
        try:
            self._shown += self._line.recv(65536, socket.MSG_DONTWAIT)
        except OSError:
            return
        if PROMPT.encode() in self._shown:
            self._shown = b""
            self.at_a_loss = not self._answers
            if self._answers:
                self._line.sendall(self._answers.pop(0).encode() + b"\r")

    def close(self) -> None:
        """Let go."""
        self._line.close()


def _start(disk: Path, firmware: str, place: Path, chip: Path | None, key: str, answers: Sequence[str]) -> Start:
    for name in ("said", "console", "keyboard"):
        (place / name).unlink(missing_ok=True)
    words = machine.command(
        disk, firmware, place, network=(), told=_credentials(key), typed=place / "keyboard", tpm=chip
    )
    keyboard, began = Keyboard(place / "keyboard", answers), time.monotonic()
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as guest:
        try:
            while guest.poll() is None and not keyboard.at_a_loss and time.monotonic() - began < LIMIT_S:
                keyboard.turn()
                time.sleep(0.1)
        finally:
            guest.kill()
            keyboard.close()
    return Start(heard(machine.text(place / "said")), machine.text(place / "console"), time.monotonic() - began)


def heard(said: str) -> dict[str, Any]:
    """What the machine said; empty when it said nothing."""
    lines = [line.removeprefix(MARK) for line in said.splitlines() if line.startswith(MARK)]
    return dict(json.loads(lines[-1])) if lines else {}


def run(image: Path, firmware: str, place: Path) -> Found:
    """Both machines' starts; the disk is searched after the first one's last."""
    found = Found()
    first, second = place / "first", place / "second"
    for each in (first, second):
        each.mkdir()
    disk = machine.overlay(image, firmware, SIZES_MIB[0], first)

    def start(chip: str, *answers: str) -> None:
        with tpm(place / chip) as line:
            found.starts.append(_start(disk, firmware, first, line, "", answers))
        print(f"   start {len(found.starts)} of 6 took {found.starts[-1].took_s:.0f} s", flush=True)

    start("one")
    subprocess.run(["qemu-img", "resize", "-q", str(disk), f"{SIZES_MIB[1]}M"], check=True)
    start("one")
    key = RECOVERY.search(str(found.starts[0].told.get("recovery", "")))
    start("other", WRONG, key[0].upper().replace("-", "") if key else WRONG)
    start("other")
    _search(disk, place / "raw", found)
    disk = machine.overlay(image, firmware, SIZES_MIB[0], second)
    for handed, answers in ((KEY, ()), ("", (KEY,))):
        found.starts.append(_start(disk, firmware, second, None, handed, answers))
        print(f"   start {len(found.starts)} of 6 took {found.starts[-1].took_s:.0f} s", flush=True)
    return found


def _search(disk: Path, raw: Path, found: Found) -> None:
    """Where the planted text stands on the disk, for whoever has the disk alone."""
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(disk), str(raw)], check=True)
    table = subprocess.run(["sfdisk", "-J", str(raw)], capture_output=True, text=True, check=True).stdout
    for row in json.loads(table)["partitiontable"]["partitions"]:
        if row.get("name") == "state":
            found.state = (row["start"] * 512, (row["start"] + row["size"]) * 512)
    wanted, at, kept = inside_encryption.PLANTED.encode(), 0, b""
    with raw.open("rb") as file:
        file.seek(found.state[0])
        found.magic = file.read(6)
        file.seek(0)
        while piece := file.read(PIECE_BYTES):
            held = kept + piece
            found.planted += [at - len(kept) + each.start() for each in re.finditer(re.escape(wanted), held)]
            at, kept = at + len(piece), held[-(len(wanted) - 1) :]
    raw.unlink()


def judge(found: Found) -> Iterable[Check]:
    """All checks of both machines."""
    told = [start.told for start in found.starts]
    fault = next((str(each.get("fault", "it said nothing")) for each in told if not each or "fault" in each), "")
    if fault or len(told) < 6:
        last = found.starts[len(told) - 1].console[-600:] if told else ""
        yield Check("every start gets to its state", False, f"{fault} {[bool(each) for each in told]} {last}")
        return
    yield from _made(found)
    yield from _opened(found)
    begin, end = found.state
    inner = [each for each in found.planted if begin <= each < end]
    yield Check("on the disk there is LUKS where the state is", found.magic == b"LUKS\xba\xbe", str(found.magic))
    yield Check("what is not encrypted is found on it", len(found.planted) > len(inner), f"{len(found.planted)} times")
    yield Check("what is in the state is not", begin > 0 and not inner, str(inner))


def _made(found: Found) -> Iterable[Check]:
    first, handed = found.starts[0], found.starts[4].told
    told, header = first.told, first.told["header"]
    lies = told["kind"] == "crypto_LUKS" and told["source"] == "/dev/mapper/state"
    yield Check("with a TPM the state is encrypted", lies, f"{told['kind']} {told['source']}")
    yield Check(
        "the TPM opens it, and a recovery key", sorted(told["slots"]) == ["recovery", "tpm2"], str(told["slots"])
    )
    sealed = re.search(r"tpm2-hash-pcrs: +7\n", header) is not None
    yield Check("sealed to PCR 7 alone", sealed, "")
    key = RECOVERY.search(told["recovery"])
    shown = key is not None and first.console.count(key[0]) == 1
    yield Check("the console shows the recovery key", shown, "" if key else "there is none")
    yield Check("the journal does not", not told["in_journal"], "")
    grade = told["audit"].get("grade")
    yield Check("the audit is content with it", grade == "pass", str(told["audit"].get("value")))
    kinds = [re.findall(r"PBKDF: +(\S+)", each["header"]) for each in (told, handed)]
    quick = all(each and set(each) == {"pbkdf2"} for each in kinds)
    yield Check("no key takes time to derive", quick, str(kinds))
    yield Check(
        "with a key and no TPM it is encrypted to the key", handed["slots"] == ["password"], str(handed["slots"])
    )


def _opened(found: Found) -> Iterable[Check]:
    told = [start.told for start in found.starts]
    asked = [ASKS in start.console for start in found.starts]
    yield Check("only another TPM and no key are asked", asked == [False, False, True, False, False, True], str(asked))
    kept = [each["was_planted"] for each in told]
    yield Check("and the state stays the same", kept == [False, True, True, True, False, True], str(kept))
    third = found.starts[2].console
    yield Check("what opens nothing is refused", third.count(REFUSES) == 1, f"{third.count(REFUSES)} times")
    yield Check("the recovery key opens it, and seals it anew", OPENED in third, "")
    again = [each["recovery"] for each in told[1:]]
    yield Check("the recovery key is shown once", not any(again), "")
    grown = told[1]["bytes"] - told[0]["bytes"]
    yield Check("it grows with the disk", grown > (SIZES_MIB[1] - SIZES_MIB[0]) * MIB * 0.9, f"{grown // MIB} MiB")
    failed = [line for each in told for line in each["failed"]]
    yield Check("no unit failed", not failed, ", ".join(failed))
