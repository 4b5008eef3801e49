"""Writes the bundle: a tar of text files, compressed, for its owner's eyes alone.

Each entry passes through `secrecy` and, unless it is told otherwise, `masking`; an entry that cannot be had says why in
its place. The first file lists the others with their digests.
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from appliance.support.masking import Masks
from appliance.support.secrecy import walked, without_secrets

CONTENTS: Final = "CONTENTS"
_MOST_BYTES: Final = 16 << 20  # of one entry; its end is kept


class Masked(Enum):
    """How much of an entry is hidden where people's data is masked."""

    NOTHING = 0  # versions and the schema are about nobody
    ADDRESSES = 1  # figures in it are settings or counters, no telephone numbers
    PEOPLE = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the bundle. `make` gives its text, or a value that is written as JSON; what it raises is told."""

    name: str
    about: str
    make: Callable[[], Any]
    masked: Masked = Masked.PEOPLE


def drawn(entry: Entry, masks: Masks | None, faults: tuple[type[Exception], ...]) -> bytes:
    """The entry's bytes. `masks` is None where numbers and addresses are to stay; secrets never do."""
    try:
        made = entry.make()
    except faults as error:
        return f"! not to be had: {without_secrets(str(error))}\n".encode()
    hide = {
        Masked.NOTHING: lambda text: text,
        Masked.ADDRESSES: masks.addresses if masks is not None else lambda text: text,
        Masked.PEOPLE: masks.text if masks is not None else lambda text: text,
    }[entry.masked]

    def shown(text: str) -> str:
        return hide(without_secrets(text))

    if isinstance(made, str):
        return "".join(shown(each) for each in _pieces(made)).encode(errors="backslashreplace")[-_MOST_BYTES:]
    return (json.dumps(walked(_bare(made), shown), indent=1) + "\n").encode()[:_MOST_BYTES]


def _pieces(text: str) -> list[str]:
    """Lines, but what a key's PEM form spreads over several lines stays together."""
    return [text] if "-----BEGIN " in text else text.splitlines(keepends=True)


def _bare(value: Any) -> Any:
    """A member whose name says that it is a secret loses its value, whatever that looks like."""
    match value:
        case dict():
            return {
                name: each if not _tells(name, each) else without_secrets(f"{name}={each}").partition("=")[2]
                for name, each in ((name, _bare(each)) for name, each in value.items())
            }
        case list() | tuple():
            return [_bare(each) for each in value]
        case _:
            return value


def _tells(name: str, value: Any) -> bool:
    return isinstance(value, str) and bool(value) and without_secrets(f"{name}=x") != f"{name}=x"


def write(path: Path, files: Sequence[tuple[str, str, bytes]], at: float) -> None:
    """A file that was not there before, mode 0600. `files`: name, what it is, bytes. Raises OSError."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}  {about}\n" for name, about, content in files]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    stem = path.name.partition(".")[0]
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name, content in [(CONTENTS, "".join(lines).encode()), *((name, content) for name, _, content in files)]:
            row = tarfile.TarInfo(f"{stem}/{name}")
            row.size, row.mtime, row.mode = len(content), int(at), 0o600
            tar.addfile(row, io.BytesIO(content))
