"""Calling cards on the whole service: who is let in, who pays, what a wrong PIN comes to, what each setting does."""

import pytest

from pysrv.store.rows import NewTrunk, Route
from tests.calls.playbook import sdp
from tests.service.bench import TRUNK, Bench, Client
from tests.service.cards.holder import ACCESS, ALICE, BOB, MOBILE, NUMBER, Holder, add_card, cdr, rung, talks, use

# -- the call ---------------------------------------------------------------------------------------------------------


@pytest.mark.setting("ivrnumbers")
def test_the_holder_is_let_in_by_the_pin_and_the_card_pays_for_the_talk(
    bench: Bench, pin: str, carrier: Client
) -> None:
    holder = Holder(carrier)
    assert holder.said() == ["pin"]
    holder.press(pin + "#")
    assert holder.said() == ["credit", "1", "point", "0", "0", "number"]
    bench.sleep(5.0)
    holder.press(NUMBER + "#")
    assert holder.said() == ["minutes", "1", "ringing"]
    invite = rung(carrier)
    assert invite is not None
    assert invite.from_.uri.user == MOBILE.encode()
    carrier.reply(invite, 180)
    bench.sleep(5.0)
    assert not bench.gate.sessions[holder.session].streams[0].muted
    carrier.reply(invite, 200, sdp(TRUNK, 12_000))
    again = rung(carrier)
    assert again is not None
    carrier.reply(again, 200, sdp(TRUNK, 14_000))
    bench.sleep(20.0)
    assert holder.session not in bench.voice.tongues
    assert not any(row.office for row in bench.gate.sessions[holder.session].streams)
    holder.hang_up()
    bench.turn()
    record = cdr(bench)
    assert (record.account, record.callee, record.caller) == ("card", NUMBER, MOBILE)
    assert record.billable_seconds in (20, 21)
    assert record.charge == record.billable_seconds * 10_000
    card = bench.store.account("card")
    assert card is not None
    assert (card.balance, card.reserved, card.lines) == (1_000_000 - record.charge, 0, 0)


def test_the_card_is_never_overspent_and_the_kernel_has_the_deadline(bench: Bench, pin: str, carrier: Client) -> None:
    holder = Holder(carrier)
    holder.press(pin + "#")
    talks(holder, carrier)
    began = bench.now
    last = 0
    while bench.gate.sessions:
        last = max(last, bench.gate.sessions[holder.session].deadline_ns)
        bench.sleep(1.0)
        assert bench.now < began + 200
    assert last <= int((began + 101) * 1e9)
    for request in carrier.requests():
        carrier.reply(request, 200)
    record = cdr(bench)
    assert record.charge <= 1_000_000
    assert record.refused_by == "credit"
    card = bench.store.account("card")
    assert card is not None and card.balance >= 0 and card.reserved == 0


def test_without_an_access_number_there_is_no_voice_menu(bench: Bench, pin: str, carrier: Client) -> None:
    use(bench, ivrnumbers="")
    assert Holder(carrier).answer.status == 404
    assert not bench.voice.said


def test_a_telephone_of_ours_may_use_a_card_too_and_its_own_account_pays_nothing(bench: Bench, pin: str) -> None:
    alice, bob = Client(bench, "alice", ALICE), Client(bench, "bob", BOB)
    bob.register()
    holder = Holder(alice)
    holder.press(pin + "#")
    talks(holder, bob, "102")
    bench.sleep(3.0)
    holder.hang_up()
    assert (cdr(bench).account, cdr(bench).callee, cdr(bench).charge) == ("card", "102", 0)


def test_keys_by_info_are_taken_and_a_key_that_comes_both_ways_counts_once(
    bench: Bench, pin: str, carrier: Client
) -> None:
    holder = Holder(carrier)
    for key in pin + "#":
        holder.seq += 1
        body = b"Signal=%b\r\nDuration=160\r\n" % key.encode()
        message = carrier.inside(holder.answer, "INFO", holder.seq, b"Content-Type: application/dtmf-relay")
        bench.receive(message.replace(b"Content-Length: 0", b"Content-Length: %d" % len(body)) + body, carrier.flow)
        bench.service.digit(holder.session, key)
    bench.sleep(0.5)
    assert "number" in holder.said()


