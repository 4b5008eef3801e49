"""Is a request a scanner's? What the gate asks of datagrams, asked of everything that comes past it.

Over TCP the gate sees no message, and where it is away it sees nothing. Beside name and shape, which are the gate's
(appliance.config.scanners), an offer is looked at here: some tools write their name into s= or o= (RFC 8866 5.2, 5.3).
Pure; knows no message, only its parts.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from appliance.config.scanners import FINGERPRINTS, ORDERED_HEADERS, SESSION_NAMES, Fingerprint, Shape

AGENT, SHAPE = "scanner_agent", "scanner_shape"
_LONG: Final = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact"}
_BRANCH: Final = re.compile(rb";\s*branch=([^;,\s]*)", re.IGNORECASE)
_TAG: Final = re.compile(rb";tag=([^;,\s]*)")
_SESSION: Final = re.compile(
    rb"^(?:s=|o=)(?:" + "|".join(map(re.escape, SESSION_NAMES)).encode() + rb")", re.IGNORECASE | re.MULTILINE
)
_MAGIC: Final = b"z9hG4bK"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is looked at of a request: canonical names of its first headers, values as they came, the body."""

    names: Sequence[bytes]
    via: bytes
    from_: bytes
    call_id: bytes
    contact: bytes | None
    user_agent: bytes | None
    body: bytes = b""


class Scanners:
    """One list of names, compiled. An empty one lets everybody pass, as it does in the gate."""

    def __init__(self, agents: Sequence[str]) -> None:
        parts = "|".join(map(re.escape, agents)).encode("ascii", "ignore")
        self._agent = re.compile(parts, re.IGNORECASE) if parts else None

    def verdict(self, seen: Seen) -> tuple[str, str] | None:
        """The gate's verdict and what speaks for it; None: nothing does."""
        if self._agent is None:
            return None
        if seen.user_agent and (found := self._agent.search(seen.user_agent)):
            return AGENT, found[0].decode("ascii")
        if print_ := fingerprint(seen):
            return SHAPE, print_.text
        if seen.body and (found := _SESSION.search(seen.body)):
            return SHAPE, found[0].decode("ascii")
        return None


def fingerprint(seen: Seen) -> Fingerprint | None:
    """The first fingerprint that the request has."""
    known: dict[Shape, bool] = {}
    names = tuple(name.decode("latin-1") for name in seen.names[:ORDERED_HEADERS])
    return next((each for each in FINGERPRINTS if _matches(each, names, seen, known)), None)


def _matches(each: Fingerprint, names: tuple[str, ...], seen: Seen, known: dict[Shape, bool]) -> bool:
    if each.order and tuple(_LONG.get(name, name) for name in each.order) != names:
        return False
    for shape in each.shapes:
        if shape not in known:
            known[shape] = _SHAPES[shape](seen)
        if not known[shape]:
            return False
    return True


def _branch(seen: Seen) -> bytes | None:
    found = _BRANCH.search(seen.via)
    return found[1] if found else None


def _branch_digits(seen: Seen) -> bool:
    branch = _branch(seen) or b""
    return branch.startswith(_MAGIC + b"-") and branch[len(_MAGIC) + 1 :].isdigit()


def _branch_foreign(seen: Seen) -> bool:
    branch = _branch(seen)
    return branch is not None and not branch.startswith(_MAGIC)


def _call_id_digits(seen: Seen) -> bool:
    return seen.call_id.isdigit() and len(seen.call_id) <= 32


def _tag_hex_text(seen: Seen) -> bool:
    found = _TAG.search(seen.from_)
    tag = found[1] if found else b""
    return re.fullmatch(rb"(?:[0-9a-f]{2}){4,}(?:3[0-9]){4}", tag) is not None and len(tag) < 128


def _contact_bare(seen: Seen) -> bool:
    return bool(seen.contact) and seen.contact != b"*" and not re.search(rb'<|^"', seen.contact or b"")


_SHAPES: Final[Mapping[Shape, Callable[[Seen], bool]]] = {
    Shape.BRANCH_DIGITS: _branch_digits,
    Shape.BRANCH_FOREIGN: _branch_foreign,
    Shape.CALL_ID_DIGITS: _call_id_digits,
    Shape.TAG_HEX_TEXT: _tag_hex_text,
    Shape.CONTACT_BARE: _contact_bare,
}
