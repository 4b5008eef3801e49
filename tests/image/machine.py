"""One booted image: qemu's command line, its life, and the questions that are asked from outside.

Emulated, because a guest with KVM is not to be had everywhere. The network is qemu's own, and its forwards are of this
process' loopback alone.
"""

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QEMU = "qemu-system-x86_64"
FIRMWARE = ("bios", "uefi", "secureboot")
USUAL = FIRMWARE[:2]  # what image-check boots unless it is told otherwise
OVMF = Path("/usr/share/OVMF")
# Secure Boot: with the keys of Microsoft, which signs Debian's shim.
VARIABLES = {"uefi": "OVMF_VARS_4M.fd", "secureboot": "OVMF_VARS_4M.ms.fd"}
MEMORY_MB = 1024
HTTPS, SIP, SSH = 18443, 15060, 10022
FORWARDS = (f"tcp:127.0.0.1:{HTTPS}-:8443", f"udp:127.0.0.1:{SIP}-:5060", f"tcp:127.0.0.1:{SSH}-:22")
SEED, NAME, SERVER, RAN = "seed.img", "handed", "192.0.2.53", "/etc/user-data-ran"
OPTIONS = (
    b"OPTIONS sip:appliance SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:15060;branch=z9hG4bKimage;rport\r\n"
    b"Max-Forwards: 70\r\nFrom: <sip:check@127.0.0.1>;tag=1\r\nTo: <sip:appliance>\r\nCall-ID: image-check\r\n"
    b"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
INSIDE = Path(__file__).with_name("inside.py")
UNIT = """[Unit]
Description=Looks around, for a test
After=appliance.service
[Service]
Type=exec
LoadCredential=image.inside
ExecStart=/usr/bin/python3 %d/image.inside
"""
WANTS = "[Unit]\nWants=image-inside.service\n"


def credentials(inside: Path = INSIDE) -> dict[str, bytes]:
    """What brings a program in and starts it: systemd-debug-generator(8)."""
    return {
        "image.inside": inside.read_bytes(),
        "systemd.extra-unit.image-inside.service": UNIT.encode(),
        "systemd.unit-dropin.multi-user.target": WANTS.encode(),
    }


FORWARDED = (
    "-netdev", f"user,id=net,{','.join(f'hostfwd={each}' for each in FORWARDS)}",
    "-device", "virtio-net-pci,netdev=net",
)  # fmt: skip


def command(
    disk: Path,
    firmware: str,
    place: Path,
    network: Sequence[str] = FORWARDED,
    told: Mapping[str, bytes] | None = None,
    typed: Path | None = None,
    tpm: Path | None = None,
) -> list[str]:
    """qemu's, for a machine whose lines and firmware variables lie in `place`. `told`: its system credentials; `typed`:
    a socket at which somebody types at its first line; `tpm`: the one on which a TPM answers."""
    line = ["-serial", f"file:{place / 'console'}"]
    if typed:
        line = ["-chardev", f"socket,id=line,path={typed},server=on,wait=off,logfile={place / 'console'}"]
        line += ["-serial", "chardev:line"]
    words = [
        QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg,tb-size=256",
        "-machine", "q35,smm=on" if firmware == "secureboot" else "q35",
        "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MB), "-device", "virtio-rng-pci",
        *line, "-serial", f"file:{place / 'said'}",
        "-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe", *network,
    ]  # fmt: skip
    if firmware in VARIABLES:
        code = OVMF / ("OVMF_CODE_4M.secboot.fd" if firmware == "secureboot" else "OVMF_CODE_4M.fd")
        words += ["-drive", f"if=pflash,format=raw,readonly=on,file={code}"]
        words += ["-drive", f"if=pflash,format=raw,file={place / 'vars'}"]
        words += ["-global", "driver=cfi.pflash01,property=secure,value=on"] if firmware == "secureboot" else []
    if tpm:
        words += ["-chardev", f"socket,id=tpm,path={tpm}", "-tpmdev", "emulator,id=tpm0,chardev=tpm"]
        words += ["-device", "tpm-tis,tpmdev=tpm0"]
    for name, content in (credentials() if told is None else told).items():
        value = base64.b64encode(content).decode()
        words += ["-smbios", f"type=11,value=io.systemd.credential.binary:{name}={value}"]
    if (place / SEED).exists():
        words += ["-drive", f"file={place / SEED},if=virtio,format=raw,readonly=on"]
    return words


def hand_in(place: Path, network: Mapping[str, Any] | None = None) -> None:
    """What a hypervisor may say, as NoCloud's disk: name, network (of eth0, as netplan has it), a key; and a program,
    which must not run."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "check", "-f", str(place / "key")], check=True)
    named = {"dhcp4": True, "nameservers": {"addresses": [SERVER]}}
    texts = {
        "meta-data": {
            "instance-id": "check-1", "local-hostname": NAME, "public-keys": [(place / "key.pub").read_text().strip()],
        },
        "network-config": {"version": 2, "ethernets": {"eth0": network or named}},
    }  # fmt: skip
    (place / "user-data").write_text(f"#cloud-config\nbootcmd: [[touch, {RAN}]]\nruncmd: [[touch, {RAN}]]\n")
    for name, content in texts.items():
        (place / name).write_text(json.dumps(content))  # which is YAML as well
    with (place / SEED).open("wb") as disk:
        disk.truncate(1 << 20)
    about = os.environ | {"MTOOLS_SKIP_CHECK": "1"}
    subprocess.run(["mkfs.vfat", "-n", "CIDATA", str(place / SEED)], check=True, stdout=subprocess.DEVNULL)
    for name in (*texts, "user-data"):
        subprocess.run(["mcopy", "-i", str(place / SEED), str(place / name), f"::/{name}"], env=about, check=True)


@dataclass(frozen=True, slots=True)
class Booted:
    """What came of one machine. Times are seconds since power on; -1: never. `said` is the text of its second line."""

    firmware: str
    https_s: float
    sip_s: float
    said_s: float
    ssh: str
    said: str
    console: str
    resident_bytes: int


def overlay(image: Path, firmware: str, size_mib: int, place: Path) -> Path:
    """A disk over the image, which stays as it is, and the firmware's variables."""
    disk = place / "disk.qcow2"
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image), str(disk), f"{size_mib}M"]
    subprocess.run(make, check=True)
    if firmware in VARIABLES:
        shutil.copyfile(OVMF / VARIABLES[firmware], place / "vars")
    return disk


