"""Logging in: passwords are checked in a thread of the web's own, guesses wait longer and longer, for each address and
for each name, and those who go on are told to the gate.
"""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.control.table import Licence
from pysrv.store.web import PersonKind, WebSession
from pysrv.web.backing import Backing
from pysrv.web.guesses import BackOff
from pysrv.web.identity import COOKIE, TOUCH_S, Identity
from pysrv.web.problems import TooMany

MAX_CHECKS_WAITING: Final = 8


class Logins:
    """The logins of one web. `clock` gives monotonic seconds for waiting, `wall` Unix time for sessions."""

    def __init__(
        self,
        office: Backing,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._office, self._clock, self.now = office, clock, wall
        self._addresses, self._names = BackOff(), BackOff()
        self._checker = ThreadPoolExecutor(1, thread_name_prefix="web-password")
        self._checks_waiting = 0

    def close(self) -> None:
        """No more checks."""
        self._checker.shutdown(wait=False, cancel_futures=True)

    async def log_in(self, request: web.Request, kind: PersonKind, name: str, password: str) -> tuple[str, bool]:
        """A new session: its cookie, and whether nothing more is needed. Raises WireError."""
        await self._check(request, kind, name, password)
        office, address = self._office, request.remote or ""
        person = office.store.administrator(name) if kind is PersonKind.ADMINISTRATOR else None
        complete = person is None or not person.has_second_factor
        agent = request.headers.get("User-Agent", "")
        cookie = office.store.begin_session(kind, name, address, agent, complete=complete)
        if complete:
            self._entered(kind, name, address)
        office.turn()
        return cookie, complete

    async def second(self, request: web.Request, who: Identity, code: str) -> str:
        """The second factor by a one-time code or a recovery code; returns the new cookie. Raises WireError."""
        self._wait(request, who.kind, who.name)
        right = self._office.store.use_totp(who.name, code) or self._office.store.use_recovery_code(who.name, code)
        if not right:
            self._office.turn()
            self._wrong(request, who.kind, who.name)
            raise WireError("unauthorized", "this code is wrong or was used already", "wait for the next one")
        return self.completed(request, who)

    def completed(self, request: web.Request, who: Identity) -> str:
        """The second factor was right: the session under a new cookie."""
        assert who.session is not None
        self._right(request, who.kind, who.name)
        cookie = self._office.store.complete_session(who.session)
        self._entered(who.kind, who.name, request.remote or "")
        self._office.turn()
        return cookie

    async def prove(self, request: web.Request, who: Identity, password: str) -> Identity:
        """The password typed again: the same identity, proven. Raises WireError."""
        assert who.session is not None
        await self._check(request, who.kind, who.name, password)
        self._office.store.prove_session(who.session.digest)
        self._office.turn()
        licence = Licence(who.licence.powers, proven=True)
        return replace(who, licence=licence)

    def seen(self, session: WebSession) -> None:
        """A session is in use."""
        if self.now() - session.seen_at > TOUCH_S:
            self._office.store.touch_session(session.digest)
            self._office.turn()

    async def _check(self, request: web.Request, kind: PersonKind, name: str, password: str) -> None:
        """Raises WireError: "unauthorized", "too_many"."""
        self._wait(request, kind, name)
        if self._checks_waiting >= MAX_CHECKS_WAITING:
            raise TooMany("too many logins at once", "try again in a few seconds", 2.0)
        # Counted before it is looked at, so that many at once gain nothing.
        self._wrong(request, kind, name, told=False)
        self._checks_waiting += 1
        try:
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(self._checker, self._office.verify, kind, name, password)
        finally:
            self._checks_waiting -= 1
        if not right:
            self._office.wrong_password(request.remote or "", name)
            raise WireError("unauthorized", "name or password is wrong", "")
        self._right(request, kind, name)

    def _wait(self, request: web.Request, kind: PersonKind, name: str) -> None:
        now, address = self._clock(), request.remote or ""
        if self._office.is_trusted(address):
            return
        wait_s = self._addresses.wait_s(address, now)
        if not self._is_known(kind, name, address):
            wait_s = max(wait_s, self._names.wait_s(_key(kind, name), now))
        if wait_s:
            words = f"too many wrong passwords: wait {math.ceil(wait_s)} s"
            raise TooMany(words, "an administrator at the machine can lift a ban and set a password", wait_s)

    def _wrong(self, request: web.Request, kind: PersonKind, name: str, *, told: bool = True) -> None:
        now, address = self._clock(), request.remote or ""
        self._addresses.charge(address, now)
        self._names.charge(_key(kind, name), now)
        if told:
            self._office.wrong_password(address, name)

    def _right(self, request: web.Request, kind: PersonKind, name: str) -> None:
        self._addresses.forgive(request.remote or "")
        self._names.forgive(_key(kind, name))

    def _is_known(self, kind: PersonKind, name: str, address: str) -> bool:
        """Whether the person is logged in from there: somebody else's guesses elsewhere do not keep him out."""
        sessions = self._office.store.web_sessions(kind, name)
        return any(session.address == address and session.complete for session in sessions)

    def _entered(self, kind: PersonKind, name: str, address: str) -> None:
        if kind is PersonKind.ADMINISTRATOR:
            self._office.store.seen_administrator(name)
            self._office.signed_in(address)


LOGINS: Final = web.AppKey("logins", Logins)


def set_cookie(response: web.Response, cookie: str) -> None:
    """Give the browser its session: for this host alone, over TLS alone, out of scripts' reach."""
    response.set_cookie(COOKIE, cookie, secure=True, httponly=True, samesite="Lax", path="/")


def _key(kind: PersonKind, name: str) -> str:
    return f"{kind}:{name[:64]}"
