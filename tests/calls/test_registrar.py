"""The registrar as a table of REGISTERs: what each answers, and what the address of record has after it."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.calls.bindings import Binding
from pysrv.calls.registrar import Outcome, Registrar, RegistrarConfig, Removed, Saved
from pysrv.sip.events import Flow
from pysrv.sip.headers import NameAddr
from pysrv.sip.message import Request
from pysrv.sip.parser import parse_datagram
from pysrv.store.rows import SavedBinding

AOR = "sip:bob@example.com"
FLOW = Flow("udp", ("203.0.113.1", 5060), ("192.0.2.7", 5062))
PHONE = "<sip:bob@192.0.2.7:5062>"
PROXY = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2, SIP/2.0/UDP 192.0.2.7"
URN = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'


def register(*contacts: str, call_id: str = "a", cseq: int = 1, lines: tuple[str, ...] = ()) -> Request:
    """A REGISTER of Bob's."""
    text = [
        "REGISTER sip:example.com SIP/2.0",
        *(
            []
            if any(line.startswith("Via:") for line in lines)
            else ["Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1"]
        ),
        "Max-Forwards: 70",
        "From: <sip:bob@example.com>;tag=1",
        "To: <sip:bob@example.com>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} REGISTER",
        *(f"Contact: {contact}" for contact in contacts),
        *lines,
        "Content-Length: 0",
    ]
    message = parse_datagram("\r\n".join([*text, "", ""]).encode())
    assert isinstance(message, Request)
    return message


class Bench:
    """A registrar, a clock, and a store that follows the changes."""

    def __init__(self, **config: object) -> None:
        self.registrar = Registrar(RegistrarConfig(**config))  # type: ignore[arg-type]
        self.now = 1000.0
        self.store: dict[tuple[str, str], Binding] = {}

    def send(self, request: Request, flow: Flow = FLOW) -> Outcome:
        outcome = self.registrar.register(AOR, request, flow, self.now)
        self.follow(outcome.changes)
        return outcome

    def follow(self, changes: tuple[Saved | Removed, ...]) -> None:
        for change in changes:
            key = change.binding.aor, change.binding.contact_text
            if isinstance(change, Saved):
                self.store[key] = change.binding
            else:
                del self.store[key]

    def uris(self) -> list[str]:
        return [str(binding.contact) for binding in self.registrar.bindings(AOR, self.now)]


def contacts_of(outcome: Outcome) -> list[bytes]:
    return [value for name, value in outcome.headers if name == b"contact"]


def test_a_contact_is_bound_and_told_with_its_expiry() -> None:
    bench = Bench()
    outcome = bench.send(register(PHONE, lines=("Expires: 600", "User-Agent: Phone 1.0")))
    assert (outcome.status, contacts_of(outcome)) == (200, [b"<sip:bob@192.0.2.7:5062>;expires=600"])
    (binding,) = outcome.bindings
    assert (binding.flow, binding.expires_at, binding.user_agent, binding.cseq) == (FLOW, 1600.0, b"Phone 1.0", 1)
    assert outcome.changes == (Saved(binding),)


def test_without_a_contact_nothing_changes_and_everything_is_told() -> None:
    bench = Bench()
    bench.send(register(PHONE, lines=("Expires: 600",)))
    bench.now += 200
    outcome = bench.send(register(call_id="another", cseq=9))
    assert (outcome.status, contacts_of(outcome), outcome.changes) == (
        200,
        [b"<sip:bob@192.0.2.7:5062>;expires=400"],
        (),
    )


@pytest.mark.parametrize(
    ("contact", "lines", "granted"),
    [
        (PHONE, (), 3600),
        (PHONE, ("Expires: 120",), 120),
        (PHONE + ";expires=90", ("Expires: 120",), 90),
        (PHONE, ("Expires: 86400",), 3600),
        (PHONE + ";expires=99999999999", (), 3600),
        (PHONE + ";expires=soon", (), 3600),
        (PHONE, ("Expires: 60",), 60),
    ],
)
def test_the_expiry_that_is_granted(contact: str, lines: tuple[str, ...], granted: int) -> None:
    outcome = Bench().send(register(contact, lines=lines))
    assert outcome.bindings[0].expires_at == 1000.0 + granted


def test_too_brief_an_interval_is_423_with_the_least_one() -> None:
    bench = Bench()
    outcome = bench.send(register(PHONE, "<sip:bob@192.0.2.8>;expires=59"))
    assert (outcome.status, outcome.headers, outcome.changes) == (423, ((b"min-expires", b"60"),), ())
    assert bench.uris() == []  # all of a request or none of it


