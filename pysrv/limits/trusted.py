"""Whether an address is trusted, and what that is worth. Pure; the addresses and settings are handed in.

An address becomes a candidate by the allow list or by one of the rules that widen it; `allowtrustedip` then says where
candidates are honoured. What is not known for sure is not trusted.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from typing import Protocol

from appliance.config.opening import Reach, Where
from appliance.config.private import EVERYBODY, PRIVATE

_AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
SUBNET_BITS = {4: 24, 6: 64}  # what trustsubnet makes of one address


class TrustSettings(Protocol):
    """The settings that are read, by their names."""

    @property
    def allowtrustedip(self) -> int: ...
    @property
    def trustlanip(self) -> bool: ...
    @property
    def trustsubnet(self) -> bool: ...
    @property
    def trustauthip(self) -> bool: ...


class AdminSettings(TrustSettings, Protocol):
    """And where the panel is reached from."""

    @property
    def remoteadmin(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Effect:
    """One row of what a trusted address may."""

    what: str
    setting: str


EFFECTS = (
    Effect("Calls that prove nothing are taken from it, when they are taken at all.", "allownoauthcalls"),
    Effect("An account that has to show nothing may call from it.", "needauth 0"),
    Effect("A REGISTER of an unknown user makes an account, when that is allowed at all.", "autocreatereguserstrict"),
    Effect("The panel lets it try again at once after wrong passwords; a password is asked for still.",
           "allowtrustedip 4"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of addresses: the allow list, the machine's own, and those where somebody proved a password."""

    listed: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()
    authenticated: bool = False


def trusted_why(address: str, settings: TrustSettings, known: Known) -> str:
    """Why an address is trusted, in words; empty: it is not."""
    parsed = _parsed(address)
    if parsed is None or settings.allowtrustedip not in list(Where) or settings.allowtrustedip == Where.NOWHERE:
        return ""
    where = Where(settings.allowtrustedip)
    if is_own(address, known.own):
        return "it is this host"
    if where is Where.THIS_HOST or (where is Where.PRIVATE_RANGES and not is_private(address)):
        return ""
    return _candidate(parsed, settings, known)


def administering(
    settings: AdminSettings, listed: Sequence[tuple[str, float]], *, begun: bool
) -> list[tuple[str, float]]:
    """Networks from which the machine itself is administered (SSH), each with its end (Unix seconds; 0: none).

    It goes by the panel's rule (`remoteadmin`), with one difference: where the panel is for nobody (0), SSH stays as
    with 1, because it leads to this machine, which always may. A telephone's log-in (`trustauthip`) opens neither.
    `listed`: the allow list, as (network, end). Until somebody has said whom he trusts (`begun`), private networks may.
    """
    if settings.remoteadmin == Reach.ANYWHERE:
        return [(text, 0.0) for text in EVERYBODY]
    if not begun:
        return [(str(network), 0.0) for network in PRIVATE]
    if settings.allowtrustedip not in (Where.PRIVATE_RANGES, Where.LISTED, Where.CONSOLE_TOO):
        return []
    found = [(_network(text, 0), end) for text, end in listed]
    if settings.trustsubnet:
        found += [(_network(str(network), SUBNET_BITS[network.version]), end) for network, end in found]
    if settings.trustlanip:
        found += [(network, 0.0) for network in PRIVATE]
    if settings.allowtrustedip == Where.PRIVATE_RANGES:
        found = [(part, end) for network, end in found for part in _private_parts(network)]
    return [(str(network), end) for network, end in dict.fromkeys(found)]


def _private_parts(network: _AnyNetwork) -> list[_AnyNetwork]:
    """What of it no public network routes."""
    near = [each for each in PRIVATE if each.version == network.version and each.overlaps(network)]
    return [max(each, network, key=lambda one: one.prefixlen) for each in near]


def is_vouched(address: str, settings: TrustSettings, known: Known) -> bool:
    """Whether somebody has named this very address as one that may move money without another word. Nearness, a log-in
    a while ago and being this machine do not do: behind each of those may be anybody, a proxy's callers for instance.
    """
    parsed, lowest = _parsed(address), Where.PRIVATE_RANGES if is_private(address) else Where.LISTED
    if parsed is None or settings.allowtrustedip < lowest or is_own(address, known.own):
        return False
    return any(parsed in _network(text, 0) for text in known.listed)


def is_own(address: str, own: Iterable[str]) -> bool:
    """Whether it is loopback or one of the machine's own addresses."""
    parsed = _parsed(address)
    return parsed is not None and (parsed.is_loopback or str(parsed) in own)


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Whether it lies in one of the networks."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in _network(text, 0) for text in networks)


def is_private(address: str) -> bool:
    """Whether it lies in a range that no public network routes."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed.version == net.version and parsed in net for net in PRIVATE)


def is_public(address: str) -> bool:
    """Whether a call may be sent there on a user's word: a global unicast address that no special use claims."""
    parsed = _parsed(address)
    if parsed is None or parsed.is_multicast or is_private(address):
        return False
    return parsed.is_global and not (isinstance(parsed, IPv6Address) and _embeds_ipv4(parsed))


_EMBEDDING = (
    IPv6Network("2002::/16"),
    IPv6Network("64:ff9b::/96"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2001::/32"),
)


def _embeds_ipv4(address: IPv6Address) -> bool:
    """6to4, NAT64 and Teredo carry an IPv4 address that may be anybody's, a private one too."""
    return any(address in network for network in _EMBEDDING)


def _candidate(address: IPv4Address | IPv6Address, settings: TrustSettings, known: Known) -> str:
    if any(address in _network(text, 0) for text in known.listed):
        return "it is on the allow list"
    if settings.trustsubnet and any(address in _network(text, SUBNET_BITS[address.version]) for text in known.listed):
        return "its subnet has an address of the allow list (trustsubnet)"
    if settings.trustlanip and is_private(str(address)):
        return "it is in a private range (trustlanip)"
    if settings.trustauthip and known.authenticated:
        return "somebody authenticated from it lately (trustauthip)"
    return ""


@lru_cache(maxsize=4096)
def _network(text: str, bits: int) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """The network of a line of the allow list; with `bits` it is widened to them, if it is not that wide already."""
    network = ip_network(text, strict=False)
    return network.supernet(new_prefix=bits) if 0 < bits < network.prefixlen else network


@lru_cache(maxsize=16_384)
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return mapped if mapped is not None else parsed


def lines() -> list[str]:
    """The table of docs/authentication.md."""
    return ["| a trusted address | setting |", "|---|---|", *(f"| {row.what} | `{row.setting}` |" for row in EFFECTS)]
