"""The page of the configuration: taken along as a file, brought, looked at, put in force by a word."""

import json
import re
from typing import Any

import pytest
from aiohttp import web

from pysrv.panel import waiting
from pysrv.panel.pages import configuration
from pysrv.people import permissions
from pysrv.people.permissions import Area, Role
from pysrv.store.web import PersonKind
from tests.panel.conftest import Panel

AT = "/panel/configuration"


async def brought(panel: Panel, read: dict[str, Any] | str) -> str:
    text = read if isinstance(read, str) else json.dumps(read, indent=1)
    return (await panel.browser.upload(AT, {}, text.encode(), "configuration.json")).text


def number_in(page: str) -> str:
    found = re.search(r'name="number" value="([^"]+)"', page)
    assert found is not None
    return found[1]


async def test_it_is_taken_along_brought_back_looked_at_and_put_in_force(panel: Panel) -> None:
    root = panel.house.control.session("root")
    root.do("trunks.add", {"name": "carrier", "host": "192.0.2.7", "user": "us", "password": "carrier-words"})
    answer = await panel.browser.get(f"{AT}/export.json")
    read = json.loads(answer.text)
    assert "attachment" in answer.headers["Content-Disposition"] and "carrier-words" not in answer.text
    assert "Nothing differs" in await brought(panel, read)
    read["settings"]["calltimeout"], read["trunks"] = "77", []
    page = await brought(panel, read)
    assert "2 entries would be changed" in page and "carrier" in page and "1m17s" in page
    assert panel.store.trunk("carrier") is not None
    done = await panel.browser.post(f"{AT}/confirm", {"number": number_in(page), "sure": "1"})
    assert "2 entries were changed" in done.text
    assert panel.store.trunk("carrier") is None and panel.store.overrides()["calltimeout"] == "1m17s"
    again = await panel.browser.post(f"{AT}/confirm", {"number": number_in(page), "sure": "1"})
    assert again.status == 409 and "waits no more" in again.text


async def test_what_is_wrong_is_named_and_what_was_not_said_is_not_done(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = json.loads((await panel.browser.get(f"{AT}/export.json")).text)
    assert "line 2, column 1: expecting property name" in await brought(panel, "{")
    assert "trunks[0].host: is missing" in await brought(panel, read | {"trunks": [{"name": "a"}]})
    page = await brought(panel, read | {"settings": {"calltimeout": "77"}})
    assert (await panel.browser.post(f"{AT}/confirm", {"number": "x", "sure": "1"})).status == 409
    assert (await panel.browser.post(f"{AT}/confirm", {"number": number_in(page), "sure": "1"})).status == 409
    monkeypatch.setattr(waiting, "HELD_S", -1.0)
    page = await brought(panel, read | {"settings": {"calltimeout": "77"}})
    assert (await panel.browser.post(f"{AT}/confirm", {"number": number_in(page), "sure": "1"})).status == 409
    assert "calltimeout" not in panel.store.overrides()


async def waits(panel: Panel, **settings: str) -> dict[str, str]:
    """A file that waits; what says the word for it."""
    read = json.loads((await panel.browser.get(f"{AT}/export.json")).text)
    return {"number": number_in(await brought(panel, read | {"settings": settings})), "sure": "1"}


async def test_the_word_counts_with_the_rights_of_the_moment_in_which_it_is_said(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.administrator("admin")
    await panel.browser.log_in("admin")
    word = await waits(panel, calltimeout="77")
    monkeypatch.setitem(permissions.TABLE, Area.ROUTING, "w r w r r r")  # type: ignore[index]
    refused = await panel.browser.post(f"{AT}/confirm", word)
    assert refused.status == 403 and "your role may not change routing" in refused.text
    monkeypatch.undo()
    word = await waits(panel, calltimeout="77")
    panel.store.set_administrator("admin", "role", Role.OPERATOR)
    panel.store.commit()
    assert (await panel.browser.post(f"{AT}/confirm", word)).status == 401  # another role ends all logins
    assert "calltimeout" not in panel.store.overrides()


async def test_rights_that_go_while_the_word_is_on_its_way_are_gone(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form comes after its headers, by which it was looked who asks."""
    word, form = await waits(panel, calltimeout="77"), configuration.form

    async def slow(request: web.Request) -> dict[str, str]:
        panel.store.end_sessions_of(PersonKind.ADMINISTRATOR, "olga")
        panel.store.commit()
        return await form(request)

    monkeypatch.setattr(configuration, "form", slow)
    refused = await panel.browser.post(f"{AT}/confirm", word)
    assert refused.status == 401 and "this login has ended meanwhile" in refused.text
    assert "calltimeout" not in panel.store.overrides()


async def test_a_login_that_was_ended_leaves_no_file_behind(panel: Panel) -> None:
    word = await waits(panel, calltimeout="77")
    panel.store.end_sessions_of(PersonKind.ADMINISTRATOR, "olga")
    panel.store.commit()
    assert (await panel.browser.post(f"{AT}/confirm", word)).status == 401
    await panel.browser.log_in("olga")
    await panel.browser.get("/panel/")
    answer = await panel.browser.post(f"{AT}/confirm", word)
    assert answer.status == 409 and "waits no more" in answer.text
    assert "calltimeout" not in panel.store.overrides()


async def test_nobody_closes_the_panel_to_himself_by_a_file(panel: Panel) -> None:
    read = json.loads((await panel.browser.get(f"{AT}/export.json")).text)
    page = await brought(panel, read | {"settings": read["settings"] | {"remoteadmin": "0", "calltimeout": "77"}})
    assert "remoteadmin would close the panel to 127.0.0.1, where you are" in page and 'name="number"' not in page
    assert (await panel.browser.post(f"{AT}/confirm", {"number": "", "sure": "1"})).status == 409
    assert "remoteadmin" not in panel.store.overrides()


async def test_administrators_alone_may_see_it(panel: Panel) -> None:
    for role, status in (("admin", 200), ("operator", 403), ("support", 403)):
        panel.administrator(role)
        await panel.browser.log_in(role)
        assert (await panel.browser.get(AT)).status == status
        assert (await panel.browser.get(f"{AT}/export.json")).status == status


async def test_where_no_file_may_come_the_page_leads_to_the_setting_that_says_so(panel: Panel) -> None:
    """As the strict profile has it."""
    panel.store.set_setting("allowhttpfileupload", "0")
    panel.store.commit()
    for at in (AT, "/panel/rates", "/panel/accounts-sheet"):
        page = (await panel.browser.get(at)).text
        assert "Uploads are switched off" in page and 'type="file"' not in page, at
        assert '<a href="/panel/settings/allowhttpfileupload">allowhttpfileupload</a>' in page, at
        assert "<code>appliance " in page, at
    assert (await panel.browser.get("/panel/settings/allowhttpfileupload")).status == 200
    refused = await panel.browser.upload(AT, {}, b"{}", "configuration.json")
    assert refused.status == 403 and "allowhttpfileupload" in refused.text
