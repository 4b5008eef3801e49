"""What was said on the wire, by call: a bounded memory of SIP messages, so that a call can be explained afterwards.

Every message in and out is noted with its time and flow. All dialogs of a call, the caller's and each callee's, make
one trace; what never became a call (registrations, refused attempts, scanners) is kept apart and less long, so that a
storm of it pushes no call out.

Messages are kept as they were, up to MOST_BYTES: headers that nobody thought of are what a hard case turns on. To note
one costs a search for its Call-ID; nothing is parsed, and nothing taken out, until somebody looks. Whoever looks gets
`Noted.text`, from which passwords and keys are gone (sip.scrub); nothing else leaves this room.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pysrv.sip.events import Flow
from pysrv.sip.scrub import scrubbed

MOST_BYTES: Final = 4096  # of one message
OVERHEAD_BYTES: Final = 200  # that a kept message costs beside its text, roughly
_find_call_id = re.compile(rb"[\r\n](?:call-id|i)[ \t]*:[ \t]*([^\r\n]{1,256})", re.IGNORECASE).search
_find_cseq = re.compile(rb"[\r\n]cseq[ \t]*:[ \t]*(\d{1,10})[ \t]+([A-Za-z.!%*_+`'~-]{1,32})", re.IGNORECASE).search
_from_tag: Final = re.compile(rb"[\r\n](?:from|f)[ \t]*:[^\r\n]*;[ \t]*tag=([^\s;,>]{1,128})", re.IGNORECASE)
_to_tag: Final = re.compile(rb"[\r\n](?:to|t)[ \t]*:[^\r\n]*;[ \t]*tag=([^\s;,>]{1,128})", re.IGNORECASE)
_users: Final = re.compile(
    rb"[\r\n](?:from|f|to|t)[ \t]*:[^\r\n]*?sips?:([^@\s;>]{1,128})@|[\r\n](?:proxy-)?authorization[ \t]*:[^\r\n]*?"
    rb"\busername[ \t]*=[ \t]*\"([^\"\r\n]{1,128})\"",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Room:
    """How much is kept: traces and bytes of calls and of what was none, and messages of one trace."""

    calls: int = 1000
    calls_bytes: int = 32 * 1024 * 1024
    attempts: int = 500
    attempts_bytes: int = 4 * 1024 * 1024
    messages: int = 400
    attempt_messages: int = 40


class Noted(NamedTuple):
    """One message: Unix time, whether we sent it, its path, the dialog it is of, and what only `text` may read."""

    at: float
    out: bool
    flow: Flow
    leg: int  # 0: the one that began the trace
    raw: bytes

    def __repr__(self) -> str:
        return f"Noted({self.at}, out={self.out}, {self.start_line!r})"  # `raw` holds answers to challenges

    @property
    def text(self) -> bytes:
        """The message without its secrets."""
        return scrubbed(self.raw)

    @property
    def start_line(self) -> str:
        """The first line."""
        return scrubbed(self.raw.lstrip(b"\r\n").partition(b"\n")[0].rstrip(b"\r")).decode("utf-8", "replace")[:200]

    @property
    def status(self) -> int:
        """Of a response; 0 for a request."""
        words = self.start_line.split(" ", 2)
        return int(words[1]) if words[0] == "SIP/2.0" and len(words) > 1 and words[1].isdecimal() else 0

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method of the transaction; 0 and nothing when it has none."""
        found = _find_cseq(self.raw)
        return (int(found[1]), found[2].decode()) if found else (0, "")

    @property
    def has_description(self) -> bool:
        """Whether it carries SDP."""
        return b"\r\n\r\nv=0" in self.raw


