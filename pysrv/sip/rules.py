"""What the core may refuse from a message alone, before its user hears of it.

Knows one message and what this endpoint understands; no transaction, no account, no dialog.
Sources: RFC 3261 8.2.2.1 (416), 8.2.2.3 (420), 16.3 (483: this element forwards, so a request that may not travel on
ends here unless this is its goal, as RFC 7332 asks of back-to-back user agents).
"""

from dataclasses import dataclass

from pysrv.sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class Rules:
    """What this endpoint understands."""

    supported: frozenset[bytes] = frozenset((b"100rel", b"timer", b"replaces", b"norefersub"))
    schemes: frozenset[bytes] = frozenset((b"sip", b"sips", b"tel"))
    goals: frozenset[bytes] = frozenset((b"REGISTER", b"OPTIONS", b"PUBLISH"))  # answered here, never forwarded


RULES = Rules()


@dataclass(frozen=True, slots=True)
class Objection:
    """The final answer that a request earns by itself."""

    status: int
    reason: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


def objection(request: Request, rules: Rules) -> Objection | None:
    """Why a request (neither ACK nor CANCEL) cannot be served, or None. Raises BadMessage."""
    if request.uri.scheme not in rules.schemes:
        return Objection(416, "Unsupported URI Scheme")
    unknown = request.require - rules.supported if b"require" in request.headers else frozenset()
    if unknown:
        return Objection(420, "Bad Extension", ((b"unsupported", b", ".join(sorted(unknown))),))
    if request.method not in rules.goals and request.max_forwards == 0 and request.to.tag is None:
        return Objection(483, "Too Many Hops")
    return None


def examine(response: Response) -> None:
    """Read what a transaction's user will read of any response, so that it meets no surprise. Raises BadMessage."""
    _ = response.from_, response.to, response.call_id
    if b"contact" in response.headers:
        _ = response.contacts
    if b"record-route" in response.headers:
        _ = response.record_routes
