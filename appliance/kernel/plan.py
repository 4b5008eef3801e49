"""Which rows the maps should hold for a wire.Plan, and what has to change to get there.

Pure: no kernel, no clock, no files. Rows are named tuples that compare by value; maps.py turns them into bytes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zlib import crc32

from appliance import wire
from appliance.kernel import layout, policy, scanners
from appliance.kernel.challenge import challenge_row
from appliance.kernel.policy import PolicyRow

Endpoint = tuple[bytes, int]  # (16 bytes, port)
Network = tuple[bytes, int]  # (16 bytes, prefix bits of 128)

PROTOCOLS: Final = {"tcp": 6, "udp": 17}
_MAPPED: Final = layout.network("0.0.0.0/0")[0][:12]
_LARGEST: Final = (1 << 62) - 1
FOREVER: Final = (1 << 64) - 1
_network = lru_cache(maxsize=256)(layout.network)  # the same prefix is asked for several times in a row


class MapName(StrEnum):
    """The maps that a plan fills, in the order in which they are written: who may pass before who may not."""

    POLICY = "policies"
    SOURCES = "sources"
    SOURCE_NETS = "source_nets"
    PAIRS = "pairs"
    BANS = "bans"
    BAN_NETS = "ban_nets"
    LEASES = "leases"
    STREAMS = "streams"
    SERVICE_PORTS = "service_ports"
    SCANNERS = "scanners"
    REFRESHES = "refreshes"  # no plan names any: each sync forgets them all


class BanRow(NamedTuple):
    """`until_ns` on CLOCK_MONOTONIC; 0: until lifted. What it spares: see wire.Ban."""

    until_ns: int
    spares_known: bool = False
    spares_proven: bool = False


class PairRow(NamedTuple):
    """One device; both on CLOCK_MONOTONIC, 0: not so, FOREVER: no end. Banned comes before known."""

    known_until_ns: int = 0
    banned_until_ns: int = 0


class SourceRow(NamedTuple):
    """A trusted source; `until_ns` as in BanRow."""

    until_ns: int
    kind: wire.SourceClass


class StreamRow(NamedTuple):
    """One stream; `payload_types` is a bit mask, 0 for any; `pace` its bucket as (packets, ns for one more), 0: any.

    `learn_far`: a source that is neither at the announced nor at the near address may be learned too.
    """

    session: int
    peer: Endpoint
    remote: Endpoint | None
    peer_remote: Endpoint | None
    learn: bool
    rtcp: bool
    payload_types: int
    near: bytes | None = None
    learn_far: bool = False
    final: bool = False
    muted: bool = False
    dtls: bool = False
    many: bool = False
    office: bool = False
    pace: tuple[int, int] = (0, 0)
    packet_bytes: int = 0


Rows = dict[MapName, dict[Any, Any]]


@dataclass(frozen=True, slots=True)
class PlanDiff:
    """What turns one set of rows into another. A map without differences is not mentioned."""

    adds: Rows = field(default_factory=dict)
    changes: Rows = field(default_factory=dict)
    removes: dict[MapName, list[Any]] = field(default_factory=dict)

    @property
    def applied(self) -> wire.Applied:
        """The same, counted."""
        added, changed, removed = (sum(map(len, part.values())) for part in (self.adds, self.changes, self.removes))
        return wire.Applied(added, changed, removed)


def diff(current: Rows, desired: Rows) -> PlanDiff:
    """The least that has to be written: rows only `desired` has, rows whose values differ, keys only `current` has."""
    found = PlanDiff()
    for name in MapName:
        now, then = current.get(name, {}), desired.get(name, {})
        adds = {key: row for key, row in then.items() if key not in now}
        changes = {key: row for key, row in then.items() if key in now and now[key] != row}
        removes = [key for key in now if key not in then]
        if adds:
            found.adds[name] = adds
        if changes:
            found.changes[name] = changes
        if removes:
            found.removes[name] = removes
    return found


def desired(plan: wire.Plan, *, boot_ns: int, now_ns: int, relay_here: bool, skipped: list[str] | None = None) -> Rows:
    """All rows for `plan`; what is left out of it is named in `skipped` (see wire.Applied).

    `boot_ns` is the Unix time in ns at which CLOCK_MONOTONIC was 0 and `now_ns` that clock now: what has expired is
    left out. Raises WireError that names the entry which is wrong.
    """
    rows: Rows = {name: {} for name in MapName}
    left_out = skipped if skipped is not None else []
    rows[MapName.POLICY][0] = policy_row(plan, relay_here, boot_ns, left_out)
    rows[MapName.SCANNERS][0] = scanners.wanted(plan.scanners)
    for protocol, port in plan.service_ports:
        rows[MapName.SERVICE_PORTS][service_port(protocol, port)] = 1
    for source in plan.sources:
        until_ns = deadline(source.expires_at, boot_ns)
        if not until_ns or until_ns > now_ns:
            _put(rows, (MapName.SOURCES, MapName.SOURCE_NETS), source.prefix, SourceRow(until_ns, source.kind))
    protected = networks(plan.protected)
    for ban in plan.bans:
        until_ns = deadline(ban.expires_at, boot_ns)
        if not until_ns or until_ns > now_ns:
            if covers(protected, bannable(ban.prefix)):
                left_out.append(ban.prefix)
                continue
            row = BanRow(until_ns, ban.spares_known, ban.spares_proven)
            _put(rows, (MapName.BANS, MapName.BAN_NETS), ban.prefix, row)
    _put_pairs(rows[MapName.PAIRS], plan, boot_ns, now_ns, protected, left_out)
    for session in plan.sessions:
        _put_session(rows, session)
    return rows


def _put(rows: Rows, maps: tuple[MapName, MapName], prefix: str, row: Any) -> None:
    name, key = place(maps, prefix)
    rows[name][key] = row


def _put_pairs(
    pairs: dict[Endpoint, PairRow],
    plan: wire.Plan,
    boot_ns: int,
    now_ns: int,
    protected: list[Network],
    left_out: list[str],
) -> None:
    for known in plan.known_pairs:
        until_ns = pair_deadline(known.expires_at, boot_ns)
        if until_ns > now_ns:
            pairs[endpoint((known.address, known.port))] = PairRow(until_ns)
    for ban in plan.pair_bans:
        until_ns = pair_deadline(ban.expires_at, boot_ns)
        if covers(protected, ban.address):
            left_out.append(f"{ban.address} port {ban.port}")
        elif until_ns > now_ns:
            where = endpoint((ban.address, ban.port))
            pairs[where] = pairs.get(where, PairRow())._replace(banned_until_ns=until_ns)


def _put_session(rows: Rows, session: wire.RelaySession) -> None:
    if session.session in rows[MapName.LEASES]:
        raise wire.WireError("bad_session", f"session {session.session} is in the plan twice")
    rows[MapName.LEASES][session.session] = lease(session.session, session.deadline_ns)
    for local, row in stream_rows(session).items():
        if local in rows[MapName.STREAMS]:
            raise port_in_use(local, rows[MapName.STREAMS][local].session)
        rows[MapName.STREAMS][local] = row


def place(maps: tuple[MapName, MapName], prefix: str) -> tuple[MapName, Any]:
    """The map and the key of a prefix: single addresses lie in the first map, networks in the second."""
    packed, bits = _network(prefix)
    if bits < 96 and packed == _masked(bits):
        raise wire.WireError("bad_prefix", f"{prefix} would hold for every IPv4 address too", "name a longer prefix")
    return (maps[0], packed) if bits == 128 else (maps[1], (packed, bits))


def _masked(bits: int) -> bytes:
    """The network of `bits` bits around the IPv4-mapped addresses."""
    return layout.network(f"::ffff:0:0/{bits}")[0]


def bannable(prefix: str) -> str:
    """`prefix` itself; raises WireError when it would ban everyone."""
    packed, bits = _network(prefix)
    if bits == 0 or (bits == 96 and packed[:12] == _MAPPED):
        raise wire.WireError("bad_prefix", f"{prefix} would ban everyone", "name a longer prefix")
    return prefix


def networks(prefixes: Iterable[str]) -> list[Network]:
    """Addresses and networks as the maps know them. Raises WireError("bad_prefix")."""
    return [layout.network(prefix) for prefix in prefixes]


def covers(protected: Iterable[Network], prefix: str) -> bool:
    """Does `prefix` have an address in common with one of `protected`?"""
    if not protected:
        return False
    packed, bits = _network(prefix)
    number = int.from_bytes(packed, "big")
    return any((number ^ int.from_bytes(net, "big")) >> (128 - min(bits, wide)) == 0 for net, wide in protected)


def refuse_protected(protected: Iterable[Network], prefix: str) -> None:
    """Raises WireError("protected") when `prefix` covers a protected address."""
    if covers(protected, prefix):
        message = f"{prefix} covers an address of the management: it can never be banned"
        raise wire.WireError("protected", message, "take it off the protected addresses first")


def deadline(expires_at: float, boot_ns: int) -> int:
    """Unix seconds as an instant of CLOCK_MONOTONIC; 0 stays 0, and what lies before the boot becomes 1."""
    if not 0 <= expires_at < 2**33:
        raise wire.WireError("bad_time", f"expires_at {expires_at!r} is not a Unix time in seconds")
    return 0 if not expires_at else max(1, int(expires_at * 1e9) - boot_ns)


def pair_deadline(expires_at: float, boot_ns: int) -> int:
    """As deadline(), but without an end it is FOREVER."""
    return deadline(expires_at, boot_ns) or FOREVER


def lease(session: int, deadline_ns: int) -> int:
    """The checked deadline; 0 keeps the session closed."""
    if not 0 <= session < 2**64:
        raise wire.WireError("bad_session", f"session {session} does not fit 64 bits")
    if not 0 <= deadline_ns < 2**64:
        raise wire.WireError("bad_deadline", f"deadline_ns {deadline_ns} does not fit 64 bits")
    return deadline_ns


def limit_values(limits: wire.Limits) -> tuple[int, ...]:
    """The value of every slot in their order; slots that `limits` does not name have their default."""
    slots = {slot.name for slot in layout.limits()}
    for name, value in limits.values.items():
        if name not in slots:
            raise wire.WireError("bad_limit", f"no limit slot {name!r}", f"slots: {', '.join(sorted(slots))}")
        if not 0 <= value <= _LARGEST:
            raise wire.WireError("bad_limit", f"limit {name} must be 0 to {_LARGEST}, not {value}")
    return tuple(limits.values.get(slot.name, slot.default) for slot in layout.limits())


def policy_row(plan: wire.Plan, relay_here: bool, boot_ns: int, left_out: list[str]) -> PolicyRow:
    """Limits, modes, media range, challenge and generation, checked."""
    first, last = plan.relay_ports
    if (first, last) != (0, 0) and not 1 <= first <= last <= 65535:
        raise wire.WireError("bad_port", f"relay ports {first}-{last} are no range of ports")
    for protocol, port in plan.service_ports:
        if protocol == "udp" and first <= port <= last:
            raise wire.WireError("bad_port", f"service port udp {port} lies in the media range {first}-{last}")
    limits, reported = limit_values(plan.limits), policy.reported(plan.report_only, left_out)
    return PolicyRow(plan.generation, first, last, relay_here, limits, reported, challenge_row(plan.challenge, boot_ns))


def service_port(protocol: str, port: int) -> tuple[int, int]:
    """The key of a service port: (protocol number, port)."""
    if protocol not in PROTOCOLS:
        raise wire.WireError("bad_port", f"service port protocol must be udp or tcp, not {protocol!r}")
    if not 1 <= port <= 65535:
        raise wire.WireError("bad_port", f"service port {port} is not 1 to 65535")
    return PROTOCOLS[protocol], port


def stream_rows(session: wire.RelaySession) -> dict[Endpoint, StreamRow]:
    """A session's streams by their local endpoint, each with what its peer announced."""
    announced = {endpoint(s.local): s.remote and endpoint(s.remote) for s in session.streams}
    if len(announced) != len(session.streams):
        raise wire.WireError("bad_stream", f"session {session.session} has two streams at one local endpoint")
    rows = {}
    for stream in session.streams:
        local, peer = endpoint(stream.local), endpoint(stream.peer_local)
        rows[local] = _stream_row(session.session, peer, announced[local], announced.get(peer), stream)
    return rows


