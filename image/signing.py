"""Who made an image: a signature of SHA256SUMS by an SSH key, made and verified by OpenSSH's own ssh-keygen.

SSHSIG (OpenSSH: PROTOCOL.sshsig). The signature is bound to NAMESPACE, so that nobody can pass off another thing that
the same key has signed. Whoever verifies needs OpenSSH 8.1 or newer, and the file of signers from somewhere else than
the image.
"""

import hmac
import shutil
import subprocess
from pathlib import Path
from typing import Final

from image.formats import SUMS, digest
from image.progress import BuildError

NAMESPACE: Final = "appliance-image"
WHO: Final = "appliance"
SIGNATURE, SIGNERS = f"{SUMS}.sig", "signers"


class Unverified(Exception):
    """Something is not what was signed; the message says what, and what to do."""


def own_key(place: Path) -> Path:
    """The key of this tree's builds, made when there is none: readable by its owner alone, without a passphrase."""
    path = place / "signing_key"
    if not path.exists():
        place.mkdir(parents=True, exist_ok=True)
        _keygen("-q", "-t", "ed25519", "-N", "", "-C", NAMESPACE, "-f", str(path))
    return path


def sign(directory: Path, key: Path) -> str:
    """Write SHA256SUMS.sig and the file of signers; returns the key's fingerprint. `key` may be a public key whose
    private half an agent has. Raises BuildError."""
    if not key.is_file():
        raise BuildError(f"signing_key={key}: there is no such file; ssh-keygen -t ed25519 -f {key} makes one")
    said = _keygen("-Y", "sign", "-f", str(key), "-n", NAMESPACE, given=(directory / SUMS).read_bytes())
    (directory / SIGNATURE).write_bytes(said)
    (directory / SIGNERS).write_text(signers(_public(key)))
    return fingerprint(directory / SIGNERS)


def _public(key: Path) -> str:
    beside = key if key.suffix == ".pub" else key.with_name(f"{key.name}.pub")
    return beside.read_text() if beside.is_file() else _keygen("-y", "-f", str(key)).decode()


def signers(public: str) -> str:
    """ssh-keygen(1), ALLOWED SIGNERS: one line, good for NAMESPACE alone."""
    kind, key = public.split()[:2]
    return f'{WHO} namespaces="{NAMESPACE}" {kind} {key}\n'


def fingerprint(known: Path) -> str:
    """SHA256:... of the first key of a file of signers. Raises BuildError."""
    lines = [line.split() for line in known.read_text().splitlines() if line.strip() and not line.startswith("#")]
    if not lines or len(lines[0]) < 3:
        raise BuildError(f"{known} names no signer")
    told = _keygen("-l", "-f", "-", given=" ".join(lines[0][-2:]).encode())
    return told.decode().split()[1]


def verify(directory: Path, known: Path) -> list[str]:
    """The names of the files that are what was signed by one of `known`. Raises Unverified."""
    sums, signature = directory / SUMS, directory / SIGNATURE
    for path in (sums, signature, known):
        if not path.is_file():
            raise Unverified(f"there is no {path}")
    content = sums.read_bytes()
    try:
        _keygen("-Y", "verify", "-f", str(known), "-I", WHO, "-n", NAMESPACE, "-s", str(signature), given=content)
    except BuildError as error:
        raise Unverified(f"{sums} is not what a signer of {known} has signed ({error}): do not use it") from None
    names = []
    for line in content.decode().splitlines():
        wanted, _, name = line.partition("  ")
        path = directory / name
        if path.name != name:
            raise Unverified(f"{sums} names {name!r}, which is not in {directory}")
        if path.is_file():  # whoever took one format has not the others
            if not hmac.compare_digest(digest(path), wanted):
                raise Unverified(f"{name} is not the file that was signed: fetch it again, and do not start it")
            names.append(name)
    if not names:
        raise Unverified(f"none of the files that {sums} names is in {directory}")
    return names


def _keygen(*words: str, given: bytes = b"") -> bytes:
    """ssh-keygen's output. Raises BuildError with its words."""
    program = shutil.which("ssh-keygen")
    if program is None:
        raise BuildError("ssh-keygen is not installed: it is of openssh-client")
    done = subprocess.run([program, *words], input=given, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        said = " / ".join((done.stderr + done.stdout).decode(errors="replace").split("\n")[-4:]).strip(" /")
        raise BuildError(f"ssh-keygen {' '.join(words[:2])} ended with {done.returncode}: {said}")
    return done.stdout
