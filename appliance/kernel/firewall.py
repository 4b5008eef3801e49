"""Static firewall rules in the kernel: rows for a plan's rules, and the map that holds all of them.

A changed set of rules is written into a new map, which then takes the place of the one in force (bpf/firewall.c): a
packet meets the old rules or the new ones. Must not know: bcc, sockets.
"""

import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from appliance import networks, wire
from appliance.kernel import layout, syscall

MAX_RULES: Final = 16_384
ALLOW, DENY, PASS = 1, 2, 3
_PORT_BITS: Final = 32
_PROTOCOLS: Final = {"udp": 17, "tcp": 6}
_NO_PREALLOC: Final = 1


class RuleKey(NamedTuple):
    """What a rule matches: a network (16 bytes, prefix bits of 128), protocol number and port, both 0 for every one."""

    ip: bytes
    bits: int
    protocol: int
    port: int


Rules = dict[RuleKey, int]


def rule_rows(
    rules: Iterable[wire.FirewallRule], protected: Iterable[tuple[bytes, int]] = (), skipped: list[str] | None = None
) -> Rules:
    """The rows of a plan's rules.

    A rule with a port and without a protocol stands for UDP and for TCP. Each protected network passes what is denied
    around it; a deny that lies inside of one is left out, and named in `skipped`. Raises WireError: "bad_rule",
    "gate_full".
    """
    rows: Rules = {}
    guarded = [ip + bytes((bits,)) for ip, bits in protected]
    for rule in rules:
        ip, bits = layout.network(rule.prefix)
        if not 0 <= rule.port <= 65535 or (rule.protocol != "any" and rule.protocol not in _PROTOCOLS):
            raise wire.WireError(
                "bad_rule", f"{rule.prefix}: no such port or protocol {rule.protocol!r:.10} {rule.port}"
            )
        if rule.protocol != "any" and not rule.port:
            raise wire.WireError("bad_rule", f"{rule.prefix}: a rule for {rule.protocol} alone names a port")
        if rule.action is wire.FirewallAction.DENY:
            if _within(ip + bytes((bits,)), guarded):
                if skipped is not None:
                    skipped.append(rule.prefix)
                continue
            action = DENY
        else:
            action = PASS if rule.port else ALLOW
        protocols = (0,) if not rule.port else tuple(_PROTOCOLS.values())
        for protocol in (_PROTOCOLS[rule.protocol],) if rule.protocol != "any" else protocols:
            rows[RuleKey(ip, bits, protocol, rule.port)] = action
    if len(rows) > MAX_RULES:
        raise wire.WireError("gate_full", f"the gate holds {MAX_RULES} firewall rules, not {len(rows)}")
    return _with_protected(rows, guarded)


def _within(row: bytes, guarded: list[bytes]) -> bool:
    """Whether a network lies in a protected one, or is it: there its rule would go before the one that protects."""
    return any(networks.overlap(row, each) and row[16] >= each[16] for each in guarded)


def _with_protected(rows: Rules, guarded: list[bytes]) -> Rules:
    """The rows, and one for each protected network that lets it pass what is denied around it."""
    for each in guarded:
        rows.setdefault(RuleKey(each[:16], each[16], 0, 0), PASS)
    return rows


class KernelRules:
    """The rules in the map of maps `firewalls`."""

    def __init__(self, handles: Mapping[str, Any]) -> None:
        """`handles` are maps.Handle by name."""
        self._key, self._leaf = (
            layout.Shape(part) for part in (handles["firewall_shape"].key, handles["firewall_shape"].leaf)
        )
        self._outer = syscall.MapDescriptor(handles["firewalls"].fd, 4, 4)
        self._held: Rules | None = None

    def replace(self, rows: Rules) -> None:
        """Puts exactly these rules in force, all at once. Raises WireError("gate_full")."""
        if rows == self._held:
            return
        sizes = (self._key.bytes, self._leaf.bytes, MAX_RULES * 2)
        fd = syscall.create_map(syscall.MAP_LPM_TRIE, *sizes, _NO_PREALLOC)
        try:
            inner = syscall.MapDescriptor(fd, self._key.bytes, self._leaf.bytes)
            for key, action in rows.items():
                inner.update(self._packed(key), self._leaf.pack({"action": action, "prefix_bits": key.bits}))
            self._outer.update(bytes(4), fd.to_bytes(4, "little"))
            self._held = dict(rows)
        except OSError as error:
            raise wire.WireError(
                "gate_failed", f"the firewall was not written: {os.strerror(error.errno or 0)}"
            ) from None
        finally:
            os.close(fd)

    def _packed(self, key: RuleKey) -> bytes:
        fields = {"prefix_bits": _PORT_BITS + key.bits, "port": socket.htons(key.port), "protocol": key.protocol}
        return self._key.pack({**fields, "ip": key.ip})


class MemoryRules:
    """The rules in memory, for a gate without a kernel."""

    def __init__(self) -> None:
        self.held: Rules = {}

    def replace(self, rows: Rules) -> None:
        """As KernelRules."""
        self.held = dict(rows)
