"""The entries of the older entry point as one table: what each takes, who may ask, and what it does by which verb."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appliance.wire import WireError
from pysrv.api.older.nonces import LIFE_S
from pysrv.api.older.proof import Asked, Proof
from pysrv.billing import money
from pysrv.control.session import Licence, Session
from pysrv.people.permissions import Access, Area, Powers
from pysrv.store.rows import Account
from pysrv.web.backing import Backing

LONGEST_IDENT: Final = 100
PASSWORD_BYTES: Final = 12
_CALLER: Final = Powers({Area.CALLS: Access.WRITE, Area.PRICES: Access.READ})


@dataclass(frozen=True, slots=True)
class Request:
    """One request: the office, its proof, and its parameters as text."""

    office: Backing
    proof: Proof
    asked: Asked
    told: Mapping[str, str]

    def text(self, name: str) -> str:
        """A parameter that has to be there. Raises WireError("bad_args")."""
        value = self.told.get(name, "").strip()
        if not value:
            raise WireError("bad_args", f"{name} is missing")
        return value

    def session(self, who: str, licence: Licence) -> Session:
        """A conversation with the verbs."""
        return self.office.control.session(who, licence)

    async def account(self, *, spends: bool) -> Account:
        """The account that asks, about itself alone. Raises WireError."""
        self.proof.key(self.office, self.asked)
        return await self.proof.account(self.office, self.asked, spends=spends)

    def as_account(self, account: Account) -> Session:
        """The verbs for an account: whatever is asked, it is asked about itself."""
        return self.session(f"api:{account.name}", Licence(_CALLER, proven=True))


Act = Callable[[Request], Awaitable[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. `takes`: its parameters beside those of the proof; `administrative`: apideftrustadmin has a word."""

    name: str
    says: str
    act: Act
    takes: tuple[str, ...] = ()
    administrative: bool = False


async def _test(_: Request) -> dict[str, str]:
    return {"api": "1"}


async def _nonce(request: Request) -> dict[str, str]:
    nonce = request.proof.nonces.make(request.asked.address, request.proof.clock())
    realm = request.office.settings().realm
    return {"nonce": nonce, "realm": realm, "algorithm": "SHA-256", "seconds": f"{LIFE_S:.0f}"}


async def _balance(request: Request) -> dict[str, str]:
    account = await request.account(spends=False)
    free = account.balance - account.reserved
    return {
        "balance": money.format(account.balance),
        "available": money.format(free),
        "currency": account.currency,
    }


async def _rating(request: Request) -> dict[str, str]:
    account = await request.account(spends=False)
    seconds = request.told.get("seconds", "") or "60"
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 8):
        raise WireError("bad_args", f"seconds must be a whole number, not {seconds!r:.40}")
    args = {"account": account.name, "number": request.text("number"), "seconds": int(seconds)}
    said = request.as_account(account).do("rates.quote", args)
    own = next((level for level in said["levels"] if level["payer"] == account.name), None)
    if own is None or own["rate"] is None:
        raise WireError("not_found", f"there is no price for {said['number']}", "calls there may be refused")
    rate = own["rate"]
    return {
        "number": said["number"],
        "prefix": str(rate["prefix"]),
        "perminute": rate["per_minute"],
        "connectfee": rate["connect_fee"],
        "seconds": seconds,
        "total": own["total"],
        "currency": own["currency"],
    }


async def _p2p(request: Request) -> dict[str, str]:
    account = await request.account(spends=True)
    said = request.as_account(account).do("calls.dial", {"account": account.name, "number": request.text("number")})
    return {"number": said["number"], "asked": account.name}


async def _callback(request: Request) -> dict[str, str]:
    account = await request.account(spends=True)
    args = {"account": account.name, "number": request.text("number"), "first": request.told.get("first", "").strip()}
    said = request.as_account(account).do("calls.callback", args)
    return {"number": said["number"], "first": said["first"] or account.name, "callid": said["call_id"]}


async def _sms(request: Request) -> dict[str, str]:
    account = await request.account(spends=True)
    args = {"account": account.name, "to": request.text("to"), "text": request.text("text")}
    said = request.as_account(account).do("messages.send", args)
    return {"to": said["to"], "devices": str(said["devices"])}


async def _addcredit(request: Request) -> dict[str, str]:
    return await _moved(request, 1)


async def _charge(request: Request) -> dict[str, str]:
    return await _moved(request, -1)


async def _moved(request: Request, sign: int) -> dict[str, str]:
    """Money moves through the ledger, under one transaction id once."""
    who, licence = await request.proof.administrator(request.office, request.asked)
    name, store = request.text("user"), request.office.store
    try:
        amount = sign * money.parse(request.text("amount"))
    except money.MoneyError as error:
        raise WireError("invalid", str(error)) from None
    if amount * sign <= 0:
        raise WireError("invalid", "amount must be above 0")
    ident = request.told.get("transactionid", "").strip()
    if len(ident) > LONGEST_IDENT:
        raise WireError("bad_args", f"transactionid has at most {LONGEST_IDENT} characters")
    before = store.api_transaction(name, ident) if ident else None
    if before is not None and before != amount:
        raise WireError("conflict", f"transactionid {ident!r:.60} moved another amount", "choose a new one")
    if before is None:
        note = f"{request.asked.entry} {ident}".strip()
        changes = {"top_up": money.format(amount), "note": note}
        request.session(who, licence).do(
            "accounts.set",
            {"name": name, "changes": changes},
            lambda _: store.note_api_transaction(name, ident, amount) if ident else None,
        )
    account = store.account(name)
    assert account is not None, "it has just been moved"
    again = {"repeated": "yes"} if before is not None else {}
    return {"user": name, "balance": money.format(account.balance), "currency": account.currency, **again}


async def _newuser(request: Request) -> dict[str, str]:
    who, licence = await request.proof.administrator(request.office, request.asked)
    password = request.told.get("password", "")
    made = password or secrets.token_urlsafe(PASSWORD_BYTES)
    number, display = request.told.get("number", "").strip(), request.told.get("displayname", "").strip()
    args: dict[str, Any] = {"name": request.text("user"), "password": made, "generated": not password}
    args |= {"numbers": [number]} if number else {}
    args |= {"display_name": display} if display else {}
    said = request.session(who, licence).do("accounts.add", args)
    return {"user": said["account"]["name"], **({} if password else {"password": made})}


# fmt: off
ENTRIES: Final = {entry.name: entry for entry in (
    Entry("apitest1", "Says that the entry point is there.", _test),
    Entry("nonce", "A nonce for authhash, good once.", _nonce),
    Entry("balance", "The account's balance.", _balance),
    Entry("rating", "What a call of the account would cost.", _rating, ("number", "seconds")),
    Entry("callback", "Calls the account's phone, or the number `first`, then a number, and connects them.", _callback,
          ("number", "first")),
    Entry("p2p", "Asks the account's registered phone to call a number.", _p2p, ("number",)),
    Entry("sms", "A text to the devices of another user.", _sms, ("to", "text")),
    Entry("addcredit", "Adds credit to an account.", _addcredit, ("user", "amount", "transactionid"), True),
    Entry("charge", "Takes credit off an account.", _charge, ("user", "amount", "transactionid"), True),
    Entry("newuser", "Adds an account.", _newuser, ("user", "password", "number", "displayname"), True),
)}
# fmt: on
PROOFS: Final = ("authid", "authpwd", "authmd5", "authhash", "authnonce", "authkey")
