"""Callbacks: an account asks that its telephone (or a number) be called, and then connected to another one.

Both calls are calls of that account: policy looks at each, each has its lease before anybody rings, and each its
record. The call to the destination is decided first, because it is the dear one: without credit nobody's phone rings.
How the two are connected is pysrv.calls.callback's business; how often one may ask, pysrv.limits.callbacks'.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from appliance.config.settings import Settings
from pysrv.billing.number import normalise
from pysrv.calls.b2bua import B2bua
from pysrv.calls.callback import Half
from pysrv.calls.causes import NORMAL, Cause
from pysrv.calls.events import CallAnswered, CallAttended, CallEnded, CallRequested, ConnectFailed, EndedBy
from pysrv.calls.invitation import DEFAULT_HOPS
from pysrv.calls.invitation import Caller as Named
from pysrv.calls.registrar import Registrar
from pysrv.limits.callbacks import Attempts
from pysrv.limits.decision import Refuse
from pysrv.service.accounting import Accounting
from pysrv.service.admission import Admission, CardCall
from pysrv.service.entry import Caller
from pysrv.service.feed import Feed, Kind
from pysrv.service.surroundings import Surroundings
from pysrv.sip.events import Flow
from pysrv.sip.message import Request
from pysrv.sip.uri import Uri, escape_user
from pysrv.store import Store
from pysrv.store.account import Account

STAGE = "callback"
NOBODY = "127.0.0.1"  # the source of what no telephone has sent
GRACE_S = 0.3
"""Who answers within this is not announced by the stub of a tone: some phones (baresip 1.0) lose the stream that comes
after a single packet of another one, because their jitter buffer is not emptied before it has played."""
WAITS = 2  # the destination rings after the first party did: its media may wait for both
_log = logging.getLogger("pysrv.calls")


@dataclass(frozen=True, slots=True)
class Placed:
    """A callback under way: the call to the destination, the one to the party that is called first, and the two."""

    call_id: str
    first_call_id: str
    number: str
    first: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What an account has asked for; `first` is empty for its own telephones."""

    account: Account
    number: str
    first: str
    flow: Flow


