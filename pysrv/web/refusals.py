"""What the web refuses, counted by reason, and which of it is held against its source. One table: the metrics show it,
the tests walk it.

What somebody may do by mistake, or what another's page can make his browser do (a foreign form, a foreign name, a
pace), is counted and bans nobody: it would be a way to have others banned. What no page of ours and no browser asks for
counts as a wrong message of that address (`maxwrongmsgallowed`), a wrong password as such (pysrv.web.logins).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

LONGEST_WORDS: Final = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row. `status`: the answers that it is told by, 0: there is none. `strikes`: it is a wrong message of its
    source."""

    reason: str
    says: str
    status: int = 0
    strikes: bool = False


# fmt: off
ROWS: Final = (
    Refusal("malformed", "what is no HTTP, or tells its own length in two ways", strikes=True),
    Refusal("unknown_path", "a path or a method that nothing here has", strikes=True),
    Refusal("slow", "a request that was not finished in time"),
    Refusal("crowded", "a connection beyond those that there is room for"),
    Refusal("foreign_form", "a form of another site's page or of another session"),
    Refusal("bad_request", "arguments that cannot be read", 400),
    Refusal("unauthorized", "no login, or a wrong one", 401),
    Refusal("forbidden", "what a role, an address or a setting does not allow", 403),
    Refusal("not_found", "something that there is not", 404),
    Refusal("too_large", "a body or a header that is too large", 413),
    Refusal("misdirected", "a name that is not ours (Host)", 421),
    Refusal("too_many", "asked or guessed too fast", 429),
    Refusal("invalid", "everything else that was refused"),
)
# fmt: on
BY_STATUS: Final = {row.status: row for row in ROWS if row.status}
BY_REASON: Final = {row.reason: row for row in ROWS}


class Refusals:
    """The counts of one web. `struck` is told the address and what it sent, for rows that strike."""

    def __init__(self, struck: Callable[[str, str], object]) -> None:
        self._struck = struck
        self.counts: Counter[str] = Counter()

    def note(self, reason: str, address: str = "", words: str = "") -> None:
        """One more."""
        row = BY_REASON[reason]
        self.counts[row.reason] += 1
        if row.strikes and address:
            self._struck(address, f"{row.reason} on the web: {words[:LONGEST_WORDS]}")


REFUSALS: Final = web.AppKey("refusals", Refusals)
WHY: web.RequestKey[str] = web.RequestKey("why", str)  # a reason that the status does not tell


async def count(request: web.Request, response: web.StreamResponse) -> None:
    """Every answer that is a refusal; a fault of our own is none."""
    if not 400 <= response.status < 500:
        return
    known = BY_STATUS.get(response.status, BY_REASON["invalid"]).reason
    reason = "unknown_path" if request.match_info.http_exception is not None else request.get(WHY, known)
    if response.status == BY_REASON["misdirected"].status:
        reason = "misdirected"  # by a name of its own choice a page elsewhere may ask for any path
    request.app[REFUSALS].note(reason, request.remote or "", f"{request.method} {request.rel_url.raw_path}")
