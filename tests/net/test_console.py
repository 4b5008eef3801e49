"""The console's two sockets over the real verbs, store and logins: who gets in, what he may, what ends it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp
import pytest

from appliance.config.opening import Reach
from appliance.config.settings import Settings
from pysrv.console.desk import ConsoleDesk
from pysrv.control.session import Control
from pysrv.net.console import MOST_OF_AN_ADDRESS, ConsoleSockets
from pysrv.people.permissions import Role
from pysrv.store import Store
from pysrv.store.rows import AllowRow, BanRow
from pysrv.web.guesses import FREE_GUESSES
from pysrv.web.logins import Logins
from tests.control.office import NOW, Service
from tests.service.bench import opened
from tests.web.house import PASSWORD, House, Watch

BYTES, IDLE_S = 200, 30.0


@dataclass
class Room:
    """A console over TCP and a socket, and the house behind it."""

    house: House
    service: Service
    path: Path
    port: int
    shut: set[str] = field(default_factory=set)


@dataclass
class Line:
    """One end of a conversation."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: bytes = b""

    async def say(self, text: str | bytes) -> None:
        self.writer.write(text.encode() + b"\r\n" if isinstance(text, str) else text)
        await self.writer.drain()

    async def hear(self) -> str:
        """The next line; empty at the end."""
        try:
            raw = await self.reader.readline()
        except ConnectionError:
            return ""
        self.heard += raw
        return raw.replace(b"\xff\xfb\x01", b"").replace(b"\xff\xfc\x01", b"").decode().rstrip("\r\n")

    async def log_in(self, name: str, password: str, code: str = "") -> str:
        for text in (f"login {name}", password, code):
            await self.say(text)
        return [await self.hear() for _ in range(3)][-1]


@asynccontextmanager
async def living(tmp_path: Path, idle_s: float = IDLE_S) -> AsyncIterator[Room]:
    store, service = Store.open(tmp_path / "appliance.db", lambda: NOW), Service()
    house = House(store, Control(store, service, {}, lambda: NOW), Watch(NOW))
    for name, role in (("olga", Role.OWNER), ("rita", Role.READ_ONLY)):
        store.add_administrator(name, role, PASSWORD)
    for address in ("192.0.2.7", "192.0.2.8"):
        store.add_ban(BanRow(address, "test", "", NOW, 0.0, "test"))
    store.commit()
    logins = Logins(house, lambda: house.offset, lambda: NOW)
    room = Room(house, service, tmp_path / "console.sock", 0)
    desk = ConsoleDesk(house.control, store, logins, lambda who: who not in room.shut, house.turn, lambda: NOW)
    sockets = ConsoleSockets(room.path, desk, BYTES, idle_s)
    await sockets.start()
    room.port = await sockets.listen(["127.0.0.1"], 0)
    try:
        yield room
    finally:
        await sockets.stop()
        logins.close()
        store.close()


@pytest.fixture()
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with living(tmp_path) as made:
        yield made


async def far(room: Room) -> Line:
    return Line(*await asyncio.open_connection("127.0.0.1", room.port))


async def near(room: Room) -> Line:
    return Line(*await asyncio.open_unix_connection(room.path))


def trail(room: Room) -> list[tuple[str, str, str]]:
    return [(row.who, row.action, row.subject) for row in room.house.store.audit()]


async def test_who_has_the_machine_lifts_bans_hangs_up_and_reloads_at_once(room: Room) -> None:
    assert oct(room.path.stat().st_mode & 0o777) == "0o600"
    line = await near(room)
    await line.say("delbanned,192.0.2.7")
    assert await line.hear() == "lifted 192.0.2.7"
    await line.say("delbanned,all")
    assert await line.hear() == "lifted 192.0.2.8"
    assert room.house.store.bans() == []
    room.service.calls.add("c1")
    await line.say("hangup c1")
    assert await line.hear() == "ended c1"
    await line.say("reload")
    assert await line.hear() == "done"
    assert ("settings", 0) in room.service.told and ("unban", "192.0.2.7") in room.service.told
    assert ("console:root", "call.hangup", "c1") in trail(room)
    assert ("console:root", "reload", "settings") in trail(room)
    await line.say("quit")
    assert await line.hear() == ""


