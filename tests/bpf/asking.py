"""SIP requests of strangers, and what a strict reader makes of the gate's answers."""

import re
import time
from dataclasses import dataclass, field
from typing import Any

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet

from appliance import wire
from appliance.kernel.testrun import Action
from pysrv.sip.digest import Authenticator, answer_challenge, credentials
from pysrv.sip.message import Request, Response
from pysrv.sip.nonces import NonceKeys
from pysrv.sip.parser import parse_datagram
from tests.bpf.rig import Out, Rig, frame

REALM = "pbx.example.net"
SERVER = "appliance"
SECRET = bytes(range(32))
STRANGER, STRANGER6 = "198.51.100.7", "2001:db8:7::7"
EPOCH_S = 3600
CRLF = b"\r\n"


def keys() -> NonceKeys:
    return NonceKeys(SECRET, EPOCH_S)


def challenge(**parts: Any) -> wire.Challenge:
    """The challenge of an office whose secret is SECRET, now."""
    slots = tuple(key.hex() for key in keys().slots(time.time()))
    return wire.Challenge(
        **{"enabled": True, "realm": REALM, "keys": slots, "epoch_s": EPOCH_S, "server": SERVER} | parts
    )


def switch_on(rig: Rig, **parts: Any) -> None:
    """The base plan with a challenge; further parts of the plan by name."""
    rig.sync(**{"challenge": challenge(), **parts})


@dataclass
class Ask:
    """A request to be written. `lines` come last; a header set to None is left out; `names` renames headers."""

    method: str = "REGISTER"
    source: str = STRANGER
    port: int = 5062
    rport: bool = True
    via: str = ""
    vias: tuple[str, ...] = ()
    from_: str = '"Alice" <sip:1000@pbx.example.net>;tag=9fxced76sl'
    to: str = "<sip:1000@pbx.example.net>"
    call_id: str = "7f3a9c1e-55aa-4b1d@198.51.100.7"
    cseq: str = ""
    lines: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    uri: str = "sip:pbx.example.net"

    def headers(self) -> list[str]:
        host = f"[{self.source}]" if ":" in self.source else self.source
        top = self.via or f"SIP/2.0/UDP {host}:{self.port};branch=z9hG4bK-524287-1---a1b2" + ";rport" * self.rport
        cseq = self.cseq or f"1 {self.method}"
        pairs = [("Via", top), *(("Via", via) for via in self.vias), ("Max-Forwards", "70"), ("From", self.from_)]
        pairs += [("To", self.to), ("Call-ID", self.call_id), ("CSeq", cseq)]
        pairs += [("Contact", f"<sip:1000@{host}:{self.port};transport=UDP>"), ("Expires", "3600")]
        pairs += [("User-Agent", "Yealink SIP-T46U 108.86.0.45"), ("Supported", "path, outbound")]
        pairs += [("Allow", "INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE")]
        return [f"{self.names.get(name, name)}: {value}" for name, value in pairs] + list(self.lines)

    def to_bytes(self) -> bytes:
        lines = [f"{self.method} {self.uri} SIP/2.0", *self.headers(), "Content-Length: 0", "", ""]
        return CRLF.join(line.encode("latin-1") for line in lines)

    def packet(self) -> Packet:
        """The request on the wire."""
        return packet_of(self.to_bytes(), self.source, self.port)


INVITE = Ask("INVITE", uri="sip:2000@pbx.example.net", to="<sip:2000@pbx.example.net>")
KNOWN = {"sources": (wire.Source(STRANGER, wire.SourceClass.KNOWN), wire.Source(STRANGER6, wire.SourceClass.KNOWN))}


def packet_of(payload: bytes, source: str = STRANGER, port: int = 5062) -> Packet:
    target = "fd77:1::1" if ":" in source else "10.77.1.1"
    return frame(payload, src=source, dst=target, sport=port)


def datagram(out: Out) -> tuple[str, int, str, int, bytes]:
    """Source, port, target, port and payload of an answer, its checksums proven."""
    ether = out.ether
    network = ether[IPv6] if IPv6 in ether else ether[IP]
    udp = ether[UDP]
    payload = bytes(udp.payload)
    assert udp.len == 8 + len(payload)
    assert _checksums(ether) == _checksums(_recomputed(ether)), "a checksum is wrong"
    assert udp.chksum != 0
    return network.src, udp.sport, network.dst, udp.dport, payload


