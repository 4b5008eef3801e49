"""Administrators and the trail on the panel: what an owner does there, and what it leaves behind."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pysrv.panel import ROUTES
from pysrv.people.permissions import Role
from pysrv.store.web import PersonKind
from tests.web.house import PASSWORD, Browser, House, living

Home = tuple[House, Browser]


@pytest.fixture()
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with living(tmp_path, ROUTES) as (house, browser):
        house.store.add_administrator("otto", Role.OPERATOR, PASSWORD)
        house.store.commit()
        await browser.log_in("olga")
        yield house, browser


async def test_an_owner_adds_changes_locks_and_removes_an_administrator(home: Home) -> None:
    house, browser = home
    fields = {"name": "anna", "role": "sales", "password": PASSWORD, "email": "a@example.com"}
    assert (await browser.post("/panel/people-new", fields)).headers["Location"] == "/panel/people/anna"
    assert "a@example.com" in (await browser.get("/panel/people")).text
    change = {"role": "support", "was-role": "sales", "display_name": "Anna", "was-display_name": ""}
    assert (await browser.post("/panel/people/anna/set", change)).status == 303
    anna = house.store.administrator("anna")
    assert anna and (anna.role, anna.display_name, anna.email) == (Role.SUPPORT, "Anna", "a@example.com")
    assert (await browser.post("/panel/people/anna/enable", {"enabled": "0"})).status == 303
    assert not house.store.verify_admin("anna", PASSWORD)
    assert (await browser.post("/panel/people/anna/remove", {"name": "ann"})).status == 422
    assert (await browser.post("/panel/people/anna/remove", {"name": "anna"})).status == 303
    assert house.store.administrator("anna") is None
    actions = [row.action for row in house.store.audit() if row.subject == "anna" and row.who == "web:olga"]
    assert actions[::-1] == [
        f"administrator.{what}" for what in ("add", "email", "role", "display_name", "enabled", "remove")
    ]


async def test_refusals_keep_what_was_typed_except_the_password(home: Home) -> None:
    _, browser = home
    for name in ("olga", "OLGA", "a/b", "", "..", "anna ", "оlga"):
        asked = {"name": name, "role": "sales", "password": "secret-words-9", "email": "x@example.com"}
        answer = await browser.post("/panel/people-new", asked)
        if name == "anna ":
            assert answer.status == 303  # white space around a name is nobody's
            continue
        assert answer.status in (409, 422) and "x@example.com" in answer.text and "secret-words-9" not in answer.text
    assert (await browser.post("/panel/people-new", asked | {"name": "eva", "role": "king"})).status in (400, 422)
    assert (await browser.post("/panel/people-new", asked | {"name": "eva", "password": "short"})).status == 422


async def test_the_last_owner_stays_owner(home: Home) -> None:
    house, browser = home
    for path, fields in (
        ("set", {"role": "sales", "was-role": "owner"}),
        ("enable", {"enabled": "0"}),
        ("remove", {"name": "olga"}),
    ):
        answer = await browser.post(f"/panel/people/olga/{path}", fields)
        assert answer.status == 422 and "last owner" in answer.text
    olga = house.store.administrator("olga")
    assert olga and olga.role is Role.OWNER and olga.enabled


async def test_a_reset_password_and_a_lost_factor_let_somebody_in_again(home: Home) -> None:
    house, browser = home
    house.store.set_totp("otto", "A" * 32)
    session = house.store.begin_session(PersonKind.ADMINISTRATOR, "otto", "192.0.2.9", "", complete=True)
    house.store.commit()
    assert (await browser.post("/panel/people/otto/password", {"password": "another-horse-43"})).status == 303
    assert house.store.web_session(session) is None
    assert (await browser.post("/panel/people/otto/second")).status == 303
    answer = await browser.log_in("otto", "another-horse-43")
    assert answer.headers["Location"] == "/panel/"


async def test_an_owner_ends_sessions_and_tokens_of_others(home: Home) -> None:
    house, browser = home
    session = house.store.begin_session(PersonKind.ADMINISTRATOR, "otto", "192.0.2.9", "lynx", complete=True)
    house.store.add_api_token("otto", "meter", ("*:read",), 4e9)
    house.store.commit()
    shown = await browser.get("/panel/people")
    assert "lynx" in shown.text and "meter" in shown.text
    found = house.store.web_session(session)
    assert found and found.digest not in shown.text
    assert (await browser.post("/panel/people-session-end", {"id": found.digest[:16]})).status == 303
    assert house.store.web_session(session) is None
    assert (await browser.post("/panel/people-session-end", {"id": "%" * 16})).status == 404
    ident = str(house.store.api_tokens()[0].id)
    assert (await browser.post("/panel/people-token-drop", {"id": ident})).status == 303
    assert house.store.api_tokens() == []


async def test_the_trail_is_filtered_paged_and_checked_against_a_noted_head(home: Home) -> None:
    house, browser = home
    for number in range(120):
        house.store.set_administrator("otto", "display_name", f"name {number}", "web:olga")
    house.store.set_administrator("olga", "display_name", "<b>x</b>", "root")
    head = house.store.audit_chain().head
    house.store.set_setting("maxlines", "7", "root")
    house.store.commit()
    first = await browser.get("/panel/trail?subject=otto")
    assert "name 119" in first.text and "name 5<" not in first.text and "maxlines" not in first.text
    older = first.text.rpartition("before=")[2].partition('"')[0]
    assert "name 5<" in (await browser.get(f"/panel/trail?subject=otto&before={older}")).text
    by_root = await browser.get("/panel/trail?who=root")
    assert "maxlines" in by_root.text and "&lt;b&gt;x" in by_root.text and "name 119" not in by_root.text
    assert "name 119" in (await browser.get("/panel/trail?who=olga")).text  # by whatever way she came
    good = await browser.get(f"/panel/trail-verify?head={head}")
    assert "Whole" in good.text and "nothing up to there was changed" in good.text
    bad = await browser.get(f"/panel/trail-verify?head={'0' * 64}")
    assert "is not in it" in bad.text


async def test_a_trail_that_was_changed_from_outside_says_at_which_row(home: Home) -> None:
    house, browser = home
    for number in range(5):
        house.store.set_administrator("otto", "display_name", f"name {number}", "web:olga")
    for row in house.store._all("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"):
        house.store._write(f"DROP TRIGGER {row[0]}")  # as somebody with an editor would
    house.store._write("UPDATE audit SET after = 'x' WHERE after = 'name 2'")
    house.store.commit()
    assert "does not fit" in (await browser.get("/panel/trail-verify")).text
