"""The tunnel's own table of nft(8): its network is nobody's outside it, and inside only doors of the machine are open.

A machine whose packet filter drops by default (the image's) has a set `inet machine tunnel`: the UDP port goes in
there, because an accept here would not outweigh a drop there. Pure.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Final

MACHINE_SET: Final = "inet machine tunnel"  # of image/files/etc/nftables.conf


def absence(table: str) -> Iterator[str]:
    """Commands after which there is no such table."""
    yield f"add table {table}"
    yield f"delete table {table}"


def presence(table: str, interface: str, networks: Sequence[str], closed: Sequence[int]) -> Iterator[str]:
    """The table, made anew. `closed`: TCP ports that are not for administrators, SIP's for instance."""
    yield from absence(table)
    yield f"add table {table}"
    yield f"add chain {table} entrance {{ type filter hook prerouting priority raw - 5; policy accept; }}"
    elsewhere = f'iifname != {{ "{interface}", "lo" }}'
    for text in networks:
        family = "ip6" if ipaddress.ip_network(text).version == 6 else "ip"
        for way in ("saddr", "daddr"):
            yield f"add rule {table} entrance {elsewhere} {family} {way} {text} counter drop"
    yield f"add chain {table} inside {{ type filter hook input priority filter - 5; policy accept; }}"
    yield f'add rule {table} inside iifname != "{interface}" accept'
    if closed:
        yield f"add rule {table} inside tcp dport {{ {', '.join(map(str, closed))} }} counter drop"
    yield f"add rule {table} inside meta l4proto {{ tcp, icmp, ipv6-icmp }} accept"
    yield f"add rule {table} inside counter drop"
    yield f"add chain {table} through {{ type filter hook forward priority filter - 5; policy accept; }}"
    for way in ("iifname", "oifname"):
        yield f'add rule {table} through {way} "{interface}" counter drop'


def machine_port(port: int) -> Iterator[str]:
    """Lets the machine's packet filter take in messages to the port; 0: to none."""
    yield f"flush set {MACHINE_SET}"
    if port:
        yield f"add element {MACHINE_SET} {{ {port} }}"
