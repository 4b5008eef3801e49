"""Nobody is named, and the same one is the same word."""

import pytest

from appliance.support.masking import Masks


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("from 192.0.2.7:5060 to 192.0.2.8", "from address-1:5060 to address-2"),
        ("[2001:db8::5]:5060 and 2001:DB8:0::5", "[address-1]:5060 and address-1"),
        ("::ffff:192.0.2.9 dropped", "::ffff:address-1 dropped"),
        ("link 52:54:00:12:34:56 up", "link card-1 up"),
        ("caller=+4930123456 callee=4930123456", "caller=number-1 callee=number-1"),
        ('account=anna by="Anna O\'Hara"', "account=name-1 by=name-2"),
        ("source=198.51.100.3 rule=x", "source=address-1 rule=x"),
        ("<sip:1001@192.0.2.7:5060;ob>", "<sip:number-1@address-1:5060;ob>"),
        ("told ops@example.net", "told mail-1"),
        ("dialled 004930123456.", "dialled number-1."),
    ],
)
def test_whom_a_line_is_about_becomes_a_word(text: str, shown: str) -> None:
    assert Masks().text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "listening on 127.0.0.1:8443, [::1]:8443 and 0.0.0.0",
        "at 2026-07-01T10:11:12.345+00:00, 12:34:56",
        "kernel 6.12.57, port=30012, 5 of 1200 in 0.25 s",
        "appliance-office.service: 3 restarts, status=486",
    ],
)
def test_what_is_nobodys_stays(text: str) -> None:
    assert Masks().text(text) == text


def test_names_that_are_known_go_wherever_they_stand() -> None:
    masks = Masks(["anna", "max.muster"])
    assert masks.text("call of anna to max.muster. annabel stays") == "call of name-1 to name-2. annabel stays"
    assert masks.text("account=anna") == "account=name-1"


def test_figures_keep_their_numbers_where_only_addresses_are_hidden() -> None:
    assert Masks().addresses("bytes 123456789 at 192.0.2.7") == "bytes 123456789 at address-1"
