"""calls.trace, and the diagram that the command draws of its answer."""

import pytest

from appliance.cli.ladder import drawn
from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.billing.cdr import Cdr
from pysrv.control.session import Control
from pysrv.store import Store
from tests.calls.test_trace import ALICE, message, one_call
from tests.control.office import NOW, Operator, Service


def operator(store: Store, service: Service | None) -> Operator:
    return Operator(Control(store, service, clock=lambda: NOW).session("root"))


@pytest.fixture
def service() -> Service:
    made = Service()
    made.remembered = one_call()
    return made


def test_a_call_is_found_by_its_name_and_by_a_call_id_of_its_dialogs(store: Store, service: Service) -> None:
    ask = operator(store, service).ask
    for name in ("call1", "a", "b"):
        (trace,) = ask("calls.trace", call_id=name)["traces"]
        assert (trace["call_id"], trace["account"], trace["dialogs"]) == ("call1", "alice", ["a", "b"])
        assert [column["name"] for column in trace["columns"]] == ["caller", "appliance", "callee"]
        assert "message" not in trace["rungs"][0]


def test_the_whole_messages_are_told_when_they_are_asked_for(store: Store, service: Service) -> None:
    (trace,) = operator(store, service).ask("calls.trace", call_id="call1", messages=True)["traces"]
    assert trace["rungs"][0]["message"].startswith("INVITE sip:bob@x SIP/2.0\r\nFrom: ")


def test_a_refused_call_says_by_which_setting_and_why(store: Store, service: Service) -> None:
    store.settle(
        Cdr("call1", "alice", "alice", "49", ALICE.remote[0], setup_at=NOW, ended_at=NOW, refused_by="credit",
            reason="credit: 0.00 left")
    )  # fmt: skip
    (trace,) = operator(store, service).ask("calls.trace", account="alice")["traces"]
    assert (trace["refused_by"], trace["reason"]) == ("credit", "credit: 0.00 left")


def test_the_latest_of_a_source_come_first_and_no_more_than_are_asked_for(store: Store, service: Service) -> None:
    for number in range(5):
        register = message("REGISTER sip:x SIP/2.0", f"r{number}", "REGISTER")
        service.remembered.note(10.0 + number, ALICE, register, out=False)
    found = operator(store, service).ask("calls.trace", source="192.0.2.11", limit=2)["traces"]
    assert [trace["dialogs"] for trace in found] == [["r4"], ["r3"]]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ({}, "invalid", "name a call, or an account or source"),
        ({"call_id": "x", "account": "alice"}, "invalid", "name a call, or an account or source"),
        ({"account": "alice", "limit": 0}, "invalid", "limit must be 1 to 100, not 0"),
        ({"call_id": "gone"}, "not_found", "there is no trace of a call 'gone'"),
    ],
)
def test_a_bad_question_is_refused(
    store: Store, service: Service, args: dict[str, object], code: str, words: str
) -> None:
    with pytest.raises(WireError, match=words) as caught:
        operator(store, service).ask("calls.trace", **args)
    assert caught.value.code == code


def test_an_office_that_does_not_run_remembers_nothing(store: Store) -> None:
    with pytest.raises(WireError, match="traces are kept in memory alone"):
        operator(store, None).ask("calls.trace", call_id="call1")


def test_where_nothing_is_remembered_the_refusal_says_so(store: Store) -> None:
    with pytest.raises(WireError) as caught:
        operator(store, Service(Settings({"calltraces": 0}))).ask("calls.trace", call_id="call1")
    assert caught.value.hint == "calltraces is 0, so nothing is remembered"


def test_the_command_draws_the_ladder(store: Store, service: Service) -> None:
    (trace,) = operator(store, service).ask("calls.trace", call_id="call1")["traces"]
    assert drawn(trace["columns"], trace["rungs"]).plain.splitlines() == [
        "         caller                     appliance                       callee",
        "         192.0.2.11:5060         192.0.2.1:5060                198.51.100.7:5061",
        "  0.000  │────────── INVITE ───────────▶│                              │",
        "  0.500  │                              │────────── INVITE ───────────▶│",
        "  1.000  │                              │◀────────── 200 OK ───────────│",
        "  1.250  │◀────────── 200 OK ───────────│                              │",
    ]


def test_what_a_peer_has_written_reaches_the_terminal_as_escapes() -> None:
    columns = [{"name": "a"}, {"name": "b"}]
    rung = {"after_s": 0.0, "source": 0, "target": 1, "text": "200 \x1b[2J\u202eOK"}
    assert "\x1b" not in drawn(columns, [rung]).plain
    assert "\\x1b[2J" in drawn(columns, [rung]).plain
