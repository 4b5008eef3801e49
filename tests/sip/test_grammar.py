"""Lexical ground: parameters, lists, quoting, escapes, numbers (RFC 3261 section 25)."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.sip.errors import BadMessage
from pysrv.sip.grammar import join_params, number, quote, split_list, split_params, unescape, unquote, with_param

PARAMS = [
    (b"", ()),
    (b";lr", ((b"lr", None),)),
    (b";Tag=aBc", ((b"tag", b"aBc"),)),
    (b" ;\ttag  =  x ; y ", ((b"tag", b"x"), (b"y", None))),
    (b';a="x;y,z";b', ((b"a", b'"x;y,z"'), (b"b", None))),
    (b';a="x\\"y"', ((b"a", b'"x\\"y"'),)),
    (b";received=2001:db8::1", ((b"received", b"2001:db8::1"),)),
    (b";maddr=[2001:db8::1]", ((b"maddr", b"[2001:db8::1]"),)),
    (b";rport=;x", ((b"rport", b""), (b"x", None))),
    (b';+sip.instance="<urn:uuid:f81d>"', ((b"+sip.instance", b'"<urn:uuid:f81d>"'),)),
]


@pytest.mark.parametrize(("text", "params"), PARAMS)
def test_parameters_are_read(text: bytes, params: tuple[tuple[bytes, bytes | None], ...]) -> None:
    assert split_params(text) == params
    assert split_params(join_params(params)) == params


@pytest.mark.parametrize(
    "text", [b";", b";;", b";a;", b";a b", b"a", b';a="x', b";a=<b>", b";a=b,c", b";=b", b"; a=b c"]
)
def test_malformed_parameters_are_refused(text: bytes) -> None:
    with pytest.raises(BadMessage):
        split_params(text)


def test_setting_a_parameter_keeps_its_place() -> None:
    params = ((b"a", b"1"), (b"b", None))
    assert with_param(params, b"a", b"2") == ((b"a", b"2"), (b"b", None))
    assert with_param(params, b"c", b"3") == (*params, (b"c", b"3"))


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        (b"a", [b"a"]),
        (b"a, b ,c", [b"a", b"b", b"c"]),
        (b'"a,b" <sip:c@d>, <sip:e,f@g>', [b'"a,b" <sip:c@d>', b"<sip:e,f@g>"]),
        (b'"a\\",b" <sip:c@d>,e', [b'"a\\",b" <sip:c@d>', b"e"]),
        (b'<sip:a@b>;p="<,>", c', [b'<sip:a@b>;p="<,>"', b"c"]),
        (b"<a>,,<b>", [b"<a>", b"", b"<b>"]),
    ],
)
def test_lists_split_at_commas_outside_quotes_and_brackets(text: bytes, elements: list[bytes]) -> None:
    assert split_list(text) == elements


@pytest.mark.parametrize("text", [b'"a, b', b"<a, b", b'a, "b\\"'])
def test_an_unbalanced_list_is_refused(text: bytes) -> None:
    with pytest.raises(BadMessage):
        split_list(text)


@given(st.binary(max_size=40).map(lambda text: text.translate(None, bytes((*range(32), 127)))))
def test_quoting_comes_back(text: bytes) -> None:
    assert unquote(quote(text)) == text


def test_quoting_leaves_no_control_character() -> None:
    assert quote(b"a\r\nb\0") == b'"a  b "'


@pytest.mark.parametrize(
    ("text", "plain"),
    [(b"%41b", b"Ab"), (b"%zz", b"%zz"), (b"%", b"%"), (b"%2", b"%2"), (b"%00", b"\0"), (b"%25%34%31", b"%41")],
)
def test_escapes_are_resolved_once(text: bytes, plain: bytes) -> None:
    assert unescape(text) == plain


@pytest.mark.parametrize("text", [b"", b"-1", b"+1", b" 1", b"1.5", b"0x1", b"1e3", b"256", b"9" * 5000, "٣".encode()])
def test_what_is_no_number_in_range_is_refused(text: bytes) -> None:
    with pytest.raises(BadMessage):
        number(text, 255, "it")


def test_leading_zeros_do_not_matter() -> None:
    assert number(b"0" * 5000 + b"68", 255, "it") == 68


@pytest.mark.parametrize(
    "hostile",
    [
        b";a=" * 20_000,
        b'"' * 60_000,
        b'"\\' * 30_000,
        b"<" * 60_000,
        b";a" * 20_000 + b'"',
        b",".join([b'"<'] * 20_000),
        b"; " * 30_000,
    ],
)
def test_hostile_input_takes_linear_time(hostile: bytes) -> None:
    begin = time.process_time()
    for read in (split_params, split_list):
        with suppress(BadMessage):
            read(hostile)
    assert time.process_time() - begin < 0.5
