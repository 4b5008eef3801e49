"""What people type at the screen, read strictly, and the texts of the files that it becomes. Pure.

Each reader raises BadEntry, whose message says what is wrong and what to type instead. Files are of
systemd.network(5) and sshd(8), "AUTHORIZED_KEYS FILE FORMAT".
"""

import base64
import binascii
import ipaddress
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MOST_NAME: Final = 64  # of the kernel (uname(2)); a label of DNS has 63
MOST_KEY_BYTES: Final = 16_384
MOST_SERVERS: Final = 3  # resolv.conf(5): MAXNS
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# Without DSA, and RSA below what NIST SP 800-131A asks for.
KEY_TYPES: Final = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)
LEAST_RSA_BITS: Final = 2048


class BadEntry(ValueError):
    """What was typed cannot be used; the message says why and what to type."""


@dataclass(frozen=True, slots=True)
class Static:
    """An address that does not come by DHCP. `servers` are of names; `gateway` may be empty."""

    address: str
    gateway: str = ""
    servers: tuple[str, ...] = ()


def host_name(text: str) -> str:
    """A name of the machine: labels of RFC 1123, in small letters."""
    name = text.strip().lower().removesuffix(".")
    if not name or len(name) > MOST_NAME or not all(_LABEL.fullmatch(part) for part in name.split(".")):
        raise BadEntry(f"{text.strip()!r:.80} is no name: letters, digits and hyphens, such as sip1.example.org")
    if all(part.isdigit() for part in name.split(".")):
        raise BadEntry(f"{name} looks like an address: a name has a letter in it")
    return name


def static(address: str, gateway: str, servers: str) -> Static:
    """Address with its prefix, gateway within that network, and servers of names separated by blanks or commas."""
    try:
        own = ipaddress.ip_interface(address.strip())
    except ValueError:
        own = None
    if own is None or "/" not in address or own.ip.is_multicast or own.ip.is_unspecified or own.ip.is_loopback:
        raise BadEntry(f"{address.strip()!r:.80} must be an address with its network's length, such as 192.0.2.10/24")
    if own.version == 4 and own.network.prefixlen < 31 and own.ip in (own.network[0], own.network[-1]):
        raise BadEntry(f"{own.ip} is the network's own or its broadcast address: take one in between")
    way = _address(gateway, "the gateway") if gateway.strip() else ""
    if way and not _reached(own, way):
        raise BadEntry(f"the gateway {way} is not in {own.network}, nor link-local: nothing would reach it")
    if way == str(own.ip):
        raise BadEntry(f"{way} is this machine's own address: the gateway is another")
    named = tuple(_address(each, "a server of names") for each in servers.replace(",", " ").split())
    if len(named) > MOST_SERVERS:
        raise BadEntry(f"at most {MOST_SERVERS} servers of names, not {len(named)}")
    return Static(str(own), way, named)


def trusted(text: str) -> str:
    """An address or network from which somebody administers."""
    try:
        found = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        found = None
    if found is None or not found.prefixlen or found.is_multicast or found.is_loopback or found.is_unspecified:
        raise BadEntry(f"{text.strip()!r:.80} must be an address or a network, such as 198.51.100.7 or 198.51.100.0/24")
    return str(found.network_address) if found.num_addresses == 1 else str(found)


def _reached(own: ipaddress.IPv4Interface | ipaddress.IPv6Interface, gateway: str) -> bool:
    way = ipaddress.ip_address(gateway)
    return way.version == own.version and (way in own.network or way.is_link_local)


def _address(text: str, what: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise BadEntry(f"{what} must be an address, not {text.strip()!r:.80}") from None


def network_file(interface: str, wanted: Static | None) -> str:
    """As systemd-networkd reads it; None: by DHCP."""
    lines = ["# Written by the machine's set-up (appliance.wizard).", "[Match]", f"Name={interface}", "", "[Network]"]
    if wanted is None:
        lines.append("DHCP=yes")
    else:
        lines += ["DHCP=no", f"Address={wanted.address}"]
        lines += [f"Gateway={wanted.gateway}"] if wanted.gateway else []
        lines += [f"DNS={each}" for each in wanted.servers]
    return "\n".join([*lines, "LLMNR=no", ""])


def public_key(text: str) -> str:
    """One public key as `TYPE BASE64 COMMENT`. Options before it are refused: they could run programs."""
    words = text.strip().split(None, 2)
    if "PRIVATE KEY" in text:
        raise BadEntry("this is a private key: nobody may ever see it. Paste the line of the .pub file beside it")
    if len(words) < 2 or words[0] not in KEY_TYPES or len(text) > MOST_KEY_BYTES:
        raise BadEntry("a public key is one line such as: ssh-ed25519 AAAA... you@example.org")
    fields = _wire_fields(words[1])
    if not fields or fields[0] != words[0].encode():
        raise BadEntry("this key is not whole: paste the line of the .pub file without breaks")
    if words[0] == "ssh-rsa" and (len(fields) != 3 or int.from_bytes(fields[2]).bit_length() < LEAST_RSA_BITS):
        raise BadEntry(f"an RSA key needs {LEAST_RSA_BITS} bits or more: ssh-keygen -t ed25519 makes a better one")
    comment = "".join(sign for sign in (words[2] if len(words) > 2 else "") if sign.isprintable())
    return " ".join(filter(None, (words[0], words[1], comment)))


def _wire_fields(text: str) -> list[bytes]:
    """The strings that a key is made of (RFC 4253, section 6.6); none when it is not whole."""
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return []
    fields, at = [], 0
    while at < len(blob):
        if at + 4 > len(blob):
            return []
        (length,) = struct.unpack_from(">I", blob, at)
        if at + 4 + length > len(blob):
            return []
        fields.append(blob[at + 4 : at + 4 + length])
        at += 4 + length
    return fields


def usable_keys(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """The keys that can be used, each once, and why the others cannot."""
    good: list[str] = []
    bad: list[str] = []
    for text in texts:
        try:
            key = public_key(text)
        except BadEntry as error:
            bad.append(str(error))
        else:
            good += [] if key in good else [key]
    return good, bad
