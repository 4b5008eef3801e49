"""What opens the state: the program's own functions, by the shell and the programs of this machine."""

import base64
import subprocess
from pathlib import Path

import pytest

from image import base

PROGRAM = base.CODE / "image/files/usr/local/lib/appliance/state"
FUNCTIONS, _, DEEDS = PROGRAM.read_text().partition('\nrm -rf "$work"\n')
NAME = "appliance.state-key"
RECOVERY = "enbdfhgb-fgvueevh-dekfbkbu-nitbhhln-iuilungl-eugkclbe-kfknhlig-etllktnn"
HEADER = b"\x0b\x05\x00\x00\x01"  # SMBIOS 3.7, 7.12: OEM strings
DEFINITIONS = base.CODE / "image/files/etc/repart.d"
HEARD = 'say() { echo "$*"; }\n'
REPART = '#!/bin/sh\necho "$@"\ncat "$STATE_WORK"/repart.d/*\nexit 9\n'  # shows what it was asked, and refuses


def sh(work: Path, words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    """These words after the program's functions; its places are below `work`."""
    about = {"STATE_WORK": str(work), "STATE_FIRMWARE": str(work / "firmware"), "STATE_DEFINITIONS": str(DEFINITIONS)}
    path = f"PATH={work}:/usr/sbin:/usr/bin:/sbin:/bin"
    command = ["sh", "-c", f"{FUNCTIONS}\n{path}\n{words}", "state", "/dev/none"]
    return subprocess.run(command, input=given, env=about, capture_output=True, text=True, check=False)


def smbios(work: Path, *strings: str, number: int = 0) -> None:
    place = work / f"firmware/dmi/entries/11-{number}/raw"
    place.parent.mkdir(parents=True)
    place.write_bytes(HEADER + b"".join(each.encode() + b"\0" for each in strings) + b"\0")


def test_a_key_is_taken_from_either_table_of_the_firmware(tmp_path: Path) -> None:
    assert DEEDS
    assert sh(tmp_path, "handed").stdout == ""
    smbios(tmp_path, f"io.systemd.credential:{NAME}2=no", "vendor words", "io.systemd.credential:other=no")
    assert sh(tmp_path, "handed").stdout == ""
    smbios(tmp_path, "words", f"io.systemd.credential:{NAME}=a key=of mine", number=1)
    assert sh(tmp_path, "handed").stdout == "a key=of mine\n"
    blob = tmp_path / f"firmware/qemu_fw_cfg/by_name/opt/io.systemd.credentials/{NAME}/raw"
    blob.parent.mkdir(parents=True)
    blob.write_text("another")
    assert sh(tmp_path, "handed").stdout == "another\n"


def test_a_key_may_come_as_base64(tmp_path: Path) -> None:
    smbios(tmp_path, f"io.systemd.credential.binary:{NAME}={base64.b64encode(b'from far').decode()}")
    assert sh(tmp_path, "handed").stdout == "from far\n"


@pytest.mark.parametrize(
    "typed", [RECOVERY, RECOVERY.upper(), RECOVERY.replace("-", ""), RECOVERY.replace("-", " ") + "  "]
)
def test_a_recovery_key_is_read_however_it_is_typed(tmp_path: Path, typed: str) -> None:
    done = sh(tmp_path, "normal", typed)
    assert (done.returncode, done.stdout) == (0, RECOVERY)


@pytest.mark.parametrize("typed", ["", "a key-of MINE", RECOVERY[:-1], RECOVERY + "c", RECOVERY.replace("e", "a")])
def test_what_is_no_recovery_key_is_left_as_it_is(tmp_path: Path, typed: str) -> None:
    done = sh(tmp_path, "normal", typed)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize(
    ("key", "tpm", "wanted"),
    [
        ("k" * 32, "/dev/null", "key-file"),
        ("k" * 32, "/nowhere", "key-file"),
        ("", "/dev/null", "tpm2"),
        ("", "/nowhere", "off"),
        ("none", "/dev/null", "off"),
    ],
)
def test_a_new_state_is_encrypted_to_the_key_that_was_handed_in_or_else_to_the_tpm(
    tmp_path: Path, key: str, tpm: str, wanted: str
) -> None:
    (tmp_path / "key").write_text(key)
    assert sh(tmp_path, f"tpm={tpm}\nwanted").stdout == f"{wanted}\n"  # /dev/null: a character device, as a TPM is


FAKES = {
    "chroot": "mkdir -p /run/appliance-state-work; printf /dev/none1 >/run/appliance-state-work/device; exit $STATE",
    "mount": 'echo "mount $*"; case " $* " in *" ext4 "*) exit $MOUNT ;; esac',
    "reboot": 'echo "reboot $*"; kill $PPID',
    **dict.fromkeys(("modprobe", "umount", "sleep"), "exit 0"),
}


@pytest.mark.parametrize(("state", "mount"), [(0, 0), (0, 32), (3, 0)])
def test_without_its_state_a_machine_does_not_start(tmp_path: Path, state: int, mount: int) -> None:
    root = tmp_path / "root"
    (root / "usr/lib/systemd").mkdir(parents=True)
    for name in ("proc", "sys", "dev"):
        (root / name).mkdir()
    (tmp_path / "cmdline").write_text("quiet rauc.slot=A\n")
    for path, words in {root / "usr/lib/systemd/systemd": "", **{tmp_path / n: w for n, w in FAKES.items()}}.items():
        path.write_text(f"#!/bin/sh\n{words}\n")
        path.chmod(0o755)
    script = base.CODE / "image/initramfs/state"
    words = (
        f"mount --bind {tmp_path}/cmdline /proc/cmdline && mount -t tmpfs run /run && PATH={tmp_path}:$PATH sh {script}"
    )
    about = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "STATE": str(state), "MOUNT": str(mount)}
    about |= {"ROOT": "/dev/none2", "rootmnt": str(root)}
    command = ["unshare", "--mount", "sh", "-c", words]
    done = subprocess.run(command, env=about, capture_output=True, text=True, check=False)
    goes_on = state == mount == 0
    assert (done.returncode == 0) is goes_on, done.stderr
    assert ("reboot -f" in done.stdout) is not goes_on
    assert ("mount -t overlay" in done.stdout) is goes_on and "tmpfs" not in done.stdout


