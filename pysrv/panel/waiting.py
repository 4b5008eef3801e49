"""Files that were brought and wait for a word: what the panel holds between a form and its confirmation.

Each waits in a conversation of its own, which is all that knows it, for HELD_S seconds; one of each person. It is given
up when he brings another (of two at once the later one stays), when its time is over and somebody brings one, and with
the office itself. The word counts in the login that brought the file, and with the rights of the moment in which it is
carried out (`acting.renew`): a login that was ended leaves nothing behind, and nor does a role that was taken away.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from aiohttp import web

from pysrv.control.session import Control, Session
from pysrv.web.acting import backing
from pysrv.web.identity import identity
from pysrv.web.logins import LOGINS

HELD_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class Held:
    """What waits: its conversation, the number in the form that says the word, what was shown of it, and by which login
    it was brought."""

    session: Session
    number: str
    shown: dict[str, Any]
    at: float
    login: str = field(repr=False)


class Waiting:
    """What waits of one kind, for every office by itself."""

    def __init__(self) -> None:
        self._held: WeakKeyDictionary[Control, dict[str, Held]] = WeakKeyDictionary()

    def hold(self, request: web.Request, session: Session, shown: dict[str, Any]) -> Held:
        """Let it wait, in the place of what that person brought before. The conversation stays open."""
        held = Held(session, secrets.token_urlsafe(16), shown, request.app[LOGINS].now(), _login(request))
        waiting, whose = self._of(request), identity(request).who
        if (before := waiting.pop(whose, None)) is not None:
            before.session.close()
        waiting[whose] = held
        return held

    def taken(self, request: web.Request, number: str) -> Held | None:
        """What waits for that word, and waits no more; None, and given up, with another one or too late."""
        held = self._of(request).pop(identity(request).who, None)
        if held is None:
            return None
        fits = secrets.compare_digest(held.number.encode(), number.encode()) and held.login == _login(request)
        if fits and request.app[LOGINS].now() - held.at <= HELD_S:
            held.session.renew(identity(request).licence)
            return held
        held.session.close()
        return None

    def give_up(self, request: web.Request) -> None:
        """Close what is over its time, and what this person brought before."""
        waiting, now, whose = self._of(request), request.app[LOGINS].now(), identity(request).who
        for person in [each for each, held in waiting.items() if each == whose or now - held.at > HELD_S]:
            waiting.pop(person).session.close()

    def _of(self, request: web.Request) -> dict[str, Held]:
        return self._held.setdefault(backing(request).control, {})


def _login(request: web.Request) -> str:
    session = identity(request).session
    return session.digest if session is not None else ""
