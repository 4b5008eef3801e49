"""Calling cards on the whole service: who is let in, who pays, what a wrong PIN comes to, what each setting does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.config.settings import Settings
from pysrv.sip.message import Request, Response
from pysrv.store.account import AccountType
from pysrv.store.rows import NewAccount, NewTrunk, Route
from tests.calls.playbook import sdp
from tests.service.bench import PASSWORD, TRUNK, Bench, Client, opened

ACCESS, NUMBER, MOBILE = "9000", "4930123456", "49170111222"
ALICE, BOB = "192.0.2.11", "192.0.2.12"
WRONG = "000000000000"
OFFER = sdp("0.0.0.1", 10_000, formats="0 101").replace(b"a=send", b"a=rtpmap:101 telephone-event/8000\r\na=send")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        use(made)
        yield made


def use(bench: Bench, **texts: str) -> None:
    """Settings beside the access number."""
    bench.service.operators.apply_settings(Settings().with_changes({"ivrnumbers": ACCESS} | texts))


@pytest.fixture
def pin(bench: Bench) -> str:
    """Of a card with 1.00, that lists a mobile number: 100 s to NUMBER."""
    return add_card(bench, "card", MOBILE)


def add_card(bench: Bench, name: str, *callers: str, balance: int = 1_000_000) -> str:
    kind = AccountType.CALLING_CARD
    bench.store.add_account(
        NewAccount(name, PASSWORD, Settings().realm, deck="retail", balance=balance, type=kind), "test"
    )
    bench.store.set_card_callers(name, callers)
    made = bench.store.make_pin(name, 12)
    bench.store.commit()
    return made


@pytest.fixture
def carrier(bench: Bench) -> Client:
    return Client(bench, "carrier", TRUNK)


class Holder:
    """Somebody who calls the access number over the trunk, and presses keys."""

    def __init__(self, client: Client, number: str = MOBILE, **more: Any) -> None:
        self.client, self.bench = client, client.bench
        caller = f"<sip:{number}@carrier.example>".encode()
        if client.address != TRUNK:
            caller = b""
        before = set(self.bench.voice.tongues)
        body = OFFER.replace(b"0.0.0.1", client.address.encode())
        answer = client.ask("INVITE", ACCESS, body=body, from_=caller, **more)
        assert answer is not None
        self.answer: Response = answer
        self.seq = answer.cseq.number
        if answer.status == 200:
            self.bench.receive(client.inside(answer, "ACK", self.seq), client.flow)
            (self.session,) = set(self.bench.voice.tongues) - before

    def press(self, keys: str) -> None:
        for key in keys:
            self.bench.service.digit(self.session, key)
            self.bench.turn()
        self.bench.sleep(0.5)

    def said(self) -> list[str]:
        """What was said since it was last asked."""
        found = [clip for clips in self.bench.voice.said for clip in clips]
        self.bench.voice.said.clear()
        return found

    def hang_up(self) -> None:
        self.bench.receive(self.client.inside(self.answer, "BYE", self.seq + 1), self.client.flow)


def rung(client: Client) -> Request | None:
    """The INVITE that a callee has got."""
    found = [each for each in client.requests() if each.method == b"INVITE"]
    return found[-1] if found else None


def cdr(bench: Bench) -> Any:
    return bench.store.cdrs(limit=1)[0]


def talks(holder: Holder, callee: Client, number: str = NUMBER) -> None:
    """The number is dialled, answered, and the two are connected."""
    holder.press(number + "#")
    invite = rung(callee)
    assert invite is not None
    callee.reply(invite, 200, sdp(callee.address, 12_000))
    again = rung(holder.client)
    assert again is not None and again.to.tag is not None, "the caller is re-INVITEd"
    holder.client.reply(again, 200, sdp(holder.client.address, 14_000))
    holder.client.requests()


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


def test_a_locked_telephone_does_not_come_into_the_menu(bench: Bench, pin: str) -> None:
    bench.store.set_account("alice", locklevel=2)
    assert Holder(Client(bench, "alice", ALICE)).answer.status == 403
    assert cdr(bench).refused_by == "locklevel"


def test_an_emergency_number_is_reached_by_a_card_without_credit(bench: Bench, carrier: Client) -> None:
    bench.store.add_trunk(NewTrunk("rescue", "198.51.100.8", routes=(Route("112"),)))
    holder = Holder(carrier)
    holder.press(add_card(bench, "poor", balance=0) + "#112#")
    assert rung(Client(bench, "rescue", "198.51.100.8")) is not None
