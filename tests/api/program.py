"""A program that speaks to a house's API with a token."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pysrv.api import routes
from pysrv.people.permissions import Role
from tests.web.house import PASSWORD, Answer, Browser, House, living

ROOT = "/api/v1"


class Program:
    """What it sends is JSON, unless it says otherwise."""

    def __init__(self, browser: Browser, token: str) -> None:
        self.browser, self.token = browser, token

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            options["data"] = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.browser._ask(method, ROOT + path, headers=headers, **options)

    async def said(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        answer = await self.ask(method, path, body, **options)
        assert answer.status < 300, answer.text
        return json.loads(answer.text)


def token(house: House, *scopes: str, name: str = "olga") -> str:
    made = house.store.add_api_token(name, "a program", scopes or ("*:write",), house.store._clock() + 3600.0)
    house.store.commit()
    return made


def administrator(house: House, role: Role) -> str:
    house.store.add_administrator(str(role), role, PASSWORD)
    house.store.commit()
    return str(role)


def set_to(house: House, **texts: str) -> None:
    for name, text in texts.items():
        house.store.set_setting(name, text)
    house.store.commit()


@asynccontextmanager
async def programmed(tmp_path: Path, *scopes: str) -> AsyncIterator[tuple[House, Program]]:
    async with living(tmp_path, routes()) as (house, browser):
        yield house, Program(browser, token(house, *scopes))
