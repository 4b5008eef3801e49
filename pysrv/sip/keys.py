"""What identifies a transaction, a merged request, an awaited ACK and a refusal that kept no state.

Knows messages, not machines. All keys are bytes; client keys begin with ">" and server keys with "<".
Sources: RFC 3261 17.1.3 and 17.2.3 (with the RFC 2543 fallback), 8.2.2.2 (merged requests), 13.2.2.4 (ACK of a 2xx).
Branches, Call-IDs and tags are compared as they are spelled: nothing between two hops may respell them.
"""

from hashlib import blake2b
from hmac import compare_digest

from pysrv.sip.events import TransactionKey
from pysrv.sip.message import MAGIC_COOKIE, Request, Response
from pysrv.sip.uri import DEFAULT_PORT

TAG_BYTES = 8
MAX_SECRET_BYTES = 64

_INVITE_FAMILY = frozenset((b"INVITE", b"ACK"))


def client_key(branch: bytes, method: bytes) -> TransactionKey:
    """The key of a request that we send (17.1.3)."""
    return b"> %b %b" % (branch, method)


def response_key(response: Response) -> TransactionKey:
    """The client transaction that a response belongs to (17.1.3). Raises BadMessage."""
    return b"> %b %b" % (response.top_via.branch or b"", response.cseq.method)


def server_key(request: Request, method: bytes | None = None) -> TransactionKey:
    """The server transaction of a request (17.2.3); `method` asks for another one of the same branch, as CANCEL does.

    An ACK has the key of its INVITE. Raises BadMessage.
    """
    via = request.top_via
    method = method or (b"INVITE" if request.method == b"ACK" else request.method)
    branch = via.branch
    if branch is None or not branch.startswith(MAGIC_COOKIE):
        return _rfc2543_key(request, method)
    return b"< %b %b:%d %b" % (branch, via.host.lower(), via.port or DEFAULT_PORT, method)


def origin_key(request: Request) -> bytes:
    """Equal for two requests exactly when they are one request on two paths (8.2.2.2). Raises BadMessage."""
    cseq = request.cseq
    return b"%b %b %d %b" % (request.call_id, request.from_.tag or b"", cseq.number, cseq.method)


def ack_key(call_id: bytes, local_tag: bytes, number: int) -> bytes:
    """Equal for our 2xx to an INVITE and the ACK of it (13.2.2.4): Call-ID, our tag, CSeq number."""
    return b"%b %b %d" % (call_id, local_tag, number)


def stateless_tag(secret: bytes, request: Request) -> bytes:
    """The To tag of an answer of which no state is kept: a MAC over Call-ID, CSeq number and From tag.

    Each repetition of the request gets the same tag, and the ACK proves by it which answer it belongs to.
    `secret`: at most 64 bytes. Raises BadMessage.
    """
    mac = blake2b(key=secret, digest_size=TAG_BYTES)
    mac.update(b"%b\n%d\n%b" % (request.call_id, request.cseq.number, request.from_.tag or b""))
    return mac.hexdigest().encode()


def is_stateless_ack(secret: bytes, ack: Request) -> bool:
    """Whether an ACK belongs to an answer of which no state was kept. Raises BadMessage."""
    return compare_digest(ack.to.tag or b"", stateless_tag(secret, ack))


def _rfc2543_key(request: Request, method: bytes) -> TransactionKey:
    """17.2.3, second list: what RFC 2543 peers repeat literally. The To tag counts only where no ACK must match."""
    tag = b"" if method in _INVITE_FAMILY else request.to.tag or b""
    via = request.top_via
    return b"< %b %b %b %d %b %b:%d %b" % (
        request.uri.to_bytes(),
        request.call_id,
        request.from_.tag or b"",
        request.cseq.number,
        tag,
        via.host.lower(),
        via.port or DEFAULT_PORT,
        method,
    )
