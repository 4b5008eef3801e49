"""Strikes: what a source does wrong is counted, and a limit that is passed comes out as a Trip. Pure.

Counted are requests that were challenged and never answered, unknown users, wrong passwords, malformed messages and
messages altogether, each over its setting's period, never longer than `reenabledosblocked`. IPv6 counts by /64.

A request that is challenged waits for its answer for PENDING_S (64*T1 of RFC 3261 section 17) and counts only then;
a correct answer with its Call-ID takes it back. What the kernel saw unauthenticated waits likewise, and the correct
answers of that address are taken off. A request sent again as it was counts once. `now` is in seconds of any clock;
only `kernel` compares with the clock of the offence, so give it that one.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from pysrv.limits.sources import is_inside, subject_of
from pysrv.limits.windows import Seen, Window

PENDING_S: Final = 32.0
GUARD_PERIOD_S: Final = 90.0
GUARD_FACTOR: Final = 10  # the registrar's guard over all addresses, in limits of one address
MOST_PENDING: Final = 50_000
EXACT_MESSAGES: Final = 256  # moments of one source's messages; beyond, they are put together by 256ths of the period
_STEP_S: Final = 1.0  # unanswered requests are looked at once a second


class Rule(StrEnum):
    """The settings whose limit bans, by name."""

    MESSAGES = "maxsubsmmsgcount"
    WRONG_MESSAGES = "maxwrongmsgallowed"
    UNPROVEN = "maxwrongauthfromip"
    WRONG_PAIR = "maxfailedauthenabledipport"
    WRONG_ADDRESS = "maxfailedauthenabledip"
    STRANGERS = "fastauthsubswrongusermsg"


class StrikeSettings(Protocol):
    """The settings that are read, by their names; periods in seconds."""

    @property
    def maxsubsmmsgcount(self) -> int: ...
    @property
    def maxsubsmmsgperiod(self) -> float: ...
    @property
    def maxwrongmsgallowed(self) -> int: ...
    @property
    def maxwrongmsgperiod(self) -> float: ...
    @property
    def maxwrongauthfromip(self) -> int: ...
    @property
    def maxfailedauthenabledipport(self) -> int: ...
    @property
    def maxfailedauthenabledip(self) -> int: ...
    @property
    def maxsubfailauthperiod(self) -> float: ...
    @property
    def fastauthsubswrongusermsg(self) -> int: ...
    @property
    def reenabledosblocked(self) -> float: ...


Figures = tuple[int, float]  # limit, period in seconds
LIMITS: Final[Mapping[Rule, Callable[[StrikeSettings], Figures]]] = {
    Rule.MESSAGES: lambda s: (s.maxsubsmmsgcount, s.maxsubsmmsgperiod),
    Rule.WRONG_MESSAGES: lambda s: (s.maxwrongmsgallowed, s.maxwrongmsgperiod),
    Rule.UNPROVEN: lambda s: (s.maxwrongauthfromip, s.maxsubfailauthperiod),
    Rule.WRONG_PAIR: lambda s: (s.maxfailedauthenabledipport, s.maxsubfailauthperiod),
    Rule.WRONG_ADDRESS: lambda s: (s.maxfailedauthenabledip, s.maxsubfailauthperiod),
    Rule.STRANGERS: lambda s: (s.fastauthsubswrongusermsg, GUARD_PERIOD_S),
}


def figures(rule: Rule, settings: StrikeSettings) -> Figures:
    """Limit and period of a rule; no period is longer than `reenabledosblocked`, after which all begins anew."""
    limit, period = LIMITS[rule](settings)
    return limit, min(period, settings.reenabledosblocked)


@dataclass(frozen=True, slots=True)
class Trip:
    """A limit was passed: `count` events in `window_s` where `limit` are allowed. `ports`: events by port.

    `rule` is the setting; `window_s` 0: a single event was enough.

    `proven`: the address itself sent enough of them to pass the limit, under a valid nonce or over a connection;
    otherwise anybody may have written the address on the packets.
    """

    rule: str
    address: str
    port: int
    count: int
    limit: int
    window_s: float
    proven: bool
    ports: Mapping[int, int]

    @property
    def sentence(self) -> str:
        """The figures for people."""
        if not self.window_s:
            return f"{self.rule}: once is enough"
        return f"{self.count} in {self.window_s:g} s, {self.rule} is {self.limit}"


@dataclass(slots=True)
class _Pending:
    """A challenged request that waits for its answer."""

    at: float
    address: str
    port: int
    proven: bool
    call: tuple[str, bytes]
    open: bool = True


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the kernel counted unauthenticated, until it is judged."""

    judge_at: float
    address: str
    port: int
    count: int
    since: float