def asked(work: Path, key: str, partition: str) -> "subprocess.CompletedProcess[str]":
    """What a start with this key, a TPM and this partition has repart do; it refuses, so that nothing more is done."""
    (work / "key").write_text(key)
    (work / "systemd-repart").write_text(REPART)
    (work / "systemd-repart").chmod(0o755)
    return sh(work, f"{HEARD}tpm=/dev/null\npartition={partition}\npartitioned")


@pytest.mark.parametrize("string", [f"io.systemd.credential:{NAME}=", f"io.systemd.credential.binary:{NAME}=",
                                    f"io.systemd.credential.binary:{NAME}=aGFsZiBvZiBhIGtleQ==%"])  # fmt: skip
def test_a_slip_in_the_key_that_was_handed_in_makes_no_plain_state(tmp_path: Path, string: str) -> None:
    smbios(tmp_path, string)
    (tmp_path / "systemd-repart").write_text(REPART)
    (tmp_path / "systemd-repart").chmod(0o755)
    done = sh(tmp_path, f"{HEARD}received; partition=\npartitioned")
    assert done.returncode == 1 and "is empty, or is no base64" in done.stdout
    assert not (tmp_path / "repart").exists() and (tmp_path / "key").read_bytes() == b""
    sh(tmp_path, f"{HEARD}received; partition=/dev/none1\npartitioned")  # which opens otherwise, or asks
    assert (tmp_path / "repart").exists()


def test_a_key_that_could_be_guessed_makes_no_state(tmp_path: Path) -> None:
    done = asked(tmp_path, "k" * 31, "")
    assert done.returncode == 1 and "shorter than 32 characters" in done.stdout
    assert not (tmp_path / "repart").exists()


@pytest.mark.parametrize(("key", "how"), [("k" * 32, "key-file"), ("", "tpm2"), ("none", "off")])
def test_a_new_state_is_made_as_wanted_and_one_that_is_there_is_only_grown(tmp_path: Path, key: str, how: str) -> None:
    fresh = asked(tmp_path, key, "")
    assert fresh.returncode == 1, fresh.stderr
    assert f"\nEncrypt={how}\n" in fresh.stdout
    assert ("--key-file=" in fresh.stdout) == (how == "key-file")
    assert ("--tpm2-pcrs=7" in fresh.stdout) == (how == "tpm2")
    asked(tmp_path, key, "/dev/none1")
    said = (tmp_path / "repart").read_text()
    assert "\nEncrypt=off\n" in said and "--key-file=" not in said and "tpm2" not in said
    assert "--definitions=" in said and said.rstrip().splitlines()[0].endswith(" /dev/none")
