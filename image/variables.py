"""What may be chosen of a build: one row each, from which the command line and packer.json's values come."""

import string
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import urlsplit

from appliance.release import version

DIGESTS: Final = {"sha256": 64, "sha512": 128}  # their hexadecimal digits
FORMATS: Final = ("qcow2", "raw.zst", "vmdk", "ova", "vhd")


def _row(default: Any, text: str) -> Any:
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True, slots=True)
class Variables:
    """`make image NAME=VALUE...`; each field's metadata says what it is for."""

    suite: str = _row("trixie", "the Debian suite")
    mirror: str = _row("", "a mirror or snapshot as a line of sources.list; empty: mmdebstrap's own")
    base: str = _row("", "build from this: a base disk, or a cloud image of Debian; a file, https:// or file://")
    base_digest: str = _row("", "what base= must have: sha512:HEX or sha256:HEX")
    disk_mib: int = _row(4096, "size of the image's disk; a larger one in the end is used in full")
    root_mib: int = _row(1280, "size of each of the two slots of the system")
    formats: str = _row(",".join(FORMATS), f"what comes out, of {', '.join(FORMATS)}")
    version: str = _row(version(), "written into the image and into the names of files")
    signing_key: str = _row("", "SSH key that signs SHA256SUMS; empty: this tree's own, made once in .build/image")
    update_key: str = _row("", "signs the update (PEM); empty: this tree's own, made once in .build/image/updates")
    update_certificate: str = _row("", "goes with it, and into the image: it takes updates of this signer alone")
    accelerator: str = _row("none", "Packer's: kvm where a guest can be had, none to emulate")
    memory_mib: int = _row(1536, "memory of the machine that builds")
    cpus: int = _row(2, "processors of the machine that builds")


class BadVariable(ValueError):
    """A variable that there is not, or a value that it cannot have; the message says which and what to do."""


def read(arguments: list[str]) -> Variables:
    """Variables out of NAME=VALUE words. Raises BadVariable."""
    known = {each.name: each for each in fields(Variables)}
    given: dict[str, Any] = {}
    for word in arguments:
        name, equals, value = word.partition("=")
        if not equals or name not in known:
            raise BadVariable(f"{word!r} is none of {', '.join(f'{each}=' for each in known)}")
        given[name] = _value(name, value, known[name].default)
    made = Variables(**given)
    for each in made.formats.split(","):
        if each not in FORMATS:
            raise BadVariable(f"formats={made.formats}: {each!r} is none of {', '.join(FORMATS)}")
    if made.base:
        _place(made.base)
    if made.base_digest:
        _digest(made)
    return made


def _place(base: str) -> None:
    parts = urlsplit(base)
    if "://" in base and parts.scheme not in ("https", "file"):
        raise BadVariable(f"base={base} must be a file, https:// or file://")
    if parts.scheme == "https" and (not parts.hostname or parts.password is not None):
        raise BadVariable(f"base={base} must name a server, and no password")
    if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
        raise BadVariable(f"base={base} must be a file of this machine: file:///PATH")


def _digest(made: Variables) -> None:
    kind, _, text = made.base_digest.partition(":")
    if len(text) != DIGESTS.get(kind) or not set(text) <= set(string.hexdigits):
        raise BadVariable(f"base_digest={made.base_digest} must be sha512:HEX or sha256:HEX")
    if not made.base:
        raise BadVariable("base_digest= says what base= must have: name a base=")


def _value(name: str, text: str, default: Any) -> Any:
    if not isinstance(default, int):
        return text
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise BadVariable(f"{name}={text} must be a whole number above 0")
    return int(text)


def table() -> str:
    """One line for each variable, for people."""
    return "\n".join(f"{each.name}={each.default!s:30.30} {each.metadata['text']}" for each in fields(Variables))