class Strikes:
    """All counters. Every method that counts returns the limits that were passed by it, mostly none."""

    def __init__(self, settings: StrikeSettings, most_pending: int = MOST_PENDING) -> None:
        self._settings, self._most_pending = settings, most_pending
        self._windows: dict[Rule, Window[str | tuple[str, int]]] = {rule: Window() for rule in Rule}
        self._windows[Rule.MESSAGES] = Window(exact=EXACT_MESSAGES)
        self._answers: Window[str] = Window()
        self._everybody: Window[bool] = Window()  # by whether the address was proven
        self._pending: deque[_Pending] = deque()
        self._open: dict[tuple[str, bytes], _Pending] = {}
        self._heard: deque[_Heard] = deque()
        self._seen = Seen(PENDING_S)
        self._step_at = 0.0

    def use(self, settings: StrikeSettings) -> None:
        """New limits; what was counted stays."""
        self._settings = settings

    # -- what happens ---------------------------------------------------------------------------------------------

    def message(self, address: str, port: int, now: float) -> list[Trip]:
        """Any message."""
        return self._strike(Rule.MESSAGES, address, port, now, proven=False)

    def wrong_message(self, address: str, port: int, now: float, *, proven: bool = False) -> list[Trip]:
        """A malformed or meaningless message. `proven`: over a connection."""
        return self._strike(Rule.WRONG_MESSAGES, address, port, now, proven=proven)

    def challenged(
        self, address: str, port: int, call_id: bytes, identity: bytes, now: float, *, proven: bool = False
    ) -> list[Trip]:
        """A request without usable credentials. `identity` is the same for it and its repetitions alone."""
        if self._seen.again((address, port, identity), now):
            return []
        call = (subject_of(address), call_id)
        if call in self._open:  # one request of a call waits, the others count
            return self._unanswered(address, port, now, proven=proven)
        if len(self._pending) >= self._most_pending:
            return []  # so many wait only under a flood of forged requests: none counts before its time
        waiting = _Pending(now, address, port, proven, call)
        self._pending.append(waiting)
        self._open[call] = waiting
        return []

    def answered(self, address: str, call_id: bytes, now: float) -> None:
        """A correct answer: what was challenged before it counts nowhere."""
        self._answers.add(subject_of(address), now, GUARD_PERIOD_S + PENDING_S)
        waiting = self._open.pop((subject_of(address), call_id), None)
        if waiting is not None:
            waiting.open = False

    def wrong_password(self, address: str, port: int, call_id: bytes, identity: bytes, now: float) -> list[Trip]:
        """A wrong answer under a valid nonce, which proves the address."""
        if self._seen.again((address, port, identity), now):
            return []
        self._replied(address, call_id)
        trips = self._strike(Rule.WRONG_PAIR, address, port, now, proven=True)
        return trips + self._strike(Rule.WRONG_ADDRESS, address, port, now, proven=True)

    def wrong_web_password(self, address: str, now: float) -> list[Trip]:
        """A wrong password on the web: over TLS, so the address is proven; its ports change with each connection."""
        return self._strike(Rule.WRONG_ADDRESS, address, 0, now, proven=True)

    def unknown_user(self, address: str, port: int, call_id: bytes, identity: bytes, now: float) -> list[Trip]:
        """A user that does not exist, under a valid nonce."""
        if self._seen.again((address, port, identity), now):
            return []
        self._replied(address, call_id)
        return self._unanswered(address, port, now, proven=True)

    def kernel(self, rule: str, address: str, port: int, count: int, since: float, at: float) -> list[Trip]:
        """What the kernel counted from `since` to `at`; rules of others come back as nothing."""
        if rule not in (Rule.MESSAGES, Rule.WRONG_MESSAGES, Rule.STRANGERS):
            return []
        limit, period = self.figures(Rule(rule))
        if count <= limit or at - since > period:
            return []
        if rule == Rule.STRANGERS:
            if len(self._heard) < self._most_pending:
                self._heard.append(_Heard(at + PENDING_S, address, port, count, since))
            return []
        return [Trip(Rule(rule), address, port, count, limit, period, False, {port: count})]

    # -- time -----------------------------------------------------------------------------------------------------

    def get_timer(self) -> float | None:
        """When `due` wants to be called next."""
        moments = [self._pending[0].at + PENDING_S] if self._pending else []
        if self._heard:
            moments.append(self._heard[0].judge_at)
        return max(min(moments), self._step_at) if moments else None

    def due(self, now: float) -> list[Trip]:
        """Requests that nobody answered in time count now."""
        self._step_at = now + _STEP_S
        trips: list[Trip] = []
        while self._pending and self._pending[0].at + PENDING_S <= now:
            waiting = self._pending.popleft()
            if waiting.open:
                self._open.pop(waiting.call, None)
                trips += self._unanswered(waiting.address, waiting.port, now, proven=waiting.proven)
        while self._heard and self._heard[0].judge_at <= now:
            trips += self._judge(self._heard.popleft(), now)
        return trips

    def is_crowded(self, now: float, *, proven: bool = False) -> bool:
        """Whether strangers left so many challenges unanswered that the registrar makes no more for now.

        `proven`: for somebody whose address is proven. What may be forged counts against datagrams alone: a flood of
        it must not keep those out who come over a connection.
        """
        limit = GUARD_FACTOR * self._settings.fastauthsubswrongusermsg
        seen = self._everybody.count(True, now, GUARD_PERIOD_S)
        if not proven:
            seen += self._everybody.count(False, now, GUARD_PERIOD_S)
        return seen > limit

    def figures(self, rule: Rule) -> Figures:
        """Limit and period of a rule."""
        return figures(rule, self._settings)

    def forget(self, prefix: str | None = None) -> None:
        """Counts anew for an address with all its ports, for a network, or for everybody: a ban was lifted."""
        for window in self._windows.values():
            for key in window.sources():
                if prefix is None or is_inside(key if isinstance(key, str) else key[0], prefix):
                    window.forget(key)
        if prefix is None:
            self._everybody.clear()

    # -- counting -------------------------------------------------------------------------------------------------

    def _replied(self, address: str, call_id: bytes) -> None:
        """A wrong answer counts itself; the request that was challenged before it does not count as well."""
        waiting = self._open.pop((subject_of(address), call_id), None)
        if waiting is not None:
            waiting.open = False

    def _unanswered(self, address: str, port: int, now: float, *, proven: bool) -> list[Trip]:
        self._everybody.add(proven, now, min(GUARD_PERIOD_S, self._settings.reenabledosblocked))
        trips = self._strike(Rule.UNPROVEN, address, port, now, proven=proven)
        return trips + self._strike(Rule.STRANGERS, address, port, now, proven=proven)

    def _strike(self, rule: Rule, address: str, port: int, now: float, *, proven: bool) -> list[Trip]:
        limit, period = self.figures(rule)
        key: str | tuple[str, int] = (address, port) if rule is Rule.WRONG_PAIR else subject_of(address)
        window = self._windows[rule]
        count = window.add(key, now, period, port=port, proven=proven)
        if count <= limit:
            return []
        is_proven, ports = window.proven(key) > limit, window.ports(key)
        window.forget(key)
        return [Trip(rule, address, port, count, limit, period, is_proven, ports)]

    def _judge(self, heard: _Heard, now: float) -> list[Trip]:
        """The kernel's count of unauthenticated messages, less those that were followed by a correct answer."""
        limit, period = self.figures(Rule.STRANGERS)
        count = heard.count - self._answers.count(subject_of(heard.address), now, now - heard.since)
        if count <= limit:
            return []
        return [Trip(Rule.STRANGERS, heard.address, heard.port, count, limit, period, False, {heard.port: count})]
