"""A store, an office that runs beside it, and root at its verbs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pysrv.control.session import Control
from pysrv.store import Store
from tests.control.office import NOW, Operator, Service


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "office.db", lambda: NOW) as opened:
        yield opened


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def root(store: Store, service: Service) -> Operator:
    return Operator(Control(store, service, clock=lambda: NOW).session("root"))


@pytest.fixture
def alone(store: Store) -> Operator:
    """A single run: no service."""
    return Operator(Control(store, clock=lambda: NOW).session("root"))