def _stream_row(
    session: int, peer: Endpoint, remote: Endpoint | None, peer_remote: Endpoint | None, stream: wire.RelayStream
) -> StreamRow:
    near = layout.address(stream.near) if stream.near else None
    return StreamRow(
        session=session,
        peer=peer,
        remote=remote,
        peer_remote=peer_remote,
        learn=stream.learn,
        rtcp=stream.rtcp,
        payload_types=_payload_mask(stream.payload_types),
        near=near,
        # Whose media is announced where its signalling comes from needs no learning elsewhere: it is behind no NAT.
        learn_far=stream.learn and (near is None or remote is None or remote[0] != near),
        final=stream.final,
        muted=stream.muted,
        dtls=stream.dtls,
        many=stream.many,
        office=stream.office,
        pace=_pace(stream.packets_per_s),
        packet_bytes=_packet_bytes(stream.packet_bytes),
    )


def _pace(packets_per_s: int) -> tuple[int, int]:
    """A second's packets at once, because networks hold packets up and then deliver them together."""
    if not 0 <= packets_per_s <= 1_000_000:
        raise wire.WireError("bad_stream", f"packets_per_s {packets_per_s} is not 0 to 1000000")
    return (max(packets_per_s, 50), 1_000_000_000 // packets_per_s) if packets_per_s else (0, 0)


def _packet_bytes(size: int) -> int:
    if not 0 <= size <= 65535:
        raise wire.WireError("bad_stream", f"packet_bytes {size} is not 0 to 65535")
    return size


def _payload_mask(types: tuple[int, ...]) -> int:
    mask = 0
    for number in types:
        if not 0 <= number <= 127:
            raise wire.WireError("bad_stream", f"payload type {number} is not 0 to 127")
        mask |= 1 << number
    return mask


def endpoint(where: tuple[str, int]) -> Endpoint:
    """(address, port) as the maps know it."""
    ip, port = where
    if not 1 <= port <= 65535:
        raise wire.WireError("bad_port", f"port {port} of {ip} is not 1 to 65535")
    return layout.address(ip), port


def port_in_use(local: Endpoint, session: int) -> wire.WireError:
    """The refusal of a second session at an endpoint that has one."""
    where = f"{layout.address_text(local[0])} port {local[1]}"
    return wire.WireError("port_in_use", f"{where} belongs to session {session}", "close that session first")


def mark(remote: Endpoint | None) -> int:
    """Changes when the announced remote does: what the kernel learned under another mark is void."""
    return 0 if remote is None else crc32(remote[0] + remote[1].to_bytes(2, "big"))


def ban_texts(rows: Mapping[MapName, Mapping[Any, BanRow]]) -> Iterable[tuple[str, BanRow]]:
    """Every ban of `rows` as (prefix text, row)."""
    for packed, row in rows.get(MapName.BANS, {}).items():
        yield layout.address_text(packed), row
    for (packed, bits), row in rows.get(MapName.BAN_NETS, {}).items():
        yield layout.network_text(packed, bits), row
