"""A house with the panel's pages, and an owner who has logged in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pysrv.panel import ROUTES
from tests.web.house import Browser, House, living


@pytest.fixture()
async def panel(tmp_path: Path) -> AsyncIterator[tuple[House, Browser]]:
    async with living(tmp_path, ROUTES) as (house, browser):
        await browser.log_in("olga")
        await browser.get("/panel/")
        yield house, browser
