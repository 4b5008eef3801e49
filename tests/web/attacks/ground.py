"""Where attacks take place: panel, portal, API and older entry point of one house, with people, customers and calls."""

import asyncio
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import connect

import aiohttp

from pysrv import api
from pysrv.billing.cdr import Cdr
from pysrv.certificates.held import Certificates
from pysrv.certificates.renewer import Renewer
from pysrv.control.memory import Memory
from pysrv.control.session import Control
from pysrv.panel import ROUTES as PANEL
from pysrv.people.permissions import Role
from pysrv.portal import ROUTES as PORTAL
from pysrv.store.account import AccountType, NewAccount
from pysrv.store.rows import BanRow, NewTrunk, SavedBinding
from pysrv.web import entrance
from pysrv.web.routes import Route
from tests.control.office import Service
from tests.lab.tunnel import KeeperHere
from tests.web.house import PASSWORD, Answer, Browser, House, living

ONE = 1_000_000
PATIENCE_S = 20.0
ROUTES: tuple[Route, ...] = (*entrance.ROUTES, *PANEL, *PORTAL)
ROOMS = {"olga": "panel", "otto": "panel", "alice": "portal", "rex": "portal"}
CHANGES_BY_ITSELF = ("web_sessions", "api_tokens", "sqlite_sequence")  # being there is no change


@dataclass
class Ground:
    """The house, its browser, and where its files are."""

    house: House
    browser: Browser
    place: Path

    async def enter(self, name: str) -> Browser:
        """Somebody logs in, in a browser without a past."""
        self.browser._jar.clear()
        await self.browser.get(f"/{ROOMS[name]}/login")
        answer = await self.browser.log_in(name, room=ROOMS[name])
        assert answer.status == 303, answer.text
        return self.browser

    @asynccontextmanager
    async def other(self) -> AsyncIterator[Browser]:
        """A second browser."""
        made = Browser(self.browser.port, self.browser.context)
        try:
            yield made
        finally:
            await made.client.close()

    def token(self, *scopes: str) -> dict[str, str]:
        """A token's header."""
        made = self.house.store.add_api_token("olga", "a program", scopes, self.house.store._clock() + 3600.0)
        self.house.store.commit()
        return {"Authorization": f"Bearer {made}"}

    def kept(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of the database, once what was given up is swept away."""
        while self.house.store.sweep():
            pass
        self.house.store.commit()
        with connect(self.house.store.path) as db:
            names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {
                name: db.execute(f"SELECT * FROM {name}").fetchall()
                for name in names
                if name not in CHANGES_BY_ITSELF and "search" not in name
            }

    @contextmanager
    def unchanged(self, what: object) -> Iterator[None]:
        """Nothing is written meanwhile."""
        before = self.kept()
        yield
        after = self.kept()
        changed = {name: set(after[name]) ^ set(before.get(name, ())) for name in after}
        wrong = {name: rows for name, rows in changed.items() if rows}
        assert not wrong, f"{what} has changed {wrong!r:.500}"

    @contextmanager
    def remembering(self, most_bytes: int) -> Iterator[None]:
        """Server and attacker together never hold more than that meanwhile."""
        tracemalloc.start()
        try:
            yield
            assert tracemalloc.get_traced_memory()[1] < most_bytes
        finally:
            tracemalloc.stop()

    async def raw(self, *pieces: bytes, half: bool = False) -> bytes:
        """Bytes as they are, over TLS; everything that came back until the other side hung up. `half`: we wait for
        that; else we close our side after a first answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.browser.port, ssl=self.browser.context)
        try:
            async with asyncio.timeout(PATIENCE_S):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                return await (reader.read() if half else self._first(reader))
        except (ConnectionError, ssl.SSLError):
            return b""
        finally:
            writer.close()

    async def _first(self, reader: asyncio.StreamReader) -> bytes:
        """One answer with its body."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            return error.partial
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        return head + await reader.readexactly(length)

    async def asked(self, method: str, target: str, *headers: str, body: bytes = b"") -> tuple[int, str]:
        """A request whose target nobody tidies up; its status and the whole answer."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{self.browser.port}", "Connection: close", *headers]
        lines += [f"Content-Length: {len(body)}"] if body else []
        said = await self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return status_of(said), said.decode("latin-1")

    @property
    def cookie(self) -> str:
        """The session's cookie as a header."""
        return f"Cookie: __Host-session={self.browser.cookie()}"


def status_of(said: bytes) -> int:
    """The status of an answer; 0: there is none."""
    return int(said[9:12]) if said.startswith(b"HTTP/1.1 ") else 0


def refused(answer: Answer) -> bool:
    """Whether it was refused by a page or a problem of ours."""
    return 400 <= answer.status < 500


def populate(house: House, words: str = "plain") -> None:
    """People, customers and what a page may show; `words` wherever somebody outside chooses them."""
    store, now = house.store, house.watch.now()
    store.add_administrator("otto", Role.READ_ONLY, PASSWORD)
    ident = store.import_begin("retail")
    store.import_rows(ident, 1, "prefix,destination,per_minute\n49,Germany,0.02\n")
    store.import_commit(ident)
    store.add_trunk(NewTrunk("carrier", "192.0.2.1", deck="retail"))
    for name, more in (
        ("alice", {"display_name": words}),
        ("bob", {"email": "secret@bob.example"}),
        ("rex", {"type": AccountType.RESELLER, "maxlines": 5}),
        ("cora", {"parent": "rex", "display_name": words}),
    ):
        store.add_account(NewAccount(name, PASSWORD, "appliance", balance=50 * ONE, **more))
    for name in ("alice", "cora", "bob"):
        contact = f"<sip:{name}@192.0.2.10:5060>"
        store.save_binding(
            SavedBinding(
                name, contact, "udp", "127.0.0.1", 5060, "192.0.2.10", 5060, 4e9, f"c-{name}", 1, user_agent=words
            )
        )
        store.deposit(name, ONE, note=words)
        store.settle(Cdr(f"call-{name}", name, words, "4930123", setup_at=now, ended_at=now, reason=words))
    store.add_ban(BanRow("203.0.113.9", "maxwrongmsgallowed", words, now, now + 3600, samples=(words,)))
    store.commit()


@asynccontextmanager
async def ground(tmp_path: Path, words: str = "plain") -> AsyncIterator[Ground]:
    """Everything that is served, as it stands after a day."""
    async with living(tmp_path, (*PANEL, *PORTAL, *api.routes())) as (house, browser):
        place = tmp_path / "certificates"
        place.mkdir()
        served = Certificates(place, ["127.0.0.1"], lambda: "", lambda: "", house.watch.now)
        service = Service()
        # what stands behind it has to hold without it
        service.apply_settings(service.settings().with_changes({"validateinput": "0"}, 1))
        house.control = Control(
            house.store, service, {}, house.watch.now, Memory(), certificates=served,
            renewer=Renewer(place, served, house.watch.now), keeper=KeeperHere(tmp_path),
        )  # fmt: skip
        populate(house, words)
        yield Ground(house, browser, tmp_path)


__all__ = ["ROOMS", "ROUTES", "Ground", "aiohttp", "ground", "refused", "status_of"]
