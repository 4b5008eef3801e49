"""Guessing as somebody would who knows this code: what he tries, and that it gains nothing; whom it must not hit."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.panel import ROUTES
from pysrv.service.surroundings import THIS_MACHINE
from pysrv.store.rows import AllowRow, NewAccount
from pysrv.store.web import PersonKind
from pysrv.web.guesses import FREE_GUESSES, ROWS_AN_HOUR, Thrift
from pysrv.web.logins import MAX_OF_A_NETWORK, Logins
from tests.service.bench import Bench, opened
from tests.web.house import PASSWORD, Browser, House, living

ADMIN = PersonKind.ADMINISTRATOR
CODE = "A" * 32


@dataclass
class Visitor:
    """A request, as far as logins look at one."""

    remote: str
    headers: dict[str, str] = field(default_factory=dict)


@pytest.fixture()
async def home(tmp_path: Path) -> AsyncIterator[tuple[House, Browser]]:
    async with living(tmp_path, ROUTES) as made:
        yield made


@pytest.fixture()
async def logins(home: tuple[House, Browser]) -> AsyncIterator[Logins]:
    house, _ = home
    made = Logins(house, lambda: house.offset)
    yield made
    made.close()


async def tried(logins: Logins, address: str, name: str, password: str = "wrong", **more: Any) -> str:
    """What comes of a login: a refusal's code, or "in", or "half"."""
    visitor: Any = Visitor(address)
    try:
        _, complete = await logins.log_in(visitor, more.get("kind", ADMIN), name, password)
    except WireError as error:
        return error.code
    return "in" if complete else "half"


async def test_an_own_account_does_not_wash_guesses_off_an_address(home: tuple[House, Browser], logins: Logins) -> None:
    house, _ = home
    house.store.add_account(NewAccount("eve", PASSWORD, "realm", ("666",)), "test")
    house.store.commit()
    codes = []
    for number in range(4 * FREE_GUESSES):
        codes.append(await tried(logins, "192.0.2.66", f"name{number}"))
        await tried(logins, "192.0.2.66", "eve", PASSWORD, kind=PersonKind.ACCOUNT)
    assert codes.count("unauthorized") == FREE_GUESSES and codes[-1] == "too_many"


async def test_a_known_password_does_not_buy_more_guesses_at_the_code(
    home: tuple[House, Browser], logins: Logins
) -> None:
    house, _ = home
    house.store.set_totp("olga", CODE)
    guesses = 0
    for number in range(4 * FREE_GUESSES):
        address = f"192.0.2.{number + 1}"  # one for each, as of a botnet
        if await tried(logins, address, "olga", PASSWORD) == "half":
            with pytest.raises(WireError):
                logins.demand_code(address, "olga", "000000")
            guesses += 1
    assert guesses == FREE_GUESSES


async def test_who_goes_on_while_he_has_to_wait_is_told_to_the_gate_each_time(
    home: tuple[House, Browser], logins: Logins
) -> None:
    for _ in range(30):
        await tried(logins, "192.0.2.66", "olga")
    assert len(home[0].guesses) == 30
    await tried(logins, "203.0.113.1", "olga")  # kept out by the guesses of another
    assert len(home[0].guesses) == 30


async def test_guesses_at_an_owner_from_elsewhere_do_not_keep_her_out_where_she_was_before(logins: Logins) -> None:
    assert await tried(logins, "198.51.100.9", "olga", PASSWORD) == "in"
    for number in range(2 * FREE_GUESSES):
        await tried(logins, f"192.0.2.{number + 1}", "olga")
    assert await tried(logins, "203.0.113.1", "olga", PASSWORD) == "too_many"
    assert await tried(logins, "198.51.100.9", "olga", PASSWORD) == "in"


async def test_an_ipv6_network_is_one_guesser_and_a_mapped_address_is_its_ipv4(logins: Logins) -> None:
    codes = [await tried(logins, f"2001:db8::{number:x}", f"name{number}") for number in range(FREE_GUESSES + 2)]
    assert codes[-1] == "too_many"
    assert await tried(logins, "2001:db8:0:1::1", "olga", PASSWORD) == "in"
    codes = [
        await tried(logins, ("192.0.2.7", "::ffff:192.0.2.7")[number % 2], f"name{number}")
        for number in range(FREE_GUESSES + 2)
    ]
    assert codes[-1] == "too_many"


async def test_many_at_once_gain_nothing_and_leave_room_for_others(logins: Logins) -> None:
    many = [tried(logins, "192.0.2.66", "olga") for _ in range(30)]
    *codes, owner = await asyncio.gather(*many, tried(logins, "198.51.100.9", "nobody"))
    assert codes.count("unauthorized") == MAX_OF_A_NETWORK and codes.count("too_many") == 30 - MAX_OF_A_NETWORK
    assert owner == "unauthorized"  # was looked at


async def test_a_full_queue_keeps_nobody_out_who_was_in_before(logins: Logins) -> None:
    assert await tried(logins, "198.51.100.9", "olga", PASSWORD) == "in"
    crowd = [tried(logins, f"192.0.2.{number + 1}", f"name{number}") for number in range(40)]
    *codes, owner = await asyncio.gather(*crowd, tried(logins, "198.51.100.9", "olga", PASSWORD))
    assert "too_many" in codes and owner == "in"


