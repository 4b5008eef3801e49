"""A real web over real TLS on loopback, over a real store and its verbs; the office behind it is a few lines."""

import os
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from appliance import wire
from appliance.config.load import layered
from appliance.config.options import OPTIONS_VARIABLE, RunOptions
from appliance.config.settings import Settings
from appliance.metrics import Reading
from pysrv.certificates import selfsigned as certificate
from pysrv.control.aside import Aside
from pysrv.control.memory import Memory
from pysrv.control.session import Control
from pysrv.payments.cashier import Cashier
from pysrv.people.permissions import Role
from pysrv.service.feed import Feed
from pysrv.service.health import Health, Part
from pysrv.store import Store
from pysrv.store.web import PersonKind
from pysrv.web.guard import PACES
from pysrv.web.identity import COOKIE
from pysrv.web.logins import Logins
from pysrv.web.pace import Paces
from pysrv.web.routes import Route
from pysrv.web.server import Web
from pysrv.web.status import Snapshot
from tests.web.snapshots import FULL

PASSWORD = "correct-horse-42"


@dataclass
class Watch:
    """A clock that is moved by hand."""

    began: float
    offset: float = 0.0

    def now(self) -> float:
        return self.began + self.offset


@dataclass
class House:
    """The office as the web sees it. Its clock stands still: `offset` moves it, for waiting and sessions alike."""

    store: Store
    control: Control
    watch: Watch
    shown: Snapshot = FULL
    keeper: bool = True
    fault: Exception | None = None
    open_to_all: bool = True
    trusted: set[str] = field(default_factory=set)
    vouched: set[str] = field(default_factory=set)
    managers: set[str] = field(default_factory=set)
    guesses: list[tuple[str, str]] = field(default_factory=list)
    wrongs: list[tuple[str, str]] = field(default_factory=list)
    challenges: Mapping[str, str] = field(default_factory=dict)
    turns: int = 0
    _cashier: Cashier | None = None
    web: Web = field(init=False)
    feed: Feed = field(default_factory=lambda: Feed(time.time))

    @property
    def offset(self) -> float:
        return self.watch.offset

    @offset.setter
    def offset(self, seconds: float) -> None:
        self.watch.offset = seconds

    def settings(self) -> Settings:
        return layered({}, self.store.overrides(), self.store.generation()).settings

    @property
    def cashier(self) -> Cashier:
        if self._cashier is None:
            self._cashier = Cashier(
                self.store, self.settings, self.watch.now, self.store.commit, lambda *_, **__: None, lambda _: None
            )
        return self._cashier

    def turn(self) -> None:
        self.turns += 1
        self.store.commit()

    def verify(self, kind: str, name: str, password: str) -> bool:
        reader = self.store.reader()
        try:
            check = reader.verify_admin if kind == PersonKind.ADMINISTRATOR else reader.verify_account
            return check(name, password)
        finally:
            reader.close()

    def signed_in(self, address: str) -> None:
        self.managers.add(address)

    def is_trusted(self, address: str) -> bool:
        return address in self.trusted

    def administers(self, address: str, under: Settings | None = None) -> bool:
        return self.open_to_all and (under or self.settings()).remoteadmin != 0

    def trusts(self, address: str) -> bool:
        return address in self.trusted | self.vouched

    def vouches(self, address: str) -> bool:
        return address in self.vouched

    def wrong_password(self, address: str, name: str) -> None:
        self.guesses.append((address, name))

    def wrong_request(self, address: str, words: str) -> None:
        self.wrongs.append((address, words))

    def fingerprint(self) -> str:
        return "AB:CD"

    def challenge(self, token: str) -> str:
        return self.challenges.get(token, "")

    async def replay(self, args: Mapping[str, Any], heard: Callable[[], None]) -> dict[str, Any]:
        state = RunOptions(state=str(self.store._path.parent)).to_json()
        return await Aside({**os.environ, OPTIONS_VARIABLE: state}, {}).replay(args, heard)

    async def snapshot(self) -> Snapshot:
        if self.fault:
            raise self.fault
        return self.shown

    def health(self) -> Health:
        return Health((Part("keeper", self.keeper, "" if self.keeper else "away"),))

    async def reading(self) -> Reading:
        gate, tallies = (self.shown.gate, self.shown.tallies) if self.keeper else (None, ())
        return Reading(gate, tallies, wire.OfficeFigures(web_refusals=self.web.refusals()))


