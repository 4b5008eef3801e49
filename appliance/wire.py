"""The control protocol between keeper, office and command line: its verbs, its shapes and its codec.

One JSON object a line over a unix stream socket; requests may be pipelined, replies keep their order.

    request   {"id": 7, "verb": "renew_lease", "args": {...}}
    reply     {"id": 7, "ok": true, "result": {...}}
    refusal   {"id": 7, "ok": false, "error": {"code": "...", "message": "...", "hint": "..."}}
    progress  {"id": 7, "progress": [done, total]}          (any number, before the reply)

This module knows shapes only: no sockets, no clock, no kernel. Every ``*_ns`` deadline is on CLOCK_MONOTONIC, the
clock of bpf_ktime_get_ns(); every ``*_at`` is Unix time in seconds. Addresses are text as `ipaddress` writes them.
"""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_T = typing.TypeVar("_T")

PROTOCOL_VERSION = 1
MAX_LINE_BYTES = 64 * 1024 * 1024


class WireError(Exception):
    """A refusal that may cross the wire: `code` for programs, `message` and `hint` for people."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


class KeeperVerb(StrEnum):
    """Everything that the root keeper does for others. Nothing else is reachable over its socket."""

    HELLO = "hello"  # Hello -> GateStatus
    SYNC = "sync"  # Plan -> Applied: the whole desired state; the keeper applies the difference
    OPEN_SESSION = "open_session"  # RelaySession -> {}; the same session again replaces its streams
    RENEW_LEASE = "renew_lease"  # Renewal -> {}
    CLOSE_SESSION = "close_session"  # SessionRef -> SessionCounters (final)
    COUNTERS = "counters"  # {} -> {"sessions": [SessionCounters]}
    TALLIES = "tallies"  # {} -> {"tallies": [Tally]}
    BAN = "ban"  # Ban -> {}
    UNBAN = "unban"  # Prefix -> {}
    BANS = "bans"  # {} -> {"bans": [Ban]}
    ALLOW = "allow"  # Source -> {}
    DISALLOW = "disallow"  # Prefix -> {}
    STATUS = "status"  # {} -> GateStatus


class SourceClass(StrEnum):
    """How much the gate trusts a source: `allow` passes everything, `known` has the generous bucket."""

    ALLOW = "allow"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Hello:
    """First verb of a connection. `version` must equal PROTOCOL_VERSION."""

    version: int = PROTOCOL_VERSION
    role: str = "office"


@dataclass(frozen=True, slots=True)
class Interface:
    """One attached interface. `mode` is native, generic or none; `reason` says why it is not native."""

    name: str
    mode: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GateStatus:
    """What the keeper runs. `relay` is `kernel` or `user`: who forwards RTP; `relay_reason` says why not the kernel."""

    version: int
    interfaces: tuple[Interface, ...]
    relay: str
    relay_reason: str = ""
    pinned: bool = False
    generation: int = 0
    sessions: int = 0
    bans: int = 0
    started_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Prefix:
    """An address or network: `192.0.2.7`, `2001:db8::/32`."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Source:
    """A trusted source. `expires_at` 0: until removed."""

    prefix: str
    kind: SourceClass = SourceClass.ALLOW
    expires_at: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ban:
    """A banned source. `expires_at` 0: until lifted; `rule` names the setting or `operator`."""

    prefix: str
    expires_at: float = 0.0
    rule: str = "operator"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RelayStream:
    """One side of one relayed flow: packets that arrive at `local` leave from `peer_local` to that side's remote.

    `local` and `peer_local` are (address, port) of the appliance; `remote` is what this side's SDP announced, or None
    when it is not known yet. With `learn`, the first valid packet's source replaces `remote` and is locked
    (symmetric RTP, RFC 4961). `payload_types` empty: any. `rtcp` streams are checked as RTCP (RFC 3550).
    """

    local: tuple[str, int]
    peer_local: tuple[str, int]
    remote: tuple[str, int] | None = None
    learn: bool = True
    rtcp: bool = False
    payload_types: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RelaySession:
    """All streams of one call and the instant at which the kernel stops forwarding them (0: not before answer)."""

    session: int
    deadline_ns: int
    streams: tuple[RelayStream, ...]


@dataclass(frozen=True, slots=True)
class Renewal:
    """A lease's new end."""

    session: int
    deadline_ns: int


@dataclass(frozen=True, slots=True)
class SessionRef:
    """A relay session by its key."""

    session: int


