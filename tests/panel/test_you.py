"""The page about oneself: password, authenticator, recovery codes, passkeys, sessions and tokens, in a real web."""

import html
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest

from pysrv.panel import ROUTES
from pysrv.people.permissions import Area, Role
from pysrv.store.web import PersonKind
from pysrv.web.identity import of_token
from tests.people.authenticator import Authenticator
from tests.web.house import PASSWORD, Answer, Browser, House, living

Home = tuple[House, Browser]


@pytest.fixture()
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with living(tmp_path, ROUTES) as (house, browser):
        browser.origin = browser.origin.replace("127.0.0.1", "localhost")  # a passkey belongs to a name
        await browser.log_in("olga")
        yield house, browser


def options_of(answer: Answer) -> str:
    found = re.search(r'data-options="([^"]+)"', answer.text)
    assert found
    return html.unescape(found[1])


def key_of(browser: Browser) -> Authenticator:
    return Authenticator(browser.origin, "localhost")


def trail_of(house: House) -> list[tuple[str, str, str]]:
    return [(row.who, row.action, row.subject) for row in house.store.audit()]


async def enrolled(browser: Browser) -> Authenticator:
    key = key_of(browser)
    asked = await browser.post("/panel/you/passkey-new")
    fields = {"label": "ring", "credential": key.create(options_of(asked))}
    assert (await browser.post("/panel/you/passkey-add", fields)).status == 303
    return key


async def test_a_new_password_wants_the_old_one_and_ends_every_other_session(home: Home, tmp_path: Path) -> None:
    house, browser = home
    other = house.store.begin_session(PersonKind.ADMINISTRATOR, "olga", "192.0.2.9", "", complete=True)
    fields = {"old": "wrong", "password": "another-horse-43", "again": "another-horse-43"}
    assert (await browser.post("/panel/you/password", fields)).status == 401
    assert (await browser.post("/panel/you/password", fields | {"old": PASSWORD, "again": "x"})).status == 422
    assert (await browser.post("/panel/you/password", fields | {"old": PASSWORD, "password": "a", "again": "a"})).status
    assert house.store.verify_admin("olga", PASSWORD)
    before = browser.cookie()
    assert (await browser.post("/panel/you/password", fields | {"old": PASSWORD})).status == 303
    assert house.store.verify_admin("olga", "another-horse-43")
    assert house.store.web_session(other) is None and house.store.web_session(before) is None
    assert (await browser.get("/panel/you")).status == 200  # this browser goes on, under another cookie
    assert ("web:olga", "administrator.password", "olga") in trail_of(house)


async def test_an_authenticator_counts_only_after_a_right_code(home: Home) -> None:
    house, browser = home
    assert (await browser.post("/panel/you/totp-begin")).headers["Location"] == "/panel/you/totp"
    shown = await browser.get("/panel/you/totp")
    assert 'src="data:image/svg+xml' in shown.text
    found = re.search(r"<code>([A-Z2-7]{32})</code>", shown.text)
    assert found
    secret = found[1]
    wrong = await browser.post("/panel/you/totp", {"code": "000000"})
    assert wrong.status == 422 and secret in wrong.text
    person = house.store.administrator("olga")
    assert person and not person.has_totp
    code = pyotp.TOTP(secret).at(time.time())
    done = await browser.post("/panel/you/totp", {"code": code})
    codes = re.findall(r"<code>([a-z2-9]{5}-[a-z2-9]{5})</code>", done.text)
    assert done.status == 200 and len(codes) == 10
    assert (await browser.get("/panel/you/totp")).status == 303  # the secret is shown no more
    assert (await browser.log_in("olga")).headers["Location"] == "/panel/second"
    assert (await browser.post("/panel/second", {"code": code})).status == 401  # it was typed once already
    assert (await browser.post("/panel/second", {"code": codes[0]})).status == 303
    await browser.get("/panel/you")
    assert (await browser.post("/panel/you/totp-off")).status == 303
    person = house.store.administrator("olga")
    assert person and not person.has_second_factor and person.recovery_codes == 0  # they stood in for it


async def test_recovery_codes_are_made_for_a_second_factor_only(home: Home) -> None:
    _, browser = home
    refused = await browser.post("/panel/you/codes")
    assert refused.status == 422 and "set one up first" in refused.text


async def test_a_passkey_is_registered_asked_for_and_lets_in(home: Home) -> None:
    house, browser = home
    key = await enrolled(browser)
    assert "ring" in (await browser.get("/panel/you")).text
    assert (await browser.log_in("olga")).headers["Location"] == "/panel/second"
    half = browser.cookie()
    asked = await browser.get("/panel/second")
    done = await browser.post("/panel/second/passkey", {"credential": key.get(options_of(asked))})
    assert (done.status, done.headers["Location"]) == (303, "/panel/")
    assert browser.cookie() != half
    assert (await browser.get("/panel/")).status == 200
    assert house.store.passkeys("olga")[0].sign_count == 1
    key_id = house.store.passkeys("olga")[0].id.hex()
    assert (await browser.post("/panel/you/passkey-drop", {"id": key_id})).status == 303
    assert house.store.passkeys("olga") == []


