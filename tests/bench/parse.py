"""Messages parsed a second on one core, with the headers that every proxy looks at: Via, From, To, Call-ID, CSeq,
Contact. Beside sipmessage and sippy, in turns, so that a noisy moment hits all of them."""

import importlib.util
import time
from collections.abc import Callable, Iterator

from pysrv.sip.message import Request
from pysrv.sip.parser import parse_datagram
from tests.bench.report import Row, compare, say

ROUNDS = 9
ROUND_S = 0.12

_SDP = (
    b"v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    b"m=audio 49172 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
)
INVITE = (
    b"INVITE sip:1002@appliance.example SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.10:5071;branch=z9hG4bK776asdhds;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Alice" <sip:1001@appliance.example>;tag=1928301774\r\n'
    b"To: <sip:1002@appliance.example>\r\n"
    b"Call-ID: a84b4c76e66710@192.0.2.10\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Contact: <sip:1001@192.0.2.10:5071;transport=udp>\r\n"
    b"User-Agent: A telephone 1.0\r\n"
    b"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_SDP), _SDP)
)

Parser = Callable[[], object]


def ours() -> object:
    """Our parser and the hot headers."""
    message = parse_datagram(INVITE)
    assert isinstance(message, Request)
    return message.top_via, message.from_, message.to, message.call_id, message.cseq, message.contacts


def sipmessage() -> Parser:
    """The same by sipmessage."""
    from sipmessage import Message

    def parse() -> object:
        message = Message.parse(INVITE)
        return (
            message.via, message.from_address, message.to_address, message.call_id, message.cseq,
            message.contact,
        )  # fmt: skip

    return parse


def sippy() -> Parser:
    """The same by sippy."""
    from sippy.SipRequest import SipRequest

    def parse() -> object:
        message = SipRequest(INVITE.decode())
        return [message.getHFBody(name) for name in ("via", "from", "to", "call-id", "cseq", "contact")]

    return parse


def per_second(parsers: dict[str, Parser]) -> dict[str, float]:
    """Best of the rounds for each parser, in messages a processor second."""
    best = dict.fromkeys(parsers, 0.0)
    for _ in range(ROUNDS):
        for name, parse in parsers.items():
            best[name] = max(best[name], _round(parse))
    return best


def _round(parse: Parser) -> float:
    count, start = 0, time.process_time()
    while (spent := time.process_time() - start) < ROUND_S:
        for _ in range(200):
            parse()
        count += 200
    return count / spent


def run() -> Iterator[Row]:
    """Two rows."""
    parsers: dict[str, Parser] = {"ours": ours}
    for name, make in (("sipmessage", sipmessage), ("sippy", sippy)):
        if importlib.util.find_spec(name) is None:
            say(f"{name} is not installed: no comparison with it")
        else:
            parsers[name] = make()
    figures = per_second(parsers)
    for name in ("sipmessage", "sippy"):
        yield compare("parse: messages/s with hot headers", figures["ours"], figures.get(name), name, figures.get(name))
