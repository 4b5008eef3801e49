"""A German reads German: every page of panel and portal, with something to show on each, and no sentence of ours in it
for which the catalogue has a German one."""

import html
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from appliance import wire
from pysrv.billing.cdr import Cdr
from pysrv.control.memory import Memory
from pysrv.control.session import Control
from pysrv.panel import ROUTES as PANEL
from pysrv.portal import ROUTES as PORTAL
from pysrv.store.account import NewAccount
from pysrv.store.rows import Attempt, NewTrunk, Route
from pysrv.web.rendering import say
from pysrv.web.routes import Route as Page
from tests.control.office import Service
from tests.panel.conftest import Panel
from tests.panel.test_watching import running, went_by
from tests.web.house import PASSWORD, living
from tests.web.languages import translated

PLACES = re.compile(r"%\(\w+\)s")
WORD = re.compile(r"[A-Za-z]{2,}")
QUOTED = re.compile(r"'[^']*'")  # commands are the same in every language
# Texts that are shown as they were typed or written by somebody else, and files.
HIDDEN = re.compile(r"<(code|pre|script|style|textarea)\b.*?</\1>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")
SPOKEN = re.compile(r' (?:aria-label|title|placeholder)="([^"]+)"')
FILES = (".csv", ".json", "/live", "/log")
MORE = (
    "/panel/accounts/alice", "/panel/accounts/alice/history", "/panel/accounts/nobody", "/panel/trunks/carrier",
    "/panel/calls/c1", "/panel/cdrs-show?call_id=r1", "/panel/rates/none", "/panel/nothing", "/panel/people/olga",
    "/panel/firewall?address=203.0.113.9", "/panel/firewall?address=x", "/panel/why?address=203.0.113.9",
    "/panel/why?account=nobody", "/panel/why?number=x", "/panel/bans/one?source=203.0.113.9",
    "/panel/quote?account=alice&number=4930123&seconds=65", "/panel/settings-profile?profile=strict",
    "/panel/settings/maxcps", "/panel/settings/localdomain", "/panel/cdrs?since=x",
)  # fmt: skip
STEPS = ("password", "address", "domain", "certificate", "interfaces", "profile", "trunk", "accounts", "mail")
OF_A_CUSTOMER = ("/portal/quote?number=4930123&minutes=2", "/portal/quote?number=x&minutes=y", "/portal/call?id=r1")


@cache
def english() -> tuple[str, ...]:
    """The longest run of words of every sentence that is another one in German."""
    known = translated("de")
    german = "\n".join(known.values())
    found = set()
    for words, said in known.items():
        run = max((QUOTED.sub("", part) for part in PLACES.split(words)), key=len).replace("%%", "%")
        if len(WORD.findall(run)) > 2 and said != words and run not in german:
            found.add(run)
    return tuple(sorted(found))


def left(page: str) -> Iterator[str]:
    """English in a page. A run that begins or ends with a part of a word of the page is none of it."""
    page = HIDDEN.sub("", page)
    text = "\n".join((html.unescape(TAG.sub("\n", page)), *map(html.unescape, SPOKEN.findall(page))))
    for run in english():
        at = text.find(run)
        if at >= 0 and not (text[at - 1 : at].isalpha() and run[0].isalpha()):
            yield f"{run!r} in {text[max(0, at - 40) : at + len(run) + 40]!r}"


def shown(pages: tuple[Page, ...]) -> list[str]:
    paths = [page.path for page in pages if page.method == "GET" and "{" not in page.path]
    return [path for path in paths if not path.endswith(FILES)]


