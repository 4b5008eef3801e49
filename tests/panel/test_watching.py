"""The dashboard and its stream, live calls, registrations, refusals, log and notices."""

import asyncio
import json
import logging
from dataclasses import replace

import aiohttp
import pytest

from pysrv.billing.cdr import Cdr
from pysrv.billing.tariff import Rate
from pysrv.control.session import Control
from pysrv.panel.pages import charts
from pysrv.panel.pages.ladder import drawing
from pysrv.people.permissions import Role
from pysrv.service.history import Reading
from pysrv.store.rows import Attempt, BanRow, NewCall, SavedBinding
from pysrv.web.streams import MOST_OF_ONE
from tests.calls.test_trace import one_call
from tests.panel.conftest import Panel
from tests.web.snapshots import GATE, snapshot

ACTIONS = {"SIP_OK": "PASS", "over_rate_stranger": "DROP"}


def went_by(panel: Panel, dropped: list[int], at: float = 1_700_000_000.0) -> None:
    """One sample every two seconds with so many drops a second each."""
    total = 0
    panel.memory.history.add(Reading(at, {"over_rate_stranger": 0, "SIP_OK": 0}, ACTIONS))
    for number, rate in enumerate(dropped, 1):
        total += 2 * rate
        counted = {"over_rate_stranger": total, "SIP_OK": 100 * number}
        spend = {"EUR": 2_500_000}
        panel.memory.history.add(Reading(at + 2 * number, counted, ACTIONS, 4, 3, 9, spend, 1.5))


def running(panel: Panel, call_id: str = "c1", callee: str = "49301234", setup_at: float = 1_700_000_000.0) -> None:
    account = panel.store.account("alice")
    new = NewCall(
        call_id, account.id if account else None, "101", callee, "192.0.2.7", rate=Rate("49", 60_000_000),
        setup_at=setup_at,
    )  # fmt: skip
    panel.store.open_call(new)
    panel.store.commit()