def test_a_line_that_is_busy_is_heard_and_the_lease_is_given_back(bench: Bench, pin: str, carrier: Client) -> None:
    holder = Holder(carrier)
    holder.press(pin + "#" + NUMBER + "#")
    invite = rung(carrier)
    assert invite is not None
    carrier.reply(invite, 486)
    assert holder.said()[-1] == "busy"
    bench.sleep(2.0)
    bye = [each for each in carrier.requests() if each.method == b"BYE"][-1]
    carrier.reply(bye, 200)
    assert (cdr(bench).cause, cdr(bench).charge, cdr(bench).account) == (17, 0, "card")
    card = bench.store.account("card")
    assert card is not None and card.reserved == 0 and not bench.gate.sessions


def test_a_number_that_may_not_be_called_is_refused_and_another_may_be_tried(
    bench: Bench, pin: str, carrier: Client
) -> None:
    holder = Holder(carrier)
    holder.press(pin + "#" + "77123456" + "#")
    assert holder.said()[-2:] == ["refused", "number"]
    holder.press(ACCESS + "#")
    assert holder.said()[-2:] == ["refused", "number"]
    holder.press(NUMBER + "#")
    assert rung(carrier) is not None


def test_a_card_without_credit_reaches_nobody_and_the_record_names_the_setting(bench: Bench, carrier: Client) -> None:
    holder = Holder(carrier)
    holder.press(add_card(bench, "poor", balance=0) + "#" + NUMBER + "#")
    assert rung(carrier) is None
    holder.hang_up()
    assert (cdr(bench).account, cdr(bench).refused_by, cdr(bench).charge) == ("poor", "credit", 0)


def test_a_card_cannot_register_unless_needauth_asks_for_its_address_too(bench: Bench, pin: str) -> None:
    phone = Client(bench, "card", ALICE)
    answer = phone.register()
    assert answer is not None and answer.status == 401
    bench.store.set_account("card", needauth=8, authip=(ALICE,))
    answer = phone.register()
    assert answer is not None and answer.status == 200


def test_a_caller_in_the_menu_holds_no_money_and_no_open_call(bench: Bench, pin: str, carrier: Client) -> None:
    holder = Holder(carrier)
    holder.press(pin + "#")
    card = bench.store.account("card")
    assert card is not None and card.reserved == 0
    assert bench.store.open_calls() == []


@pytest.mark.setting("anumberhandling")
@pytest.mark.parametrize(("value", "first"), [("0", "pin"), ("1", "credit")])
def test_a_caller_s_number_says_who_it_is_only_where_it_may(
    bench: Bench, pin: str, carrier: Client, value: str, first: str
) -> None:
    use(bench, anumberhandling=value, callingcardauth="0")
    assert Holder(carrier).said()[0] == first


@pytest.mark.setting("callingcardauth")
@pytest.mark.parametrize(
    ("level", "headers", "first"),
    [
        ("0", (), "credit"),
        ("0", (b"Privacy: id",), "credit"),
        ("1", (b"Privacy: id",), "pin"),
        ("2", (), "credit"),
        ("3", (), "pin"),
        ("3", (b"P-Asserted-Identity: <sip:%b@x>" % MOBILE.encode(),), "credit"),
        ("5", (b"P-Asserted-Identity: <sip:%b@x>" % MOBILE.encode(),), "pin"),
        ("9", (b"P-Asserted-Identity: <sip:%b@x>" % MOBILE.encode(),), "pin"),
    ],
)
def test_how_much_a_number_must_be_worth_is_a_setting(
    bench: Bench, pin: str, carrier: Client, level: str, headers: tuple[bytes, ...], first: str
) -> None:
    use(bench, anumberhandling="1", callingcardauth=level, allowanonymouscaller="true")
    assert Holder(carrier, extra=headers).said()[0] == first


