"""Holders of calling cards who press keys, and the cards that they hold."""

from typing import Any

from appliance.config.settings import Settings
from pysrv.sip.message import Request, Response
from pysrv.store.account import AccountType
from pysrv.store.rows import NewAccount
from tests.calls.playbook import sdp
from tests.service.bench import PASSWORD, TRUNK, Bench, Client

ACCESS, NUMBER, MOBILE = "9000", "4930123456", "49170111222"
ALICE, BOB = "192.0.2.11", "192.0.2.12"
WRONG = "000000000000"
OFFER = sdp("0.0.0.1", 10_000, formats="0 101").replace(b"a=send", b"a=rtpmap:101 telephone-event/8000\r\na=send")


def use(bench: Bench, **texts: str) -> None:
    """Settings beside the access number."""
    bench.service.operators.apply_settings(Settings().with_changes({"ivrnumbers": ACCESS} | texts))


def add_card(bench: Bench, name: str, *callers: str, balance: int = 1_000_000) -> str:
    kind = AccountType.CALLING_CARD
    bench.store.add_account(
        NewAccount(name, PASSWORD, Settings().realm, deck="retail", balance=balance, type=kind), "test"
    )
    bench.store.set_card_callers(name, callers)
    made = bench.store.make_pin(name, 12)
    bench.store.commit()
    return made


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