@dataclass(frozen=True, slots=True)
class StreamCounters:
    """What arrived at `local` and was forwarded; `dropped` was refused. `last_ns` 0: nothing yet."""

    local: tuple[str, int]
    packets: int = 0
    bytes: int = 0
    dropped: int = 0
    last_ns: int = 0
    source: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class SessionCounters:
    """The counters of all streams of one session; `found` is False when the kernel has no such session."""

    session: int
    found: bool
    streams: tuple[StreamCounters, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """The slots of bpf/limits.def by name; a slot that is missing keeps its default."""

    values: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole desired state of the gate, as the office knows it."""

    generation: int
    service_ports: tuple[tuple[str, int], ...]  # ("udp", 5060), ("tcp", 5060)
    relay_ports: tuple[int, int]  # first and last port of the media range
    limits: Limits = field(default_factory=Limits)
    sources: tuple[Source, ...] = ()
    bans: tuple[Ban, ...] = ()
    sessions: tuple[RelaySession, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """What a sync changed, in rows."""

    added: int
    changed: int
    removed: int


@dataclass(frozen=True, slots=True)
class Tally:
    """One verdict's totals since the gate was loaded."""

    verdict: str
    action: str
    text: str
    packets: int
    bytes: int


def encode(message: dict[str, Any]) -> bytes:
    """One line of the protocol, newline included."""
    return json.dumps(message, separators=(",", ":"), default=_jsonable).encode() + b"\n"


def request(ident: int, verb: str, args: Any = None) -> bytes:
    """The line that asks for `verb`; `args` is one of the dataclasses above, a dict or None."""
    return encode({"id": ident, "verb": verb, "args": {} if args is None else args})


def reply(ident: int, result: Any = None) -> bytes:
    """The line that answers request `ident`."""
    return encode({"id": ident, "ok": True, "result": {} if result is None else result})


def refusal(ident: int, error: WireError) -> bytes:
    """The line that refuses request `ident`."""
    fields = {"code": error.code, "message": error.message, "hint": error.hint}
    return encode({"id": ident, "ok": False, "error": fields})


def decode(line: bytes) -> dict[str, Any]:
    """One received line as a dict. Raises WireError("bad_line") for anything but one JSON object."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError("bad_line", f"not a line of JSON: {error}") from None
    if not isinstance(message, dict):
        raise WireError("bad_line", "a line must hold one JSON object")
    return message


def to_dict(value: Any) -> dict[str, Any]:
    """A wire dataclass as plain JSON types."""
    return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}


def from_dict(kind: type[_T], args: Any) -> _T:
    """`args` as the dataclass `kind`. Raises WireError("bad_args") that names the field and what it should be."""
    try:
        return typing.cast(_T, _reader(typing.cast(Any, kind))(args))
    except _Misfit as misfit:
        raise WireError("bad_args", misfit.place + misfit.says) from None


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass: looked up once, because lines are many."""
    return tuple(field.name for field in dataclasses.fields(kind))


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in _names(type(value))}
    raise TypeError(f"{type(value).__name__} has no wire form")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


class _Misfit(Exception):
    """A value that does not fit. `place` grows on the way out, up to the innermost dataclass's field."""

    def __init__(self, says: str, place: str = "") -> None:
        super().__init__(says)
        self.says, self.place = says, place


_Reader = Callable[[Any], Any]


@functools.cache
def _reader(hint: Any) -> _Reader:
    """The function that turns plain JSON into a value of type `hint`: made once, because lines are many."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _optional(_reader(next(each for each in args if each is not type(None))))
    if origin is tuple:
        return _sequence(_reader(args[0])) if args[1:] == (Ellipsis,) else _row(tuple(map(_reader, args)))
    if origin is dict:
        return _mapping(_reader(args[0]), _reader(args[1]))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _shape(hint)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _enum(hint)
    return _scalar(origin or hint)


def _scalar(plain: Any) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) is plain or plain is Any:
            return value
        if plain is float and type(value) is int:
            return float(value)
        raise _Misfit(f" must be {plain.__name__}, not {value!r:.60}")

    return read


def _optional(inner: _Reader) -> _Reader:
    return lambda value: None if value is None else inner(value)


def _enum(kind: type[StrEnum]) -> _Reader:
    def read(value: Any) -> Any:
        try:
            return kind(value)
        except ValueError:
            raise _Misfit(f" must be one of {', '.join(kind)}, not {value!r:.60}") from None

    return read


def _sequence(inner: _Reader) -> _Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _Misfit(" must be a list")
        index = 0
        try:
            items = []
            for index, item in enumerate(value):  # noqa: B007 - the index names the misfit
                items.append(inner(item))
            return tuple(items)
        except _Misfit as misfit:
            raise _placed(misfit, f"[{index}]") from None

    return read


def _row(inner: tuple[_Reader, ...]) -> _Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _Misfit(" must be a list")
        if len(value) != len(inner):
            raise _Misfit(f" must have {len(inner)} items, not {len(value)}")
        return tuple([each(item) for each, item in zip(inner, value, strict=True)])

    return read


def _mapping(of_name: _Reader, of_value: _Reader) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _Misfit(" must be an object")
        return {of_name(name): of_value(item) for name, item in value.items()}

    return read


def _shape(kind: type[Any]) -> _Reader:
    readers = {name: _reader(hint) for name, hint in typing.get_type_hints(kind).items()}

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _Misfit(" must be an object", kind.__name__)
        name, values = "", {}
        try:
            for name, item in value.items():
                values[name] = readers[name](item)
            return kind(**values)
        except _Misfit as misfit:
            raise _placed(misfit, f"{kind.__name__}.{name}") from None
        except KeyError:
            raise _Misfit(f" has no field {name!r}", kind.__name__) from None
        except TypeError as error:
            raise _Misfit(f": {error}", kind.__name__) from None

    return read


def _placed(misfit: _Misfit, place: str) -> _Misfit:
    """The misfit with `place` before it, unless a dataclass has named it already."""
    return misfit if misfit.place[:1] not in ("", "[") else _Misfit(misfit.says, place + misfit.place)
