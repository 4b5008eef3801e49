"""The first set-up: from an empty database to calls, each step skipped or resumed."""

import pytest

from pysrv.control.setup import Step
from pysrv.panel.pages.setup import ACTS, TITLES
from pysrv.people.permissions import Role
from tests.web.house import PASSWORD, Browser, House

Panel = tuple[House, Browser]


async def test_the_dashboard_leads_to_the_set_up_until_it_is_finished(panel: Panel) -> None:
    house, browser = panel
    assert "/panel/setup?step=password" in (await browser.get("/panel/")).text
    house.store.add_administrator("rita", Role.READ_ONLY, PASSWORD)
    house.store.commit()
    for step in Step:
        assert (await browser.get(f"/panel/setup?step={step}")).status == 200
        await browser.post(f"/panel/setup/{step}", {"skip": "1"})
    page = (await browser.get("/panel/")).text
    assert "/panel/setup?step=" not in page
    assert "Every step is behind you" in (await browser.get("/panel/setup")).text
    await browser.post("/panel/setup/mail", {"again": "1"})
    assert "/panel/setup?step=mail" in (await browser.get("/panel/")).text
    await browser.log_in("rita")
    assert "/panel/setup" not in (await browser.get("/panel/")).text
    assert (await browser.post("/panel/setup/mail", {"skip": "1"})).status == 403


async def test_an_empty_appliance_is_set_up_step_by_step(panel: Panel) -> None:
    house, browser = panel
    told: dict[str, dict[str, str]] = {
        "address": {"prefix": "198.51.100.7"},
        "domain": {"localdomain": "pbx.example"},
        "certificate": {},
        "interfaces": {},
        "profile": {"profile": "strict"},
        "trunk": {"name": "carrier", "host": "sip.carrier.example", "prefix": "all", "enabled": "1"},
        "accounts": {"name": "alice", "password": "correct-Horse-77-staple", "numbers": "100"},
        "mail": {"mailserver": "mail.example", "mailfrom": "pbx@pbx.example", "adminemails": "olga@pbx.example"},
    }
    await browser.post("/panel/setup/password", {"skip": "1"})
    for step, fields in told.items():
        assert f'action="/panel/setup/{step}"' in (await browser.get("/panel/setup")).text, step
        answer = await browser.post(f"/panel/setup/{step}", fields)
        assert answer.status == 303, (step, answer.text)
    settings = house.settings()
    assert (settings.localdomain, settings.mailserver) == ("pbx.example", "mail.example")
    assert settings.text("blocknotbilledcalls") == "1"
    assert [allow.prefix for allow in house.store.allows()] == ["198.51.100.7"]
    assert [trunk.name for trunk in house.store.trunks()] == ["carrier"]
    account = house.store.account("alice")
    assert account is not None
    assert account.numbers == ("100",)
    assert set(house.store.setup_steps().values()) == {"done", "skipped"}


async def test_a_refused_step_stays_with_what_was_typed_and_is_not_done(panel: Panel) -> None:
    house, browser = panel
    for step, fields, shown in (
        ("address", {"prefix": "everywhere"}, 'value="everywhere"'),
        ("domain", {"localdomain": "not a domain"}, 'value="not a domain"'),
        ("trunk", {"name": "carrier", "host": "300.1.2.3"}, 'value="300.1.2.3"'),
        ("accounts", {"name": "alice", "password": "1"}, 'value="alice"'),
        ("mail", {"mailport": "99999"}, 'value="99999"'),
        ("mail", {"stay": "1"}, ""),  # no test is sent while nothing runs
        ("password", {"password": "one-password-1", "repeated": "another"}, "the two passwords differ"),
    ):
        answer = await browser.post(f"/panel/setup/{step}", fields)
        assert answer.status in (400, 422, 503), step
        assert 'role="alert"' in answer.text
        assert shown in answer.text, step
        assert "one-password-1" not in answer.text
    assert house.store.setup_steps() == {}
    assert (await browser.post("/panel/setup/nothing", {})).status == 404


async def test_a_new_password_ends_the_session_and_opens_the_next(panel: Panel) -> None:
    house, browser = panel
    new = "another-Horse-78-staple"
    answer = await browser.post("/panel/setup/password", {"password": new, "repeated": new})
    assert answer.status == 303
    assert (await browser.get("/panel/")).headers["Location"].startswith("/panel/login")
    assert house.store.setup_steps() == {"password": "done"}
    assert (await browser.log_in("olga", new)).status == 303


@pytest.mark.parametrize("table", [ACTS, TITLES])
def test_every_step_has_its_title_and_its_act(table: dict[str, object]) -> None:
    assert set(table) == set(Step)


async def test_the_step_of_the_address_says_in_words_from_where_the_panel_is_open(panel: Panel) -> None:
    _, browser = panel
    page = (await browser.get("/panel/setup?step=address")).text
    assert "The panel is open through the tunnel or from trusted addresses (remoteadmin)." in page
    for path in ("/panel/setup?step=address", "/panel/allowed"):
        page = (await browser.get(path)).text
        assert "once it was opened to a key" in page and "always through the tunnel" in page, path
