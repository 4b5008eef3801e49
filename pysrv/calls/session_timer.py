"""Session timers: how long a session lives without a refresh, and who refreshes it (RFC 4028).

Pure negotiation for one leg; the leg itself sends the refreshes and ends a call whose refresh does not come.
"""

from dataclasses import dataclass

from pysrv.sip.message import Message, Request, Response

TIMER = b"timer"
SESSION_EXPIRES = b"session-expires"
MIN_SE = b"min-se"
FLOOR_S = 90  # RFC 4028 section 4: no interval may be shorter
MAX_S = 86_400


@dataclass(frozen=True, slots=True)
class TooShort:
    """The peer's interval is below our minimum: answer 422 with Min-SE (section 9)."""

    min_se_s: int

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """What the 422 must carry."""
        return ((b"Min-SE", b"%d" % self.min_se_s),)


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """An agreed interval in seconds; `ours`: we are the refresher; `peer_supports`: the peer speaks RFC 4028."""

    interval_s: int
    ours: bool = True
    peer_supports: bool = False

    def refresh_at(self, now: float) -> float:
        """When the refresher sends the next refresh: after half the interval (section 10)."""
        return now + self.interval_s / 2

    def expires_at(self, now: float) -> float:
        """When the session is given up: min(32, a third) seconds before it would expire (section 10)."""
        return now + self.interval_s - min(32.0, self.interval_s / 3)

    def in_request(self, min_se_s: int) -> tuple[tuple[bytes, bytes], ...]:
        """The headers of a refresh that we send: we are its UAC (section 7.4)."""
        refresher = b"uac" if self.ours else b"uas"
        return (
            (b"Session-Expires", b"%d;refresher=%s" % (self.interval_s, refresher)),
            (b"Min-SE", b"%d" % min_se_s),
        )

    def in_response(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers of our 2xx to the peer's INVITE or UPDATE: we are its UAS (section 9)."""
        value = b"%d;refresher=%s" % (self.interval_s, b"uas" if self.ours else b"uac")
        if not self.peer_supports:
            return ((b"Session-Expires", value),)
        return ((b"Require", TIMER), (b"Session-Expires", value))


def of_request(request: Request, wanted_s: int, min_se_s: int) -> SessionTimer | TooShort:
    """The timer that we, as UAS, grant to `request` (section 9): never above what it asks nor below its Min-SE."""
    supports = TIMER in request.supported or TIMER in request.require
    asked, refresher = _session_expires(request)
    if asked is None:
        return SessionTimer(max(wanted_s, min_se_s, _min_se(request)), ours=True, peer_supports=supports)
    if asked < min_se_s and supports:
        return TooShort(min_se_s)
    interval = max(min(asked, max(wanted_s, min_se_s)), _min_se(request), FLOOR_S)
    return SessionTimer(interval, ours=not (supports and refresher == b"uac"), peer_supports=supports)


def of_response(response: Response, wanted: SessionTimer) -> SessionTimer:
    """What a 2xx to our request agreed to (section 7.2). A peer without timers is refreshed by us all the same."""
    asked, refresher = _session_expires(response)
    if asked is None:
        return SessionTimer(wanted.interval_s, ours=True, peer_supports=False)
    interval = min(max(asked, FLOOR_S), MAX_S)
    return SessionTimer(interval, ours=refresher != b"uas", peer_supports=True)


def after_422(response: Response, wanted: SessionTimer) -> SessionTimer | None:
    """The longer interval to try again with after a 422 (section 7.3), or None when it makes no sense."""
    least = _min_se(response)
    if not wanted.interval_s < least <= MAX_S:
        return None
    return SessionTimer(least, wanted.ours, wanted.peer_supports)


def _session_expires(message: Message) -> tuple[int | None, bytes]:
    value = message.headers.get(SESSION_EXPIRES)
    if value is None:
        return None, b""
    seconds, _, params = value.partition(b";")
    refresher = b""
    for param in params.split(b";"):
        name, _, chosen = param.partition(b"=")
        if name.strip().lower() == b"refresher":
            refresher = chosen.strip().lower()
    return _seconds(seconds), refresher


def _min_se(message: Message) -> int:
    value = message.headers.get(MIN_SE)
    return (_seconds(value.partition(b";")[0]) or 0) if value is not None else 0


def _seconds(text: bytes) -> int | None:
    text = text.strip()
    return min(int(text), MAX_S) if text.isdigit() and len(text) <= 10 else None