async def test_a_challenge_is_good_once_and_an_old_answer_never_again(home: Home) -> None:
    house, browser = home
    key = await enrolled(browser)
    await browser.log_in("olga")
    options = options_of(await browser.get("/panel/second"))
    liar = Authenticator("https://evil.example", "evil.example", id=key.id, key=key.key)
    assert (await browser.post("/panel/second/passkey", {"credential": liar.get(options)})).status == 401
    assert (await browser.post("/panel/second/passkey", {"credential": key.get(options)})).status == 401
    answer = key.get(options_of(await browser.get("/panel/second")))
    assert (await browser.post("/panel/second/passkey", {"credential": answer})).status == 303
    await browser.log_in("olga")
    assert (await browser.post("/panel/second/passkey", {"credential": answer})).status in (401, 422)
    assert (await browser.get("/panel/")).headers["Location"] == "/panel/second"
    assert house.guesses  # wrong ones count as guesses


async def test_anothers_passkey_lets_nobody_in(home: Home) -> None:
    house, browser = home
    house.store.add_administrator("otto", Role.OPERATOR, PASSWORD)
    house.store.commit()
    key = await enrolled(browser)
    await browser.log_in("otto")
    others = await enrolled(browser)
    await browser.log_in("olga")
    asked = await browser.get("/panel/second")
    assert (await browser.post("/panel/second/passkey", {"credential": others.get(options_of(asked))})).status == 401
    asked = await browser.get("/panel/second")
    assert (await browser.post("/panel/second/passkey", {"credential": key.get(options_of(asked))})).status == 303


async def test_at_a_bare_address_a_passkey_is_neither_made_nor_asked_for(home: Home) -> None:
    _, browser = home
    await enrolled(browser)
    browser.origin = browser.origin.replace("localhost", "127.0.0.1")
    await browser.log_in("olga")
    shown = await browser.get("/panel/second")
    assert "data-options" not in shown.text and "opens the appliance by its name" not in shown.text
    assert "recovery code" in shown.text


async def test_everything_of_ones_own_wants_a_password_of_the_last_ten_minutes(home: Home) -> None:
    house, browser = home
    house.offset = 700.0
    writing = [route.path for route in ROUTES if route.area is Area.OWN and route.method == "POST"]
    for path in writing:
        asked = await browser.post(path, {"label": "x", "scopes": "*:read", "days": "1"})
        assert "proof_password" in asked.text or (path.endswith("/password") and asked.status == 401), path
    done = await browser.post("/panel/you/passkey-new", {"proof_password": PASSWORD})
    assert done.status == 200 and "data-options" in done.text


async def test_one_ends_ones_own_sessions_and_nobody_elses(home: Home) -> None:
    house, browser = home
    house.store.add_administrator("otto", Role.OWNER, PASSWORD)
    own = house.store.begin_session(PersonKind.ADMINISTRATOR, "olga", "192.0.2.9", "old laptop", complete=True)
    foreign = house.store.begin_session(PersonKind.ADMINISTRATOR, "otto", "192.0.2.9", "", complete=True)
    house.store.commit()
    assert "old laptop" in (await browser.get("/panel/you")).text
    ids = {cookie: found.digest[:16] for cookie in (own, foreign) if (found := house.store.web_session(cookie))}
    assert (await browser.post("/panel/you/session-end", {"id": ids[own]})).status == 303
    assert (await browser.post("/panel/you/session-end", {"id": ids[foreign]})).status == 404
    assert (await browser.post("/panel/you/session-end", {"id": ""})).status == 404
    assert house.store.web_session(own) is None and house.store.web_session(foreign) is not None
    assert ("web:olga", "session.end", "olga") in trail_of(house)


async def test_an_own_token_is_shown_once_and_reaches_no_further_than_its_owner(home: Home) -> None:
    house, browser = home
    house.store.add_administrator("sven", Role.SUPPORT, PASSWORD)
    house.store.commit()
    await browser.log_in("sven")
    await browser.get("/panel/you")
    beyond = await browser.post("/panel/you/token-add", {"label": "bot", "scopes": "settings:write", "days": "9"})
    assert beyond.status == 403 and "your role has not" in beyond.text
    for wrong in ("", "-1", "1e9", "9999999"):
        assert (
            await browser.post("/panel/you/token-add", {"label": "b", "scopes": "*:read", "days": wrong})
        ).status == 422
    made = await browser.post("/panel/you/token-add", {"label": "bot", "scopes": "*:write", "days": "9"})
    found = re.search(r"<code>(ap_[^<]+)</code>", made.text)
    assert found and found[1] not in (await browser.get("/panel/you")).text
    acting = of_token(house.store, found[1])
    assert acting and acting.may(Area.CALLS, writes=True) and not acting.may(Area.SETTINGS, writes=True)
    assert not acting.may(Area.OWN)  # a stolen token makes no further ones
    house.store.set_administrator("sven", "role", Role.READ_ONLY)
    acting = of_token(house.store, found[1])
    assert acting and not acting.may(Area.CALLS, writes=True)
    assert ("web:sven", "token.add", "sven") in trail_of(house)
    await browser.log_in("olga")
    ident = str(house.store.api_tokens("sven")[0].id)
    assert (await browser.post("/panel/you/token-drop", {"id": ident})).status == 404  # it is not hers
    assert house.store.api_tokens("sven")


async def test_ones_language_and_name_are_ones_own_to_choose(home: Home) -> None:
    _house, browser = home
    fields = {"display_name": "Olga & O'Hara", "email": "olga@example.com", "language": "de"}
    assert (await browser.post("/panel/you/set", fields)).status == 303
    shown = await browser.get("/panel/you")
    assert 'lang="de"' in shown.text and "Olga &amp; O&#39;Hara" in shown.text
    assert (await browser.post("/panel/you/set", {"language": "de<script>"})).status == 422
