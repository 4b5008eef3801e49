"""python -m appliance.ownership [--root DIRECTORY] [TABLE]: what of the appliance's files is not as the table says.

A line for each, and a last one with the count. Ends with 1 when something is not as it should be, 2 when the table
cannot be read. Changes nothing. Only the image ships a table; its head explains the columns.
"""

import argparse
import grp
import os
import pwd
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TABLE: Final = Path("/usr/local/share/appliance/ownership")
KINDS: Final = {stat.S_IFDIR: "directory", stat.S_IFREG: "file", stat.S_IFSOCK: "socket"}


class BadTable(ValueError):
    """A line of the table that cannot be read; the message says which."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `modes` are those that a kind of file may have; a kind that is not there has no place here."""

    path: str
    owner: str
    group: str
    modes: dict[str, frozenset[int]]

    def places(self, root: Path) -> Iterator[Path]:
        """What there is of it below `root`."""
        start = root / self.path.strip("/").removesuffix("/**")
        if self.path.endswith("/**"):
            for place, directories, files in os.walk(start):
                yield from (Path(place, name) for name in directories + files)
        elif "*" in self.path:
            yield from root.glob(self.path.strip("/"))
        elif os.path.lexists(start):
            yield start


def read(text: str) -> list[Row]:
    """The table. Raises BadTable."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words and not words[0].startswith("#"):
            try:
                path, owner, group, *modes = words
                named = dict(zip(KINDS.values(), modes, strict=True))
                rows.append(
                    Row(path, owner, group, {kind: _modes(each) for kind, each in named.items() if each != "-"})
                )
            except ValueError:
                raise BadTable(f"line {number} has not its six columns: {line}") from None
    return rows


def _modes(text: str) -> frozenset[int]:
    return frozenset(int(each, 8) for each in text.split(","))


def faults(rows: list[Row], root: Path) -> tuple[int, list[str]]:
    """How many files were looked at, and a line for each that is not as the last row for it says."""
    judged = {place: row for row in rows for place in row.places(root)}
    said = [f"{place} {why}" for place, row in sorted(judged.items()) if (why := _fault(place, row))]
    return len(judged), said


def _fault(place: Path, row: Row) -> str:
    try:
        found = place.lstat()
    except FileNotFoundError:  # gone since it was listed
        return ""
    owner, group = _user(found.st_uid), _group(found.st_gid)
    said = [] if (owner, group) == (row.owner, row.group) else [f"is {owner}:{group}, not {row.owner}:{row.group}"]
    kind, mode = KINDS.get(stat.S_IFMT(found.st_mode), "device or pipe"), stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        pass
    elif kind not in row.modes:
        said.append(f"is a {kind}, which has no place here")
    elif mode not in row.modes[kind]:
        said.append(f"has mode {mode:o}, not {' or '.join(f'{each:o}' for each in sorted(row.modes[kind]))}")
    return "; ".join(said)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    reader = argparse.ArgumentParser(prog="appliance.ownership", description="Hold files against the table of owners.")
    reader.add_argument("table", nargs="?", type=Path, default=TABLE)
    reader.add_argument("--root", type=Path, default=Path("/"))
    given = reader.parse_args(arguments)
    try:
        count, found = faults(read(given.table.read_text()), given.root)
    except (OSError, BadTable) as error:
        print(f"ownership: {error}", file=sys.stderr)
        return 2
    print("\n".join([*found, f"{count} looked at, {len(found)} wrong"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
