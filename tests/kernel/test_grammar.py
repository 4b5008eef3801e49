"""The automaton of request lines: against regular expressions, and against what our own parser takes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.kernel import grammar, layout
from appliance.kernel.automaton import (
    ACCEPTED,
    MARKED,
    REFUSED,
    Rule,
    alt,
    compile_table,
    many,
    maybe,
    one_of,
    seq,
    some,
    text,
    times,
)
from pysrv.sip.grammar import split_list
from pysrv.sip.headers import CSeq, NameAddr, Via

TOKEN = r"[A-Za-z0-9.!%*_+`'~-]{1,8}"
HOST = r"([A-Za-z0-9][A-Za-z0-9.-]{0,12}|\[[0-9a-f:]{2,8}\])(:[1-9][0-9]{0,3})?"
PARAMETERS = rf"(;{TOKEN}(={TOKEN})?){{0,3}}"


@pytest.mark.parametrize(
    ("expression", "pattern"),
    [
        (seq(text("ab", fold=True), many(one_of("cd"))), r"[aA][bB][cd]*"),
        (alt(text("a"), seq(some(text("b")), maybe(text("c")))), r"a|b+c?"),
        (times(2, 4, one_of("01")), r"[01]{2,4}"),
        (seq(), r""),
    ],
)
@given(word=st.text("abcdABC01", max_size=7))
def test_an_automaton_accepts_what_its_expression_does(expression: object, pattern: str, word: str) -> None:
    table = compile_table({"rule": Rule(expression)})  # type: ignore[arg-type]
    assert table.run("rule", word.encode()) == (ACCEPTED if re.fullmatch(pattern, word) else REFUSED)


def test_refused_outweighs_marked_and_marked_outweighs_accepted() -> None:
    rule = Rule(some(one_of("abc")), marked=seq(text("a"), many(one_of("abc"))), refused=text("aa"))
    table = compile_table({"rule": rule})
    assert [table.run("rule", word) for word in (b"b", b"ab", b"aa", b"x")] == [ACCEPTED, MARKED, REFUSED, REFUSED]


def test_the_program_knows_where_each_rule_begins() -> None:
    said = re.findall(r"RULE_([a-z]\w*) = (\d+)", (layout.BPF_DIR / "layout.h").read_text(encoding="ascii"))
    assert {name: int(number) for name, number in said} == dict(grammar.table().starts)


@given(st.from_regex(rf"\A ?SIP/2\.0/UDP {HOST}{PARAMETERS}\Z"))
def test_a_via_that_is_accepted_is_one_for_our_parser(line: str) -> None:
    found = grammar.table().run("via", line.encode())
    via = Via.parse(line.strip().encode()) if found else None
    if via is not None:
        assert (via.rport is not None) == (found == MARKED)
        assert via.received is None
        assert via.param(b"maddr") is None


@given(st.from_regex(rf'\A ?("[^"\\\x00-\x1f\x7f]{{0,9}}" ?|({TOKEN} ){{0,2}})<sips?:({TOKEN}@)?{HOST}>{PARAMETERS}\Z'))
def test_an_address_that_is_accepted_is_one_for_our_parser(line: str) -> None:
    raw = line.encode("utf-8")
    found = grammar.table().run("address", raw)
    if found:
        assert (b"tag" in [name for name, _ in NameAddr.parse(raw.strip()).params]) == (found == MARKED)


@given(st.from_regex(r"\A {0,2}[0-9]{1,11} {1,2}[A-Z]{1,9}\Z"))
def test_a_cseq_that_is_accepted_is_one_for_our_parser(line: str) -> None:
    if grammar.table().run("cseq", line.encode()):
        CSeq.parse(line.strip().encode())


@given(st.binary(max_size=60))
def test_whatever_is_accepted_our_parser_reads(noise: bytes) -> None:
    table = grammar.table()
    if table.run("address", noise):
        NameAddr.parse(noise.strip(b" "))
    if table.run("vias", noise):
        for element in split_list(noise.strip(b" ")):
            Via.parse(element)


@pytest.mark.parametrize(
    ("rule", "line", "found"),
    [
        ("via", b" SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1;rport", MARKED),
        ("via", b" sip/2.0/udp host;RPORT;branch=z9hG4bK-1", MARKED),
        ("via", b" SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-1", ACCEPTED),
        ("via", b" SIP/2.0/UDP 192.0.2.1;rports;branch=z9hG4bK-1", ACCEPTED),
        ("via", b" SIP/2.0/UDP 192.0.2.1;rport=5060", REFUSED),
        ("via", b" SIP/2.0/UDP 192.0.2.1;Received=1.2.3.4", REFUSED),
        ("via", b" SIP/2.0/UDP a;rport, SIP/2.0/TCP b;received=1.2.3.4", MARKED),
        ("vias", b" SIP/2.0/TLS b;received=1.2.3.4;rport=7,SIP/2.0/TCP c", ACCEPTED),
        ("address", b" sipp <sip:1000@[::1]:5060>", ACCEPTED),
        ("address", b"sip:a@b;x=y;tag=1", MARKED),
        ("address", b"<sip:a%41@b;x=y>;TAG=1", MARKED),
        ("address", b"<sip:a@b;tag=1>", ACCEPTED),
        ("address", b"al{ice <sip:a@b>", REFUSED),
        ("call_id", b" 7f3a9c1e-55aa-4b1d@192.0.2.10", ACCEPTED),
        ("call_id", b" a@b@c", REFUSED),
        ("cseq", b" 2147483648 INVITE", REFUSED),
        ("request", b"REGISTER sip:pbx.example.net;transport=udp SIP/2.0", ACCEPTED),
        ("request", b"REGISTER sip:pbx.example.net SIP/3.0", REFUSED),
    ],
)
def test_a_line_comes_to_what_the_rules_say(rule: str, line: bytes, found: int) -> None:
    assert grammar.table().run(rule, line) == found
