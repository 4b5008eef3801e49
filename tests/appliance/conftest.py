"""Appliances for tests of the command: one that runs, one that is down, and one whose single runs happen here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance import launch
from pysrv.control.single import run_once
from pysrv.store import Store
from tests.appliance.shell import Shell
from tests.control.office import Service, office


@pytest.fixture
def down(tmp_path: Path) -> Shell:
    """An appliance that does not run."""
    return Shell(tmp_path)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def up(tmp_path: Path, service: Service) -> Iterator[Shell]:
    """An office that runs."""
    shell = Shell(tmp_path)
    with office(shell.runtime, shell.database, service):
        yield shell


@pytest.fixture
def single_run(monkeypatch: pytest.MonkeyPatch, down: Shell) -> Shell:
    """An office that is down; a single run happens here instead of in a process of another user."""

    def once(_state: Path, _runtime: Path, lines: bytes, on_line: Callable[[bytes], None]) -> int:
        return run_once(lambda: Store.open(down.database), "root", lines.splitlines(), on_line)

    monkeypatch.setattr(launch, "once", once)
    return down
