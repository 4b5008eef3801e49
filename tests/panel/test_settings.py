"""The pages of settings: found, changed, explained, taken back, and tried on calls of the past."""

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from appliance.config.options import OPTIONS_VARIABLE, RunOptions
from appliance.config.schema import ROWS
from appliance.wire import WireError
from pysrv.control.aside import Aside
from pysrv.control.session import Control
from pysrv.panel import ROUTES
from pysrv.people.permissions import Role
from tests.control import past
from tests.control.office import Service
from tests.control.past import DAY, PastOffice
from tests.panel.conftest import Panel
from tests.web.house import PASSWORD, living


def named(text: str) -> set[str]:
    return set(re.findall(r'<a href="/panel/settings/(\w+)"><code>', text))


async def test_every_setting_is_listed_with_its_default_and_its_strict_value(panel: Panel) -> None:
    _, browser = panel
    assert named((await browser.get("/panel/settings")).text) == set(ROWS)


async def test_settings_are_found_by_words_chapter_and_what_was_changed(panel: Panel) -> None:
    _, browser = panel
    assert "banperiod" in named((await browser.get("/panel/settings?q=BAN+period")).text)
    assert named((await browser.get("/panel/settings?q=nothing-like-it")).text) == set()
    assert named((await browser.get("/panel/settings?only=changed")).text) == set()
    panel.service.apply_settings(panel.service.settings().with_changes({"calltimeout": "1h"}, 1))
    assert named((await browser.get("/panel/settings?only=changed")).text) == {"calltimeout"}
    chapter = ROWS["calltimeout"].chapter
    found = named((await browser.get("/panel/settings", params={"chapter": chapter})).text)
    assert found == {name for name, row in ROWS.items() if row.chapter == chapter}


async def test_a_german_reads_and_searches_settings_in_german(panel: Panel) -> None:
    _, browser = panel
    german = {"Accept-Language": "de"}
    page = (await browser.get("/panel/settings/banperiodmax", headers=german)).text
    assert "Längste automatische Sperre." in page and "Longest automatic ban." not in page
    assert "Adresse und Tech-Präfix" in (await browser.get("/panel/settings/needauth", headers=german)).text
    found = named((await browser.get("/panel/settings?q=automatische+Sperre", headers=german)).text)
    assert {"banperiod", "banperiodmax"} <= found
    assert "banperiodmax" in named((await browser.get("/panel/settings?q=longest+automatic", headers=german)).text)


async def test_a_value_has_one_unit_and_says_what_its_zero_means(panel: Panel) -> None:
    listed = (await panel.browser.get("/panel/settings")).text
    assert " money<" not in listed and not re.search(r"\d[smhd] s</", listed)
    assert ">0 (off)<" in listed and ">3m<" in listed
    await panel.browser.post("/panel/settings/maxdailycredit/set", {"maxdailycredit": "12.5"})
    shown = (await panel.browser.get("/panel/settings/maxdailycredit")).text
    assert "<td>12.5 EUR</td>" in shown and "<small>(EUR)</small>" in shown
    assert (
        "5 Gespräche" in (await panel.browser.get("/panel/settings/maxlines", headers={"Accept-Language": "de"})).text
    )


async def test_every_setting_has_its_page_and_takes_its_own_default(panel: Panel) -> None:
    _, browser = panel
    for name, row in ROWS.items():
        answer = await browser.get(f"/panel/settings/{name}")
        assert answer.status == 200, name
        assert row.sentence.split("'")[0][:20] in answer.text
        if not row.kind.secret and not row.generated:
            told = {name: row.kind.text(row.default)}
            assert (await browser.post(f"/panel/settings/{name}/set", told)).status == 303, name


async def test_a_change_is_saved_says_who_made_it_and_is_rolled_back(panel: Panel) -> None:
    house, browser = panel
    for text in ("1h", "2h"):
        assert (await browser.post("/panel/settings/calltimeout/set", {"calltimeout": text})).status == 303
    assert house.settings().calltimeout == 7200.0
    shown = (await browser.get("/panel/settings/calltimeout")).text
    assert "web:olga" in shown
    newest = re.findall(r'name="id" value="(\d+)"', shown)[0]
    await browser.post("/panel/settings/calltimeout/back", {"id": newest})
    assert house.settings().calltimeout == 3600.0
    oldest = re.findall(r'name="id" value="(\d+)"', (await browser.get("/panel/settings/calltimeout")).text)[-1]
    await browser.post("/panel/settings/calltimeout/back", {"id": oldest})
    assert house.settings().calltimeout == ROWS["calltimeout"].default
    assert (await browser.post("/panel/settings/calltimeout/back", {"id": "999999"})).status == 404


async def test_a_tick_that_is_taken_away_says_no(panel: Panel) -> None:
    house, browser = panel
    page = (await browser.get("/panel/settings/usetls")).text
    assert '<input type="hidden" name="usetls" value="false">' in page
    await browser.post("/panel/settings/usetls/set", {"usetls": "true"})
    assert house.settings().usetls
    await browser.post("/panel/settings/usetls/set", {"usetls": "false"})
    assert not house.settings().usetls


async def test_a_wrong_value_is_refused_with_its_range_and_stays_in_the_form(panel: Panel) -> None:
    house, browser = panel
    answer = await browser.post("/panel/settings/calltimeout/set", {"calltimeout": "<b soon"})
    assert answer.status == 422
    assert "must be a duration" in answer.text and 'value="&lt;b soon"' in answer.text
    assert house.store.generation() == 0
    assert (await browser.get("/panel/settings/nothing")).status == 404


