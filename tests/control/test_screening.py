"""validateinput at every interface: verbs (which command, console and API ask), sheets, pages, the older entry, SIP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.control.session import Control
from pysrv.panel import ROUTES
from pysrv.store import Store
from pysrv.store.rows import NewAccount
from tests.api.program import programmed, set_to
from tests.calls.playbook import sdp
from tests.control.office import NOW, Service
from tests.service.bench import Bench, Client, opened
from tests.web.house import PASSWORD, living

SCRIPT, SQL, BELL = "<script>x</script>", "x' OR '1'='1", "a\x07b"
AT = {BELL: 1, SQL: 2, SCRIPT: 3, "../../x": 4, "a{b}": 5}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "appliance.db", lambda: NOW) as made:
        yield made


def at(level: int) -> Service:
    return Service(Settings().with_changes({"validateinput": str(level)}))


def refusal(call: Any) -> str:
    with pytest.raises(WireError) as caught:
        call()
    return f"{caught.value.code}: {caught.value.message} ({caught.value.hint})"


@pytest.mark.setting("validateinput")
@pytest.mark.parametrize(("text", "level"), AT.items())
def test_a_verb_refuses_from_its_level_on_and_names_the_setting(store: Store, text: str, level: int) -> None:
    strict, lax = at(level), at(level - 1)
    args = {"words": text}
    said = refusal(lambda: Control(store, strict).session("root").do("bans.list", args))
    assert said.startswith("invalid: 'words' holds ") and f"(validateinput {level})" in said
    assert strict.told == [("input", said_rule(strict))]
    Control(store, lax).session("root").do("bans.list", args)
    assert lax.told == []


def said_rule(service: Service) -> str:
    (told,) = service.told
    return str(told[1])


def test_without_a_running_service_the_stored_setting_holds(store: Store) -> None:
    session = Control(store).session("root")
    assert "validateinput 3" in refusal(lambda: session.do("bans.list", {"words": SCRIPT}))
    store.set_setting("validateinput", "0")
    session.do("bans.list", {"words": SCRIPT})


@pytest.mark.parametrize("level", [3, 5])
def test_a_legal_name_and_any_password_come_in(store: Store, level: int) -> None:
    session = Control(store, at(level)).session("root")
    args = {"name": "obrien", "password": f"{SQL}{SCRIPT}{{}}-77-kuhglocke", "display_name": "Ann O'Brien"}
    session.do("accounts.add", args)
    found = store.account("obrien")
    assert found is not None and found.display_name == "Ann O'Brien"


def test_a_deck_with_markup_is_refused_whole(store: Store) -> None:
    session = Control(store, at(3)).session("root")
    session.do("rates.begin", {"deck": "retail"})
    session.do("rates.rows", {"first_line": 1, "text": "prefix,per_minute\n49,0.06\n"})
    assert "markup" in refusal(lambda: session.do("rates.rows", {"first_line": 3, "text": f"43,{SCRIPT}\n"}))
    refusal(lambda: session.do("rates.commit"))
    assert not store.decks()


def test_an_owner_s_verbs_are_looked_at_too(store: Store) -> None:
    store.add_account(NewAccount("anna", PASSWORD, Settings().realm), "test")
    told: dict[str, Any] = {"display_name": SCRIPT}
    mine = Control(store, at(3)).mine("anna", "anna", proven=True)
    assert "'display_name' holds markup" in refusal(lambda: mine.do("mine.contact", told))
    Control(store, at(2)).mine("anna", "anna", proven=True).do("mine.contact", told)


async def test_pages_look_at_addresses_and_at_the_forms_of_strangers(tmp_path: Path) -> None:
    async with living(tmp_path, ROUTES) as (house, browser):
        answer = await browser.get("/panel/login", params={"next": SCRIPT})
        assert answer.status == 422 and "validateinput" in answer.text
        answer = await browser.post("/panel/login", {"name": SQL, "password": PASSWORD})
        assert answer.status == 422 and "validateinput" in answer.text
        assert (await browser.post("/panel/login", {"name": "olga", "password": SCRIPT + SQL})).status != 422
        set_to(house, validateinput="0")
        assert (await browser.get("/panel/login", params={"next": SCRIPT})).status == 200


async def test_both_programs_entries_refuse_it_in_their_own_forms(tmp_path: Path) -> None:
    async with programmed(tmp_path) as (house, program):
        answer = await program.ask("POST", "/accounts", {"name": "anna", "password": "x", "display_name": SCRIPT})
        assert answer.status == 422 and "validateinput 3" in answer.text
        answer = await program.ask("GET", "/accounts", params={"search": SQL})
        assert answer.status == 422 and "validateinput 3" in answer.text
        older = {"apientry": "balance", "authid": SQL, "authpwd": SQL}
        answer = await program.browser._ask("GET", "/mvapireq/", params=older)
        assert answer.status == 422 and answer.text.startswith("ERROR") and "authid" in answer.text
        set_to(house, validateinput="1")
        assert (await program.browser._ask("GET", "/mvapireq/", params=older)).status == 401


# -- SIP --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


def called(bench: Bench, level: int, display: bytes, callee: str = "102") -> int:
    bench.service.operators.apply_settings(Settings().with_changes({"validateinput": str(level)}))
    alice, bob = Client(bench, "alice", "192.0.2.11"), Client(bench, "bob", "192.0.2.12")
    bob.register()
    sender = b'"%b" <sip:alice@example.org>' % display
    answer = alice.ask("INVITE", callee, body=sdp("192.0.2.11", 10_000), from_=sender)
    return answer.status if answer is not None else 0  # it rings


def test_a_call_with_markup_in_its_display_name_is_refused_and_counted(bench: Bench) -> None:
    assert called(bench, 3, SCRIPT.encode()) == 400
    assert bench.service.operators.figures().inputs == {"control": 0, "sql": 0, "markup": 1, "tricks": 0, "alphabet": 0}
    assert not bench.store.open_calls()
    assert called(bench, 2, SCRIPT.encode()) != 400
    assert called(bench, 3, b"Ann O'Brien") != 400


def test_a_control_character_in_what_is_dialled_is_refused(bench: Bench) -> None:
    assert called(bench, 1, b"Ann", "10%002") == 400
    assert called(bench, 0, b"Ann", "10%002") != 400


def test_whoever_calls_for_help_is_let_through(bench: Bench) -> None:
    assert called(bench, 5, SCRIPT.encode(), "112") != 400