def boot(image: Path, firmware: str, size_mib: int, place: Path, limit_s: float, handed: bool = False) -> Booted:
    """Boot an overlay of the image that is `size_mib` large, until it has said everything or the time is up. `handed`:
    the hypervisor says name, network and key."""
    disk = overlay(image, firmware, size_mib, place)
    if handed:
        hand_in(place)
    began = time.monotonic()
    with subprocess.Popen(command(disk, firmware, place), stdin=subprocess.DEVNULL) as guest:
        try:
            times = _watch(guest, place, began, limit_s)
            resident, greeting = _resident(guest.pid), ssh()
        finally:
            guest.kill()
    return Booted(firmware, *times, greeting, text(place / "said"), text(place / "console"), resident)


def _watch(guest: subprocess.Popen[bytes], place: Path, began: float, limit_s: float) -> tuple[float, float, float]:
    asks: dict[str, Callable[[], bool]] = {
        "https": https,
        "sip": sip,
        "said": lambda: "@end" in text(place / "said"),
    }
    at = dict.fromkeys(asks, -1.0)
    while min(at.values()) < 0 and guest.poll() is None and time.monotonic() - began < limit_s:
        for name, ask in asks.items():
            if at[name] < 0 and ask():
                at[name] = time.monotonic() - began
        time.sleep(0.2)
    return at["https"], at["sip"], at["said"]


def https() -> bool:
    """Whether /readyz says that calls can be taken."""
    context = ssl._create_unverified_context()  # the certificate is the machine's own
    try:
        with urllib.request.urlopen(f"https://127.0.0.1:{HTTPS}/readyz", context=context, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def ssh() -> str:
    """What SSH greets with; empty: nobody is let in."""
    try:
        with socket.create_connection(("127.0.0.1", SSH), timeout=20) as asking:
            return asking.recv(256).decode(errors="replace").strip()
    except OSError:
        return ""


def sip() -> bool:
    """Whether OPTIONS over UDP gets a 200."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(2.0)
        try:
            asking.connect(("127.0.0.1", SIP))
            asking.send(OPTIONS)
            return asking.recv(4096).startswith(b"SIP/2.0 200")
        except OSError:
            return False


def text(path: Path) -> str:
    """What a file says so far; empty before there is one."""
    return path.read_text(errors="replace") if path.exists() else ""


def _resident(pid: int) -> int:
    try:
        rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(row.split()[1]) * 1024 for row in rows if row.startswith("VmRSS")), 0)
