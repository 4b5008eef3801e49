"""Session descriptions for tests: as phones write them, and as hypothesis imagines them."""

from dataclasses import dataclass

from hypothesis import strategies as st


def audio(
    address: str = "192.168.1.5",
    port: int = 4000,
    formats: str = "0 8 101",
    *lines: str,
    proto: str = "RTP/AVP",
) -> bytes:
    """An ordinary phone's description of one audio stream; `lines` are appended to it."""
    family = "IP6" if ":" in address else "IP4"
    text = [
        "v=0",
        f"o=alice 2890844526 2890844526 IN {family} {address}",
        "s=-",
        f"c=IN {family} {address}",
        "t=0 0",
        f"m=audio {port} {proto} {formats}",
        *lines,
    ]
    return ("\r\n".join(text) + "\r\n").encode()


def media_lines(sdp: bytes) -> list[bytes]:
    """The m= lines of a description."""
    return [line for line in sdp.split(b"\r\n") if line.startswith(b"m=")]


def port_of(sdp: bytes, index: int = 0) -> int:
    """The port of the m= line at `index`."""
    return int(media_lines(sdp)[index].split()[1])


@dataclass(frozen=True)
class Client:
    """A description and the addresses that its sender would rather not show."""

    sdp: bytes
    addresses: tuple[str, ...]


IP4 = st.ip_addresses(v=4, network="10.0.0.0/8").map(str)
IP6 = st.ip_addresses(v=6, network="fd00::/8").map(lambda ip: ip.compressed)
IP6_LONG = st.ip_addresses(v=6, network="fd00::/8").map(lambda ip: ip.exploded)
CODECS = {
    0: "PCMU/8000",
    8: "PCMA/8000",
    9: "G722/8000",
    18: "G729/8000",
    96: "opus/48000/2",
    101: "telephone-event/8000",
}


@st.composite
def clients(draw: st.DrawFn) -> Client:
    """Any client: several streams, some refused or no RTP, its addresses wherever phones are known to put them."""
    address = draw(st.one_of(IP4, IP6))
    others = draw(st.lists(st.one_of(IP4, IP6, IP6_LONG), max_size=3, unique=True))
    family = "IP6" if ":" in address else "IP4"
    lines = [
        "v=0",
        f"o=user 1 1 IN {family} {address}",
        draw(st.sampled_from(["s=-", "s= ", f"s=call of {address}", "s=a talk"])),
    ]
    lines += draw(st.sampled_from([[], [f"i=from {address}"], ["u=http://10.1.2.3/", "e=a@b.c", "p=+49 1"]]))
    lines += [f"c=IN {family} {address}", "b=AS:84", "t=0 0"]
    lines += draw(_leaks([address, *others]))
    for _ in range(draw(st.integers(1, 4))):
        lines += draw(_stream([address, *others]))
    text = draw(st.sampled_from(["\r\n", "\n"])).join([*lines, ""])
    return Client(text.encode(), (address, *others))


@st.composite
def _stream(draw: st.DrawFn, addresses: list[str]) -> list[str]:
    port = draw(st.sampled_from([0, 4000, 40_002, 65_534]))
    if draw(st.integers(0, 5)) == 0:
        return [draw(st.sampled_from([f"m=image {port} udptl t38", f"m=application {port} TCP/BFCP *"]))]
    formats = draw(st.lists(st.sampled_from(sorted(CODECS)), min_size=1, unique=True))
    proto = draw(st.sampled_from(["RTP/AVP", "RTP/SAVP", "RTP/AVPF", "UDP/TLS/RTP/SAVPF"]))
    lines = [f"m={draw(st.sampled_from(['audio', 'video']))} {port} {proto} {' '.join(map(str, formats))}"]
    if draw(st.booleans()):
        own = draw(st.sampled_from(addresses))
        lines.append(f"c=IN {'IP6' if ':' in own else 'IP4'} {own}")
    lines += [f"a=rtpmap:{number} {CODECS[number]}" for number in formats]
    lines += draw(st.sampled_from([[], ["a=sendonly"], ["a=inactive"], ["a=recvonly", "a=ptime:20"]]))
    lines += draw(
        st.sampled_from([[], ["a=rtcp-mux"], ["a=rtcp:40009", "a=rtcp-mux"], [f"a=rtcp:53 IN IP4 {addresses[0]}"]])
    )
    return lines + draw(_leaks(addresses))


def _leaks(addresses: list[str]) -> st.SearchStrategy[list[str]]:
    forms = [
        "a=candidate:1 1 UDP 2130706431 {} 4000 typ host", "a=alt:1 1 : 3A 4B {} 5062", "a=x-route:{}",
        "a=foo bar={},x",
        "a=source-filter: incl IN IP4 * {}", "a=ssrc:1 cname:phone@{}", "a={}", "a=x:[{}]:5060", "i=at {}", "b=X-Y:{}",
        "k=clear:{}", "a=ice-ufrag:abcd", "a=group:BUNDLE 0 1",
    ]  # fmt: skip
    leak = st.builds(str.format, st.sampled_from(forms), st.sampled_from(addresses))
    return st.lists(leak, max_size=4)
