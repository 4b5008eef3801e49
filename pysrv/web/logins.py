"""Logging in: passwords are checked in a thread of the web's own, guesses wait longer and longer, for each address and
for each name, and those who go on are told to the gate.

What somebody who guesses may try, and why it gains nothing:

- many at once: each guess is charged before it is looked at, and a network has at most two in the queue;
- a right password of his own in between: it takes back only what was charged for that name from that address;
- a known password, to guess codes: the name is forgiven when the second factor was right, not before;
- going on while he has to wait: each try is told to the gate, whose bans then take over;
- keeping an owner out by guessing at his name: the wait of a name does not hold where he has logged in before, nor does
  a full queue (the idea of OWASP's device cookies, by network).
"""

import asyncio
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.store.people import Administrator
from pysrv.store.web import PersonKind, WebSession
from pysrv.web.backing import Backing
from pysrv.web.guesses import BackOff, Thrift, network
from pysrv.web.identity import COOKIE, IDLE_S, TOUCH_S, Identity
from pysrv.web.problems import TooMany

MAX_CHECKS_WAITING: Final = 8
MAX_OF_A_NETWORK: Final = 2
MOST_SEEN: Final = 4096
SWEEP_S: Final = 60.0


class Logins:
    """The logins of one web. `clock` gives monotonic seconds for waiting, `wall` Unix time for sessions."""

    def __init__(
        self,
        office: Backing,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._office, self._clock, self.now = office, clock, wall
        self._addresses, self._names, self._pairs = BackOff(), BackOff(), BackOff()
        self._told = {kind: Thrift() for kind in PersonKind}
        self._seen = OrderedDict[str, None]()
        self._swept_at = -SWEEP_S
        self._checker = ThreadPoolExecutor(1, thread_name_prefix="web-password")
        self._waiting: Counter[str] = Counter()

    def close(self) -> None:
        """No more checks."""
        self._checker.shutdown(wait=False, cancel_futures=True)

    async def log_in(self, request: web.Request, kind: PersonKind, name: str, password: str) -> tuple[str, bool]:
        """A new session: its cookie, and whether nothing more is needed. Raises WireError."""
        office, address = self._office, request.remote or ""
        await self._check(address, kind, name, password)
        person = office.store.administrator(name) if kind is PersonKind.ADMINISTRATOR else None
        complete = person is None or not person.has_second_factor
        if complete:
            self._entered(kind, name, address)
        return self.begin(request, kind, name, complete=complete), complete

    def begin(self, request: web.Request, kind: PersonKind, name: str, *, complete: bool = True) -> str:
        """A new session for somebody who has proven himself; its cookie."""
        agent, address = request.headers.get("User-Agent", ""), request.remote or ""
        self._sweep()
        cookie = self._office.store.begin_session(kind, name, address, agent, complete=complete)
        self._office.turn()
        return cookie

    async def second(self, request: web.Request, who: Identity, code: str) -> str:
        """The second factor by a one-time code or a recovery code; returns the new cookie. Raises WireError."""
        self.demand_code(request.remote or "", who.name, code)
        return self.completed(request, who)

    def demand_code(self, address: str, name: str, code: str) -> None:
        """Raises WireError unless the code is a one-time or recovery code of an administrator; it is used now."""
        self.wait(address, PersonKind.ADMINISTRATOR, name)
        if not self._office.store.use_totp(name, code) and not self._office.store.use_recovery_code(name, code):
            self.wrong(address, PersonKind.ADMINISTRATOR, name)
            raise WireError("unauthorized", "this code is wrong or was used already", "wait for the next one")

    def completed(self, request: web.Request, who: Identity) -> str:
        """The second factor was right: the session under a new cookie."""
        assert who.session is not None
        cookie = self._office.store.complete_session(who.session)
        self._entered(who.kind, who.name, request.remote or "")
        self._office.turn()
        return cookie

    async def console(self, address: str, name: str, password: str, code: str) -> Administrator:
        """An administrator who logs in without a browser, with everything at once. Raises WireError."""
        await self._check(address, PersonKind.ADMINISTRATOR, name, password)
        person = self._office.store.administrator(name)
        if person is None:
            raise WireError("unauthorized", "name or password is wrong")
        if person.has_second_factor:
            self.demand_code(address, name, code)
        self._entered(PersonKind.ADMINISTRATOR, name, address)
        self._office.turn()
        return person

    async def prove(self, request: web.Request, who: Identity, password: str) -> Identity:
        """The password typed again: the same identity, proven. Raises WireError."""
        if who.session is None or not who.session.complete:
            raise WireError("forbidden", "the second factor comes first", "type its code")
        address = request.remote or ""
        await self._check(address, who.kind, who.name, password)
        self._forgive(address, who.kind, who.name)
        self._office.store.prove_session(who.session.digest)
        self._office.turn()
        return replace(who, licence=replace(who.licence, proven=True))

    def seen(self, session: WebSession) -> None:
        """A session is in use."""
        if self.now() - session.seen_at > TOUCH_S:
            self._office.store.touch_session(session.digest)
            self._office.turn()

    def wait(self, address: str, kind: PersonKind, name: str) -> None:
        """Raises WireError("too_many") for who has to wait before the next guess."""
        now = self._clock()
        if self._office.is_trusted(address):
            return
        wait_s = self._addresses.wait_s(address, now)
        if wait_s:
            self._office.wrong_password(address, name)  # who goes on all the same comes to the gate's attention
        if not wait_s and not self._is_known(kind, name, address):
            wait_s = self._names.wait_s(_key(kind, name), now)
        if wait_s:
            words = f"too many wrong passwords: wait {math.ceil(wait_s)} s"
            raise TooMany(words, "an administrator at the machine can lift a ban and set a password", wait_s)

    def wrong(self, address: str, kind: PersonKind, name: str) -> None:
        """A wrong code or key: it is held against address and name, and told to the gate and to the trail."""
        self._charge(address, kind, name)
        self._refused(address, kind, name)

    async def _check(self, address: str, kind: PersonKind, name: str, password: str) -> None:
        """Raises WireError: "unauthorized", "too_many"."""
        self.wait(address, kind, name)
        whose = network(address)
        full = self._waiting.total() >= MAX_CHECKS_WAITING and not self._is_known(kind, name, address)
        if full or self._waiting[whose] >= MAX_OF_A_NETWORK:
            raise TooMany("too many logins at once", "try again in a few seconds", 2.0)
        self._charge(address, kind, name)
        self._waiting[whose] += 1
        try:
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(self._checker, self._office.verify, kind, name, password)
        finally:
            self._waiting[whose] -= 1
            self._waiting += Counter()  # drops what is 0
        if not right:
            self._refused(address, kind, name)
            raise WireError("unauthorized", "name or password is wrong", "")
        for back_off, key in self._held(address, kind, name):
            back_off.refund(key)

    def _sweep(self) -> None:
        """Sessions that are too old open nothing; now and then they are also removed."""
        if self._clock() - self._swept_at >= SWEEP_S:
            self._swept_at, now = self._clock(), self.now()
            self._office.store.end_sessions(now - self._office.settings().sessionabsolutetimeout, now - IDLE_S)

    def _held(self, address: str, kind: PersonKind, name: str) -> tuple[tuple[BackOff, str], ...]:
        """Every count that a guess goes into."""
        return (self._addresses, address), (self._names, _key(kind, name)), (self._pairs, _pair(address, kind, name))

    def _charge(self, address: str, kind: PersonKind, name: str) -> None:
        for back_off, key in self._held(address, kind, name):
            back_off.charge(key, self._clock())

    def _refused(self, address: str, kind: PersonKind, name: str) -> None:
        self._office.wrong_password(address, name)
        if count := self._told[kind].told(address, self._clock()):
            self._office.store.refused_login(kind, name, address, count)
        self._office.turn()

    def _forgive(self, address: str, kind: PersonKind, name: str) -> None:
        """Everything was right: the name is forgiven, and to the address what it did to that name."""
        pair = _pair(address, kind, name)
        self._addresses.refund(address, self._pairs.count(pair, self._clock()))
        self._pairs.forgive(pair)
        self._names.forgive(_key(kind, name))

    def _is_known(self, kind: PersonKind, name: str, address: str) -> bool:
        """Whether the person has logged in from there: somebody else's guesses elsewhere do not keep him out."""
        if _pair(address, kind, name) in self._seen:
            return True
        sessions = self._office.store.web_sessions(kind, name)
        return any(network(session.address) == network(address) and session.complete for session in sessions)

    def _entered(self, kind: PersonKind, name: str, address: str) -> None:
        self._forgive(address, kind, name)
        pair = _pair(address, kind, name)
        self._seen[pair] = None
        self._seen.move_to_end(pair)
        if len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)
        if kind is PersonKind.ADMINISTRATOR:
            self._office.store.seen_administrator(name)
            self._office.signed_in(address)


LOGINS: Final = web.AppKey("logins", Logins)


def set_cookie(response: web.Response, cookie: str) -> None:
    """Give the browser its session: for this host alone, over TLS alone, out of scripts' reach."""
    response.set_cookie(COOKIE, cookie, secure=True, httponly=True, samesite="Lax", path="/")


def _key(kind: PersonKind, name: str) -> str:
    return f"{kind}:{name[:64]}"


def _pair(address: str, kind: PersonKind, name: str) -> str:
    return f"{network(address)} {_key(kind, name)}"
