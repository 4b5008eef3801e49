"""The report of a build: what was made of what, how large it is, and how many seconds each step took. Pure."""

from collections.abc import Sequence
from typing import Any


def report(
    chosen: dict[str, Any],
    contents: dict[str, Any],
    sizes: dict[str, int],
    steps: Sequence[tuple[str, float]],
    said: Sequence[str],
) -> dict[str, Any]:
    """As JSON. `sizes` are bytes of the files that came out, `said` what the provisioners said of themselves."""
    return {
        "variables": chosen,
        "system": contents["release"].get("PRETTY_NAME", ""),
        "kernel": contents["kernel"],
        "packages": {"debian": len(contents["debian"]), "python": len(contents["python"])},
        "installed_bytes": sum(int(row["kib"] or 0) for row in contents["debian"]) * 1024,
        "largest": [[row["name"], int(row["kib"] or 0) * 1024] for row in _largest(contents)],
        "files": sizes,
        "seconds": [[name, round(seconds, 1)] for name, seconds in steps],
        "provisioners": list(said),
    }


def _largest(contents: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(contents["debian"], key=lambda row: int(row["kib"] or 0), reverse=True)[:10]


def table(told: dict[str, Any]) -> str:
    """The same for people."""
    lines = [f"{told['system']}, Linux {told['kernel']}"]
    lines += [f"{told['packages']['debian']} Debian packages, {told['packages']['python']} of Python", ""]
    lines += [f"{name:40} {size / 1e6:8.1f} MB" for name, size in told["files"].items()]
    lines += ["", *(f"{name:40} {seconds:8.1f} s" for name, seconds in told["seconds"])]
    return "\n".join(lines)
