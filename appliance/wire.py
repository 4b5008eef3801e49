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
    PULSE = "pulse"  # Pulse -> Events: the office's heartbeat; the reply brings what the kernel saw
    BAN_PAIR = "ban_pair"  # PairBan -> {}
    UNBAN_PAIR = "unban_pair"  # Pair -> {}
    KNOW_PAIR = "know_pair"  # KnownPair -> {}: a registered device; again moves its expiry
    FORGET_PAIR = "forget_pair"  # Pair -> {}
    REMEMBER = "remember"  # Refresh -> {}: the kernel answers this REGISTER's repetitions
    FORGET = "forget"  # RefreshRef -> {}
    OFFENDERS = "offenders"  # Top -> {"offenders": [Offender]}
    SAMPLES = "samples"  # SampleQuery -> {"samples": [Sample]}
    LISTS = "lists"  # {} -> {"lists": [ListStatus]}
    LOAD_LIST = "load_list"  # ListChunk -> ListStatus: the last chunk puts the list in force, all of it at once
    DROP_LIST = "drop_list"  # ListRef -> {}


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
    """One guarded interface. `mode` is native, generic, nftables or none; `reason` says why it is no better one."""

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
    pairs: int = 0  # devices that are known or banned by address and port
    queue_delay_ms: float = -1.0  # of the last pulse; below 0: no service has pulsed
    offences: int = 0  # since the keeper started, as are the samples; what was lost, since the maps were made
    lost_offences: int = 0
    samples: int = 0
    lost_samples: int = 0
    missing: tuple[str, ...] = ()  # protection that this kind of gate does not give, in words


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
    """A banned source. `expires_at` 0: until lifted; `rule` names the setting or `operator`.

    With `spares_known`, known pairs inside the prefix go on working: so every automatic ban is made.
    """

    prefix: str
    expires_at: float = 0.0
    rule: str = "operator"
    reason: str = ""
    spares_known: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """One socket of one device: an address and a UDP or TCP port."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class KnownPair:
    """A device that is registered from here. A ban of its address that was made automatically leaves it working."""

    address: str
    port: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class PairBan:
    """A banned socket behind an address that stays open for others; fields as in `Ban`."""

    address: str
    port: int
    expires_at: float = 0.0
    rule: str = "operator"
    reason: str = ""


class FirewallAction(StrEnum):
    """What a static rule does with what it matches."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """A static rule: the most specific network that matches wins, and a rule with a port before one without.

    `protocol` is udp, tcp or any; `port` 0: every port (and then `protocol` is any).
    """

    prefix: str
    action: FirewallAction
    protocol: str = "any"
    port: int = 0


@dataclass(frozen=True, slots=True)
class Challenge:
    """The stateless SIP challenge. `keys`: 16 bytes each in hex, by slot (nonce time / `epoch_s`) modulo their number.

    `nonce_ttl_s` is how old a nonce may be. Disabled, or without keys, strangers go to the service within their bucket.
    """

    enabled: bool = False
    realm: str = ""
    keys: tuple[str, ...] = ()
    epoch_s: int = 3600
    nonce_ttl_s: int = 300
    server: str = ""


@dataclass(frozen=True, slots=True)
class Refresh:
    """A REGISTER whose repetition from the same source the kernel answers until `until`.

    `address_of_record`, `contact` and `expires` are the values of To, Contact and Expires as they stood in the request
    (`expires` empty without that header). `expires_at` is the binding's own end: the answer says what is left of it.
    """

    address: str
    port: int
    address_of_record: str
    contact: str
    expires_at: float
    until: float
    expires: str = ""


@dataclass(frozen=True, slots=True)
class RefreshRef:
    """Refreshes to forget: those of one address of record; with `address`, those of that source too."""

    address_of_record: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The office is alive, and a datagram waits `queue_delay_ms` in its socket before it is read."""

    queue_delay_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Offence:
    """A source passed a limit in the kernel. `rule` is the setting, `count` what was seen since `since_at`.

    `sample` is the beginning of the packet that passed the limit, in base64, from its Ethernet header on.
    """

    rule: str
    address: str
    port: int
    count: int
    since_at: float
    at: float
    verdict: str
    sample: str = ""


