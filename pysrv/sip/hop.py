"""What one hop adds to a message, and the messages that a transaction makes by itself.

Knows messages and flows, no state. Sources: RFC 3261 18.1.1 and 18.2 (Via, routing of responses), RFC 3581 (rport),
17.1.1.3 (ACK of a failure), 9.1 (CANCEL). A `maddr` in a peer's Via is ignored on purpose: it would let a stranger
choose whom our answers hit.
"""

import re
from functools import lru_cache

from pysrv.sip.events import Flow
from pysrv.sip.headers import Via
from pysrv.sip.message import Request, Response, response_to
from pysrv.sip.uri import DEFAULT_PORT

MAX_FORWARDS = b"70"

_MARKS = frozenset((b"received", b"rport"))
_token = re.compile(rb"[^\s;,<>\"]+").fullmatch
_CANCEL_COPIES = frozenset((b"via", b"from", b"to", b"call-id", b"route"))
_ACK_COPIES = frozenset((b"via", b"from", b"call-id", b"route"))


def stamp(request: Request, flow: Flow, branch: bytes) -> None:
    """Make a request ours: one Via with `branch` instead of any it has, Max-Forwards where it lacks."""
    headers = request.headers
    via = _via_start(flow.transport, flow.local) + branch
    if b"via" in headers:
        headers.set(b"via", via)
    else:
        headers.prepend(b"via", via)
    if b"max-forwards" not in headers:
        headers.add(b"max-forwards", MAX_FORWARDS)


def mark_source(request: Request, flow: Flow) -> None:
    """Write into the top Via where a request really came from (RFC 3261 18.2.1, RFC 3581 4). Raises BadMessage."""
    via = request.top_via
    remote, port = _written(flow.remote)
    asked = via.rport is not None
    if not asked and (via.host == remote or via.host.strip(b"[]") == remote):
        return
    params = [pair for pair in via.params if pair[0] not in _MARKS]
    if asked:
        params.append((b"rport", port))
    params.append((b"received", remote))
    request.replace_top_via(Via(via.transport, via.host, via.port, tuple(params)))


def response_flow(request: Request, flow: Flow) -> Flow:
    """Where the responses to a request go: back on its stream, to its source port if it asks so, else to sent-by.

    The address is always the one that it came from (18.2.2). Raises BadMessage.
    """
    via = request.top_via
    if flow.reliable or via.rport is not None or (via.port or DEFAULT_PORT) == flow.remote[1]:
        return flow
    return Flow(flow.transport, flow.local, (flow.remote[0], via.port or DEFAULT_PORT), flow.connection)


def trying(request: Request) -> Response:
    """The 100 that the transaction sends when its user is slow."""
    return response_to(request, 100)


def failure_ack(invite: Request, response: Response) -> Request:
    """The ACK of a 300-699: same branch and route as the INVITE, the To of the response (17.1.1.3)."""
    lines = [line for line in invite.headers.items() if line[0] in _ACK_COPIES]
    to = response.headers.get(b"to") or invite.headers.get(b"to") or b""
    lines += [(b"to", to), (b"cseq", b"%d ACK" % invite.cseq.number), (b"max-forwards", MAX_FORWARDS)]
    return Request.new(b"ACK", invite.uri, lines)


def cancel_of(invite: Request, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Request:
    """The CANCEL of an INVITE that we sent, with further `headers` such as Reason (9.1)."""
    lines = [line for line in invite.headers.items() if line[0] in _CANCEL_COPIES]
    lines += [(b"cseq", b"%d CANCEL" % invite.cseq.number), (b"max-forwards", MAX_FORWARDS), *headers]
    return Request.new(b"CANCEL", invite.uri, lines)


def branch_of(request: Request) -> bytes:
    """The branch of its top Via, b"" without one."""
    return request.top_via.branch or b""


def to_tag(response: Response) -> bytes | None:
    """The To tag of a response of ours, without reading the address where the tag is what comes last."""
    value = response.headers.get(b"to") or b""
    _, found, tag = value.rpartition(b";tag=")
    if found and _token(tag):
        return tag
    return response.to.tag if b"tag" in value.lower() else None


def set_to_tag(response: Response, tag: bytes) -> None:
    """Give a response of ours this To tag, whichever it had."""
    value = response.headers.get(b"to") or b""
    if b"tag" in value.lower():
        value = response.to.with_tag(tag).to_bytes()
    else:
        value += b";tag=" + tag
    response.headers.set(b"to", value)


@lru_cache(maxsize=4096)
def _written(remote: tuple[str, int]) -> tuple[bytes, bytes]:
    return remote[0].encode(), b"%d" % remote[1]


@lru_cache(maxsize=256)
def _via_start(transport: str, local: tuple[str, int]) -> bytes:
    address, port = local
    host = f"[{address}]" if ":" in address else address
    return f"SIP/2.0/{transport.upper()} {host}:{port};rport;branch=".encode()
