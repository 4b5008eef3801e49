"""The memory of what was said: one trace for all dialogs of a call, bounded in every direction, never with secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.calls.ladder import Column, ladder
from pysrv.calls.trace import MOST_BYTES, OVERHEAD_BYTES, Noted, Room, Trace, Traces
from pysrv.sip.events import Flow

US = ("192.0.2.1", 5060)
ALICE = Flow("udp", US, ("192.0.2.11", 5060))
CARRIER = Flow("tcp", US, ("198.51.100.7", 5061), 3)


def message(first: str, call_id: str, method: str = "INVITE", *extra: str, to_tag: str = "") -> bytes:
    to = "<sip:bob@x>" + (f";tag={to_tag}" if to_tag else "")
    lines = [first, "From: <sip:alice@x>;tag=f1", f"To: {to}", f"Call-ID: {call_id}", f"CSeq: 1 {method}", *extra]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def owner(dialogs: dict[tuple[bytes, bytes], str]) -> Traces:
    return Traces(lambda dialog, tag: dialogs.get((dialog, tag)))


def one_call() -> Traces:
    traces = owner({(b"b", b"f1"): "call1"})
    traces.note(1.0, ALICE, message("INVITE sip:bob@x SIP/2.0", "a"), out=False)
    traces.belongs(b"a", "call1", "alice")
    assert traces.note(1.5, CARRIER, message("INVITE sip:bob@y SIP/2.0", "b"), out=True) == b"a"
    traces.note(2.0, CARRIER, message("SIP/2.0 200 OK", "b", to_tag="t"), out=False)
    traces.note(2.25, ALICE, message("SIP/2.0 200 OK", "a", to_tag="u"), out=True)
    return traces


def test_all_dialogs_of_a_call_are_one_trace() -> None:
    trace = one_call().of_call("call1")
    assert trace is not None
    assert trace.legs == [b"a", b"b"]
    assert [(each.out, each.leg, each.start_line) for each in trace.messages] == [
        (False, 0, "INVITE sip:bob@x SIP/2.0"),
        (True, 1, "INVITE sip:bob@y SIP/2.0"),
        (False, 1, "SIP/2.0 200 OK"),
        (True, 0, "SIP/2.0 200 OK"),
    ]


def test_a_ladder_has_the_caller_left_and_the_callee_right() -> None:
    trace = one_call().of_call("call1")
    assert trace is not None
    drawn = ladder(trace)
    assert drawn.columns == (
        Column("caller", "192.0.2.11:5060"),
        Column("appliance", "192.0.2.1:5060"),
        Column("callee", "198.51.100.7:5061"),
    )
    assert [(rung.after_s, rung.source, rung.target, rung.text) for rung in drawn.rungs] == [
        (0.0, 0, 1, "INVITE"), (0.5, 1, 2, "INVITE"), (1.0, 2, 1, "200 OK"), (1.25, 1, 0, "200 OK"),
    ]  # fmt: skip


def test_a_callee_behind_the_callers_address_has_a_column_of_its_own() -> None:
    traces = owner({(b"b", b"f1"): "call1"})
    traces.note(1.0, ALICE, message("INVITE sip:bob@x SIP/2.0", "a"), out=False)
    traces.belongs(b"a", "call1", "alice")
    traces.note(1.5, ALICE, message("INVITE sip:bob@y SIP/2.0", "b"), out=True)
    trace = traces.of_call("call1")
    assert trace is not None
    assert [(rung.source, rung.target) for rung in ladder(trace).rungs] == [(0, 1), (1, 2)]


def test_who_speaks_in_a_dialog_of_others_is_not_taken_for_the_caller() -> None:
    traces = one_call()
    stranger = Flow("udp", US, ("203.0.113.9", 5060))
    traces.note(3.0, stranger, message("BYE sip:x SIP/2.0", "a", "BYE", to_tag="u"), out=False)
    trace = traces.of_call("call1")
    assert trace is not None
    drawn = ladder(trace)
    assert (drawn.columns[3].name, drawn.rungs[-1].source) == ("other", 3)


def test_a_dialog_that_an_earlier_process_began_is_found_by_our_tag() -> None:
    traces = owner({(b"a", b"u"): "call1"})
    traces.note(1.0, ALICE, message("BYE sip:x SIP/2.0", "a", "BYE", to_tag="u"), out=False)
    trace = traces.of_call("call1")
    assert trace is not None
    assert trace.messages[0].cseq == (1, "BYE")


def test_attempts_are_found_by_address_claimed_name_and_login() -> None:
    traces = owner({})
    login = 'Authorization: Digest realm="x", username="carol", response="00"'
    traces.note(1.0, ALICE, message("REGISTER sip:x SIP/2.0", "r1", "REGISTER"), out=False)
    traces.note(2.0, CARRIER, message("REGISTER sip:x SIP/2.0", "r2", "REGISTER", login), out=False)
    assert [trace.legs for trace in traces.find(source="192.0.2.11")] == [[b"r1"]]
    assert [trace.legs for trace in traces.find(account="carol")] == [[b"r2"]]
    assert [trace.legs for trace in traces.find(account="alice")] == [[b"r2"], [b"r1"]]
    assert list(traces.find(account="alice", source="203.0.113.1")) == []


def test_the_call_of_an_account_is_found_by_the_accounts_name() -> None:
    traces = owner({})
    traces.note(1.0, ALICE, message("INVITE sip:bob@x SIP/2.0", "a"), out=False)
    traces.belongs(b"a", "call1", "office-7")
    assert [trace.call_id for trace in traces.find(account="office-7")] == ["call1"]


def test_a_storm_of_attempts_pushes_no_call_out() -> None:
    traces = one_call()
    for number in range(2000):
        traces.note(3.0, ALICE, message("REGISTER sip:x SIP/2.0", f"r{number}", "REGISTER"), out=False)
    assert traces.held == (1, Room().attempts)
    assert traces.of_dialog(b"r1999") is not None
    assert traces.of_dialog(b"r0") is None


def test_the_call_that_was_quiet_longest_goes_first() -> None:
    traces = Traces(lambda _dialog, _tag: None, Room(calls=2))
    for name in ("a", "b"):
        traces.note(1.0, ALICE, message("INVITE sip:x SIP/2.0", name), out=False)
        traces.belongs(name.encode(), f"call-{name}", "")
    traces.note(2.0, ALICE, message("BYE sip:x SIP/2.0", "a", "BYE"), out=False)
    traces.note(3.0, ALICE, message("INVITE sip:x SIP/2.0", "c"), out=False)
    traces.belongs(b"c", "call-c", "")
    assert [traces.of_call(f"call-{name}") is not None for name in "abc"] == [True, False, True]
    assert traces.of_dialog(b"b") is None


def test_of_too_many_messages_the_first_and_the_last_are_kept() -> None:
    trace = Trace("192.0.2.11", 0.0, [b"a"])
    for number in range(10):
        trace.add(Noted(float(number), False, ALICE, 0, b"x" * number), 4)
    assert [noted.at for noted in trace.messages] == [0.0, 1.0, 8.0, 9.0]
    assert (trace.left_out, trace.size) == (6, 0 + 1 + 8 + 9 + 4 * OVERHEAD_BYTES)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 6000), st.booleans()), max_size=60))
def test_the_memory_is_bounded_in_bytes(said: list[tuple[str, int, bool]]) -> None:
    traces = Traces(lambda _dialog, _tag: None, Room(3, 20_000, 3, 10_000, 5, 4))
    for name, size, call in said:
        traces.note(1.0, ALICE, message("INVITE sip:x SIP/2.0", name) + b"x" * size, out=False)
        if call:
            traces.belongs(name.encode(), f"call-{name}", "")
    for shelf, most in ((traces._calls, 20_000), (traces._attempts, 10_000)):
        sizes = [sum(len(each.raw) + OVERHEAD_BYTES for each in trace.messages) for trace in shelf.held.values()]
        assert shelf._size == sum(sizes) <= most
        assert len(shelf.held) <= 3
        assert all(len(each.raw) <= MOST_BYTES for trace in shelf.held.values() for each in trace.messages)
    held = [*traces._calls.held.values(), *traces._attempts.held.values()]
    assert {id(trace) for trace, _ in traces._by_leg.values()} == {id(trace) for trace in held}


def test_without_room_nothing_is_kept() -> None:
    traces = Traces(lambda _dialog, _tag: None, Room(calls=0))
    assert traces.note(1.0, ALICE, message("INVITE sip:x SIP/2.0", "a"), out=False) == b"a"
    assert traces.held == (0, 0)


@pytest.mark.parametrize("written", ["Call-ID: a", "call-id:a", "i: a", "I\t:\ta", "CALL-ID : a"])
def test_the_call_id_is_found_however_it_is_written(written: str) -> None:
    traces = Traces(lambda _dialog, _tag: None)
    traces.note(1.0, ALICE, f"BYE sip:x SIP/2.0\r\n{written}\r\n\r\n".encode(), out=False)
    assert traces.of_dialog(b"a") is not None


def test_what_has_no_call_id_is_kept_by_its_source() -> None:
    traces = Traces(lambda _dialog, _tag: None)
    traces.note(1.0, ALICE, b"\x00\x01junk", out=False)
    assert [trace.messages[0].start_line for trace in traces.find(source="192.0.2.11")] == ["\x00\x01junk"]


def test_nothing_that_can_be_read_of_a_message_has_its_secrets() -> None:
    traces = Traces(lambda _dialog, _tag: None)
    secret = 'Authorization: Digest username="alice", response="5ec7e75ec7e75ec7e75ec7e75ec7e75e"'
    traces.note(1.0, ALICE, message("REGISTER sip:x SIP/2.0", "a", "REGISTER", secret), out=False)
    trace = traces.of_dialog(b"a")
    assert trace is not None
    assert "5ec7e7" not in repr(trace) + str(ladder(trace)) + repr(trace.messages[0].text)
