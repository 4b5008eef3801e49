"""The registrar: which devices an address of record has now, changed by REGISTER requests that were let in already.

Pure: authentication, storage and the answer's way back are others' work. A request changes all the bindings it names
or none (RFC 3261 section 10.3 steps 6-8). `now` is Unix time in seconds, since bindings outlive the process.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pysrv.calls.bindings import Binding
from pysrv.calls.registration import (
    HOUR_S,
    Headers,
    Lifetimes,
    Refused,
    asked_binding,
    asks_outbound,
    check_order,
    granted,
)
from pysrv.sip.errors import BadMessage
from pysrv.sip.events import Flow
from pysrv.sip.message import Request


@dataclass(frozen=True, slots=True)
class RegistrarConfig:
    """What may be asked for. Times in seconds; `max_bindings` per address of record.

    With `replace_oldest`, a device beyond `max_bindings` takes the place of the one that was silent longest (a phone
    that starts again from new ports must not lock itself out); without, it is refused with 403.
    """

    min_expires_s: int = 60
    max_expires_s: int = HOUR_S
    default_expires_s: int = HOUR_S
    max_bindings: int = 10
    replace_oldest: bool = True


@dataclass(frozen=True, slots=True)
class Saved:
    """A binding to store under (aor, contact_text)."""

    binding: Binding


@dataclass(frozen=True, slots=True)
class Removed:
    """A binding to delete from the store."""

    binding: Binding


Change = Saved | Removed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to answer, what the AOR's bindings are now, and what of it the store does not know yet.

    `changes` are in order and empty unless `status` is 200. `reason` is for the status line and the log.
    """

    status: int
    reason: str = ""
    headers: Headers = ()
    bindings: tuple[Binding, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(slots=True)
class _Draft:
    """The AOR's bindings while a request is being applied: those from before, and what the request makes of them."""

    before: tuple[Binding, ...]
    after: list[Binding]
    touched: list[Binding] = field(default_factory=list)

    def take(self, new: Binding, *, remove: bool) -> None:
        """Put `new` in the place of the binding it replaces, or take that one away. Raises Refused when it is late."""
        old = next((binding for binding in self.after if binding.is_same_device(new)), None)
        if old is not None:
            if old not in self.touched:
                check_order(old, new.call_id, new.cseq)
            self.after.remove(old)
        if not remove:
            self.after.append(new)
            self.touched.append(new)

    def changes(self, held: tuple[Binding, ...]) -> tuple[Change, ...]:
        """What the store must do about it, which still has all of `held` (what ran out meanwhile included)."""
        keys = {binding.contact_text for binding in self.after}
        gone = [Removed(binding) for binding in held if binding.contact_text not in keys]
        return (*gone, *(Saved(binding) for binding in self.after if binding in self.touched))


class Registrar:
    """All bindings of all addresses of record."""

    def __init__(self, config: RegistrarConfig | None = None) -> None:
        self.config = config or RegistrarConfig()
        self._bindings: dict[str, tuple[Binding, ...]] = {}
        self._due: list[tuple[float, str]] = []  # a heap; an AOR may be in it earlier than need be, never later
        self._due_at: dict[str, float] = {}
        self._behind: dict[str, dict[str, int]] = {}  # source address -> AOR -> number of bindings

    def register(self, aor: str, request: Request, flow: Flow, now: float) -> Outcome:
        """Apply one REGISTER for `aor`. Statuses: 200, 400, 403 (too many), 423 (too brief), 439, 500 (late)."""
        live = self._live(aor, now)
        draft = _Draft(live, list(live))
        try:
            self._apply(draft, aor, request, flow, now)
        except Refused as refused:
            return Outcome(refused.status, refused.reason, refused.headers)
        except BadMessage as bad:
            return Outcome(bad.status, bad.reason)
        changes: tuple[Change, ...] = ()
        if draft.after != list(live):
            changes = draft.changes(self._bindings.get(aor, ()))
            self._put(aor, tuple(draft.after))
        bindings = self.bindings(aor, now)
        return Outcome(200, "OK", _ok_headers(request, bindings, now), bindings, changes)

    def adds(self, aor: str, request: Request, flow: Flow, now: float) -> bool:
        """Whether a REGISTER asks for a device that `aor` has not got; False for one that will be refused anyway."""
        held, lifetimes = self._live(aor, now), Lifetimes(0, self.config.max_expires_s, self.config.default_expires_s)
        try:
            contacts = request.contacts
            outbound = asks_outbound(request, contacts)
            wanted = [contact for contact in contacts if granted(contact, request.expires, lifetimes)]
            asked = [asked_binding(aor, contact, request, flow, outbound) for contact in wanted]
        except (Refused, BadMessage):
            return False
        return any(not any(binding.is_same_device(new) for binding in held) for new in asked)

    def bindings(self, aor: str, now: float) -> tuple[Binding, ...]:
        """The live bindings of `aor`, in the order to try them: by q, among equals the last registered first."""
        return tuple(sorted(self._live(aor, now), key=lambda binding: (-binding.q, -binding.registered_at)))

    def behind(self, address: str, now: float) -> tuple[Binding, ...]:
        """The live bindings whose REGISTER came from this source address."""
        aors = self._behind.get(address, {})
        return tuple(b for aor in sorted(aors) for b in self._live(aor, now) if b.flow.remote[0] == address)

    def all_bindings(self, now: float) -> tuple[Binding, ...]:
        """Every live binding."""
        return tuple(binding for aor in self._bindings for binding in self._live(aor, now))

    def __len__(self) -> int:
        """Bindings held, those that ran out since the last `expire` included."""
        return sum(map(len, self._bindings.values()))

    def load(self, bindings: Iterable[Binding]) -> None:
        """Take over stored bindings, at start. A second one for the same device replaces the first."""
        for binding in bindings:
            others = (b for b in self._bindings.get(binding.aor, ()) if not b.is_same_device(binding))
            self._put(binding.aor, (*others, binding))

    def get_timer(self) -> float | None:
        """When `expire` should be called next; early is harmless. None: nothing to wait for."""
        return self._due[0][0] if self._due else None

    def expire(self, now: float) -> tuple[Removed, ...]:
        """Drop what ran out by `now`."""
        gone: list[Removed] = []
        while self._due and self._due[0][0] <= now:
            at, aor = heapq.heappop(self._due)
            if self._due_at.get(aor) != at:
                continue
            del self._due_at[aor]
            gone += [Removed(binding) for binding in self._bindings.get(aor, ()) if binding.expires_at <= now]
            self._put(aor, self._live(aor, now))
        return tuple(gone)

    def remove(self, aor: str) -> tuple[Removed, ...]:
        """Drop every binding of `aor`: the account is gone or was blocked."""
        gone = tuple(map(Removed, self._bindings.get(aor, ())))
        self._put(aor, ())
        return gone

    def drop(self, aor: str, contact: str) -> tuple[Removed, ...]:
        """Drop the one binding of `aor` with that `contact_text`."""
        held = self._bindings.get(aor, ())
        gone = tuple(Removed(binding) for binding in held if binding.contact_text == contact)
        if gone:
            self._put(aor, tuple(binding for binding in held if binding.contact_text != contact))
        return gone

    def flow_closed(self, flow: Flow) -> tuple[Removed, ...]:
        """Drop the bindings that came over a stream that is closed: behind it nobody can be reached any more."""
        if not flow.connection:
            return ()
        gone: list[Removed] = []
        for aor in list(self._behind.get(flow.remote[0], ())):
            lost = [b for b in self._bindings[aor] if b.flow.connection == flow.connection]
            self._put(aor, tuple(b for b in self._bindings[aor] if b not in lost))
            gone += map(Removed, lost)
        return tuple(gone)

    def _apply(self, draft: _Draft, aor: str, request: Request, flow: Flow, now: float) -> None:
        if request.contact_star:
            if request.expires != 0:
                raise Refused(400, "Contact * needs Expires: 0")
            for binding in draft.before:
                check_order(binding, request.call_id, request.cseq.number)
            draft.after.clear()
            return
        contacts = request.contacts
        if len(contacts) > self.config.max_bindings:
            raise Refused(403, "Too Many Contacts")
        lifetimes = Lifetimes(self.config.min_expires_s, self.config.max_expires_s, self.config.default_expires_s)
        outbound = asks_outbound(request, contacts)
        for contact in contacts:
            seconds = granted(contact, request.expires, lifetimes)
            new = asked_binding(aor, contact, request, flow, outbound)
            draft.take(replace(new, expires_at=now + seconds, registered_at=now), remove=seconds == 0)
        self._make_room(draft)

    def _make_room(self, draft: _Draft) -> None:
        excess = len(draft.after) - self.config.max_bindings
        if excess <= 0 or not draft.touched:
            return
        if not self.config.replace_oldest:
            raise Refused(403, "Too Many Registrations")
        for binding in sorted(draft.after, key=lambda b: (b in draft.touched, b.registered_at))[:excess]:
            draft.after.remove(binding)

    def _live(self, aor: str, now: float) -> tuple[Binding, ...]:
        held = self._bindings.get(aor, ())
        return held if all(b.expires_at > now for b in held) else tuple(b for b in held if b.expires_at > now)

    def _put(self, aor: str, bindings: tuple[Binding, ...]) -> None:
        for binding in self._bindings.get(aor, ()):
            self._count(binding, -1)
        for binding in bindings:
            self._count(binding, +1)
        if not bindings:
            self._bindings.pop(aor, None)
            self._due_at.pop(aor, None)
            return
        self._bindings[aor] = bindings
        first = min(binding.expires_at for binding in bindings)
        if first < self._due_at.get(aor, float("inf")):
            self._due_at[aor] = first
            heapq.heappush(self._due, (first, aor))

    def _count(self, binding: Binding, step: int) -> None:
        aors = self._behind.setdefault(binding.flow.remote[0], {})
        aors[binding.aor] = aors.get(binding.aor, 0) + step
        if not aors[binding.aor]:
            del aors[binding.aor]
        if not aors:
            del self._behind[binding.flow.remote[0]]


def _ok_headers(request: Request, bindings: tuple[Binding, ...], now: float) -> Headers:
    found = [(b"contact", binding.contact_value(now)) for binding in bindings]
    if b"path" in request.supported:
        found += [(b"path", value) for value in request.headers.get_all(b"path")]
    if any(binding.reg_id and binding.call_id == request.call_id for binding in bindings):
        found.append((b"require", b"outbound"))
    return tuple(found)
