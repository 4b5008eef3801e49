"""Whom the image's packet filter lets begin a TCP connection to a port: a walk through its rules, as nft lists them.

Pure. What is not understood about a rule is taken to match, so that it is said rather than passed over; a rule that
drops narrows nothing of what follows it. Schema: libnftables-json(5).
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Rows = Iterable[dict[str, Any]]

TABLE: Final = "machine"
DOOR: Final = "ssh"  # the chain that accepts by the control group of SSH: whoever gets there is let in
TUNNEL: Final = "appl-tunnel"  # appliance.tunnel.keeping
_OFFICE: Final = "system.slice/appliance-office.service"
_NOT_TCP: Final = frozenset({"udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "esp", "ah", "comp"})
_IN_HEADER: Final = frozenset({("ip", "protocol"), ("ip6", "nexthdr")})


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
        for kind, row in (item for each in rows for item in each.items()):
            if row.get("table") != TABLE:
                continue
            if kind == "rule":
                self._rules.setdefault(row["chain"], []).append(row)
            elif kind in ("set", "map"):
                self._sets[row["name"]] = row.get("elem", [])
            elif kind == "chain" and row.get("hook") == "input":
                self._inputs.append(row["name"])
                self.drops &= row.get("policy") == "drop"
        self.drops &= bool(self._inputs)

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
            if "match" in part:
                if not self._may_hold(part["match"], port):
                    return
                where = self._narrowed(part["match"], where)
            elif "vmap" in part:
                yield from self._chosen(part["vmap"], place, port, where)
            elif "accept" in part or "queue" in part:
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
        pairs = self._sets.get(data[1:], []) if isinstance(data, str) else data["set"]
        for value, verdict in pairs:
            match = {"match": {"op": "==", "left": choice["key"], "right": value}}
            yield from self._judge([match, verdict], place, port, where)

    def _may_hold(self, match: dict[str, Any], port: int) -> bool:
        """Whether it may be true of somebody else's new connection to the port."""
        left, right, unlike = match["left"], match["right"], bool(match["op"] == "!=")
        if match["op"] not in ("==", "in", "!="):
            return True
        payload, meta = left.get("payload", {}), left.get("meta", {}).get("key")
        if payload.get("protocol") in _NOT_TCP:
            return False
        if payload.get("protocol") in ("tcp", "th") and payload.get("field") == "dport":
            return self._holds(right, port) is not unlike
        if meta == "l4proto" or (payload.get("protocol"), payload.get("field")) in _IN_HEADER:
            return self._holds(right, "tcp", 6) is not unlike
        if left.get("ct", {}).get("key") == "state":
            return self._holds(right, "new") is not unlike
        if meta in ("iif", "iifname") and right == "lo":
            return unlike
        if "socket" in left and isinstance(right, str):
            return unlike or (right != _OFFICE and not right.isdigit())  # a number: of a group that is no more
        return True

    def _holds(self, right: Any, *values: object) -> bool:
        """Whether one of the values is among what stands there, a set or a range or a single one."""
        if isinstance(right, list):
            return any(self._holds(each, *values) for each in right)
        if isinstance(right, dict) and "range" in right:
            low, high = right["range"]
            return any(isinstance(each, int) and low <= each <= high for each in values)
        if isinstance(right, dict):
            return self._holds(right["set"], *values) if "set" in right else True
        if isinstance(right, str) and right.startswith("@"):
            name = right[1:]
            return name not in self._sets or self._holds(self._sets[name], *values)
        return right in values

    def _narrowed(self, match: dict[str, Any], where: tuple[Network, ...] | None) -> tuple[Network, ...] | None:
        """From where, when this holds too."""
        if where is not None or match["op"] != "==":
            return where
        left, right = match["left"], match["right"]
        if left == {"meta": {"key": "iifname"}} and right == TUNNEL:
            return ()
        payload = left.get("payload", {})
        if payload.get("field") != "saddr" or payload.get("protocol") not in ("ip", "ip6"):
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