def test_a_refresh_replaces_and_an_equivalent_uri_is_the_same_device() -> None:
    bench = Bench()
    bench.send(register("<sip:bob@EXAMPLE.net;x=1>"))
    bench.now += 10
    outcome = bench.send(register("<sip:%62ob@example.NET;x=1>", cseq=2))
    assert [type(change) for change in outcome.changes] == [Removed, Saved]
    assert bench.uris() == ["sip:%62ob@example.NET;x=1"]
    assert len(bench.store) == 1


def test_expiry_zero_removes_that_contact_only() -> None:
    bench = Bench()
    bench.send(register(PHONE, "<sip:bob@192.0.2.8>"))
    outcome = bench.send(register(PHONE + ";expires=0", cseq=2))
    assert bench.uris() == ["sip:bob@192.0.2.8"]
    assert [type(change) for change in outcome.changes] == [Removed]
    assert bench.send(register("<sip:nobody@192.0.2.9>;expires=0", cseq=3)).status == 200


def test_a_star_removes_everything() -> None:
    bench = Bench()
    bench.send(register(PHONE, "<sip:bob@192.0.2.8>"))
    outcome = bench.send(register("*", cseq=2, lines=("Expires: 0",)))
    assert (outcome.status, contacts_of(outcome), bench.uris(), bench.store) == (200, [], [], {})


@pytest.mark.parametrize(
    ("contacts", "lines"),
    [
        (("*",), ()),
        (("*",), ("Expires: 60",)),
        (("*", PHONE), ("Expires: 0",)),
        (("<mailto:bob@example.com>",), ()),
        (("<sip:bob@192.0.2.7",), ()),
        ((f"<sip:{'b' * 600}@192.0.2.7>",), ()),
    ],
    ids=["star alone", "star with expiry", "star and another", "mailto", "broken", "too long"],
)
def test_a_contact_that_makes_no_sense_is_400(contacts: tuple[str, ...], lines: tuple[str, ...]) -> None:
    outcome = Bench().send(register(*contacts, lines=lines))
    assert (outcome.status, outcome.changes) == (400, ())


@pytest.mark.parametrize(("contact", "cseq"), [(PHONE, 5), (PHONE, 4), ("*", 5)])
def test_a_late_request_changes_nothing(contact: str, cseq: int) -> None:
    bench = Bench()
    bench.send(register(PHONE, cseq=5))
    assert bench.send(register(contact, cseq=cseq, lines=("Expires: 0",))).status == 500
    assert len(bench.uris()) == 1


def test_a_phone_that_started_again_has_a_new_call_id_and_may_count_from_one() -> None:
    bench = Bench()
    bench.send(register(PHONE, cseq=5))
    assert bench.send(register(PHONE, call_id="b", cseq=1)).status == 200
    assert len(bench.uris()) == 1


def test_the_same_contact_twice_in_one_request_is_one_binding() -> None:
    bench = Bench()
    assert bench.send(register(PHONE + ";q=0.1", PHONE + ";q=0.9")).status == 200
    assert [binding.q for binding in bench.registrar.bindings(AOR, bench.now)] == [900]


def test_contacts_are_tried_by_q_then_by_the_latest() -> None:
    bench = Bench()
    for number, q in enumerate(["0.5", "1.0", "0.5", "0", "0.123"]):
        bench.now += 1
        bench.send(register(f"<sip:bob@192.0.2.{number}>;q={q}", call_id=str(number)))
    assert [uri[-1] for uri in bench.uris()] == ["1", "2", "0", "4", "3"]


@pytest.mark.parametrize(
    ("q", "means"), [("1", 1000), ("0.7", 700), ("0.", 0), ("2", 1000), ("-1", 1000), ("0.1234", 1000), ("1.5", 1000)]
)
def test_a_q_that_is_none_counts_as_one(q: str, means: int) -> None:
    assert Bench().send(register(f"{PHONE};q={q}")).bindings[0].q == means


def test_a_device_too_many_takes_the_place_of_the_most_silent() -> None:
    bench = Bench(max_bindings=2)
    for number in (1, 2, 1, 3):
        bench.now += 1
        bench.send(register(f"<sip:bob@192.0.2.{number}>", cseq=int(bench.now)))
    assert bench.uris() == ["sip:bob@192.0.2.3", "sip:bob@192.0.2.1"]
    assert len(bench.store) == 2