@dataclass(frozen=True, slots=True)
class Events:
    """What the kernel saw since the last pulse; `lost` counts what was not kept."""

    offences: tuple[Offence, ...] = ()
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Top:
    """How many offenders to name."""

    limit: int = 20


@dataclass(frozen=True, slots=True)
class Offender:
    """One source and what the gate has seen of it on service ports since `since_at`. IPv6: its /64."""

    address: str
    messages: int
    wrong: int
    unauthenticated: int
    dropped: int
    since_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class SampleQuery:
    """Which sampled drops to return: the newest `limit`, of one source (a network, too) or verdict when named.

    `after`: only those with a higher `number`, for one who asks again and again.
    """

    limit: int = 100
    address: str = ""
    verdict: str = ""
    after: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """A dropped packet: its verdict, its length on the wire, and its beginning in base64.

    `number` counts the samples since the keeper started.
    """

    at: float
    verdict: str
    interface: str
    bytes: int
    frame: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class ListRef:
    """An imported ban list by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class ListStatus:
    """An imported ban list in the kernel. `digest` is what its loader called this content."""

    name: str
    digest: str
    entries: int
    complete: bool = True


class ListKind(StrEnum):
    """What a list does with the networks on it."""

    BAN = "ban"  # whoever is on it and not known is kept out
    COUNTRY_DENY = "country_deny"  # everybody on it is kept out
    COUNTRY_ALLOW = "country_allow"  # everybody who is on no such list is kept out


@dataclass(frozen=True, slots=True)
class ListChunk:
    """A part of a list: `packed` is base64 of appliance.networks' rows, address (IPv4 mapped) and prefix bits.

    `first` begins the list anew beside what is in force; `last` puts it in force and removes what it replaces.
    `entries` says with the first part how many rows there will be at most.
    """

    name: str
    digest: str
    packed: str
    first: bool = False
    last: bool = False
    kind: ListKind = ListKind.BAN
    entries: int = 0


@dataclass(frozen=True, slots=True)
class RelayStream:
    """One side of one relayed flow: packets that arrive at `local` leave from `peer_local` to that side's remote.

    `local` and `peer_local` are (address, port) of the appliance; `remote` is what this side's SDP announced, or None
    when it is not known yet. With `learn`, the first source that sends a few consistent packets replaces `remote` and
    is locked (symmetric RTP, RFC 4961); `near` is the address that this side's signalling comes from, where it is
    learned soonest, and nowhere else if `remote` is there too. `payload_types` empty: any. `rtcp` streams are checked
    as RTCP (RFC 3550).
    """

    local: tuple[str, int]
    peer_local: tuple[str, int]
    remote: tuple[str, int] | None = None
    learn: bool = True
    rtcp: bool = False
    payload_types: tuple[int, ...] = ()
    muted: bool = False  # checked, learned from and counted, but not forwarded: early media that a setting blocks
    packets_per_s: int = 0  # most that the negotiated codecs send; 0: the gate's default
    packet_bytes: int = 0  # largest payload of the negotiated codecs, RTP header included; 0: the gate's default
    near: str = ""
    final: bool = False  # whoever was learned first keeps the lock, even against `remote`
    dtls: bool = False  # a fingerprint was negotiated: DTLS handshakes pass (RFC 5764)
    many: bool = False  # several SSRCs share the stream, as video with retransmission does (RFC 4588): all may pass


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
    known_pairs: tuple[KnownPair, ...] = ()
    pair_bans: tuple[PairBan, ...] = ()
    firewall: tuple[FirewallRule, ...] = ()
    challenge: Challenge = field(default_factory=Challenge)
    scanners: tuple[str, ...] = ()  # substrings of User-Agents that are refused
    report_only: tuple[str, ...] = ()  # verdicts that are counted and not acted on
    protected: tuple[str, ...] = ()  # addresses and networks that no ban may cover: the management's own


@dataclass(frozen=True, slots=True)
class Applied:
    """What a sync changed, in rows, and what it left out.

    `skipped`: bans and denies that cover a protected address, and names in `report_only` that no rule has.
    """

    added: int
    changed: int
    removed: int
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """One verdict's totals since the gate was loaded."""

    verdict: str
    action: str
    text: str
    packets: int
    bytes: int
    reported: int = 0  # packets that this verdict would have ended, were it not in report-only


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