async def test_a_name_in_another_case_or_with_spaces_is_nobody(home: tuple[House, Browser], logins: Logins) -> None:
    for name in ("OLGA", "olga ", "ol\u200bga", "olga\0", "' OR 1=1 --", "x" * 10_000):
        assert await tried(logins, "192.0.2.66", name, PASSWORD) in ("unauthorized", "too_many")
        logins._addresses.forgive("192.0.2.66")
    assert all(len(row.subject) <= 64 for row in home[0].store.audit())


async def test_a_half_login_proves_nothing_and_ends_soon(home: tuple[House, Browser]) -> None:
    house, browser = home
    house.store.set_totp("olga", CODE)
    house.store.commit()
    await browser.log_in("olga")
    answer = await browser.post("/panel/second", {"code": "000000", "proof_password": PASSWORD})
    assert answer.status == 403 and "second factor" in answer.text
    house.offset = 601.0
    assert (await browser.get("/panel/second")).headers["Location"].startswith("/panel/login")


async def test_refused_logins_stand_in_the_trail_and_do_not_fill_it(
    home: tuple[House, Browser], logins: Logins
) -> None:
    house, _ = home
    for _ in range(3):
        await tried(logins, "192.0.2.66", "olga")
    house.offset = 700.0
    await tried(logins, "192.0.2.66", "olga")
    rows = [(row.who, row.subject, row.after) for row in house.store.audit() if row.action == "session.refused"]
    assert rows[::-1] == [("web", "olga", "1 guess from 192.0.2.66"), ("web", "olga", "3 guesses from 192.0.2.66")]
    thrift = Thrift()
    flood = [thrift.told(f"10.{n >> 8}.{n & 255}.1", 1.0) for n in range(5000)]
    assert sum(map(bool, flood)) == ROWS_AN_HOUR
    assert thrift.told("192.0.2.1", 3601.0) == 1


async def test_sessions_that_end_by_themselves_are_removed_and_told(home: tuple[House, Browser]) -> None:
    house, browser = home
    await browser.log_in("olga")
    house.store._write("UPDATE web_sessions SET seen_at = 0")
    await browser.log_in("olga")
    house.offset = 90.0
    await browser.log_in("olga")
    rows = [(row.who, row.action, row.after) for row in house.store.audit() if row.action == "session.end"]
    assert rows == [("web", "session.end", "too old")]


async def test_one_person_has_at_most_fifty_sessions(home: tuple[House, Browser]) -> None:
    house, _ = home
    for _ in range(60):
        house.store.begin_session(ADMIN, "olga", "192.0.2.1", "", complete=True)
    assert len(house.store.web_sessions(ADMIN, "olga")) == 50


@pytest.mark.setting("maxfailedauthenabledip")
def test_guesses_on_the_web_ban_an_address_at_the_gate(tmp_path: Path) -> None:
    with opened(tmp_path) as bench:
        for most, banned in ((11, False), (10, True)):
            bench.service.operators.apply_settings(Settings(stored={"maxfailedauthenabledip": most}))
            for _ in range(11):
                bench.service.operators.wrong_web_password("192.0.2.66", "olga")
                bench.turn()
            assert (("192.0.2.66", 0) in bench.gate.bans) is banned
        (row,) = bench.store.bans()
        assert (row.prefix, row.rule) == ("192.0.2.66", "maxfailedauthenabledip")


def remote(bench: Bench, address: str, value: str, **more: Any) -> bool:
    bench.service.operators.apply_settings(Settings(stored={"remoteadmin": int(value), **more}))
    return bench.service.parts.trusted.administers(address)


@pytest.mark.setting("remoteadmin")
def test_remoteadmin_says_from_where_the_panel_is_reached(tmp_path: Path) -> None:
    listed = {"allowtrustedip": 3}
    with opened(tmp_path) as bench:
        bench.own = {"192.0.2.1": THIS_MACHINE}
        bench.store.add_allow(AllowRow("198.51.100.0/24"))
        assert not remote(bench, "198.51.100.9", "0", **listed)
        assert remote(bench, "198.51.100.9", "1", **listed)
        assert not remote(bench, "203.0.113.9", "1", **listed)
        assert remote(bench, "203.0.113.9", "2")
        for value in ("0", "1", "2"):
            assert remote(bench, "127.0.0.1", value) and remote(bench, "::1", value)
            assert remote(bench, "::ffff:127.0.0.1", value) and remote(bench, "192.0.2.1", value)
        bench.service.parts.trusted.tunnel = ("10.99.7.0/24", "fd00:1::/64")  # while the tunnel is there
        for inside in ("10.99.7.2", "fd00:1::2"):
            for value, may in (("0", False), ("1", True), ("2", True)):
                assert remote(bench, inside, value, **listed) is may
            remote(bench, inside, "1", **listed)
            assert bench.service.parts.trusted.opens_tcp_console(inside)
            assert not bench.service.parts.trusted.why(inside), "it opens doors of administrators and nothing else"
        assert not remote(bench, "10.99.8.2", "1", **listed)