async def test_a_secret_is_taken_and_never_shown(panel: Panel) -> None:
    house, browser = panel
    assert (await browser.post("/panel/settings/httpapikey/set", {"httpapikey": "open-sesame-77"})).status == 303
    for path in ("/panel/settings/httpapikey", "/panel/settings", "/panel/settings?only=changed"):
        assert "open-sesame-77" not in (await browser.get(path)).text
    assert "(set)" in (await browser.get("/panel/settings/httpapikey")).text
    assert (await browser.post("/panel/settings/httpapikey/set", {"httpapikey": ""})).status == 422
    assert house.settings().text("httpapikey") == "open-sesame-77"
    await browser.post("/panel/settings/httpapikey/set", {"default": "1"})
    assert house.settings().text("httpapikey") == ""


async def test_the_chosen_rows_of_the_strict_profile_are_applied_and_no_others(panel: Panel) -> None:
    house, browser = panel
    page = (await browser.get("/panel/settings-profile?profile=strict")).text
    offered = re.findall(r'name="row" value="(\w+)"', page)
    assert len(offered) > 3
    told = {"profile": "strict", "row": offered[0]}
    assert (await browser.post("/panel/settings-profile", told)).status == 303
    assert set(house.settings().stored()) == {offered[0]}
    assert (await browser.post("/panel/settings-profile", {"profile": "strict"})).status == 422
    assert (await browser.get("/panel/settings-profile?profile=wild")).status == 400


async def test_nobody_closes_the_panel_to_himself_unless_it_opens_again_by_itself(panel: Panel) -> None:
    house, browser = panel
    house.control = Control(house.store, Service(), {}, time.time)
    told = {"remoteadmin": "0"}
    refused = await browser.post("/panel/settings/remoteadmin/set", told)
    assert refused.status == 409 and "remoteadmin would close the panel to 127.0.0.1, where you are" in refused.text
    assert "remoteadmin" not in house.store.overrides()
    assert (await browser.post("/panel/settings/remoteadmin/set", told | {"confirm": "1"})).status == 303
    assert house.store.overrides()["remoteadmin"] == "0"


async def test_a_change_that_waits_is_shown_confirmed_or_taken_back(panel: Panel) -> None:
    house, browser = panel
    house.control = Control(house.store, Service(), {}, time.time)
    for last, kept in (("undo", False), ("confirm", True)):
        told = {"calltimeout": "1h", "confirm": "1"}
        assert (await browser.post("/panel/settings/calltimeout/set", told)).status == 303
        assert "settings-pending/confirm" in (await browser.get("/panel/settings")).text
        assert (await browser.post(f"/panel/settings-pending/{last}")).status == 303
        assert ("calltimeout" in house.store.overrides()) is kept
        assert "settings-pending/confirm" not in (await browser.get("/panel/settings")).text


async def test_a_reader_sees_values_and_no_form(panel: Panel) -> None:
    house, browser = panel
    house.store.add_administrator("rita", Role.READ_ONLY, PASSWORD)
    house.store.commit()
    await browser.log_in("rita")
    page = (await browser.get("/panel/settings/calltimeout")).text
    assert "/panel/settings/calltimeout/set" not in page
    assert (await browser.post("/panel/settings/calltimeout/set", {"calltimeout": "1h"})).status == 403


@pytest.fixture
def past_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with two calls of alice's, some days ago."""
    noon = time.time() // DAY * DAY - DAY / 2
    monkeypatch.setattr(past, "NOW", noon)
    office = PastOffice(tmp_path / "appliance.db")
    office.clock.now = noon - 10 * DAY
    office.account("alice")
    office.call("alice", 2, 9, 600)
    office.call("alice", 2, 10, 600)
    office.done()
    office.store.close()
    return tmp_path


async def test_a_limit_is_tried_on_the_past_shows_whom_it_meets_and_changes_nothing(past_days: Path) -> None:
    async with living(past_days, ROUTES) as (house, browser):
        await browser.log_in("olga")
        await browser.get("/panel/")
        before = house.store.generation()
        name = "maxdailycreditforenduser"
        answer = await browser.post(f"/panel/settings/{name}/try", {name: "5", "days": "7"})
        assert answer.status == 200
        assert "Whom it would have met (1 accounts)" in answer.text and "/panel/accounts/alice" in answer.text
        assert "maxdailycreditforenduser" in answer.text and 'value="5"' in answer.text
        assert house.store.generation() == before
        answer = await browser.post(f"/panel/settings/{name}/try", {name: "100", "days": "7"})
        assert "Nobody would have noticed." in answer.text
        answer = await browser.post("/panel/settings/calltimeout/try", {"calltimeout": "1h"})
        assert answer.status == 422 and "no limit of calls" in answer.text


async def test_one_replay_runs_at_a_time_and_none_for_ever(past_days: Path) -> None:
    state = RunOptions(state=str(past_days)).to_json()
    aside = Aside({**os.environ, OPTIONS_VARIABLE: state}, {})
    told: list[dict[str, Any]] = []
    refused: list[WireError] = []

    async def ask() -> None:
        try:
            told.append(await aside.replay({"changes": {}, "days": 7}, lambda: None))
        except WireError as error:
            refused.append(error)

    await asyncio.gather(ask(), ask())
    assert [error.code for error in refused] == ["busy"] and told[0]["calls"] == 2
    assert (await aside.replay({"changes": {}, "days": 7}, lambda: None))["calls"] == 2  # the next one may
    hasty = Aside({**os.environ, OPTIONS_VARIABLE: state}, {}, longest_s=0.0)
    with pytest.raises(WireError, match="took longer"):
        await hasty.replay({"changes": {}}, lambda: None)
