"""Answers to a trunk's challenge: what is remembered of it for the next requests of the same leg.

One leg talks to one trunk, so one challenge at a time is enough. Secrets never leave but as a digest.
Source: RFC 3261 22.2 and 22.3, RFC 7616 (nonce counts, stale), RFC 8760.
"""

from collections.abc import Callable

from pysrv.calls.plan import TrunkCredentials
from pysrv.sip.digest import answer_challenge
from pysrv.sip.errors import BadMessage
from pysrv.sip.message import Response
from pysrv.sip.uri import Uri

_PAIRS = ((b"proxy-authenticate", b"Proxy-Authorization"), (b"www-authenticate", b"Authorization"))
MAX_ATTEMPTS = 3


class Authorization:
    """The credentials for a trunk and the challenge that was last answered with them."""

    __slots__ = ("_answer", "_challenge", "_count", "_credentials", "_tokens")

    def __init__(self, credentials: TrunkCredentials, tokens: Callable[[], bytes]) -> None:
        self._credentials, self._tokens = credentials, tokens
        self._challenge: tuple[bytes, bytes] | None = None  # our header's name, their value
        self._count = 0
        self._answer: tuple[tuple[bytes, bytes], ...] = ()

    def learn(self, response: Response, attempts: int) -> bool:
        """Take up the challenge of a 401 or 407; False when trying again makes no sense.

        `attempts` requests were refused so far: a second refusal means a wrong password, unless it says that only
        the nonce was stale.
        """
        for name, answer in _PAIRS:
            for challenge in response.headers.get_all(name):
                stale = b"stale=true" in challenge.lower().replace(b'"', b"").replace(b" ", b"")
                if attempts >= MAX_ATTEMPTS or (attempts > 1 and not stale):
                    continue
                if self._answerable(challenge):
                    self._challenge, self._count = (answer, challenge), 0
                    return True
        return False

    def headers(self, method: bytes, uri: Uri, *, repeat: bool = False) -> tuple[tuple[bytes, bytes], ...]:
        """The credentials for a request, nothing before the first challenge.

        `repeat`: those of the last request again, as the ACK of an INVITE must have them (RFC 3261 22.1).
        """
        if self._challenge is None or repeat:
            return self._answer
        name, challenge = self._challenge
        self._count += 1
        self._answer = ((name, self._digest(challenge, method, uri.to_bytes(), self._count)),)
        return self._answer

    def _answerable(self, challenge: bytes) -> bool:
        try:
            self._digest(challenge, b"INVITE", b"sip:probe.invalid", 1)
        except BadMessage:
            return False
        return True

    def _digest(self, challenge: bytes, method: bytes, uri: bytes, count: int) -> bytes:
        user, password = self._credentials.user.encode(), self._credentials.password.encode()
        return answer_challenge(challenge, method, uri, user, password, self._tokens()[:16], count)
