"""Listeners that follow the settings, over real sockets: opened, closed and moved while everything runs."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.config.settings import Settings
from pysrv.certificates import selfsigned
from pysrv.net.tls import TlsConnections
from pysrv.ports import Ports
from pysrv.sip.parser import Limits
from tests.ports import free_port
from tests.web.house import Browser, House, living

HERE = "127.0.0.1"


@dataclass
class Place:
    ports: Ports
    context: ssl.SSLContext

    async def want(self, **texts: str) -> None:
        self.ports.follow(Settings().with_changes(texts, 1))
        await self.ports.settle()

    async def speaks_tls(self, port: int) -> bool:
        try:
            _, writer = await asyncio.open_connection(HERE, port, ssl=self.context)
        except ConnectionError:
            return False
        writer.close()
        return True


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[tuple[Place, House, Browser]]:
    async with living(tmp_path, ()) as (house, browser):
        made = selfsigned.ensure(tmp_path, ["localhost"], [HERE], time.time())
        context, trusting = made.context(), ssl.create_default_context(cafile=str(made.path))
        tls = TlsConnections(lambda *_: None, lambda: None, lambda _: None, Limits())
        tls.secure(lambda: context, lambda: trusting, lambda _: None)
        ports = Ports([HERE], tls, house.web)
        yield Place(ports, trusting), house, browser
        await ports.close()


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HERE, port)
    except ConnectionError:
        return False
    writer.close()
    return True


@pytest.mark.setting("usetls")
@pytest.mark.setting("usetlsforall")
@pytest.mark.setting("localtlsport")
async def test_sip_over_tls_opens_moves_and_closes(home: tuple[Place, House, Browser]) -> None:
    place, first, second = home[0], free_port(), free_port()
    await place.want(localtlsport=str(first), localhttpport="0")
    assert await place.speaks_tls(first)
    await place.want(localtlsport=str(second))
    assert await place.speaks_tls(second) and not await is_open(first)
    await place.want(localtlsport=str(second), usetls="false")
    assert await place.speaks_tls(second)
    await place.want(localtlsport=str(second), usetls="false", usetlsforall="false")
    assert not await is_open(second)
    await place.want(localtlsport=str(second), usetlsforall="false")
    assert await place.speaks_tls(second)


@pytest.mark.setting("localhttpport")
@pytest.mark.setting("forcetls")
async def test_the_plain_port_is_open_where_it_is_wanted_and_never_with_forcetls_3(
    home: tuple[Place, House, Browser],
) -> None:
    place, _, browser = home
    port, tls = free_port(), {"usetls": "false", "usetlsforall": "false"}
    await place.want(**tls)
    assert not await is_open(port)
    await place.want(**tls, localhttpport=str(port))
    async with browser.client.get(f"http://{HERE}:{port}/panel/", allow_redirects=False) as answer:
        assert answer.headers["Location"] == browser.origin + "/panel/"
    await place.want(**tls, localhttpport=str(port), forcetls="3")
    assert not await is_open(port)


async def test_a_busy_port_is_told_and_taken_once_it_is_free(home: tuple[Place, House, Browser]) -> None:
    place, port = home[0], free_port()
    wanted = {"localtlsport": str(port)}
    with socket.create_server((HERE, port)):
        await place.want(**wanted)
        assert f"TLS {HERE}:{port} is in use" in place.ports.problems[0]
    place.ports.follow(Settings().with_changes(wanted, 1), again=True)
    await place.ports.settle()
    assert place.ports.problems == () and await place.speaks_tls(port)


async def test_a_busy_plain_port_is_told(home: tuple[Place, House, Browser]) -> None:
    place, port = home[0], free_port()
    with socket.create_server((HERE, port)):
        await place.want(usetls="false", usetlsforall="false", localhttpport=str(port))
        assert "localhttpport" in place.ports.problems[0]
