"""Whom the image's packet filter lets begin a TCP connection to a port: a walk through its rules, as nft lists them.

Pure. What is not understood about a rule is taken to match, so that it is said rather than passed over; a rule that
drops narrows nothing of what follows it, and neither does a set that packets fill. Schema: libnftables-json(5).
"""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Rows = Iterable[dict[str, Any]]

TABLE: Final = ("inet", "machine")
KEPT: Final = ("administrators", "administrators6")  # the sets that the keeper fills: appliance.door
DOOR: Final = "ssh"  # the chain that accepts by the control group of SSH: whoever gets there is let in
TUNNEL: Final = "appl-tunnel"  # appliance.tunnel.keeping
_OFFICE: Final = "system.slice/appliance-office.service"
_NOT_TCP: Final = frozenset({"udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "esp", "ah", "comp"})
_LETTING: Final = frozenset({"accept", "queue", "synproxy"})  # the last shakes hands in sshd's place
_TCP: Final = ("tcp", 6)
# Each value that a field may have in a packet that begins a connection, by all names that nft gives it. Before TCP's
# header IPv6 may have others (RFC 8200, section 4). What nobody tracks (notrack) begins as well as what is new.
_POSSIBLE: Final = {
    ("meta", "l4proto"): (_TCP,),
    ("ip", "protocol"): (_TCP,),
    ("ip6", "nexthdr"): (
        _TCP, (0, "ip", "hopopt"), (43, "ipv6-route"), (44, "ipv6-frag"), (51, "ah"), (60, "ipv6-opts"),
        (135, "mobility-header"), (139, "hip"), (140, "shim6"),
    ),
    ("ct", "state"): (("new",), ("untracked",)),
}  # fmt: skip
_OTHER_NAMES: Final = _NOT_TCP | frozenset(
    {"gre", "ipencap", "ipv6", "ipv6-icmp", "ipv6-nonxt", "ospf", "vrrp", "pim", "l2tp", "tcp"}
    | {"new", "untracked", "established", "related", "invalid"}
)  # fmt: skip
_LASTING: Final = frozenset({"val", "comment", "counter"})  # what an element may have and hold always
_EVERYBODY: Final = tuple(
    tuple(map(ipaddress.ip_network, each)) for each in (("0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3"), ("2000::/3",))
)  # each family's unicast addresses


@dataclass(frozen=True, slots=True)
class Admission:
    """One rule that lets in. `networks`: from where, the tunnel aside; None: from everywhere. `place`: for a person."""

    place: str
    networks: tuple[Network, ...] | None


class Filter:
    """The image's table, out of `nft --json list ruleset`."""

    def __init__(self, rows: Rows) -> None:
        self._rules: dict[str, list[dict[str, Any]]] = {}
        self._sets: dict[str, list[Any]] = {}
        self._inputs: list[str] = []
        self.drops = True  # what no rule accepts
        filled: set[str] = set()
        for kind, row in (item for each in rows for item in each.items()):
            if (row.get("family"), row.get("table")) != TABLE:
                continue
            if kind == "rule":
                self._rules.setdefault(row["chain"], []).append(row)
                filled.update(name for part in row.get("expr", []) for name in _filled(part))
            elif kind in ("set", "map"):
                self._sets[row["name"]] = row.get("elem", [])
                filled.update([row["name"]] if "dynamic" in row.get("flags", ()) else ())
            elif kind == "chain" and row.get("hook") == "input":
                self._inputs.append(row["name"])
                self.drops &= row.get("policy") == "drop"
        self.drops &= bool(self._inputs)
        for name in filled:  # whoever sends packets says what is in them
            self._sets.pop(name, None)

    def kept(self) -> tuple[Network, ...]:
        """What the keeper's sets hold; nothing, where that is not networks."""
        try:
            return tuple(network for name in KEPT for network in self._networks(self._sets.get(name, [])))
        except (KeyError, TypeError, ValueError):
            return ()

    def admitted(self, port: int) -> Iterator[Admission]:
        """Every rule by which somebody begins a connection to it."""
        for chain in self._inputs:
            yield from self._walk(chain, port, None)

    def _walk(self, chain: str, port: int, where: tuple[Network, ...] | None) -> Iterator[Admission]:
        for rule in self._rules.get(chain, ()):
            yield from self._judge(rule.get("expr", []), f"{chain} handle {rule['handle']}", port, where)

    def _judge(
        self, parts: list[dict[str, Any]], place: str, port: int, where: tuple[Network, ...] | None
    ) -> Iterator[Admission]:
        for part in parts:
            if isinstance(part, str):  # a statement that nft has no JSON for
                continue
            if "match" in part:
                if not self._may_hold(part["match"], port):
                    return
                where = self._narrowed(part["match"], where)
            elif "vmap" in part:
                yield from self._chosen(part["vmap"], place, port, where)
            elif _LETTING & part.keys():
                yield Admission(place, where)
            elif target := (part.get("jump") or part.get("goto") or {}).get("target"):
                if target == DOOR:
                    yield Admission(place, where)
                else:
                    yield from self._walk(target, port, where)

    def _chosen(
        self, choice: dict[str, Any], place: str, port: int, where: tuple[Network, ...] | None
    ) -> Iterator[Admission]:
        """A verdict for each value of a key."""
        data = choice["data"]
        pairs = self._sets.get(data[1:]) if isinstance(data, str) else data.get("set")
        if pairs is None:
            yield Admission(place, where)
        for value, verdict in pairs or ():
            match = {"match": {"op": "==", "left": choice["key"], "right": value}}
            yield from self._judge([match, verdict], place, port, where)

    def _may_hold(self, match: dict[str, Any], port: int) -> bool:
        """Whether it may be true of somebody else's new connection to the port."""
        left, right, unlike = match["left"], match["right"], bool(match["op"] == "!=")
        if match["op"] not in ("==", "in", "!="):
            return True
        payload, meta = left.get("payload", {}), left.get("meta", {}).get("key")
        protocol, field = payload.get("protocol"), payload.get("field")
        if protocol in _NOT_TCP:
            return False
        if protocol in ("tcp", "th") and field == "dport":
            return self._holds(right, port) is not unlike
        for key in (("meta", meta), (protocol, field), ("ct", left.get("ct", {}).get("key"))):
            if key in _POSSIBLE:
                return any(self._holds(right, *names) is not unlike for names in _POSSIBLE[key])
        if meta in ("iif", "iifname") and right == "lo":
            return unlike
        if "socket" in left and isinstance(right, str):
            return unlike or (right != _OFFICE and not right.isdigit())  # a number: of a group that is no more
        return True

    def _holds(self, right: Any, *values: object) -> bool | None:
        """Whether one of the values is among what stands there, a set or a range or a single one. None: who knows,
        which is neither so nor not so."""
        if isinstance(right, list):
            held = {self._holds(each, *values) for each in right}
            return True if True in held else None if None in held else False
        if isinstance(right, str) and right.startswith("@"):
            return self._holds(self._sets[right[1:]], *values) if right[1:] in self._sets else None
        if isinstance(right, dict) and "set" in right:
            return self._holds(right["set"], *values)
        if isinstance(right, dict) and "elem" in right:
            held_now = self._holds(right["elem"]["val"], *values)
            return held_now if not held_now or right["elem"].keys() <= _LASTING else None
        if isinstance(right, dict) and "range" in right and all(isinstance(each, int) for each in right["range"]):
            low, high = right["range"]
            return any(isinstance(each, int) and low <= each <= high for each in values)
        if right in values:
            return True
        return False if isinstance(right, int) or (isinstance(right, str) and right in _OTHER_NAMES) else None

    def _narrowed(self, match: dict[str, Any], where: tuple[Network, ...] | None) -> tuple[Network, ...] | None:
        """From where, when this holds too."""
        if where is not None or match["op"] != "==":
            return where
        left, right = match["left"], match["right"]
        if left == {"meta": {"key": "iifname"}} and right == TUNNEL:
            return ()
        if left not in [{"payload": {"protocol": protocol, "field": "saddr"}} for protocol in ("ip", "ip6")]:
            return None
        try:
            return tuple(self._networks(right))
        except (KeyError, TypeError, ValueError):
            return None

    def _networks(self, right: Any) -> Iterator[Network]:
        """Addresses as nft writes them. Raises KeyError, TypeError and ValueError for what it does not say."""
        if isinstance(right, list):
            for each in right:
                yield from self._networks(each)
        elif isinstance(right, dict) and "range" in right:
            yield from ipaddress.summarize_address_range(*map(ipaddress.ip_address, right["range"]))
        elif isinstance(right, dict) and "prefix" in right:
            yield ipaddress.ip_network(f"{right['prefix']['addr']}/{right['prefix']['len']}")
        elif isinstance(right, dict):
            yield from self._networks(right["elem"]["val"] if "elem" in right else right["set"])
        elif right.startswith("@"):
            yield from self._networks(self._sets[right[1:]])
        else:
            yield ipaddress.ip_network(right)


def _filled(part: Any) -> Iterator[str]:
    """Sets that a statement changes with each packet."""
    if isinstance(part, dict) and "set" in part:
        yield part["set"]["set"].removeprefix("@")
    elif isinstance(part, dict) and "meter" in part:
        yield part["meter"]["name"]


def beyond(networks: Iterable[Network], named: Iterable[Network]) -> list[Network]:
    """Those of the networks that are not wholly within what is named."""
    spans: list[tuple[int, int, int]] = []  # version, first and last address; apart, and in their order
    for version, first, last in sorted(map(_span, named)):
        if spans and spans[-1][0] == version and first <= spans[-1][2] + 1:
            spans[-1] = (version, spans[-1][1], max(last, spans[-1][2]))
        else:
            spans.append((version, first, last))
    return [each for each in networks if not _within(_span(each), spans)]


def everybody(networks: Sequence[Network]) -> bool:
    """Whether they hold every address that a host may have, of IPv4 or IPv6, in however many parts."""
    return any(not beyond(family, networks) for family in _EVERYBODY)


def _span(network: Network) -> tuple[int, int, int]:
    return network.version, int(network.network_address), int(network.broadcast_address)


def _within(span: tuple[int, int, int], spans: Sequence[tuple[int, int, int]]) -> bool:
    version, first, last = span
    at = bisect_right(spans, (version, first, 1 << 128)) - 1
    return at >= 0 and spans[at][0] == version and last <= spans[at][2]