class Browser:
    """A client with a cookie jar that sends what browsers send, over TLS that knows the house's certificate."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.port, self.context = port, context
        self.origin = f"https://127.0.0.1:{port}"
        self._connector = aiohttp.TCPConnector(ssl=context)
        self._jar = aiohttp.CookieJar(unsafe=True)
        self.client = aiohttp.ClientSession(connector=self._connector, cookie_jar=self._jar)
        self.form_token = ""

    async def get(self, path: str, **options: Any) -> "Answer":
        return await self._ask("GET", path, **options)

    async def post(self, path: str, fields: dict[str, str] | None = None, **options: Any) -> "Answer":
        """A form of the page that was seen last: with its token and our origin, unless `headers` say otherwise."""
        headers = {"Origin": self.origin, **options.pop("headers", {})}
        told = {"form_token": self.form_token, **(fields or {})}
        return await self._ask("POST", path, data=told, headers=headers, **options)

    async def upload(
        self, path: str, fields: dict[str, str], file: bytes | None, name: str = "sheet.csv", **options: Any
    ) -> "Answer":
        """A form with a file, which stands behind its fields as in the pages."""
        told = aiohttp.FormData({"form_token": self.form_token, **fields}, default_to_multipart=True)
        if file is not None:
            told.add_field("file", file, filename=name, content_type="text/csv")
        return await self._ask("POST", path, data=told, **{"headers": {"Origin": self.origin}, **options})

    async def log_in(self, name: str, password: str = PASSWORD, room: str = "panel") -> "Answer":
        answer = await self.post(f"/{room}/login", {"name": name, "password": password})
        if answer.status == 303:
            await self.get(answer.headers["Location"])
        return answer

    def cookie(self) -> str:
        return next((each.value for each in self._jar if each.key == COOKIE), "")

    async def _ask(self, method: str, path: str, **options: Any) -> "Answer":
        options.setdefault("allow_redirects", False)
        async with self.client.request(method, self.origin + path, **options) as response:
            answer = Answer(response.status, await response.text(), dict(response.headers))
        marker = 'name="form_token" value="'
        if marker in answer.text:
            self.form_token = answer.text.partition(marker)[2].partition('"')[0]
        return answer


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]


@asynccontextmanager
async def living(
    tmp_path: Path, routes: Iterable[Route], *, paced: bool = False
) -> AsyncIterator[tuple[House, Browser]]:
    """A house that serves, with an owner 'olga'. Unless it is `paced`, people may ask as fast as a test can: whether a
    walk over all pages ends must not depend on how fast the machine is."""
    watch = Watch(time.time())
    store = Store.open(tmp_path / "appliance.db", watch.now)
    house = House(store, Control(store, None, {}, watch.now, Memory()), watch)
    store.add_administrator("olga", Role.OWNER, PASSWORD)
    store.commit()
    logins = Logins(house, watch.now, watch.now)
    web = house.web = Web(house, routes, logins)
    if not paced:
        fast = {name: Paces(name, 1e6, 1_000_000) for name in ("people", "visitors")}
        web._application[PACES] = replace(web._application[PACES], **fast)
    made = certificate.ensure(tmp_path, ["localhost"], ["127.0.0.1"], time.time())
    serving = made.context()
    (port,) = await web.start(["127.0.0.1"], 0, lambda: serving)
    context = ssl.create_default_context(cafile=str(made.path))
    browser = Browser(port, context)
    try:
        yield house, browser
    finally:
        await browser.client.close()
        await web.stop()
        store.close()