async def test_the_dashboard_shows_the_disk_and_warns_of_a_full_one(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = panel.house.control.session("test").do("status")["disk"]
    assert 0 < disk["free_bytes"] <= disk["bytes"]
    for free, warned in ((10, False), (9, True)):
        monkeypatch.setattr(type(panel.store), "room", lambda _, free=free: (free * 2**30, 100 * 2**30))
        page = (await panel.browser.get("/panel/")).text
        assert f"{free} GiB of 100 GiB free" in page
        assert ("Nearly full" in page) is warned
        assert ('value="90.0"' if free == 10 else 'value="91.0"') in page


async def test_the_dashboard_tells_version_and_slot_and_whether_it_is_on_trial(panel: Panel) -> None:
    page = (await panel.browser.get("/panel/")).text
    assert f"version {panel.house.shown.version}" in page
    assert "slot" not in page and "On trial" not in page
    panel.house.shown = snapshot(gate=replace(GATE, slot="B"))
    page = (await panel.browser.get("/panel/")).text
    assert ", slot B" in page and "On trial" not in page
    panel.house.shown = snapshot(gate=replace(GATE, slot="B", trial=True))
    assert "On trial: it is taken back" in (await panel.browser.get("/panel/")).text


async def test_the_dashboard_draws_its_charts_without_scripts(panel: Panel) -> None:
    went_by(panel, [3] * 20)
    page = (await panel.browser.get("/panel/")).text
    assert page.count("<polyline") == 8 and 'points="' in page and 'points=""' not in page
    assert "9,000 EUR" in page and "<code>over_rate_stranger</code>" in page
    assert 'id="attack" class="notice wrong" role="status" hidden' in page


async def test_the_dashboard_tells_todays_calls_refusals_and_charges_and_how_long_it_runs(panel: Panel) -> None:
    now = panel.house.watch.now()
    for name, more in (("a", {"answered_at": now, "charge": 0}), ("b", {"refused_by": "credit"}), ("c", {})):
        panel.store.settle(Cdr(name, "", "101", "49", "192.0.2.7", setup_at=now, **more))  # type: ignore[arg-type]
    panel.store.settle(Cdr("old", "", "101", "49", "192.0.2.7", setup_at=now - 90_000, refused_by="credit"))
    panel.store._write("UPDATE cdrs SET charge = 12300000 WHERE call_id = 'a'")
    panel.store.commit()
    page = (await panel.browser.get("/panel/")).text
    assert "Calls today</span><strong>3</strong><small>1 answered, 12.30 EUR" in page
    assert "Refused today</a></span><strong>1</strong>" in page
    assert "<strong>2 h 3 min</strong><small>version 0.1.0" in page and "<strong>the kernel</strong>" in page
    assert "since the gate was attached" in page and ">generation<" not in page


async def test_an_attack_is_marked_and_said_in_words(panel: Panel) -> None:
    went_by(panel, [3] * 20 + [4000] * 3)
    page = (await panel.browser.get("/panel/")).text
    words = "An attack began at 2023-11-14 22:14:02: up to 4,000 packets a second are dropped, 3 are usual."
    assert words in page and "Most of them end as over_rate_stranger." in page
    assert page.count('class="mark"') == 1
    told = json.loads((await panel.browser.get("/panel/live.json")).text)
    assert told["attack"]["verdict"] == "over_rate_stranger" and told["words"].startswith("An attack began")
    assert len(told["samples"]) == 23


async def events(response: aiohttp.ClientResponse) -> list[dict[str, object]]:
    """What the next events of a stream say, comments left out, up to the first that says something."""
    while True:
        line = await asyncio.wait_for(response.content.readline(), 20)
        if not line:
            return []
        if line.startswith(b"data: "):
            return [json.loads(line[6:])]


async def test_a_stream_tells_each_new_sample_and_ends_with_the_session(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pysrv.panel.pages.dashboard.EVENT_S", 0.02)
    went_by(panel, [3] * 20)
    async with panel.browser.client.get(panel.browser.origin + "/panel/live") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert await response.content.readline() == b"retry: 5000\n"
        panel.memory.history.add(Reading(1_700_000_099.0, {"SIP_OK": 9000}, ACTIONS, 5))
        (told,) = await events(response)
        assert [sample["calls"] for sample in told["samples"]] == [5]  # type: ignore[attr-defined]
        for session in panel.store.web_sessions():
            panel.store.end_session(session.digest)
        assert await events(response) == []


@pytest.mark.parametrize("what", ["role", "closed"])
async def test_a_stream_ends_when_its_reader_may_no_more(
    panel: Panel, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("pysrv.panel.pages.dashboard.EVENT_S", 0.02)
    async with panel.browser.client.get(panel.browser.origin + "/panel/live") as response:
        await response.content.readline()
        if what == "role":
            panel.store.add_administrator("other", Role.OWNER, "correct-horse-42")
            panel.store.set_administrator("olga", "role", Role.READ_ONLY)
        else:
            panel.house.open_to_all = False
        assert await events(response) == []


async def test_one_session_has_only_so_many_streams(panel: Panel) -> None:
    address, held = panel.browser.origin + "/panel/live", []
    for _ in range(MOST_OF_ONE):
        held.append(await panel.browser.client.get(address))
    assert (await panel.browser.get("/panel/live")).status == 429
    for response in held:
        response.close()


async def test_live_calls_are_searched_shown_and_hung_up(panel: Panel) -> None:
    panel.account()
    account = panel.store.account("alice")
    assert account is not None
    panel.store.deposit("alice", 100_000_000)
    running(panel)
    running(panel, "c2", "49305678", 1_700_000_009.0)
    panel.store.answer_call("c1", panel.house.store._clock() - 30)
    page = (await panel.browser.get("/panel/calls?q=1234")).text
    assert "49301234" in page and "49305678" not in page and "1 to 1 of 1" in page
    assert 'href="/panel/accounts/alice"' in page
    one = (await panel.browser.get("/panel/calls/one?id=c1")).text
    assert "60.00 EUR a minute, by prefix 49" in one and "answered" in one
    panel.service.calls.add("c1")
    assert (await panel.browser.post("/panel/calls/hangup", {"call_id": "c1"})).status == 303
    assert ("hangup", "c1") in panel.service.told
    gone = await panel.browser.post("/panel/calls/hangup", {"call_id": "c9"})
    assert gone.status == 404 and "c9" in gone.text
    assert (await panel.browser.post("/panel/calls/hangup", {})).status == 422


async def test_all_calls_of_one_account_end_and_never_those_of_everybody(panel: Panel) -> None:
    panel.account()
    panel.store.deposit("alice", 100_000_000)
    running(panel)
    assert (await panel.browser.post("/panel/calls/hangup-all", {"account": ""})).status == 422
    assert panel.service.told == []
    await panel.browser.post("/panel/calls/hangup-all", {"account": "alice"})
    assert panel.service.told == [("hangup", "c1")]


async def test_a_thousand_calls_come_in_pages_of_which_each_reads_its_own(panel: Panel) -> None:
    for number in range(1000):
        new = NewCall(f"c{number}", None, "101", f"4930{number:04}", "192.0.2.7", setup_at=1_700_000_000.0 + number)
        panel.store.open_call(new)
    panel.store.commit()
    page = (await panel.browser.get("/panel/calls?from=100")).text
    assert "101 to 150 of 1,000" in page and "49300899" in page and "49300900" not in page
    assert page.count("/panel/calls/one?id=") == 50


async def test_registrations_are_searched(panel: Panel) -> None:
    for name, agent in (("alice", "Snom 1"), ("bob", "Yealink")):
        contact = f"sip:{name}@192.0.2.7"
        panel.store.save_binding(
            SavedBinding(name, contact, "udp", "", 0, "192.0.2.7", 5060, 9e9, "c", 1, user_agent=agent)
        )
    page = (await panel.browser.get("/panel/registrations?q=snom")).text
    assert "Snom 1" in page and "Yealink" not in page and "192.0.2.7:5060" in page


def refused(panel: Panel) -> None:
    panel.account()
    panel.store.settle(
        Cdr(
            "r1", "alice", "101", "252612345678", "192.0.2.7", setup_at=1_700_000_000.0, sip_status=486,
            reason="alice has 2 running calls, maxlines is 2", refused_by="maxlines",
        )
    )  # fmt: skip
    panel.store.record_attempt(Attempt(1_700_000_001.0, "192.0.2.8", "wrong_password", "alice", "needauth"))
    panel.store.record_attempt(Attempt(1_700_000_002.0, "192.0.2.9", "unknown_user", "mallory", "needauth"))
    panel.store.commit()


@pytest.mark.parametrize(
    ("query", "there", "absent"),
    [
        ("account=alice", ("maxlines is 2", "wrong password", "lines", "authentication"), ("mallory",)),
        ("number=2345678", ("maxlines is 2",), ("wrong password", "mallory")),
        ("address=192.0.2.8", ("wrong password", "The gate lets 192.0.2.8 through"), ("maxlines is 2", "mallory")),
        ("call_id=r1", ("maxlines is 2",), ("wrong password",)),
        ("", ("maxlines is 2", "wrong password", "mallory"), ()),
    ],
)
async def test_why_a_call_was_refused(
    panel: Panel, query: str, there: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    refused(panel)
    page = (await panel.browser.get(f"/panel/why?{query}")).text
    assert all(words in page for words in there), page
    assert not any(words in page for words in absent)


async def test_a_refusal_leads_to_its_setting_and_to_the_accounts_limits(panel: Panel) -> None:
    refused(panel)
    page = (await panel.browser.get("/panel/why?call_id=r1")).text
    assert 'href="/panel/settings?q=maxlines"' in page and 'href="/panel/accounts/alice">Limits of alice' in page
    assert "for the account" in page


async def test_a_call_that_failed_for_another_reason_than_a_limit_is_told_with_its_stage(panel: Panel) -> None:
    panel.account()
    for name, status, reason, setting in (
        ("gone", 480, "bob has no registered device", ""),
        ("mute", 503, "", ""),
        ("full", 503, "all channels of carrier are taken", "channels"),
        ("tight", 403, "no more today", "own_maxdailycredit"),
        ("menu", 403, "the menu is shut", "ivrcalls"),
    ):
        panel.store.settle(
            Cdr(name, "alice", "101", "102", "192.0.2.7", setup_at=1.0, sip_status=status, reason=reason,
                refused_by=setting)
        )  # fmt: skip
    panel.store.commit()
    told = panel.house.control.session("root").do("refusals.list", {"account": "alice"})["refusals"]
    assert {each["call_id"]: (each["kind"], each["stage"]) for each in told} == {
        "gone": ("failed", "route"), "mute": ("failed", "route"), "full": ("call", "route"),
        "tight": ("call", "funds"), "menu": ("call", "voice menu"),
    }  # fmt: skip
    page = (await panel.browser.get("/panel/why?account=alice")).text
    assert "failed call <small>480" in page and "bob has no registered device" in page and "Temporary failure" in page
    assert "<h1>Why did this call fail?</h1>" in page


async def test_a_wrong_password_says_from_where_and_does_not_lead_to_limits(panel: Panel) -> None:
    panel.account()
    words = "wrong password from 192.0.2.8:54314, program Snom <1>"
    panel.store.record_attempt(Attempt(1.0, "192.0.2.8", "wrong_password", "alice", "needauth", words))
    panel.store.record_attempt(Attempt(2.0, "192.0.2.9", "wrong_password", "alice", "needauth"))
    panel.store.commit()
    page = (await panel.browser.get("/panel/why?account=alice")).text
    assert "wrong password from 192.0.2.8:54314, program Snom &lt;1&gt;" in page
    assert "wrong password from 192.0.2.9" in page and "Limits of alice" not in page


async def test_an_address_that_the_gate_keeps_out_is_said_to_be(panel: Panel) -> None:
    panel.store.add_ban(BanRow("192.0.2.7", "operator", "scans"))
    page = (await panel.browser.get("/panel/why?address=192.0.2.7")).text
    assert "The gate keeps 192.0.2.7 out" in page and "/panel/bans/one?source=192.0.2.7" in page


@pytest.mark.parametrize("query", ["account=nobody", "address=nonsense", "number=abc", "call_id=zzz"])
async def test_a_question_that_makes_no_sense_is_answered_in_words(panel: Panel, query: str) -> None:
    answer = await panel.browser.get(f"/panel/why?{query}")
    assert answer.status in (404, 422) and query.partition("=")[2] in answer.text


async def test_the_log_is_filtered_by_level_and_words(panel: Panel) -> None:
    logger = logging.Logger("pysrv.calls")
    logger.addHandler(panel.memory.log)
    logger.info("call taken up id=%s", "c1")
    logger.warning("a trunk <script> is slow\nforged line")
    page = (await panel.browser.get("/panel/log")).text
    assert "call taken up id=c1" in page and "a trunk &lt;script&gt; is slow\\x0aforged line" in page
    assert "call taken up" not in (await panel.browser.get("/panel/log?level=warning")).text
    assert "is slow" not in (await panel.browser.get("/panel/log?q=TAKEN")).text
    assert (await panel.browser.get("/panel/log?level=loud")).status == 422


async def test_notices_are_shown_with_what_became_of_them(panel: Panel) -> None:
    panel.store.add_notice("test", "", {"who": "olga"}, "k")
    panel.store.commit()
    assert (await panel.browser.get("/panel/notices")).status == 200
    nobody = await panel.browser.post("/panel/notices/test")
    assert nobody.status == 422 and "nobody can be told" in nobody.text
    assert (await panel.browser.post("/panel/notices/retry")).status == 303


def test_scales_are_round_and_never_below_what_is_drawn() -> None:
    for most, top in ((0.01, 0.01), (3.0, 5.0), (5.0, 5.0), (5.1, 10.0), (101.0, 200.0), (4400.0, 5000.0)):
        assert charts.nice(most) == top


def test_a_line_runs_from_left_to_now_and_never_outside() -> None:
    samples = [{"at": float(at), "calls": at} for at in range(0, 1000, 100)]
    drawn = charts.points(samples, "calls", 1000.0, 450.0).split()
    assert drawn[-1] == "600.0,12.0" and drawn[0] == "0.0,120.0"


def test_a_ladders_arrows_run_between_those_who_speak() -> None:
    columns = [{"name": name, "address": ""} for name in ("caller", "appliance", "callee")]
    rungs = [{"source": 0, "target": 1, "text": "INVITE"}, {"source": 2, "target": 1, "text": "200 OK"}]
    drawn = drawing({"columns": columns, "rungs": rungs, "left_out": 0})
    (first, second) = drawn["arrows"]
    assert first["x1"] < first["x2"] == second["x2"] < second["x1"] and first["y"] < second["y"] < drawn["height"]


@pytest.mark.parametrize("by", ["account", "destination", "country", "address"])
async def test_abnormal_traffic_is_shown_with_its_bar(panel: Panel, by: str) -> None:
    panel.account()
    now = 1_700_049_600.0  # noon, so that no midnight comes in between
    panel.house.control = Control(panel.store, None, {}, lambda: now + 60)
    for number in range(40):
        panel.store.settle(
            Cdr(f"a{number}", "alice", "101", "252612345678", "192.0.2.7", setup_at=now - 1, answered_at=now)
        )
    panel.store.commit()
    page = (await panel.browser.get(f"/panel/analyze?by={by}&days=7")).text
    assert "<progress" in page and "usually 0" in page and "<strong>40</strong>" in page
    assert (await panel.browser.get("/panel/analyze?by=colour")).status == 422


async def test_a_calls_ladder_is_drawn_and_told_as_a_table(panel: Panel) -> None:
    panel.account()
    panel.service.remembered = one_call()
    panel.store.open_call(NewCall("call1", None, "alice", "49", "192.0.2.11"))
    panel.store.commit()
    page = (await panel.browser.get("/panel/calls/one?id=call1")).text
    assert page.count('class="arrow"') == 4 and page.count("<polygon") == 4
    assert "INVITE" in page and "198.51.100.7:5061" in page and ">0.500</td>" in page
    panel.store.settle(Cdr("call1", "", "alice", "49", "192.0.2.11", setup_at=1.0, refused_by="credit"))
    panel.store.commit()
    assert 'class="arrow"' in (await panel.browser.get("/panel/why?call_id=call1")).text
    record = (await panel.browser.get("/panel/cdrs-show?call_id=call1")).text
    begun = one_call().of_call("call1").legs[0].decode()  # type: ignore[union-attr]
    assert 'class="arrow"' in record and f"<code>{begun}</code>" in record and 'href="#ladder">SIP trace' in record


async def test_a_call_that_nobody_remembers_has_no_ladder(panel: Panel) -> None:
    panel.store.open_call(NewCall("call9", None, "alice", "49", "192.0.2.11"))
    panel.store.commit()
    page = await panel.browser.get("/panel/calls/one?id=call9")
    assert page.status == 200 and "<svg" not in page.text