@dataclass(slots=True)
class Trace:
    """The messages of one call, or of one attempt, in the order of time. `call_id` is empty for what was no call."""

    source: str
    began_at: float
    legs: list[bytes]  # Call-IDs; the first is the one that began it
    call_id: str = ""
    account: str = ""
    messages: list[Noted] = field(default_factory=list)
    size: int = 0
    left_out: int = 0

    def names(self) -> set[str]:
        """The account, and every user that its first messages claim to be or to ask for."""
        found = {self.account} if self.account else set()
        for noted in self.messages[:8]:
            pairs = _users.findall(noted.raw)
            found |= {(user or login).decode("utf-8", "replace") for user, login in pairs}
        return found

    def add(self, noted: Noted, most: int) -> int:
        """Keep a message; of too many the first and the last are kept. Returns by how many bytes the trace grew."""
        before = self.size
        self.messages.append(noted)
        self.size += len(noted.raw) + OVERHEAD_BYTES
        if len(self.messages) > most:
            gone = self.messages.pop(most // 2)
            self.size -= len(gone.raw) + OVERHEAD_BYTES
            self.left_out += 1
        return self.size - before


class Shelf:
    """Traces of one sort; the one that has been quiet longest goes first."""

    __slots__ = ("_most", "_most_bytes", "_size", "held")

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes, self._size = most, most_bytes, 0
        self.held: OrderedDict[int, Trace] = OrderedDict()  # by identity: a trace changes while it is here

    def put(self, trace: Trace) -> list[Trace]:
        """Take a trace in; returns those that had to go."""
        self.held[id(trace)] = trace
        self._size += trace.size
        return self._squeeze()

    def touch(self, trace: Trace, grown: int) -> list[Trace]:
        """A trace that is here has grown; returns those that had to go."""
        self.held.move_to_end(id(trace))
        self._size += grown
        return self._squeeze()

    def drop(self, trace: Trace) -> None:
        """Let one go."""
        if self.held.pop(id(trace), None) is not None:
            self._size -= trace.size

    def _squeeze(self) -> list[Trace]:
        gone = []
        while self.held and (len(self.held) > self._most or self._size > self._most_bytes):
            _, oldest = self.held.popitem(last=False)
            self._size -= oldest.size
            gone.append(oldest)
        return gone


class Traces:
    """All that is remembered. `owner(call_id, tag)` names the call whose dialog of ours has this Call-ID and tag."""

    def __init__(self, owner: Callable[[bytes, bytes], str | None], room: Room | None = None) -> None:
        self._owner = owner
        self.use(room or Room())

    def use(self, room: Room) -> None:
        """Begin anew with so much room; none for calls: nothing is kept at all."""
        self._room = room
        self._calls = Shelf(room.calls, room.calls_bytes)
        self._attempts = Shelf(room.attempts, room.attempts_bytes)
        self._by_leg: dict[bytes, tuple[Trace, int]] = {}
        self._by_call: dict[str, Trace] = {}
        self._same: dict[str, str] = {}

    @property
    def held(self) -> tuple[int, int]:
        """How many calls and how many attempts are remembered."""
        return len(self._calls.held), len(self._attempts.held)

    def note(self, at: float, flow: Flow, message: bytes, *, out: bool) -> bytes:
        """Remember a message; returns the Call-ID that all messages of its call share."""
        leg = _call_id(message) or b"?" + flow.remote[0].encode()  # what has none is told apart by who sent it
        if not self._room.calls:
            return leg
        known = self._by_leg.get(leg)
        trace, number = known if known is not None else self._begin(at, out, flow, message, leg)
        noted = Noted(at, out, flow, number, message[:MOST_BYTES])
        if trace.call_id:
            gone = self._calls.touch(trace, trace.add(noted, self._room.messages))
        else:
            gone = self._attempts.touch(trace, trace.add(noted, self._room.attempt_messages))
        shared = trace.legs[0]
        if gone:
            self._forget(gone)
        return shared

    def belongs(self, leg: bytes, call_id: str, account: str) -> None:
        """An attempt has become the call `call_id`, whether it is let through or refused."""
        known = self._by_leg.get(leg)
        if known is None or known[0].call_id:
            return
        trace = known[0]
        self._attempts.drop(trace)
        trace.call_id, trace.account = call_id, account
        self._by_call[call_id] = trace
        self._forget(self._calls.put(trace))

    def of_call(self, call_id: str) -> Trace | None:
        """The trace of a call."""
        return self._by_call.get(self._same.get(call_id, call_id))

    def same(self, call_id: str, other: str) -> None:
        """What is said in the call `call_id` is remembered as the other one's."""
        if len(self._same) >= max(1, self._room.calls):
            del self._same[next(iter(self._same))]
        self._same[call_id] = other

    def of_dialog(self, dialog_id: bytes) -> Trace | None:
        """The trace that has a dialog with this Call-ID."""
        known = self._by_leg.get(dialog_id)
        return known[0] if known is not None else None

    def find(self, account: str = "", source: str = "") -> Iterator[Trace]:
        """Calls and attempts of an account (or of a user so named) and from an address, latest first."""
        both = [*self._calls.held.values(), *self._attempts.held.values()]
        for trace in sorted(both, key=lambda trace: trace.messages[-1].at, reverse=True):
            if (not source or trace.source == source) and (not account or account in trace.names()):
                yield trace

    def _begin(self, at: float, out: bool, flow: Flow, text: bytes, leg: bytes) -> tuple[Trace, int]:
        """The trace that a dialog which is news belongs to: its call's, or one of its own."""
        call_id = self._owner(leg, _our_tag(out, text))
        trace = self._by_call.get(call_id) if call_id else None
        if trace is None:
            trace = Trace(flow.remote[0], at, [], call_id or "")
            if call_id:
                self._by_call[call_id] = trace
            self._forget((self._calls if call_id else self._attempts).put(trace))
        trace.legs.append(leg)
        self._by_leg[leg] = trace, len(trace.legs) - 1
        return self._by_leg[leg]

    def _forget(self, gone: list[Trace]) -> None:
        for trace in gone:
            for leg in trace.legs:
                self._by_leg.pop(leg, None)
            self._by_call.pop(trace.call_id, None)


def _call_id(text: bytes) -> bytes:
    """The Call-ID of a message; empty when it has none. Written as most write it, it is found without a search."""
    at = text.find(b"\nCall-ID: ")
    if at >= 0:
        end = text.find(b"\n", at + 10)
        return text[at + 10 : end if end >= 0 else None].strip()[:256]
    found = _find_call_id(text)
    return found[1].strip() if found else b""


def _our_tag(out: bool, text: bytes) -> bytes:
    """The tag of our end: From's of a request that we send and of its answers, To's of theirs."""
    is_response = text.lstrip(b"\r\n").startswith(b"SIP/2.0 ")
    found = (_from_tag if out != is_response else _to_tag).search(text)
    return found[1] if found else b""