@pytest.mark.parametrize(
    ("level", "before", "after"), [("5", "credit", "credit"), ("8", "pin", "credit"), ("9", "pin", "pin")]
)
def test_a_telephone_that_gave_the_pin_lately_is_known(
    bench: Bench, carrier: Client, level: str, before: str, after: str
) -> None:
    made = add_card(bench, "card", "101")
    use(bench, anumberhandling="1", callingcardauth=level)
    alice = Client(bench, "alice", ALICE)
    first = Holder(alice)
    assert first.said()[0] == before
    if before == "pin":
        first.press(made + "#")
    first.hang_up()
    bench.voice.said.clear()
    second = Holder(alice)
    assert second.said()[0] == after
    second.hang_up()
    bench.now += 86_500.0
    bench.voice.said.clear()
    assert Holder(alice).said()[0] == ("credit" if level == "5" else "pin")


@pytest.mark.setting("ivrvalidatedtmf")
@pytest.mark.parametrize(("value", "opens"), [("true", False), ("false", True)])
def test_keys_that_are_no_digits_are_an_error_or_left_out(
    bench: Bench, pin: str, carrier: Client, value: str, opens: bool
) -> None:
    use(bench, ivrvalidatedtmf=value)
    holder = Holder(carrier)
    holder.press("A" + pin + "D#")
    assert ("number" in holder.said()) is opens
    holder.hang_up()
    assert (cdr(bench).refused_by == "ivrvalidatedtmf") is not opens
    assert not bench.store.attempts(), "what cannot be a PIN is no guess"


@pytest.mark.parametrize(("value", "dialled"), [("true", None), ("false", "493012345678901")])
def test_a_number_that_is_too_long_is_an_error_or_cut_off(
    bench: Bench, pin: str, carrier: Client, value: str, dialled: str | None
) -> None:
    use(bench, ivrvalidatedtmf=value)
    holder = Holder(carrier)
    holder.press(pin + "#" + "4930123456789012345" + "#")
    invite = rung(carrier)
    assert (invite.uri.user.decode() if invite is not None and invite.uri.user else None) == dialled


@pytest.mark.setting("ivrcalls")
@pytest.mark.parametrize(("most", "status"), [("1", 486), ("2", 200)])
def test_only_so_many_callers_are_served_at_once(
    bench: Bench, pin: str, carrier: Client, most: str, status: int
) -> None:
    use(bench, ivrcalls=most)
    Holder(carrier)
    assert Holder(carrier, "49170000000").answer.status == status
    if status == 486:
        assert cdr(bench).refused_by == "ivrcalls"


@pytest.mark.setting("ivrtimeout")
@pytest.mark.parametrize(("value", "there"), [("20s", False), ("300s", True)])
def test_whoever_only_listens_is_let_go_and_the_gate_knows_when(
    bench: Bench, pin: str, carrier: Client, value: str, there: bool
) -> None:
    use(bench, ivrtimeout=value, ivrtries="10")
    holder = Holder(carrier)
    until = bench.gate.sessions[holder.session].deadline_ns / 1e9
    assert until == pytest.approx(bench.now + float(value[:-1]) + 15.0, abs=1.0)
    bench.sleep(30.0)
    assert bool(bench.gate.sessions) is there
    if not there:
        assert cdr(bench).refused_by == "ivrtimeout"


def test_a_locked_telephone_does_not_come_into_the_menu(bench: Bench, pin: str) -> None:
    bench.store.set_account("alice", locklevel=2)
    assert Holder(Client(bench, "alice", ALICE)).answer.status == 403
    assert cdr(bench).refused_by == "locklevel"


def test_an_emergency_number_is_reached_by_a_card_without_credit(bench: Bench, carrier: Client) -> None:
    bench.store.add_trunk(NewTrunk("rescue", "198.51.100.8", routes=(Route("112"),)))
    holder = Holder(carrier)
    holder.press(add_card(bench, "poor", balance=0) + "#112#")
    assert rung(Client(bench, "rescue", "198.51.100.8")) is not None