def fill(panel: Panel) -> None:
    """Something for every page."""
    store, now = panel.store, panel.house.watch.now()
    store.add_account(NewAccount("rex", PASSWORD, "example.org", ("300",), type="reseller"), "test")
    panel.account()
    store.add_trunk(NewTrunk("carrier", "192.0.2.9", 5060, "udp", "", "", (Route("49", 100, 0, ""),)), "test")
    running(panel)
    went_by(panel, [3] * 20 + [4000] * 3)
    for name, setting, status, reason in (
        ("r1", "maxlines", 486, "alice has 2 running calls, maxlines is 2"),
        ("r2", "enabled", 403, "account alice is disabled"),
        ("r3", "", 404, "4930123 is no user and has no route"),
    ):
        store.settle(
            Cdr(name, "alice", "101", "4930123", "192.0.2.7", setup_at=now, sip_status=status, reason=reason,
                refused_by=setting)
        )  # fmt: skip
    store.record_attempt(Attempt(now, "192.0.2.8", "wrong_password", "alice", "needauth"))
    store.add_notice("test", "", {"who": "olga"}, "k")
    store.add_notice(
        "trunk_failing", "", {"trunk": "carrier", "count": 3, "status": 503, "setting": "trunkfailures"}, "t"
    )
    store.commit()
    operator = panel.house.control.session("test")
    operator.do("bans.add", wire.to_dict(wire.Ban("203.0.113.9", 0.0, "guessed")))
    operator.close()
    store.commit()


async def test_every_page_of_the_panel_is_german(tmp_path: Path) -> None:
    async with living(tmp_path, (*PANEL, *PORTAL)) as (house, browser):
        service, memory = Service(), Memory()
        house.control = Control(house.store, service, {}, house.watch.now, memory)
        panel = Panel(house, browser, service, memory)
        fill(panel)
        await browser.log_in("olga")
        found: dict[str, list[str]] = {}
        for path in (*shown(PANEL), *MORE, *(f"/panel/setup?step={step}" for step in STEPS)):
            answer = await browser.get(path, headers={"Accept-Language": "de"})
            if answer.status == 200 or answer.status >= 400:
                assert '<html lang="de"' in answer.text, path
                if wrong := list(left(answer.text)):
                    found[path] = wrong
        assert found == {}


async def test_every_page_of_the_portal_is_german(tmp_path: Path) -> None:
    async with living(tmp_path, (*PANEL, *PORTAL)) as (house, browser):
        house.control = Control(house.store, Service(), {}, house.watch.now, Memory())
        fill(Panel(house, browser, Service(), Memory()))
        found: dict[str, list[str]] = {}
        for name in ("alice", "rex"):
            await browser.get("/portal/login")
            assert (await browser.log_in(name, room="portal")).status == 303
            for path in (*shown(PORTAL), *OF_A_CUSTOMER):
                answer = await browser.get(path, headers={"Accept-Language": "de"})
                if wrong := list(left(answer.text)):
                    found[path] = wrong
            await browser.post("/portal/logout")
        assert found == {}


async def test_a_refusal_is_read_in_german_and_said_to_programs_in_english(panel: Panel) -> None:
    german = {"headers": {"Accept-Language": "de", "Origin": panel.browser.origin}}
    answer = await panel.browser.post("/panel/trunks-new", {"name": "a b", "host": "300.1.2.3", "port": "x"}, **german)
    assert answer.status == 422 and "muss eine ganze Zahl sein, nicht &#39;x&#39;" in answer.text
    answer = await panel.browser.get("/api/v1/nothing", headers={"Accept-Language": "de"})
    assert "there is no" in answer.text or answer.status == 404


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("there is no account 'x'", "es gibt kein Konto 'x'"),
        ("must be 0 to 5, 0 = off, not 'z'", "muss 0 bis 5, 0 = aus sein, nicht 'z'"),
        ("alice has 2 running calls, maxlines is 2", "alice hat 2 laufende Anrufe, maxlines ist 2"),
        ("there is no account ", "there is no account "),
        ("something that nobody wrote down", "something that nobody wrote down"),
        ("", ""),
    ],
)
def test_a_sentence_is_said_with_its_names_and_figures(english: str, german: str) -> None:
    assert say(english, "de") == german
    assert say(english, "en") == english