async def test_over_tcp_a_login_comes_first_and_is_neither_echoed_nor_kept(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    line = await far(room)
    await line.say("status")
    assert "log in first" in await line.hear()
    assert (await line.log_in("olga", PASSWORD)).startswith("welcome")
    await line.say("delbanned 192.0.2.7")
    assert await line.hear() == "lifted 192.0.2.7"
    await line.say("quit")
    assert await line.hear() == ""
    assert PASSWORD.encode() not in line.heard and PASSWORD not in caplog.text
    assert line.heard.count(b"\xff\xfb\x01") == 2  # WILL ECHO before each secret
    told = trail(room)
    assert told[0] == ("console:olga", "session.end", "olga") and ("console:olga", "session.begin", "olga") in told


async def test_the_role_says_what_a_line_may_and_a_change_of_it_holds_at_once(room: Room) -> None:
    line = await far(room)
    await line.log_in("rita", PASSWORD)
    await line.say("delbanned,all")
    assert "your role may not change security" in await line.hear()
    await line.say("calls")
    assert await line.hear() == "0 calls"
    room.house.store.set_administrator("rita", "role", Role.SUPPORT)
    await line.say("delbanned,192.0.2.7")
    assert await line.hear() == "lifted 192.0.2.7"
    room.house.store.set_administrator("rita", "enabled", "0")
    await line.say("calls")
    assert "not be here" in await line.hear()
    assert await line.hear() == ""


async def test_an_address_that_is_no_longer_let_in_is_out_with_its_next_line(room: Room) -> None:
    line = await far(room)
    await line.log_in("olga", PASSWORD)
    room.shut.add("127.0.0.1")
    await line.say("status")
    assert "not be here" in await line.hear()
    assert await (await far(room)).hear() == ""  # and nobody new from there


async def test_a_second_factor_is_asked_for_and_a_password_alone_does_not_do(room: Room) -> None:
    secret = pyotp.random_base32()
    room.house.store.set_totp("olga", secret)
    line = await far(room)
    assert "code is wrong" in await line.log_in("olga", PASSWORD)
    assert "code is wrong" in await line.log_in("olga", PASSWORD, "000000")
    assert (await line.log_in("olga", PASSWORD, pyotp.TOTP(secret).at(NOW))).startswith("welcome")


async def test_guesses_wait_as_they_do_on_the_web_and_end_the_connection(room: Room) -> None:
    line = await far(room)
    told = [await line.log_in("olga", "wrong") for _ in range(5)]
    assert all("name or password is wrong" in each for each in told)
    assert await line.hear() == ""
    assert "wait" in await (await far(room)).log_in("olga", PASSWORD)
    assert len(room.house.guesses) >= FREE_GUESSES
    room.house.offset = 400.0
    assert (await (await far(room)).log_in("olga", PASSWORD)).startswith("welcome")


@pytest.mark.parametrize("way", [near, far])
async def test_a_line_that_is_too_long_ends_it(room: Room, way: Any) -> None:
    line = await way(room)
    await line.say(b"x" * 5000)
    assert await line.hear() == ""


async def test_what_a_telnet_client_answers_is_no_text(room: Room) -> None:
    line = await near(room)
    await line.say(b"\xff\xfd\x01cal\xff\xf1ls\r\n")
    assert await line.hear() == "0 calls"


async def test_who_says_nothing_is_hung_up_on(tmp_path: Path) -> None:
    async with living(tmp_path, idle_s=0.05) as room:
        assert await (await near(room)).hear() == ""


async def test_one_address_has_few_consoles_at_once(room: Room) -> None:
    lines = [await far(room) for _ in range(MOST_OF_AN_ADDRESS)]
    for line in lines:
        await line.say("x")
        assert "log in first" in await line.hear()
    assert await (await far(room)).hear() == ""
    own = await near(room)  # the machine's own way stays open
    await own.say("calls")
    assert await own.hear() == "0 calls"


@pytest.mark.setting("consoleport")
def test_the_port_is_for_this_machine_and_trusted_addresses_alone(tmp_path: Path) -> None:
    assert Settings().consoleport == 0
    with opened(tmp_path) as bench:
        bench.store.add_allow(AllowRow("198.51.100.0/24"))
        for reach in Reach:
            bench.service.operators.apply_settings(Settings(stored={"remoteadmin": int(reach), "consoleport": 2323}))
            opens = bench.service.parts.trusted.opens_tcp_console
            assert opens("127.0.0.1") and not opens("203.0.113.9")
            assert opens("198.51.100.9") is (reach is not Reach.NOWHERE)
