"""The older entry point over real TLS: who may ask what, by which proof, in which form; every setting off and on."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.api.older.answers import Format, check_function, is_same_origin, written
from pysrv.api.older.entries import ENTRIES, PROOFS
from pysrv.api.older.nonces import LIFE_S, MOST_OF_ONE, OnceNonces
from pysrv.api.older.proof import Asked, Proof
from pysrv.control.session import Control
from pysrv.office.front import Front, Parts
from pysrv.people.permissions import Role
from pysrv.store.rows import AllowRow
from pysrv.web.guesses import FREE_GUESSES
from tests.api.program import Program, administrator, programmed, set_to
from tests.control.office import Service
from tests.service.bench import opened
from tests.web.house import PASSWORD, Answer, House

Home = tuple[House, Program]
SECRET = "kuhglocke-7731-x"
OLGA = {"authid": "olga", "authpwd": PASSWORD}
ANNA = {"authid": "anna", "authpwd": SECRET}


@pytest.fixture()
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with programmed(tmp_path) as (house, program):
        await program.said("POST", "/accounts", {"name": "anna", "password": SECRET, "credit": "5"})
        yield house, program


async def ask(program: Program, entry: str, headers: dict[str, str] | None = None, **told: str) -> Answer:
    query = {"apientry": entry, **told}
    return await program.browser._ask("GET", "/mvapireq/", params=query, headers=headers or {})


async def nonce(program: Program) -> str:
    said = json.loads((await ask(program, "nonce", format="json")).text)
    return str(said["nonce"])


def h(kind: str, text: str) -> str:
    return hashlib.new(kind, text.encode()).hexdigest()


async def realm(program: Program) -> str:
    return str(json.loads((await ask(program, "nonce", format="json")).text)["realm"])


async def test_the_test_entry_answers_everybody_in_each_form(home: Home) -> None:
    _, program = home
    assert (await ask(program, "apitest1")).text == "OK\napi: 1\n"
    assert json.loads((await ask(program, "apitest1", format="json")).text) == {"result": "ok", "api": "1"}
    xml = ElementTree.fromstring((await ask(program, "apitest1", format="xml")).text)
    assert {each.tag: each.text for each in xml} == {"result": "ok", "api": "1"}
    posted = await program.browser._ask("POST", "/mvapireq", data={"apientry": "apitest1"})
    assert (posted.status, posted.text) == (200, "OK\napi: 1\n")


async def test_an_account_asks_about_itself_alone(home: Home) -> None:
    _, program = home
    await program.said("POST", "/accounts", {"name": "bert", "password": SECRET + "2", "credit": "7"})
    answer = await ask(program, "balance", **ANNA, user="bert", account="bert")
    assert answer.text == "OK\nbalance: 5.00\navailable: 5.00\ncurrency: EUR\n"
    for wrong in ({}, {"authid": "anna"}, {"authid": "anna", "authpwd": "x"}, {"authid": "nobody", "authpwd": SECRET}):
        assert (await ask(program, "balance", **wrong)).status == 401, wrong


async def test_an_account_that_is_locked_out_is_not_served(home: Home) -> None:
    _, program = home
    await program.said("PATCH", "/accounts/anna", {"enabled": False})
    assert (await ask(program, "balance", **ANNA)).status == 401


async def test_guesses_are_told_to_the_gate_and_wait(home: Home) -> None:
    house, program = home
    for _ in range(FREE_GUESSES):
        assert (await ask(program, "balance", authid="anna", authpwd="wrong")).status == 401
    assert house.guesses == [("127.0.0.1", "anna")] * FREE_GUESSES
    answer = await ask(program, "balance", **ANNA)
    assert answer.status == 429 and "Retry-After" in answer.headers
    house.trusted.add("127.0.0.1")
    assert (await ask(program, "balance", **ANNA)).status == 200


async def test_an_account_of_ones_own_buys_no_guesses_at_others(home: Home) -> None:
    _, program = home
    await program.said("POST", "/accounts", {"name": "eve", "password": SECRET + "e"})
    for number in range(FREE_GUESSES):
        assert (await ask(program, "balance", authid=f"name{number}", authpwd="wrong")).status == 401
        if number < FREE_GUESSES - 1:
            assert (await ask(program, "balance", authid="eve", authpwd=SECRET + "e")).status == 200
    assert (await ask(program, "balance", authid="another", authpwd="wrong")).status == 429


async def test_the_price_is_the_accounts_own(home: Home) -> None:
    _, program = home
    csv = {"Content-Type": "text/csv"}
    await program.said("POST", "/decks/retail", b"prefix,per_minute,connect_fee\n49,0.06,0.01\n", headers=csv)
    await program.said("PATCH", "/accounts/anna", {"deck": "retail"})
    said = json.loads((await ask(program, "rating", **ANNA, number="4930111", seconds="120", format="json")).text)
    assert said["perminute"] == "0.06" and said["total"] == "0.13" and said["currency"] == "EUR"
    assert (await ask(program, "rating", **ANNA, number="1212")).status == 404
    for wrong in ({"number": "49", "seconds": "-1"}, {"number": "x"}, {}):
        assert (await ask(program, "rating", **ANNA, **wrong)).status in (400, 422)


# -- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.setting("httpapikey")
async def test_a_key_that_is_set_must_be_carried(home: Home) -> None:
    house, program = home
    assert (await ask(program, "balance", **ANNA)).status == 200
    set_to(house, httpapikey="a-long-key")
    assert (await ask(program, "balance", **ANNA)).status == 401
    assert (await ask(program, "balance", **ANNA, authkey="a-long-kez")).status == 401
    assert house.guesses == [("127.0.0.1", "anna")]
    assert (await ask(program, "balance", **ANNA, authkey="a-long-key")).status == 200


@pytest.mark.setting("serverapikey")
async def test_the_servers_key_opens_as_well(home: Home) -> None:
    house, program = home
    set_to(house, httpapikey="a-long-key")
    assert (await ask(program, "balance", **ANNA, authkey="servers")).status == 401
    set_to(house, serverapikey="servers")
    assert (await ask(program, "balance", **ANNA, authkey="servers")).status == 200


@pytest.mark.setting("apiv2key")
async def test_a_salted_hash_needs_a_salt(home: Home) -> None:
    house, program = home
    ha1 = h("md5", f"anna:{await realm(program)}:{SECRET}")
    md5 = h("md5", f"{ha1}:48151")
    assert (await ask(program, "balance", authid="anna", authmd5=md5)).status == 401
    set_to(house, apiv2key="48151")
    assert (await ask(program, "balance", authid="anna", authmd5=md5)).status == 200
    assert (await ask(program, "balance", authid="anna", authmd5=h("md5", f"{ha1}:48152"))).status == 401


# -- logins -------------------------------------------------------------------------------------------------------


@pytest.mark.setting("apidefneedlogin")
async def test_apidefneedlogin_says_what_a_request_needs(home: Home) -> None:
    house, program = home
    set_to(house, apidefneedlogin="0")
    assert (await ask(program, "balance", authid="anna")).status == 200
    assert (await ask(program, "sms", authid="anna", to="anna", text="x")).status == 401  # never without a login
    set_to(house, apidefneedlogin="1")
    assert (await ask(program, "balance", authid="anna")).status == 401
    assert (await ask(program, "balance", **ANNA)).status == 200
    set_to(house, apidefneedlogin="2")
    assert (await ask(program, "balance", **ANNA)).status == 401
    set_to(house, httpapikey="k")
    assert (await ask(program, "balance", **ANNA, authkey="k")).status == 200
    set_to(house, apidefneedlogin="3", httpapikey="")
    assert (await ask(program, "balance", **ANNA)).status == 401
    assert (await hashed(program, "sha256", "balance")).status == 200


async def hashed(program: Program, kind: str, entry: str, wrong: str = "", used: str = "", **told: str) -> Answer:
    ha1 = h(kind, f"anna:{await realm(program)}:{SECRET}{wrong}")
    fresh = used or await nonce(program)
    proof = h(kind, f"{ha1}:{fresh}:balance")
    return await ask(program, entry, authid="anna", authnonce=fresh, authhash=proof, **told)


@pytest.mark.parametrize("kind", ["md5", "sha256"])
async def test_a_digest_over_a_nonce_is_good_once_and_for_its_entry(home: Home, kind: str) -> None:
    house, program = home
    set_to(house, apidefneedlogin="3")
    fresh = await nonce(program)
    assert (await hashed(program, kind, "balance", used=fresh)).status == 200
    assert (await hashed(program, kind, "balance", used=fresh)).status == 401
    assert (await hashed(program, kind, "rating", number="49")).status == 401
    assert (await hashed(program, kind, "balance", wrong="x")).status == 401
    assert (await hashed(program, kind, "balance", used="made-up")).status == 401


@pytest.mark.setting("apisipauth")
async def test_apisipauth_says_which_password_is_meant(home: Home) -> None:
    house, program = home
    await program.said("PATCH", "/accounts/anna", {"web_password": "another-one-5512"})
    web = {"authid": "anna", "authpwd": "another-one-5512"}
    set_to(house, apisipauth="1")
    assert ((await ask(program, "balance", **ANNA)).status, (await ask(program, "balance", **web)).status) == (200, 401)
    set_to(house, apisipauth="0")
    assert ((await ask(program, "balance", **ANNA)).status, (await ask(program, "balance", **web)).status) == (401, 200)
    assert (await hashed(program, "sha256", "balance")).status == 401


def test_nonces_end_belong_to_a_network_and_are_bounded() -> None:
    nonces = OnceNonces()
    assert not nonces.take(nonces.make("192.0.2.1", 0.0), "192.0.2.2", 1.0)
    assert not nonces.take(nonces.make("192.0.2.1", 0.0), "192.0.2.1", LIFE_S)
    other = nonces.make("192.0.2.9", 0.0)
    made = [nonces.make("192.0.2.1", 0.0) for _ in range(MOST_OF_ONE + 1)]
    assert [nonces.take(each, "192.0.2.1", 1.0) for each in made] == [False] + [True] * MOST_OF_ONE
    assert nonces.take(other, "192.0.2.9", 1.0)


# -- administrators -----------------------------------------------------------------------------------------------


@pytest.mark.setting("apideftrustadmin")
async def test_apideftrustadmin_says_what_an_administrator_needs(home: Home) -> None:
    house, program = home
    add = {"user": "anna", "amount": "1"}

    async def statuses() -> tuple[int, int, int]:
        """Without anything, with a password, with a key."""
        bare = await ask(program, "addcredit", **add)
        person = await ask(program, "addcredit", **add, **OLGA)
        keyed = await ask(program, "addcredit", **add, authkey="k")
        house.guesses.clear()
        return bare.status, person.status, keyed.status

    set_to(house, serverapikey="k")
    for level, far, near, named in (
        ("0", (401, 401, 200), (401, 401, 200), (401, 401, 200)),
        ("1", (401, 200, 401), (401, 200, 200), (200, 200, 200)),
        ("2", (403, 403, 403), (401, 200, 200), (200, 200, 200)),
        ("3", (401, 200, 401), (401, 200, 401), (401, 200, 401)),
        ("4", (403, 403, 403), (401, 200, 401), (401, 200, 401)),
    ):
        set_to(house, apideftrustadmin=level)
        house.trusted.clear()
        house.vouched.clear()
        assert await statuses() == far, level
        house.trusted.add("127.0.0.1")
        assert await statuses() == near, level
        house.vouched.add("127.0.0.1")
        assert await statuses() == named, level


@pytest.mark.setting("apideftrustadmin")
@pytest.mark.parametrize(("level", "code"), [(1, "unauthorized"), (2, "forbidden"), (4, "forbidden")])
async def test_a_telephones_address_is_no_administrators(tmp_path: Path, level: int, code: str) -> None:
    """trustauthip trusts whoever proved a password from there: at the purse it is worth nothing, with a key neither."""
    phone, listed = "203.0.113.9", "198.51.100.9"
    with opened(tmp_path) as bench:
        parts = SimpleNamespace(
            service=bench.service, store=bench.store, control=None, cashier=None, health=None, turn=None,
            watch=SimpleNamespace(reading=None),
        )  # fmt: skip
        front = Front(cast(Parts, parts))
        stored = {"apideftrustadmin": level, "serverapikey": "k", "trustauthip": True, "remoteadmin": 2}
        bench.service.operators.apply_settings(Settings(stored=stored))
        bench.store.add_allow(AllowRow(listed))
        bench.service.parts.trusted.authenticated(phone)
        assert bench.service.parts.trusted.why(phone) and front.administers(phone)
        with pytest.raises(WireError) as caught:
            await Proof().administrator(front, Asked("addcredit", phone, authkey="k"))
        assert caught.value.code == code
        if level < 4:
            who, _ = await Proof().administrator(front, Asked("addcredit", listed, authkey="k"))
            assert who == f"api:{listed}"


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
async def test_a_proxys_address_moves_no_money_for_those_behind_it(home: Home, header: str) -> None:
    house, program = home
    house.vouched.add("127.0.0.1")
    for entry in ("addcredit", "charge"):
        asked = {"user": "anna", "amount": "1"}
        assert (await ask(program, entry, {header: "198.51.100.7"}, **asked)).status == 401
        assert (await ask(program, entry, **asked)).status == 200
    assert (await ask(program, "newuser", {header: "198.51.100.7"}, user="eve")).status == 401
    assert house.store.account("eve") is None


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
     {"Origin": "null"}],
)  # fmt: skip
async def test_a_page_of_another_site_moves_no_money(home: Home, headers: dict[str, str]) -> None:
    house, program = home
    set_to(house, apideftrustadmin="1", httpapikey="")
    house.vouched.add("127.0.0.1")
    url = f"{program.browser.origin}/mvapireq/?apientry=addcredit&user=anna&amount=9"
    async with program.browser.client.get(url, headers=headers) as answer:
        assert answer.status == 403
    async with program.browser.client.get(url) as answer:
        assert answer.status == 200  # who asks without a browser is who he is


async def test_money_moves_once_for_each_transaction_id_and_through_the_ledger(home: Home) -> None:
    house, program = home
    add = {"user": "anna", "amount": "2.50", "transactionid": "t1", **OLGA}
    assert "balance: 7.50" in (await ask(program, "addcredit", **add)).text
    again = await ask(program, "addcredit", **add)
    assert "balance: 7.50" in again.text and "repeated: yes" in again.text
    assert (await ask(program, "addcredit", **{**add, "amount": "3"})).status == 409
    assert (await ask(program, "charge", **add)).status == 409
    assert "balance: 6.00" in (await ask(program, "charge", **{**add, "amount": "1.5", "transactionid": "t2"})).text
    postings = house.store.postings("anna")
    assert [(row.amount, row.note, row.who) for row in postings[:2]] == [
        (-1_500_000, "charge t2", "api:olga"),
        (2_500_000, "addcredit t1", "api:olga"),
    ]
    for amount in ("0", "-1", "x", "1e9", "", "9" * 40):
        assert (await ask(program, "addcredit", user="anna", amount=amount, **OLGA)).status in (400, 422), amount
    assert (await ask(program, "charge", user="anna", amount="100", **OLGA)).status == 422
    assert (await ask(program, "addcredit", user="nobody", amount="1", **OLGA)).status == 404


async def test_a_role_or_a_second_factor_keeps_a_password_from_moving_money(home: Home) -> None:
    house, program = home
    support = administrator(house, Role.SUPPORT)
    told = {"authid": support, "authpwd": PASSWORD, "user": "anna", "amount": "1"}
    assert (await ask(program, "addcredit", **told)).status == 403
    assert (await ask(program, "addcredit", user="anna", amount="1", **ANNA)).status == 401
    house.store.set_totp("olga", "JBSWY3DPEHPK3PXP")
    house.store.commit()
    answer = await ask(program, "addcredit", user="anna", amount="1", **OLGA)
    assert answer.status == 403 and "second factor" in answer.text
    house.open_to_all = False
    assert "remoteadmin" in (await ask(program, "addcredit", user="anna", amount="1", **OLGA)).text


async def test_a_new_user_gets_a_password_when_none_is_told(home: Home) -> None:
    house, program = home
    said = json.loads((await ask(program, "newuser", user="bert", number="4930222", format="json", **OLGA)).text)
    assert house.store.account("bert") is not None
    bert = {"authid": "bert", "authpwd": said["password"]}
    assert (await ask(program, "balance", **bert)).status == 200
    assert (await ask(program, "newuser", user="bert", **OLGA)).status == 409
    set_to(house, validatepassword="2")
    assert (await ask(program, "newuser", user="carl", password="1234", **OLGA)).status == 422


# -- calls and texts ----------------------------------------------------------------------------------------------


async def test_calls_and_texts_go_by_registered_devices_or_say_why_not(home: Home) -> None:
    house, program = home
    service = Service()
    house.control = Control(house.store, service)
    assert (await ask(program, "p2p", **ANNA, number="4930111")).status == 409
    service.phones = {"anna", "bert"}
    assert (await ask(program, "p2p", **ANNA, number="+4930111")).text == "OK\nnumber: 4930111\nasked: anna\n"
    assert (await ask(program, "sms", **ANNA, to="bert", text="hello")).text == "OK\nto: bert\ndevices: 1\n"
    assert service.told[-2:] == [("dial", "anna", "4930111"), ("page", "anna", "bert", "hello")]
    assert (await ask(program, "sms", **ANNA, to="bert", text="x" * 1301)).status == 422


async def test_a_callback_is_asked_for_the_account_alone_and_says_why_not(home: Home) -> None:
    house, program = home
    service = Service()
    house.control = Control(house.store, service)
    assert (await ask(program, "callback", number="4930111")).status == 401
    assert (await ask(program, "callback", **ANNA)).status == 400
    answer = await ask(program, "callback", **ANNA, number="4930111")
    assert answer.status == 409 and "no phone of anna" in answer.text
    service.phones = {"anna"}
    assert (await ask(program, "callback", **ANNA, number="+4930111", account="bert")).text == (
        "OK\nnumber: 4930111\nfirst: anna\ncallid: far\n"
    )
    said = await ask(program, "callback", **ANNA, number="4930111", first="49170222", format="json")
    assert json.loads(said.text)["first"] == "49170222"
    assert service.told[-2:] == [("callback", "anna", "+4930111", ""), ("callback", "anna", "4930111", "49170222")]


# -- addresses and JSONP ------------------------------------------------------------------------------------------


@pytest.mark.setting("apiv2ipauth")
async def test_only_addresses_of_apiv2ipauth_are_served_here_too(home: Home) -> None:
    house, program = home
    set_to(house, apiv2ipauth="192.0.2.0/24")
    assert (await ask(program, "apitest1")).status == 403
    set_to(house, apiv2ipauth="127.0.0.1")
    assert (await ask(program, "apitest1")).status == 200


@pytest.mark.setting("enablejsonp")
async def test_enablejsonp_says_to_whom_scripts_are_given(home: Home) -> None:
    house, program = home
    ours = {"Sec-Fetch-Site": "same-origin"}
    other = {"Sec-Fetch-Site": "cross-site"}
    for level, statuses in (("0", (403, 403)), ("1", (200, 403)), ("2", (200, 200))):
        set_to(house, enablejsonp=level)
        answers = [await ask(program, "apitest1", headers, jsonp="app.done") for headers in (ours, other)]
        assert tuple(answer.status for answer in answers) == statuses
        assert answers[0].headers["X-Content-Type-Options"] == "nosniff"
    assert answers[1].text == '/**/app.done({"result": "ok", "api": "1"});'
    assert answers[1].headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answers[1].headers["Content-Type"] == "application/javascript; charset=utf-8"
    for wrong in ("alert(1)", "", "a b", "a.", "x" * 65, "<script>", "é"):
        assert (await ask(program, "apitest1", ours, jsonp=wrong)).status in (400, 422), wrong


@pytest.mark.parametrize(
    ("site", "origin", "referer", "ours"),
    [
        ("same-origin", None, None, True),
        ("same-site", "https://here", None, False),
        (None, "https://here", None, True),
        (None, "https://elsewhere", "https://here/", False),
        (None, None, "https://here/page", True),
        (None, None, "http://here/page", False),
        (None, None, "https://here.evil/", False),
        (None, None, "https://[", False),
        (None, None, None, False),
    ],
)
def test_what_is_not_shown_to_be_ours_is_not(
    site: str | None, origin: str | None, referer: str | None, ours: bool
) -> None:
    assert is_same_origin("here", site, origin, referer) is ours


@given(st.text())
def test_an_answer_holds_whatever_is_said_without_breaking_out(told: str) -> None:
    fields = {"result": "ok", "said": told}
    assert json.loads(written(fields, Format.JSON).body)["said"] == told
    script = written(fields, Format.TEXT, check_function("f")).body
    assert not set("<>\u2028\u2029") & set(script)
    if told.isprintable():
        assert ElementTree.fromstring(written(fields, Format.XML).body).findtext("said") == told
    assert written(fields, Format.TEXT).body.count("\n") >= 2
    assert "\r" not in written(fields, Format.TEXT).body


# -- fuzz ---------------------------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.sampled_from(
        ["", "anna", "olga", SECRET, PASSWORD, "-1", "1e400", "' OR 1=1 --", "../../etc/passwd", "%00", "\0"]
    ),
    st.text(max_size=60),
    st.integers().map(str),
)
NAMES = sorted({"format", "jsonp", "extra", *PROOFS, *(name for entry in ENTRIES.values() for name in entry.takes)})


@pytest.mark.parametrize("entry", [*ENTRIES, "", "nothing"])
async def test_nothing_that_is_sent_breaks_an_entry(tmp_path: Path, entry: str) -> None:
    async with programmed(tmp_path) as (house, program):
        service = Service()
        house.control = Control(house.store, service)
        house.trusted.add("127.0.0.1")  # nobody waits
        await program.said("POST", "/accounts", {"name": "anna", "password": SECRET})
        for told in _examples():
            for method in ("GET", "POST"):
                place = "params" if method == "GET" else "data"
                fields = {**told, "apientry": entry}
                answer = await program.browser._ask(method, "/mvapireq/", **{place: fields})
                assert answer.status < 500, (told, answer)


def _examples() -> list[dict[str, str]]:
    """Always the same few dozen."""
    found: list[dict[str, str]] = []

    @settings(max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8))
    def draw(told: dict[str, str]) -> None:
        found.append({name: "".join(c for c in text if not "\ud800" <= c <= "\udfff") for name, text in told.items()})

    draw()
    return found


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"apientry=balance&authid=%ff%fe", "application/x-www-form-urlencoded"),
        (b"apientry=apitest1&" + b"a=1&" * 5000, "application/x-www-form-urlencoded"),
        (b"\xff" * 100, "application/x-www-form-urlencoded; charset=nonsense"),
        (b"x" * 300_000, "application/x-www-form-urlencoded"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"{}", "application/json"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(home: Home, body: bytes, kind: str) -> None:
    _, program = home
    answer = await program.browser._ask("POST", "/mvapireq/", data=body, headers={"Content-Type": kind})
    assert 400 <= answer.status < 500


async def test_no_other_method_is_served(home: Home) -> None:
    _, program = home
    answer = await program.browser._ask("PUT", "/mvapireq/?apientry=apitest1")
    assert answer.status == 405 and json.loads(answer.text)["type"].endswith("method_not_allowed")


async def test_an_address_asks_only_so_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pysrv.api.older.PACE", (0.001, 2))
    async with programmed(tmp_path) as (_, program):
        answers = [await ask(program, "apitest1") for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert "Retry-After" in answers[2].headers and answers[2].text.startswith("ERROR\n")