def test_a_device_too_many_is_refused_where_that_is_wanted() -> None:
    bench = Bench(max_bindings=1, replace_oldest=False)
    bench.send(register(PHONE))
    assert bench.send(register("<sip:bob@192.0.2.9>", cseq=2)).status == 403
    assert bench.send(register(PHONE, cseq=2)).status == 200
    assert bench.send(register(PHONE, "<sip:bob@192.0.2.9>", cseq=3)).status == 403


def test_bindings_run_out_and_are_told_once() -> None:
    bench = Bench()
    bench.send(register(PHONE, lines=("Expires: 60",)))
    bench.send(register("<sip:bob@192.0.2.8>", cseq=2, lines=("Expires: 120",)))
    assert bench.registrar.get_timer() == 1060.0
    bench.now = 1060.0
    assert bench.uris() == ["sip:bob@192.0.2.8"]
    bench.follow(bench.registrar.expire(bench.now))
    assert bench.registrar.expire(bench.now) == ()
    assert len(bench.store) == 1 and bench.registrar.get_timer() == 1120.0
    bench.now = 1120.0
    bench.follow(bench.registrar.expire(bench.now))
    assert (bench.store, len(bench.registrar), bench.registrar.get_timer()) == ({}, 0, None)


def test_a_refresh_puts_the_end_off() -> None:
    bench = Bench()
    bench.send(register(PHONE, lines=("Expires: 60",)))
    bench.now += 50
    bench.send(register(PHONE, cseq=2, lines=("Expires: 60",)))
    bench.now += 10
    assert bench.registrar.expire(bench.now) == () and len(bench.uris()) == 1
    assert bench.registrar.get_timer() == 1110.0


def test_what_ran_out_unseen_leaves_the_store_with_the_next_change() -> None:
    bench = Bench()
    bench.send(register(PHONE, lines=("Expires: 60",)))
    bench.now += 100
    bench.send(register("<sip:bob@192.0.2.8>", cseq=2))
    assert len(bench.store) == 1
    assert bench.registrar.expire(bench.now) == ()


def test_an_instance_with_a_reg_id_keeps_one_binding_wherever_it_comes_from() -> None:
    bench = Bench()
    outbound = ("Supported: path, outbound",)
    first = bench.send(register(f"<sip:bob@192.0.2.7:5062>;reg-id=1;{URN}", lines=outbound))
    assert (b"require", b"outbound") in first.headers
    assert b"reg-id=1" in contacts_of(first)[0] and URN.encode() in contacts_of(first)[0]
    moved = Flow("tcp", ("203.0.113.1", 5060), ("198.51.100.9", 40_000), 17)
    bench.send(register(f"<sip:bob@198.51.100.9:40000>;reg-id=1;{URN}", call_id="b", lines=outbound), moved)
    (binding,) = bench.registrar.bindings(AOR, bench.now)
    assert binding.flow == moved and len(bench.store) == 1
    bench.send(register(f"<sip:bob@198.51.100.9:40000>;reg-id=2;{URN}", call_id="c", lines=outbound))
    assert len(bench.uris()) == len(bench.store) == 2


@pytest.mark.parametrize(
    ("contacts", "lines", "status", "reg_id"),
    [
        ((f"{PHONE};reg-id=1;{URN}",), (), 200, 0),
        ((f"{PHONE};reg-id=1",), ("Supported: outbound",), 200, 0),
        ((f"{PHONE};reg-id=0;{URN}",), ("Supported: outbound",), 200, 0),
        ((f"{PHONE};reg-id=1;{URN}", f"<sip:b@192.0.2.8>;reg-id=2;{URN}"), ("Supported: outbound",), 400, 0),
        ((f"{PHONE};reg-id=1;{URN}",), ("Supported: outbound", PROXY), 439, 0),
        (
            (f"{PHONE};reg-id=1;{URN}",),
            ("Supported: outbound", "Path: <sip:edge.example;lr;ob>", PROXY),
            200,
            1,
        ),
    ],
    ids=["not supported", "no instance", "reg-id 0", "two at once", "proxy without ob", "proxy with ob"],
)  # fmt: skip
def test_outbound_by_its_rules(contacts: tuple[str, ...], lines: tuple[str, ...], status: int, reg_id: int) -> None:
    outcome = Bench().send(register(*contacts, lines=lines))
    assert outcome.status == status
    assert [binding.reg_id for binding in outcome.bindings] == ([reg_id] if status == 200 else [])


