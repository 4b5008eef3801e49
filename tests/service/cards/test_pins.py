"""A PIN that is guessed: the pauses, the end of the call, the limits of one caller and of all, and the strike."""

import pytest

from appliance.config.settings import Settings
from tests.service.bench import Bench, Client
from tests.service.cards.holder import ACCESS, ALICE, MOBILE, WRONG, Holder, add_card, cdr, use


def test_a_pin_that_is_replaced_or_of_a_disabled_or_removed_card_opens_nothing(
    bench: Bench, pin: str, carrier: Client
) -> None:
    fresh = bench.store.make_pin("card", 12)
    holder = Holder(carrier)
    holder.press(pin + "#")
    assert "number" not in holder.said()
    bench.store.set_account("card", enabled=False)
    holder.press(fresh + "#")
    bench.sleep(2.0)
    assert "number" not in holder.said()


# -- guessing ---------------------------------------------------------------------------------------------------------


@pytest.mark.setting("ivrtries")
@pytest.mark.parametrize(("tries", "alive"), [("1", False), ("2", True)])
def test_so_many_wrong_pins_end_the_call(bench: Bench, pin: str, carrier: Client, tries: str, alive: bool) -> None:
    use(bench, ivrtries=tries)
    holder = Holder(carrier)
    holder.press(WRONG + "#")
    bench.sleep(3.0)
    assert bool(bench.gate.sessions) is alive
    attempts = bench.store.attempts()
    assert [(row.kind, row.setting) for row in attempts] == [("wrong_pin", "callingcardauth")]
    assert WRONG not in repr(attempts)
    if not alive:
        assert (cdr(bench).refused_by, cdr(bench).account) == ("callingcardauth", "")


@pytest.mark.setting("maxwrongpins")
@pytest.mark.parametrize(("limit", "opens"), [("2", False), ("0", True)])
def test_a_caller_that_guessed_too_often_is_not_looked_at_even_with_the_right_pin(
    bench: Bench, pin: str, carrier: Client, limit: str, opens: bool
) -> None:
    use(bench, maxwrongpins=limit, ivrtries="10")
    holder = Holder(carrier)
    for _ in range(2):
        holder.press(WRONG + "#")
        bench.sleep(3.0)
    holder.press(pin + "#")
    bench.sleep(3.0)
    assert ("number" in holder.said()) is opens
    other = Holder(carrier, "49170999888")
    other.press(pin + "#")
    assert "number" in other.said(), "nobody else is kept out"
    if not opens:
        holder.hang_up()
        assert cdr(bench).refused_by == "maxwrongpins"


@pytest.mark.setting("maxwrongpinsall")
@pytest.mark.parametrize(("limit", "opens"), [("2", False), ("0", True)])
def test_callers_that_change_their_number_meet_the_limit_of_all_but_customers_do_not(
    bench: Bench, pin: str, carrier: Client, limit: str, opens: bool
) -> None:
    use(bench, maxwrongpinsall=limit)
    customer = Holder(carrier)
    customer.press(pin + "#")
    customer.hang_up()
    for guess in range(2):
        Holder(carrier, f"4917055500{guess}").press(WRONG + "#")
    bench.voice.said.clear()
    thief = Holder(carrier, "49170555009")
    thief.press(pin + "#")
    assert ("number" in thief.said()) is opens
    thief.hang_up()
    assert (cdr(bench).refused_by == "maxwrongpinsall") is not opens
    again = Holder(carrier)
    again.press(pin + "#")
    assert "number" in again.said()


def test_a_guess_after_a_wrong_one_is_answered_later_and_later(bench: Bench, pin: str, carrier: Client) -> None:
    use(bench, ivrtries="10")
    holder = Holder(carrier)
    waits = []
    for _ in range(4):
        bench.voice.said.clear()
        holder.press(WRONG + "#")
        began = bench.now
        while "wrong" not in [clip for clips in bench.voice.said for clip in clips]:
            bench.sleep(0.25)
        waits.append(bench.now - began)
    assert [round(each) for each in waits] == [0, 0, 2, 4]  # the first half second passes while keys are pressed


def test_a_telephone_that_guesses_is_struck_like_one_with_a_wrong_password(bench: Bench, pin: str) -> None:
    bench.service.operators.apply_settings(
        Settings().with_changes(
            {"ivrnumbers": ACCESS, "ivrtries": "1", "maxfailedauthenabledipport": "2", "maxwrongpins": "0"}
        )
    )
    alice = Client(bench, "alice", ALICE)
    for _ in range(3):
        holder = Holder(alice)
        if holder.answer.status == 200:
            holder.press(WRONG + "#")
            bench.sleep(20.0)
            for bye in alice.requests():
                alice.reply(bye, 200)
    assert any(address == ALICE for address, _ in bench.gate.bans)


# -- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.setting("authpin")
def test_a_card_without_a_pin_is_opened_by_none(bench: Bench, pin: str, carrier: Client) -> None:
    holder = Holder(carrier)
    bench.store.drop_pin("card")
    holder.press(pin + "#")
    assert "number" not in holder.said()


@pytest.mark.setting("pinlength")
@pytest.mark.parametrize("length", ["10", "14"])
def test_a_new_pin_has_the_length_that_is_set(bench: Bench, carrier: Client, length: str) -> None:
    made = bench.store
    add_card(bench, "long")
    made = bench.store.make_pin("long", Settings().with_changes({"pinlength": length}).pinlength)
    assert len(made) == int(length) and made.isdigit()
    holder = Holder(carrier)
    holder.press(made + "#")
    assert "number" in holder.said()


def test_who_proves_nothing_is_known_by_no_number_and_counted_by_the_address(bench: Bench, pin: str) -> None:
    """allownoauthcalls lets a stranger in as far as the menu: its PIN is all that speaks for it."""
    here = "10.1.2.3"
    bench.own[here] = "this machine"
    use(
        bench, anumberhandling="1", callingcardauth="0", allownoauthcalls="true", allowtrustedip="2",
        trustlanip="true", enforcestrongauth="false",
    )  # fmt: skip
    stranger = Client(bench, MOBILE, here)
    holder = Holder(stranger)
    assert holder.said()[0] == "pin"
    holder.press(WRONG + "#")
    assert bench.store.attempts()[0].user == f"nobody {here}"