class Callbacks:
    """All callbacks from the request to the moment at which both parties are there."""

    def __init__(
        self,
        store: Store,
        b2bua: B2bua,
        registrar: Registrar,
        admission: Admission,
        accounting: Accounting,
        world: Surroundings,
        settings: Callable[[], Settings],
        feed: Feed,
        belongs: Callable[[str, str], None],
    ) -> None:
        """`belongs(first, second)`: what is said in the first call is traced in the second."""
        self._store, self._b2bua, self._registrar = store, b2bua, registrar
        self._admission, self._accounting, self._world, self._settings = admission, accounting, world, settings
        self._feed, self._belongs = feed, belongs
        self._attempts = Attempts()
        self._waiting: dict[str, str] = {}  # far calls whose destination has not answered: whose they are
        self._sessions: dict[str, int] = {}  # far calls in which the office is heard

    def ask(self, name: str, number: str, first: str, now: float) -> Placed | Refuse:
        """Call `first` (empty: the account's telephones), then `number`, and connect them; or say why not."""
        account = self._store.account(name)
        if account is None or not account.enabled:
            return _refuse("enabled", 403, f"{name[:64]} is no account that may call")
        wish = self._wish(account, number, first, now)
        return wish if isinstance(wish, Refuse) else self._place(wish, now)

    def _wish(self, account: Account, number: str, first: str, now: float) -> Wish | Refuse:
        there, here = normalise(number), normalise(first) if first else ""
        for said, read in ((number, there), (first, here)):
            if read is None:
                return _refuse("", 484, f"{said[:40]!r} is no number")
        assert there is not None
        assert here is not None
        if {there, here} & set(self._settings().emergencynumbers):
            return _refuse("emergencynumbers", 403, "emergency numbers are called from a telephone, never by callback")
        if there in ({here} if here else set(account.numbers)):
            return _refuse("", 403, "both ends of this callback are the same")
        bindings = self._registrar.bindings(account.name, self._world.clock.wall())
        if not here and not bindings:
            return _refuse("", 480, f"no phone of {account.name} is registered, and no other number was named")
        if account.name in self._waiting.values():
            return _refuse("", 486, f"a callback of {account.name} is under way: it has to be answered first")
        wait_s = self._attempts.attempt(account.name, here, now)
        if wait_s > 0.0:
            return _refuse("", 503, f"too many callbacks were asked for; the next may be in {wait_s:.0f} s")
        newest = max(bindings, key=lambda each: each.expires_at, default=None)
        nobody = Flow("udp", (NOBODY, self._world.sip_port), (NOBODY, self._world.sip_port))
        return Wish(account, there, here, newest.flow if newest is not None else nobody)

    def _place(self, wish: Wish, now: float) -> Placed | Refuse:
        account = wish.account
        far_event, near_event = self._event(wish, wish.number, now), self._event(wish, wish.first, now)
        far = self._admit(far_event, account.name, wish.number, now, paced=True)
        if isinstance(far, Refuse):
            return far
        near = self._admit(near_event, account.name, wish.first or account.name, now, paced=False)
        if isinstance(near, Refuse):
            self._give_back(far_event.call_id, near, now)
            return near
        placed = Placed(far_event.call_id, near_event.call_id, wish.number, wish.first)
        self._waiting[placed.call_id] = account.name
        self._tell(wish, placed)
        shown = replace(near.plan, diverts=False)  # whoever is called back answers himself, or nobody does
        if not wish.first:
            shown = replace(shown, caller_user=wish.number, caller_display="")
        named = Named(shown_as(account).encode(), b"", wish.flow.remote, DEFAULT_HOPS, (), ())
        self._belongs(placed.first_call_id, placed.call_id)
        self._b2bua.call_back(
            Half(placed.first_call_id, near.dialled.groups, shown),
            Half(placed.call_id, far.dialled.groups, replace(far.plan, diverts=False)),
            named,
            now,
        )
        _log.info(
            "callback id=%s first=%s account=%s callee=%s", placed.call_id, placed.first_call_id, account.name,
            wish.number,
        )  # fmt: skip
        return placed

    def _admit(self, event: CallRequested, name: str, number: str, now: float, *, paced: bool) -> Refuse | CardCall:
        """One of the two calls, with its lease; a refusal is written down like every other one."""
        account = self._store.account(name)  # with the lines and the credit that the other call has taken
        assert account is not None
        caller = Caller(account)
        allowed = self._admission.card_call(event, caller, account, number, now, paced=paced, waits=WAITS)
        if isinstance(allowed, Refuse):
            self._admission.left(event, caller, account, number, allowed)
            _log.info(
                "callback refused account=%s callee=%s stage=%s setting=%s: %s", name, number, allowed.stage,
                allowed.setting, allowed.sentence,
            )  # fmt: skip
        return allowed

    def _give_back(self, call_id: str, refusal: Refuse, now: float) -> None:
        """The first party may not be called: the lease of the other call ends unused."""
        self._accounting.unreachable(call_id, 0, f"the first call was refused: {refusal.sentence}", refusal.setting)
        cause = Cause.of_status(refusal.status)
        self._accounting.ended(CallEnded(call_id, cause, EndedBy.APPLIANCE, now, None, None, now, None))

    def _event(self, wish: Wish, number: str, now: float) -> CallRequested:
        """The INVITE that the account would have sent."""
        user, tokens = escape_user(wish.account.name.encode()), self._world.tokens
        uri = Uri(b"sip", escape_user((number or wish.account.name).encode()), NOBODY.encode())
        headers = [(b"from", b"<sip:%b@%b>;tag=%b" % (user, NOBODY.encode(), tokens())), (b"call-id", tokens())]
        headers += [(b"to", b"<%b>" % uri.to_bytes()), (b"cseq", b"1 INVITE")]
        request = Request.new(b"INVITE", uri, headers)
        return CallRequested(tokens().decode(), b"", request, wish.flow, now)

    def _tell(self, wish: Wish, placed: Placed) -> None:
        name, source = wish.account.name, wish.flow.remote[0]
        for call_id, callee in ((placed.first_call_id, placed.first or name), (placed.call_id, placed.number)):
            told = {"call_id": call_id, "account": name, "caller": shown_as(wish.account), "callee": callee}
            self._feed.tell(Kind.CALL_BEGUN, **told, source=source)

    # -- events of calls ------------------------------------------------------------------------------------------

    def attended(self, event: CallAttended) -> None:
        """The first party is on the line, or has described itself anew: it hears ringing."""
        voice = self._world.voice
        if event.call_id in self._waiting and voice is not None:
            voice.begin(event.session, event.tongue)
            self._sessions[event.call_id] = event.session
            voice.play(event.session, ("ringing",), again=True, after_s=GRACE_S)

    def connect_failed(self, event: ConnectFailed) -> None:
        """The destination does not answer: there is nothing to wait for."""
        if event.call_id in self._waiting:
            self._b2bua.hangup(event.call_id, event.cause if event.cause.status else NORMAL, event.at)

    def answered(self, event: CallAnswered) -> None:
        """The destination has answered: the office is not heard any more."""
        self._over(event.call_id)

    def ended(self, event: CallEnded) -> None:
        """A call is over."""
        self._over(event.call_id)

    def _over(self, call_id: str) -> None:
        self._waiting.pop(call_id, None)
        session = self._sessions.pop(call_id, 0)
        if session and self._world.voice is not None:
            self._world.voice.end(session)


def shown_as(account: Account) -> str:
    """The number that others see of an account, else its name."""
    return account.numbers[0] if account.numbers else account.name


def _refuse(setting: str, status: int, sentence: str) -> Refuse:
    return Refuse(STAGE, setting, status, "", sentence)