def test_a_path_is_kept_and_told_to_those_who_know_it() -> None:
    lines = ("Path: <sip:p2.example;lr>", "Path: <sip:p1.example;lr>")
    outcome = Bench().send(register(PHONE, lines=(*lines, "Supported: path")))
    assert outcome.bindings[0].path == (b"<sip:p2.example;lr>", b"<sip:p1.example;lr>")
    assert [value for name, value in outcome.headers if name == b"path"] == list(outcome.bindings[0].path)
    assert all(name != b"path" for name, _ in Bench().send(register(PHONE, lines=lines)).headers)


def test_headers_inside_a_contact_uri_are_left_out() -> None:
    outcome = Bench().send(register("<sip:bob@192.0.2.7?Replaces=x>"))
    assert str(outcome.bindings[0].contact) == "sip:bob@192.0.2.7"


def test_a_closed_stream_takes_its_bindings_along() -> None:
    bench = Bench()
    stream = Flow("tcp", FLOW.local, FLOW.remote, 9)
    bench.send(register(PHONE))
    bench.send(register("<sip:bob@192.0.2.7;transport=tcp>", cseq=2), stream)
    assert bench.registrar.flow_closed(FLOW) == ()
    bench.follow(bench.registrar.flow_closed(stream))
    assert bench.uris() == ["sip:bob@192.0.2.7:5062"] and len(bench.store) == 1


def test_who_is_registered_behind_an_address() -> None:
    bench = Bench()
    bench.send(register(PHONE))
    bench.registrar.register("sip:eve@example.com", register(PHONE), FLOW, bench.now)
    assert [b.aor for b in bench.registrar.behind("192.0.2.7", bench.now)] == [AOR, "sip:eve@example.com"]
    assert bench.registrar.behind("192.0.2.7", bench.now + 4000) == ()
    bench.registrar.remove(AOR)
    assert [b.aor for b in bench.registrar.behind("192.0.2.7", bench.now)] == ["sip:eve@example.com"]
    assert bench.registrar.behind("192.0.2.8", bench.now) == ()


def test_a_binding_comes_back_from_the_store_s_columns() -> None:
    bench = Bench()
    stream = Flow("tcp", FLOW.local, FLOW.remote, 9)
    lines = ("Supported: outbound", "User-Agent: Phöne", "Path: <sip:p2.example;lr>, <sip:p1.example;lr;ob>")
    bench.send(register(f"{PHONE};q=0.25;reg-id=1;{URN}", lines=lines), stream)
    ((_, binding),) = bench.store.items()
    row = SavedBinding(**binding.to_row())
    again = Binding.from_row(dataclasses.asdict(row))
    expected = dataclasses.replace(binding, flow=dataclasses.replace(stream, connection=0), registered_at=0.0)
    assert again == expected and again.contact_text == binding.contact_text
    restarted = Registrar()
    restarted.load([again, again])
    assert restarted.bindings(AOR, bench.now) == (again,)
    assert restarted.register(AOR, register(f"{PHONE};reg-id=1;{URN}", lines=lines), stream, bench.now).status == 500


asked = st.tuples(
    st.lists(
        st.builds(
            "{};expires={}{}".format,
            st.sampled_from([f"<sip:bob@192.0.2.{n}>" for n in range(5)]),
            st.sampled_from([0, 0, 60, 100, 3600, 10]),
            st.sampled_from(["", ";q=0.5", f";reg-id=1;{URN}", f";reg-id=2;{URN}"]),
        ),
        max_size=3,
    ),
    st.sampled_from(["a", "b"]),
    st.integers(1, 6),
    st.sampled_from([(), ("Supported: outbound",)]),
    st.integers(0, 90),
)


@given(st.lists(asked, max_size=12))
def test_store_and_registrar_agree_whatever_is_asked(
    requests: list[tuple[list[str], str, int, tuple[str, ...], int]],
) -> None:
    bench = Bench(max_bindings=3)
    for contacts, call_id, cseq, lines, pause in requests:
        before = bench.uris()
        outcome = bench.send(register(*contacts, call_id=call_id, cseq=cseq, lines=lines))
        bindings = bench.registrar.bindings(AOR, bench.now)
        if outcome.status != 200:
            assert (bench.uris(), outcome.changes) == (before, ())
        else:
            assert len(contacts_of(outcome)) == len(bindings) == len(outcome.bindings)
        assert len(bindings) <= 3
        assert not any(a.is_same_device(b) for i, a in enumerate(bindings) for b in bindings[:i])
        assert {b.contact_text for b in bindings} <= {text for _, text in bench.store}
        assert all(NameAddr.parse(value).uri for value in contacts_of(outcome))
        bench.now += pause
        bench.follow(bench.registrar.expire(bench.now))
        assert set(bench.store.values()) == set(bench.registrar.bindings(AOR, bench.now))
