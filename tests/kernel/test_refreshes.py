"""Which registrations the kernel answers for, and how they end."""

import pytest

from appliance import wire
from appliance.kernel import layout, refreshes
from appliance.kernel.refreshes import Remembered
from appliance.wire import WireError

CONTACT = '<sip:anna@192.0.2.7:5060;transport=udp>;expires=600;+sip.instance="<urn:uuid:1>"'
AOR = "<sip:anna@pbx.example>"


def refresh(**parts: object) -> wire.Refresh:
    given = {"address": "192.0.2.7", "port": 5060, "address_of_record": AOR, "contact": CONTACT}
    return wire.Refresh(**{**given, "expires_at": 1000.0, "until": 700.0, **parts})  # type: ignore[arg-type]


def test_a_row_says_when_the_answering_ends_and_when_the_binding_does() -> None:
    key, row = refreshes.row_of(refresh(), boot_ns=100_000_000_000)
    assert key.ip == layout.address("192.0.2.7")
    assert (row.until_ns, row.expires_ns) == (600_000_000_000, 900_000_000_000)


def test_the_answers_contact_is_the_requests_with_the_seconds_at_its_end() -> None:
    assert refreshes.contact_line(CONTACT) == (
        b'Contact: <sip:anna@192.0.2.7:5060;transport=udp>;+sip.instance="<urn:uuid:1>";expires='
    )
    assert refreshes.contact_line("<sip:a@b;expires=5>;q=0.5; Expires = 60") == (
        b"Contact: <sip:a@b;expires=5>;q=0.5;expires="
    )


@pytest.mark.parametrize("contact", ["sip:anna@192.0.2.7", "<sip:" + "a" * 300 + "@b>", "<sip:a@b>\r\nX: y>"])
def test_contacts_that_the_gate_cannot_answer_for_are_refused(contact: str) -> None:
    with pytest.raises(WireError):
        refreshes.contact_line(contact)


def test_another_contact_address_of_record_or_expiry_is_another_registration() -> None:
    marks = {
        refreshes.mark(AOR, CONTACT, "600"),
        refreshes.mark(AOR, CONTACT, "0"),
        refreshes.mark(AOR, CONTACT, ""),
        refreshes.mark(AOR, CONTACT + " ", "600"),
        refreshes.mark(AOR + "x", CONTACT, "600"),
        refreshes.mark(CONTACT, AOR, "600"),
        refreshes.mark(AOR + CONTACT, "", "600"),
    }
    assert len(marks) == 7


@pytest.mark.parametrize(
    "parts",
    [{"until": 1001.0}, {"port": 0}, {"address": "nowhere"}, {"address_of_record": "a" * 300}, {"expires": "9" * 300}],
)
def test_registrations_that_make_no_sense_are_refused(parts: dict[str, object]) -> None:
    with pytest.raises(WireError):
        refreshes.row_of(refresh(**parts), boot_ns=0)


def test_rows_are_found_by_address_of_record_by_source_and_by_network() -> None:
    held = Remembered()
    anna, _ = refreshes.row_of(refresh(), 0)
    annas_other, _ = refreshes.row_of(refresh(address="192.0.2.8"), 0)
    bert, _ = refreshes.row_of(refresh(address_of_record="<sip:bert@pbx.example>", port=5070), 0)
    carl, _ = refreshes.row_of(refresh(address="2001:db8::7", address_of_record="<sip:carl@pbx.example>"), 0)
    for key, aor in ((anna, AOR), (annas_other, AOR), (bert, "<sip:bert@pbx.example>"), (carl, "c")):
        assert held.add(key, aor, 100) == []
    assert set(held.named(wire.RefreshRef(AOR))) == {anna, annas_other}
    assert set(held.named(wire.RefreshRef(address="192.0.2.7"))) == {anna, bert}
    assert held.named(wire.RefreshRef(AOR, "192.0.2.7")) == [anna]
    assert set(held.within("192.0.2.0/24")) == {anna, annas_other, bert}
    assert held.within("2001:db8::/32") == [carl]
    assert set(held.within("192.0.2.7")) == {anna, bert}
    held.discard([anna, bert])
    assert set(held) == {annas_other, carl}
    assert held.named(wire.RefreshRef(address="192.0.2.7")) == []


def test_to_forget_nothing_in_particular_is_refused() -> None:
    with pytest.raises(WireError):
        Remembered().named(wire.RefreshRef())


def test_a_device_has_one_row_and_the_oldest_goes_when_there_are_too_many() -> None:
    held = Remembered(most=2)
    first, _ = refreshes.row_of(refresh(), 0)
    again, _ = refreshes.row_of(refresh(expires="600"), 0)
    held.add(first, AOR, 1)
    assert held.add(again, AOR, 2) == [first]
    second, _ = refreshes.row_of(refresh(address="192.0.2.8"), 0)
    third, _ = refreshes.row_of(refresh(address="192.0.2.9"), 0)
    assert held.add(second, AOR, 3) == []
    assert held.add(third, AOR, 4) == [again]
    assert len(held) == 2


def test_rows_end_at_their_instant_and_a_renewed_one_at_its_new_one() -> None:
    held = Remembered()
    key, _ = refreshes.row_of(refresh(), 0)
    held.add(key, AOR, 10)
    held.add(key, AOR, 30)
    assert held.ended(29) == []
    assert held.ended(30) == [key]
