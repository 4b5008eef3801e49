"""Which version of the appliance this is. pyproject.toml says it, and nothing else does."""

import tomllib
from functools import cache
from importlib.metadata import version as installed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@cache
def version() -> str:
    """The version of the tree that runs, or of the installed package."""
    try:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])
    except (OSError, KeyError):
        return installed("appliance")
