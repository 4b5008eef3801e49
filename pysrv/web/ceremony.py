"""Passkeys between browser and session (Web Authentication Level 3, "ceremonies"): a challenge is made for one session,
stands in it, and is good once. The mathematics is in pysrv.people.passkeys.
"""

import secrets
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from appliance.wire import WireError
from pysrv.people import passkeys
from pysrv.people.passkeys import Party, PasskeyError
from pysrv.store.people import Administrator
from pysrv.store.web import WebSession
from pysrv.web.acting import backing
from pysrv.web.identity import Identity

T = TypeVar("T")
_MARK = "passkey:"


def asked(request: web.Request, who: Identity, *, new: bool) -> str:
    """What the browser is to ask the authenticator, as JSON; empty: there can be no passkeys here."""
    session, person = _whose(who)
    try:
        party = passkeys.party_of(request.host)
    except PasskeyError:
        return ""
    challenge = secrets.token_bytes(passkeys.CHALLENGE_BYTES)
    office = backing(request)
    office.store.challenge_session(session.digest, _MARK + challenge.hex())
    office.turn()
    known = [each.id for each in office.store.passkeys(person.name)]
    if new:
        return passkeys.asked_to_register(party, challenge, person.name, person.handle, known)
    return passkeys.asked_to_prove(party, challenge, known)


def registered(request: web.Request, who: Identity, answer: str) -> passkeys.Registered:
    """The new credential of an answer. Raises WireError."""
    return _checked(request, who, lambda party, challenge: passkeys.registered(party, challenge, answer))


def demand_passkey(request: web.Request, who: Identity, answer: str) -> None:
    """Raises WireError unless a passkey of this person has signed the session's challenge; its counter is kept."""
    _, person = _whose(who)
    store = backing(request).store

    def check(party: Party, challenge: bytes) -> None:
        ident = passkeys.credential_of(answer)
        own = next((each for each in store.passkeys(person.name) if each.id == ident), None)
        if own is None:
            raise PasskeyError("this passkey is not yours")
        store.used_passkey(own.id, passkeys.proven(party, challenge, answer, own.public_key, own.sign_count))

    _checked(request, who, check)


def _checked(request: web.Request, who: Identity, check: Callable[[Party, bytes], T]) -> T:
    session, _ = _whose(who)
    office = backing(request)
    office.store.challenge_session(session.digest, "")
    office.turn()
    if not session.challenge.startswith(_MARK):
        raise WireError("invalid", "nothing was asked of a passkey", "open the page again")
    try:
        return check(passkeys.party_of(request.host), bytes.fromhex(session.challenge.removeprefix(_MARK)))
    except PasskeyError as error:
        raise WireError("unauthorized", str(error), "try again, or use a code") from None
    finally:
        office.turn()


def _whose(who: Identity) -> tuple[WebSession, Administrator]:
    if who.session is None or who.administrator is None:
        raise WireError("forbidden", "passkeys belong to administrators who are logged in")
    return who.session, who.administrator
