"""Random tokens for tags, branches and Call-IDs: a call needs a dozen, so they are drawn from the system in bulk."""

import os
from collections.abc import Callable

_DRAWN_BYTES = 6000


def token_source(token_bytes: int, draw: Callable[[int], bytes] = os.urandom) -> Callable[[], bytes]:
    """A function that gives `token_bytes` random bytes in hex, never the same bytes twice.

    Not to be used on both sides of a fork, which would share what is drawn already.
    """
    left: list[bytes] = []
    step, size = 2 * token_bytes, _DRAWN_BYTES // token_bytes * token_bytes

    def token() -> bytes:
        if not left:
            text = draw(size).hex().encode()
            left.extend(text[at : at + step] for at in range(0, len(text), step))
        return left.pop()

    return token
