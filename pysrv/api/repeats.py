"""Requests that may come again (draft-ietf-httpapi-idempotency-key-header): the same key with the same request gets the
answer of the first one and does nothing, with another request it is refused.

The answer is written in the transaction of what was done, so that there is never one without the other. Verbs are
synchronous: two at once are one after the other. A refused request has done nothing and may be tried again.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from appliance.wire import WireError
from pysrv.store import Store
from pysrv.store.api import KeptAnswer

HEADER: Final = "Idempotency-Key"
LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Repeat:
    """A request with a key: both as digests that only the token's holder could make, for bodies hold passwords."""

    digest: bytes
    request: bytes

    def kept(self, store: Store) -> KeptAnswer | None:
        """What was answered before. Raises WireError("invalid") when that was to something else."""
        found = store.api_answer(self.digest)
        if found is None:
            return None
        if not hmac.compare_digest(found.request, self.request):
            raise WireError("invalid", f"this {HEADER} was used for another request", "choose a new one")
        if found.body is None:
            raise WireError("conflict", "this was done already; its answer is shown once", "look at what it made")
        return found

    def keep(self, store: Store, status: int, said: dict[str, Any], *, secret: bool) -> None:
        """Remembers the answer; a secret one only as done."""
        store.keep_api_answer(self.digest, KeptAnswer(self.request, status, None if secret else encoded(said)))


def encoded(said: Any) -> bytes:
    """An answer as JSON."""
    return msgspec.json.encode(said)


async def repeat_of(request: web.Request, token: str) -> Repeat | None:
    """The request's key. Raises WireError."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not (0 < len(key) <= LONGEST and key.isascii() and key.isprintable()):
        raise WireError("bad_args", f"{HEADER} is 1 to {LONGEST} printable ASCII characters")
    line = f"{request.method} {request.path_qs}\n".encode("utf-8", "replace")
    return Repeat(_digest(token, b"key", key.encode()), _digest(token, b"request", line + await request.read()))


def _digest(token: str, what: bytes, content: bytes) -> bytes:
    return hmac.digest(token.encode("utf-8", "replace"), what + b"\0" + content, hashlib.sha256)
