"""The INVITE that goes to a target: written anew, so that nothing of the caller's side is in it that is not named here.

Pure: plan, target and what is worth knowing of the caller in; header lines out. RFC 3261 8.1.1, RFC 3323 (anonymous),
RFC 3325 (P-Asserted-Identity).
"""

from dataclasses import dataclass, replace
from ipaddress import ip_address

from pysrv.calls.crossing import Where, crossing
from pysrv.calls.events import CrossingHeaders
from pysrv.calls.plan import CallPlan, Target, TargetKind
from pysrv.calls.switch import HeaderLines, host
from pysrv.sip.dialog import Dialog
from pysrv.sip.events import Flow
from pysrv.sip.grammar import quote
from pysrv.sip.message import Request
from pysrv.sip.uri import DEFAULT_PORT, Uri, escape_user

ANONYMOUS = b'"Anonymous" <sip:anonymous@anonymous.invalid>'
DEFAULT_HOPS = 70
_PRIVATE = frozenset((b"id", b"user", b"header"))
MAX_DISPLAY_BYTES = 128


@dataclass(frozen=True, slots=True)
class Caller:
    """What of the caller's INVITE may matter to the other side."""

    user: bytes
    display: bytes
    address: tuple[str, int]
    hops: int
    crossing: CrossingHeaders
    trusted: CrossingHeaders
    private: bool = False  # the caller asked not to be shown (RFC 3323)

    @classmethod
    def of(cls, invite: Request, flow: Flow) -> "Caller":
        """Read once from the INVITE. Raises BadMessage."""
        from_ = invite.from_
        hops = invite.max_forwards
        return cls(
            user=from_.uri.user or b"",
            display=from_.display[:MAX_DISPLAY_BYTES],
            address=flow.remote,
            hops=(DEFAULT_HOPS if hops is None else min(hops, DEFAULT_HOPS)) - 1,
            crossing=crossing(invite, Where.INVITE),
            trusted=crossing(invite, Where.TRUSTED_INVITE),
            private=any(wish.strip().lower() in _PRIVATE for wish in _wishes(invite)),
        )


@dataclass(frozen=True, slots=True)
class Invitation:
    """An INVITE without its CSeq, which grows when it has to be sent again."""

    target: Target
    call_id: bytes
    tag: bytes
    lines: HeaderLines

    def headers(self, cseq: int) -> HeaderLines:
        """All headers that are the same however often it is sent."""
        return (*self.lines, (b"CSeq", b"%d INVITE" % cseq))


def invitation(target: Target, plan: CallPlan, caller: Caller, call_id: bytes, tag: bytes) -> Invitation:
    """The INVITE for `target`; `call_id` and `tag` are fresh."""
    target = replace(target, uri=replace(target.uri, headers=()))
    lines = (
        (b"Max-Forwards", b"%d" % caller.hops),
        (b"From", _from(target, plan, caller) + b";tag=" + tag),
        (b"To", _to(target)),
        (b"Call-ID", call_id),
        *caller.crossing,
    )
    if target.assert_identity:
        lines += _identity(target, plan, caller)
    if plan.forward_client_address:
        lines += ((b"X-Client-Address", host(caller.address[0]) + b":%d" % caller.address[1]),)
    return Invitation(target, call_id, tag, lines)


def _from(target: Target, plan: CallPlan, caller: Caller) -> bytes:
    if plan.hide_caller or caller.private:
        return ANONYMOUS
    user = target.from_user if target.from_user is not None else plan.caller_user
    part = escape_user(user.encode()) if user else caller.user
    shown = plan.caller_display.encode()[:MAX_DISPLAY_BYTES] or (b"" if plan.caller_user else caller.display)
    name = quote(shown) + b" " if shown else b""
    at = part + b"@" if part else b""
    return b"%b<sip:%b%b>" % (name, at, host(target.flow.local[0]))


def _to(target: Target) -> bytes:
    user = target.uri.user if target.to_user is None else escape_user(target.to_user.encode())
    if target.uri.scheme == b"tel":
        return b"<%b>" % target.uri.to_bytes()
    at = user + b"@" if user else b""
    where = target.uri.host if target.kind is TargetKind.TRUNK else host(target.flow.local[0])
    return b"<sip:%b%b>" % (at, where)


def _identity(target: Target, plan: CallPlan, caller: Caller) -> HeaderLines:
    lines: HeaderLines = ()
    if plan.asserted_identity:
        asserted = escape_user(plan.asserted_identity.encode()) + b"@" + host(target.flow.local[0])
        lines = ((b"P-Asserted-Identity", b"<sip:%b>" % asserted),)
    if plan.hide_caller and not caller.trusted:
        return (*lines, (b"Privacy", b"id"))
    return (*lines, *caller.trusted)


def _wishes(invite: Request) -> list[bytes]:
    return [wish for value in invite.headers.get_all(b"privacy") for wish in value.split(b";")]


def next_hop(dialog: Dialog, flow: Flow) -> Flow:
    """Where requests inside a trunk's dialog go: its first route or contact, when that is an address (RFC 3261 8.1.2).

    Phones are always reached on the flow that they came by, since their contacts tend to lie behind a NAT.
    """
    uri: Uri = dialog.route_set[0].uri if dialog.route_set else dialog.remote_target
    address = uri.address.decode("ascii", "replace")
    if flow.transport != "udp" or not _is_like(address, flow.remote[0]):
        return flow
    remote = (address, uri.port or DEFAULT_PORT)
    return flow if remote == flow.remote else replace(flow, remote=remote)


def _is_like(address: str, known: str) -> bool:
    """Whether a place that a trunk names may be written to: an address (a name, or what only looks like an address,
    would have to be looked up, which takes its time) of the same family, and never this machine itself. Who speaks from
    a public address leads us into no private network.
    """
    try:
        there, here = ip_address(address), ip_address(known)
    except ValueError:
        return False
    odd = there.is_multicast or there.is_unspecified or (there.is_loopback and not here.is_loopback)
    inward = here.is_global and not there.is_global
    return there.version == here.version and not odd and not inward
