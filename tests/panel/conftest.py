"""The panel over a real store and its verbs, with a service that writes down what it is told."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pysrv.control.memory import Memory
from pysrv.control.session import Control
from pysrv.panel import ROUTES
from pysrv.people.permissions import Role
from pysrv.store import Store
from pysrv.store.rows import NewAccount
from tests.control.office import Service
from tests.web.house import PASSWORD, Browser, House, living


@dataclass
class Panel:
    """A house with its service, and the browser of whoever logs in."""

    house: House
    browser: Browser
    service: Service
    memory: Memory

    def __iter__(self) -> "Iterator[House | Browser]":
        """For tests that need no service: house and browser."""
        return iter((self.house, self.browser))

    def __getitem__(self, index: int) -> "House | Browser":
        return (self.house, self.browser)[index]

    @property
    def store(self) -> Store:
        return self.house.store

    def account(self, name: str = "alice", *numbers: str) -> int:
        made = self.store.add_account(NewAccount(name, PASSWORD, "example.org", numbers or ("101",)), "test")
        self.store.commit()
        return made.id

    def administrator(self, role: str) -> None:
        """Somebody with that role, named like it."""
        self.store.add_administrator(role, Role(role), PASSWORD)
        self.store.commit()


@pytest.fixture()
async def panel(tmp_path: Path) -> AsyncIterator[Panel]:
    async with living(tmp_path, ROUTES) as (house, browser):
        service, memory = Service(), Memory()
        house.control = Control(house.store, service, {}, house.watch.now, memory)
        await browser.log_in("olga")
        await browser.get("/panel/")
        yield Panel(house, browser, service, memory)