def _recomputed(ether: Packet) -> Packet:
    again = ether.copy()
    del again[UDP].chksum
    if IP in again:
        del again[IP].chksum
    return type(ether)(bytes(again))


def _checksums(ether: Packet) -> tuple[int, int]:
    return ether[IP].chksum if IP in ether else 0, ether[UDP].chksum


def answered(rig: Rig, ask: Ask, verdict: str, status: int) -> Response:
    """Sends the request; the answer must be this and keep every rule of check_answer."""
    out = rig.send(ask.packet())
    assert (out.verdict, out.action) == (verdict, Action.TX)
    return check_answer(ask.to_bytes(), out, status, ask.source, ask.port)


def check_answer(payload: bytes, out: Out, status: int, source: str, port: int) -> Response:
    """What RFC 3261 8.2.6 and 18.2, RFC 3581 4 want of an answer to this request, read by our own parser."""
    request = parse_datagram(payload)
    assert isinstance(request, Request)
    via = request.top_via
    here, from_port, there, to_port, text = datagram(out)
    assert (there, from_port) == (source, 5060)
    assert to_port == (port if via.rport is not None else via.port or 5060)
    response = parse_datagram(text)
    assert isinstance(response, Response)
    assert response.status == status
    assert text[-4:] == CRLF + CRLF and text.count(CRLF + CRLF) == 1
    _check_copies(request, response)
    _check_top_via(request, response, source, port)
    assert len(text) * 10 <= len(payload) * 11, "larger than the request by more than a tenth"
    assert here == ("fd77:1::1" if ":" in source else "10.77.1.1")
    return response


def _check_copies(request: Request, response: Response) -> None:
    for name in (b"from", b"call-id", b"cseq"):
        assert response.headers.get_all(name) == request.headers.get_all(name), name
    assert response.headers.get_all(b"content-length") == [b"0"]
    to, asked = response.to, request.to
    assert (to.uri, to.display) == (asked.uri, asked.display)
    assert to.tag if asked.tag is None else to.tag == asked.tag
    assert not response.body


def _check_top_via(request: Request, response: Response, source: str, port: int) -> None:
    assert response.vias[1:] == request.vias[1:]
    top, asked = response.vias[0], request.top_via
    assert (top.host, top.port, top.branch) == (asked.host, asked.port, asked.branch)
    assert same_address((top.received or b"").decode(), source)
    assert top.rport == (None if asked.rport is None else b"%d" % port)


def same_address(text: str, address: str) -> bool:
    from ipaddress import ip_address

    return ip_address(text) == ip_address(address)


def nonce_of(response: Response) -> bytes:
    """The nonce of the one challenge, whose parameters must be the ones that everybody understands."""
    name = b"www-authenticate" if response.status == 401 else b"proxy-authenticate"
    (value,) = response.headers.get_all(name)
    given = credentials(value)
    assert given[b"realm"] == REALM.encode()
    assert (given[b"algorithm"], given[b"qop"]) == (b"MD5", b"auth")
    assert re.fullmatch(rb"[0-9a-f]{32}", given[b"nonce"])
    return given[b"nonce"]


def is_stale(response: Response) -> bool:
    name = b"www-authenticate" if response.status == 401 else b"proxy-authenticate"
    return credentials(response.headers.get_all(name)[0]).get(b"stale") == b"true"


def with_nonce(ask: Ask, nonce: bytes, *, proxy: bool = False, password: bytes = b"secret") -> Ask:
    """The same request with the answer to a challenge."""
    asked = b'Digest realm="%b", nonce="%b", algorithm=MD5, qop="auth"' % (REALM.encode(), nonce)
    value = answer_challenge(asked, ask.method.encode(), ask.uri.encode(), b"1000", password, b"0a4f113b")
    name = "Proxy-Authorization" if proxy else "Authorization"
    return Ask(**{**vars(ask), "lines": (*ask.lines, f"{name}: {value.decode()}")})


def authenticator() -> Authenticator:
    return Authenticator(REALM.encode(), keys())


def changed(ask: Ask, **parts: object) -> Ask:
    return Ask(**{**vars(ask), **parts})  # type: ignore[arg-type]
