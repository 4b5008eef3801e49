"""An office that runs on loopback with something in it of everything, and every verb asked of it once, in an order in
which each has something to say. What is asked for later is there by what was asked before."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pyotp

from appliance import networks
from appliance.config.document import FORMAT, FORMAT_VERSION
from appliance.wire import KeeperVerb, PeerMade, TunnelPeer, TunnelStatus, to_dict
from pysrv.billing.cdr import Carried, Cdr
from pysrv.billing.payment import Fact, FactKind
from pysrv.billing.quote import CallQuotes, Match, Quote
from pysrv.billing.tariff import Rate
from pysrv.control.configuration.reading import ENTRY_COLUMNS
from pysrv.control.decks import EXPORT_ROWS
from pysrv.control.session import Control, Licence
from pysrv.office import Office
from pysrv.people.permissions import Powers, Role
from pysrv.service.history import Reading
from pysrv.store import NewAccount, NewCall, NewTrunk, Route, SavedBinding, Store
from pysrv.store.account import AccountType
from pysrv.store.notices import NewDelivery
from pysrv.store.rows import Attempt, BanRow
from pysrv.store.web import PersonKind
from tests.certificates.authority import key_pem, new_key, pem_of, root
from tests.lab.tunnel import KeeperHere
from tests.net.keeper import Keeper
from tests.ports import free_port
from tests.service.test_office import datagrams, running

ONE: Final = 1_000_000
PATIENCE_S: Final = 20.0
RATE: Final = Rate("49", ONE, currency="EUR")
BACKUP: Final = {"ident": "a1", "at": 1.0, "host": "vm", "kind": "full", "size_bytes": 9, "version": "0.1.0"}
SECRET: Final = "J5XCA3LPOJSSA53PNZSGK4TGOVWGS3TF"
CSV: Final = "prefix,per_minute,connect_fee,initial_increment,next_increment\n49,1.00,0.10,60,1\n43,2,0,1,1\n"
TAXES: Final = [{"name": "gst", "percent": "7%"}]
OLGA: Final = "olga"

Said = Mapping[str, Any]  # by verb, what it answered last
Args = Mapping[str, Any]
Asked = tuple[str, Args | Callable[[Said], Args]]
Event = Callable[[Office, int], Awaitable[None] | None]


def fill(store: Store) -> None:
    """What is there before anybody asks."""
    now = time.time()
    importing = store.import_begin("retail")
    store.import_rows(importing, 1, CSV + "".join(f"48{number},3,0,1,1\n" for number in range(EXPORT_ROWS)))
    store.import_commit(importing)
    store.add_trunk(NewTrunk("carrier", "127.0.0.2", routes=(Route("49"),), deck="retail", inbound=("192.0.2.0/24",)))
    common: dict[str, Any] = {"balance": 100 * ONE, "deck": "retail", "maxlines": 9}
    store.add_account(NewAccount("shop", "secret-word-1", "a", type=AccountType.RESELLER, **common))
    store.add_account(NewAccount("alice", "secret-word-2", "a", ("4930",), parent="shop", **common))
    for number in range(3):
        _settled(store, f"past-{number}", now - 60 * number)
    store.save_binding(
        SavedBinding(
            "alice", "sip:a@127.0.0.1:9", "udp", "127.0.0.1", 5060, "127.0.0.1", 9, now + 3600, "c", 1,
        )
    )  # fmt: skip
    store.add_ban(BanRow("203.0.113.7", "maxwrongpassword", count=3, allowed=2, window_s=60.0, samples=("x",)))
    store.add_administrator(OLGA, Role.OWNER, "correct-horse-42")
    _log_in(store)
    _pay(store)
    store.count_attempt("carrier", "49", now, 60)
    store.add_notice("test", "", {"who": "root"})
    store.route_notice(1, [NewDelivery("webhook", "http://127.0.0.1:9/", owner=False)])
    store.commit()


def _log_in(store: Store) -> None:
    store.begin_session(PersonKind.ADMINISTRATOR, OLGA, "127.0.0.1", "a browser", complete=True)
    store.commit()


def _settled(store: Store, call_id: str, at: float) -> None:
    """A call that is over, and was paid by an account and by the one above it."""
    account = store.account("alice")
    assert account is not None
    store.open_call(NewCall(call_id, account.id, "alice", "4930", "192.0.2.7", "carrier", RATE, above=(RATE,)))
    store.answer_call(call_id, at, "carrier")
    store.keep_quotes(call_id, CallQuotes((_quote("alice"), _quote("shop")), (_quote("carrier"),)))
    store.settle(
        Cdr(
            call_id, "alice", "alice", "4930", "192.0.2.7", "carrier", at, at, at, at + 5, duration_s=5.0,
            from_caller=Carried(1, 2, at), reports=("maxlines",),
        ),
        RATE,
    )  # fmt: skip


def _quote(payer: str) -> Quote:
    return Quote(payer, "retail", RATE, Match.EXACT, payer, "EUR")


def _pay(store: Store) -> None:
    """Three payments that wait for a word."""
    account = store.account("alice")
    assert account is not None
    for name in ("one", "two", "three"):
        store.add_payment(name, "stripe", account, 20 * ONE, "EUR", Fraction(1), time.time() + 300)
        fact = Fact(FactKind.CAPTURED, f"f-{name}", f"p-{name}", 20 * ONE, "EUR", time.time(), name)
        store.take_fact("stripe", fact, lambda *_: ("it is above paymentmaxauto (10.00)",), lock=False)


async def _while_it_runs(office: Office, port: int) -> None:
    """A call that goes on, a login that failed, an attack, and somebody who tries to register."""
    store, now = office._store, time.time()
    office.control._keeper = KeeperHere(office._state)
    account = store.account("alice")
    assert account is not None
    store.open_call(NewCall("running", account.id, "alice", "4930", "127.0.0.1", "carrier", RATE, above=(RATE,)))
    store.answer_call("running", now, "carrier")
    store.record_attempt(Attempt(now, "192.0.2.9", "wrong_password", "alice", "maxwrongpassword"))
    store.commit()
    for second in range(40):
        packets = {"malformed": 10_000 * max(0, second - 30)}
        office.memory.history.add(Reading(now + 2 * second, packets, {"malformed": "DROP"}, spend={"EUR": ONE}))

    await _register(port)


async def _register(port: int) -> None:
    lines = (
        "REGISTER sip:127.0.0.1 SIP/2.0",
        "Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1;rport",
        "From: <sip:alice@127.0.0.1>;tag=1",
        "To: <sip:alice@127.0.0.1>",
        "Call-ID: trying",
        "CSeq: 1 REGISTER",
        "Content-Length: 0",
    )
    loop = asyncio.get_running_loop()
    with datagrams() as phone:
        await loop.sock_sendto(phone, "\r\n".join([*lines, "", ""]).encode(), ("127.0.0.1", port))
        assert b"SIP/2.0 401" in await asyncio.wait_for(loop.sock_recv(phone, 4096), PATIENCE_S)


async def _keeper_comes(office: Office, _: int) -> None:
    """One that does what it is asked; it goes with the office."""
    await Keeper(office._gate._path).start()
    async with asyncio.timeout(PATIENCE_S):
        while office._gate.status is None:
            await asyncio.sleep(0.01)


def _compared(office: Office, _: int) -> None:
    line = {"difference": "missing_here", "payment_id": "p", "number": 0, "account": "", "at": 1.0}
    lines = [line | {"currency": "EUR", "theirs": 2 * ONE, "ours": 0}]
    found = {"lines": lines, "more": 0, "same": 3, "foreign": 1, "until": 5.0}
    office._store.note_comparison(1, json.dumps(found))
    office._store.commit()


def _certificate() -> str:
    key, authority, name = new_key(), root(time.time()), "pbx.example"
    made = authority.sign(name, (name,), key, time.time())
    return (key_pem(key) + pem_of(made, authority.certificate)).decode()


def _list_piece(_: Said) -> Args:
    return {"packed": base64.b64encode(networks.parsed("198.51.100.0/24")).decode()}


def _totp(_: Said) -> Args:
    return {"secret": SECRET, "code": pyotp.TOTP(SECRET).now()}


def _id_of(verb: str, *path: str | int) -> Callable[[Said], Any]:
    def found(said: Said) -> Any:
        value: Any = said[verb]
        for each in path:
            value = value[each]
        return value

    return found


STEPS: Final[tuple[Asked | Event, ...]] = (
    ("status", {}),
    ("settings.set", {"changes": {"securepasswords": "0"}}),
    ("figures", {}),
    ("schema.show", {}),
    ("history.list", {}),
    ("log.list", {}),
    ("checklist.show", {}),
    (
        "audit.report",
        {
            "made_at": 1.0,
            "host": "pbx",
            "score": 90,
            "findings": [
                {
                    "name": "n",
                    "area": "a",
                    "what": "w",
                    "why": "y",
                    "grade": "warn",
                    "value": "v",
                    "weight": 1,
                    "fix": "f",
                }
            ],
        },
    ),
    ("audit.show", {}),
    ("tunnel.show", {}),
    ("tunnel.add", {"name": "olga"}),
    ("tunnel.remove", {"name": "olga"}),
    _keeper_comes,
    ("audit.make", {}),
    ("backups.make", {}),
    ("backups.report", {"event": "made", "snapshot": "a1", "place": "/srv/backup", "snapshots": [BACKUP]}),
    ("backups.report", {"event": "progress", "step": "save", "done": 1, "total": 2}),
    ("backups.list", {}),
    ("setup.show", {}),
    ("setup.mark", {"step": "domain"}),
    # Calls and records.
    ("calls.list", {}),
    ("calls.show", {"call_id": "running"}),
    ("calls.hangup", {"account": "alice"}),
    ("calls.dial", {"account": "alice", "number": "4940"}),
    ("calls.trace", {"source": "127.0.0.1"}),
    ("calls.trace", {"source": "127.0.0.1", "messages": True}),
    ("calls.callback", {"account": "alice", "number": "4940", "first": "4941"}),
    ("messages.send", {"account": "alice", "to": "alice", "text": "hello"}),
    ("cdrs.list", {}),
    ("cdrs.show", {"call_id": "past-0"}),
    ("registrations.list", {}),
    ("refusals.list", {"address": "192.0.2.9"}),
    ("analyze.traffic", {"by": "destination"}),
    # Accounts.
    ("accounts.list", {}),
    ("accounts.show", {"name": "alice"}),
    (
        "accounts.add",
        {"name": "card", "password": "c0rrect-horse-42", "type": "calling_card", "anumbers": ["4917"]},
    ),
    ("accounts.set", {"name": "alice", "changes": {"top_up": "5", "fields": {"email": "a@example.org"}}}),
    ("accounts.ledger", {"name": "alice"}),
    ("accounts.days", {"name": "alice"}),
    ("accounts.allow", {"name": "alice", "amount": "1"}),
    ("accounts.forward", {"name": "alice", "forwards": {"busy": "4931"}}),
    ("accounts.verify", {"name": "alice", "password": "wrong"}),
    ("accounts.reveal", {"name": "card"}),
    ("accounts.passwords", {}),
    ("accounts.remove", {"name": "card"}),
    ("sheets.begin", {"columns": ["name", "password"]}),
    ("sheets.rows", {"rows": [{"line": 2, "cells": {"name": "dora", "password": "c0rrect-horse-43"}}]}),
    ("sheets.commit", {"dry_run": True}),
    # Money.
    ("payments.list", {}),
    ("payments.approve", {"id": 1}),
    ("payments.refund", {"id": 1, "amount": "2"}),
    ("payments.reject", {"id": 2}),
    ("payments.show", {"id": 1}),
    ("payments.reconcile", lambda _: {"since": time.time() - 3600, "gateway": "stripe"}),
    _compared,
    ("payments.compared", {"id": 1}),
    # Trunks and prices.
    ("trunks.list", {}),
    ("trunks.add", {"name": "spare", "host": "192.0.2.77", "routes": [{"prefix": "44"}]}),
    ("trunks.set", {"name": "spare", "changes": {"max_channels": 3}}),
    ("trunks.route", {"name": "spare", "route": {"prefix": "45"}}),
    ("trunks.unroute", {"name": "spare", "prefix": "45"}),
    ("trunks.routes", {"name": "spare"}),
    ("trunks.remove", {"name": "spare"}),
    ("trunks.quality", {}),
    ("rates.begin", {"deck": "retail", "effective": "2099-01-01"}),
    ("rates.rows", {"first_line": 1, "text": CSV.replace("43,", "42,")}),
    ("rates.compare", {}),
    ("rates.commit", {}),
    ("rates.decks", {}),
    ("rates.list", {"deck": "retail"}),
    ("rates.export", {"deck": "retail"}),
    ("rates.quote", {"number": "4930123", "account": "alice"}),
    ("rates.remove", {"deck": "retail", "scheduled": True}),
    ("currencies.set", {"code": "USD", "rate": "0.9"}),
    ("currencies.list", {}),
    ("currencies.remove", {"code": "USD"}),
    ("taxes.set", {"name": "full", "percent": "19%"}),
    ("taxes.list", {}),
    ("taxes.remove", {"name": "full"}),
    # Settings.
    ("settings.list", {}),
    ("settings.get", {"name": "calltimeout"}),
    ("settings.set", {"changes": {"calltimeout": "1h"}, "confirm_s": 60}),
    ("changes.show", {}),
    ("changes.undo", {}),
    ("settings.set", {"changes": {"calltimeout": "2h"}, "confirm_s": 60}),
    ("changes.confirm", {}),
    ("settings.show", {"name": "calltimeout"}),
    ("settings.diff", {"profile": "strict"}),
    ("reload", {}),
    ("config.export", {}),
    (
        "config.begin",
        {"document": {"format": FORMAT, "format_version": FORMAT_VERSION, "taxes": TAXES, "blacklist": []}},
    ),
    ("config.rows", {"section": "blacklist", "first": 1, "rows": [",".join(ENTRY_COLUMNS)]}),
    ("config.plan", {}),
    ("config.apply", {}),
    ("certificate.show", {}),
    ("certificate.set", lambda _: {"pem": _certificate()}),
    ("certificate.reload", {}),
    ("certificate.remove", {}),
    ("certificate.renew", {}),
    ("certificate.csr", {"names": ["pbx.example"]}),
    ("settings.set", lambda _: {"changes": {"localhttpport": str(free_port())}}),
    ("certificate.order", {"directory": "https://127.0.0.1:9/", "agreed": True, "names": ["pbx.example"]}),
    ("certificate.forget", {}),
    # Security.
    ("bans.list", {}),
    ("bans.add", {"prefix": "198.51.100.9", "expires_at": 0.0, "rule": "manual", "reason": "r"}),
    ("bans.show", {"source": "198.51.100.9"}),
    ("bans.whom", {"prefix": "192.0.2.0/24"}),
    ("bans.remove", {"prefix": "198.51.100.9"}),
    ("bans.lift", {"source": "203.0.113.7"}),
    ("bans.clear", {}),
    ("allows.add", {"prefix": "198.51.100.10", "kind": "allow", "expires_at": 0.0, "reason": "r"}),
    ("allows.list", {}),
    ("allows.remove", {"prefix": "198.51.100.10"}),
    ("lists.begin", {"name": "evil"}),
    ("lists.rows", _list_piece),
    ("lists.compare", {}),
    ("lists.commit", {}),
    ("lists.list", {}),
    ("firewall.add", {"rules": [{"action": "deny", "prefix": "192.0.2.0/24"}], "confirm_s": 60}),
    ("firewall.list", {}),
    ("changes.confirm", {}),
    ("firewall.whom", {}),
    ("firewall.test", {"address": "198.51.100.7"}),
    ("firewall.remove", lambda said: {"ids": [said["firewall.list"]["rules"][0]["id"]]}),
    ("lists.remove", {"name": "evil"}),
    ("blacklist.add", {"digits": "4990", "reason": "r"}),
    ("blacklist.put", {"entries": [{"digits": "4991", "confidence": 5}]}),
    ("blacklist.list", {}),
    ("blacklist.test", {"number": "4990123", "account": "alice"}),
    ("blacklist.remove", lambda said: {"ids": [said["blacklist.add"]["entry"]["id"]]}),
    ("protected.list", {}),
    ("protected.here", {"addresses": [["127.0.0.1", "ssh"]]}),
    ("rules.report_only", {"verdicts": ["malformed"], "on": True}),
    ("rules.list", {}),
    ("settings.set", {"changes": {"notifywebhook": "http://127.0.0.1:9/hook", "notifywebhookkey": "k" * 32}}),
    ("notices.test", {}),
    ("notices.list", {}),
    ("notices.retry", {}),
    # People.
    ("people.add", {"name": "otto", "role": "support", "password": "c0rrect-horse-44", "email": "o@example.org"}),
    ("people.set", {"name": "otto", "display_name": "Otto"}),
    ("people.list", {}),
    ("tunnel.add", {"name": "laptop"}),
    ("tunnel.show", {}),
    ("tunnel.remove", {"name": "laptop"}),
    ("people.sessions", {}),
    ("tokens.add", {"name": "otto", "label": "p", "scopes": ["accounts:read"]}),
    ("tokens.list", {}),
    ("tokens.remove", lambda said: {"id": said["tokens.list"]["tokens"][0]["id"]}),
    ("people.remove", {"name": "otto"}),
    ("own.set", {"language": "de"}),
    ("own.totp", _totp),
    ("own.codes", {}),
    ("own.passkey", {"id": "aa", "public_key": "bb", "sign_count": 0, "label": "key"}),
    ("own.token", {"label": "mine", "scopes": ["accounts:read"]}),
    ("own.show", {}),
    ("own.untoken", lambda said: {"id": said["own.show"]["tokens"][0]["id"]}),
    ("own.forget", {"id": "aa"}),
    ("own.revoke", lambda said: {"id": said["own.show"]["sessions"][0]["id"]}),
    ("own.password", {"password": "c0rrect-horse-45"}),
    lambda office, _: _log_in(office._store),
    ("people.sessions", {}),
    ("people.revoke", lambda said: {"id": said["people.sessions"]["sessions"][0]["id"]}),
    ("trail.list", {}),
    ("trail.verify", {}),
)
"""What is asked, and what happens in between."""

ALONE: Final[Asked] = ("context", {"file": {"calltimeout": "3h"}})
"""Only a single run, without a running office, is told what the settings file says."""


def keeper_says(verb: KeeperVerb, _: Any) -> dict[str, Any]:
    """What the keeper says of a tunnel: only root can have one."""
    peer = TunnelPeer(OLGA, "a key", ("10.9.0.2",), 1.0)
    status = TunnelStatus(on=True, port=51820, endpoint="", public_key="k", interface="wg", peers=(peer,))
    return to_dict(PeerMade(peer, "[Interface]") if verb is KeeperVerb.TUNNEL_ADD else status)


async def answers(directory: Path) -> list[tuple[str, dict[str, Any]]]:
    """Every verb with each of its answers."""
    found: list[tuple[str, dict[str, Any]]] = []
    said: dict[str, Any] = {}
    async with running(directory, fill) as (office, port):
        await _while_it_runs(office, port)
        root = office.control.session("root")
        root._desk.keeper = keeper_says
        olga = office.control.session("web:olga", Licence(Powers.of(Role.OWNER), proven=True, person=OLGA))
        for step in STEPS:
            if callable(step):
                if (event := step(office, port)) is not None:
                    await event
                continue
            verb, told = step
            session = olga if verb.startswith("own.") else root
            said[verb] = session.do(verb, told(said) if callable(told) else told)
            found.append((verb, said[verb]))
    with Store.open(directory / "alone.db") as store:
        verb, told = ALONE
        assert not callable(told)
        found.append((verb, Control(store).session("root").do(verb, told)))
    return found
