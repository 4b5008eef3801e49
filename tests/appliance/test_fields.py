"""Kinds of value: every value can be written and read back, every refusal says what is allowed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.fields import (
    MAX_UNITS,
    MICRO,
    AutoBool,
    BadValue,
    Bool,
    Choice,
    Enum,
    Int,
    Kind,
    Money,
    Number,
    Port,
    quoted,
)
from appliance.config.load import parse_file
from appliance.config.textual import ADDRESS, DIALABLE, DOMAIN, ENDPOINT, Duration, ListOf, Map, Secret, Str, Url

KINDS: list[Kind[object]] = [
    Int(),
    Int(-1, 9, {-1: "all"}),
    Port(),
    Money(),
    Number(above=True),
    Bool(),
    AutoBool("later"),
    Enum({0: "no", 4: "yes"}),
    Choice({"off": "none", "on": "some"}),
    Duration(),
    Duration("off"),
    Str(),
    Str(DOMAIN),
    Secret(),
    Url(),
    ListOf(),
    ListOf(ADDRESS),
    ListOf(ENDPOINT),
    ListOf(DIALABLE),
    Map(("calls", "accounts")),
]  # type: ignore[list-item]


@given(st.sampled_from(KINDS), st.text(max_size=40))
def test_a_text_is_either_refused_with_a_sentence_or_read_and_written_alike(kind: Kind[object], text: str) -> None:
    try:
        value = kind.parse(text)
    except BadValue as error:
        assert str(error).startswith("must be ")
    else:
        assert kind.parse(kind.text(value)) == value


@given(st.integers(0, MAX_UNITS * MICRO))
def test_every_amount_in_micro_units_survives_being_written(micro: int) -> None:
    assert Money().parse(Money().text(micro)) == micro


@given(st.integers(1, 3650 * 86_400_000))
def test_every_duration_in_milliseconds_survives_being_written(milliseconds: int) -> None:
    assert Duration().parse(Duration().text(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(0, MAX_UNITS))
def test_every_whole_number_survives_being_written(value: int) -> None:
    assert Int().parse(Int().text(value)) == value


@given(st.decimals(0, 1_000_000, places=6))
def test_every_decimal_survives_being_written(value: Decimal) -> None:
    assert Number().parse(Number().text(value)) == value


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=9), unique=True, max_size=9))
def test_every_list_survives_being_written(items: list[str]) -> None:
    assert ListOf().parse(ListOf().text(tuple(items))) == tuple(items)


@given(st.text(st.characters(codec="utf-8")))
def test_every_quoted_text_is_read_back_from_toml(text: str) -> None:
    import tomllib

    assert tomllib.loads(f"x = {quoted(text)}")["x"] == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3m", 180.0),
        ("1h30m", 5400.0),
        ("90", 90.0),
        ("7d", 604_800.0),
        ("2w", 1_209_600.0),
        ("1.5s", 1.5),
        ("5 m", 300),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert Duration().parse(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-3m", "3 parsecs", "0", "1e3", "٣m", "4000d", "3m3"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadValue, match="must be a duration"):
        Duration().parse(text)


def test_zero_is_a_duration_only_where_it_means_something() -> None:
    assert Duration("off").parse("0") == Duration("off").parse("off") == 0.0
    with pytest.raises(BadValue):
        Duration().parse("0")


def test_a_word_for_a_special_number_is_understood() -> None:
    assert Int(special={0: "off"}).parse("off") == 0
    assert Money(special={0: "all wait"}).parse("all wait") == 0


@pytest.mark.parametrize("text", ["1e2", "0x10", "1.5", "", "１２", "1_000", "9" * 16])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        Int().parse(text)


def test_money_is_exact_and_refuses_what_it_cannot_hold() -> None:
    assert Money().parse("0.000001") == 1
    assert Money().parse("10.10") == 10_100_000
    for text in ("0.0000001", "-1", "nan", "inf", "1,5"):
        with pytest.raises(BadValue, match="amount"):
            Money().parse(text)


@pytest.mark.parametrize(
    "text", ["192.0.2.1", "2001:db8::/32", "sip.example.com", "192.0.2.1:5060", "[2001:db8::1]:5060"]
)
def test_an_endpoint_may_be_an_address_a_network_a_name_and_have_a_port(text: str) -> None:
    assert ListOf(ENDPOINT).parse(text) == (text,)


@pytest.mark.parametrize(
    "text", ["192.0.2.1:0", "192.0.2.1:70000", "[192.0.2.1", "a b", "host:port", "192.0.2.1/8", "[x]:1"]
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        ListOf(ENDPOINT).parse(text)


def test_a_secret_is_neither_shown_nor_in_its_own_refusal() -> None:
    assert Secret().shown("hunter2") == "(set)"
    with pytest.raises(BadValue) as refused:
        Secret().parse("hunter2\n")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["http://a.example", "https://", "https://a b", "https://a.example:99999", "https://[::1"]
)
def test_only_whole_https_links_are_taken(text: str) -> None:
    with pytest.raises(BadValue):
        Url().parse(text)


def test_a_map_keeps_the_order_of_its_names_and_refuses_others() -> None:
    kind = Map(("calls", "accounts"))
    assert kind.text(kind.parse("accounts=2, calls=1")) == "calls=1,accounts=2"
    for text in ("calls", "calls=x", "cats=1", "calls=1,calls=2"):
        with pytest.raises(BadValue, match="pairs"):
            kind.parse(text)


def test_values_may_stand_in_the_file_in_their_own_type_or_as_text() -> None:
    text = (
        'maxlines = 3\nmaxcps = "2.5"\nlicensecfg = {calls = 5}\nauthip = ["192.0.2.1"]\ncredit = 0.1\nusetls = false'
    )
    values = parse_file(text)
    assert values["credit"] == 100_000
    assert values["maxcps"] == Decimal("2.5")
    assert dict(values["licensecfg"]) == {"calls": 5}
    assert values["authip"] == ("192.0.2.1",)
    assert values["usetls"] is False
