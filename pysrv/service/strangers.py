"""Strangers at the door: scanners get no answer, and who touches a decoy is banned.

The gate knows scanners itself; here the same is asked of what it does not see: TCP, and everything while it is away.
Devices that are known, trunks and the allow list, of both kinds as at the gate, are no strangers. What counts as a
scanner and what a decoy comes to is pure (pysrv.limits.scanners, pysrv.limits.decoys).
"""

import logging
from ipaddress import ip_address, ip_network

from appliance.config.settings import Settings
from pysrv.limits.decoys import SETTING, Asked, Decoys
from pysrv.limits.scanners import Scanners, Seen
from pysrv.service.authentication import Unproven
from pysrv.service.defence import Defence
from pysrv.service.pairs import KnownPairs
from pysrv.service.surroundings import Clock
from pysrv.sip.digest import AuthOutcome
from pysrv.sip.errors import BadMessage
from pysrv.sip.events import Flow
from pysrv.sip.grammar import unescape
from pysrv.sip.headers import NameAddr
from pysrv.sip.message import Request
from pysrv.sip.uri import Uri
from pysrv.store import Store

_PROVES_ADDRESS = (AuthOutcome.WRONG_PASSWORD, AuthOutcome.UNKNOWN_USER, AuthOutcome.REPLAYED, AuthOutcome.STALE)
QUIET_S = 60.0  # between two lines of the log about one source
MOST_TOLD = 4096
_log = logging.getLogger("pysrv.strangers")


class Strangers:
    """What becomes of requests of nobody that we know."""

    def __init__(self, store: Store, settings: Settings, defence: Defence, pairs: KnownPairs, clock: Clock) -> None:
        self._store, self._defence, self._pairs, self._clock = store, defence, pairs, clock
        self._told: dict[tuple[str, str], float] = {}
        self.scanners_dropped = 0
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """New lists."""
        self._scanners = Scanners(settings.blockua)
        self._decoys = Decoys(settings.decoyextensions)

    def is_scanner(self, request: Request, flow: Flow) -> bool:
        """Whether a request outside of dialogs gets no answer (`blockua`)."""
        if self._pairs.holds(flow.remote):
            return False
        found = self._scanners.verdict(_seen(request))
        if found is None or self._is_no_stranger(flow.remote[0]):
            return False
        verdict, why = found
        if verdict in self._store.report_only() or "blockua" in self._store.report_only():
            self._tell("would drop source=%s verdict=%s: %s (report-only)", flow.remote[0], verdict, why)
            return False
        self.scanners_dropped += 1
        self._tell("dropped source=%s verdict=%s: %s", flow.remote[0], verdict, why)
        return True

    def asked(self, request: Request, flow: Flow) -> None:
        """A request that wants no credentials, OPTIONS for one: over a connection it may touch a decoy, too."""
        if flow.reliable and request.to.tag is None and not self._pairs.holds(flow.remote):
            self.refused(request, flow, Unproven(0))

    def refused(self, request: Request, flow: Flow, unproven: Unproven) -> None:
        """A request that nobody known sent: did it touch a decoy?"""
        if not self._decoys:
            return
        proven = flow.reliable or unproven.outcome in _PROVES_ADDRESS
        neighbours = bool(self._pairs.neighbours(flow.remote[0]))
        touch = self._decoys.touch(_asked(request, unproven.user), proven=proven, neighbours=neighbours)
        if touch is None or self._is_somebody(touch.decoy):
            return
        self._tell("decoy touched source=%s bans=%s: %s", flow.remote[0], touch.bans, touch.sentence)
        if touch.bans:
            self._defence.decoy(request, flow, touch.sentence)

    def _tell(self, form: str, source: str, *what: object) -> None:
        """A line in the log, once a minute for each source and kind: a scan is thousands of requests."""
        now = self._clock.monotonic()
        if now - self._told.get((form, source), -QUIET_S) < QUIET_S:
            return
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        self._told[form, source] = now
        _log.info(form, source, *what)

    def _is_somebody(self, decoy: str) -> bool:
        """An account that was made after the list: it is no decoy any more."""
        held = self._store.account(decoy) or self._store.account_by_number(decoy.lstrip("+"))
        if held is not None:
            _log.warning("%s names account %s: it is no decoy", SETTING, held.name)
        return held is not None

    def _is_no_stranger(self, address: str) -> bool:
        if self._store.trunk_by_address(address) is not None:
            return True
        return any(ip_address(address) in ip_network(row.prefix) for row in self._store.allows())


def _seen(request: Request) -> Seen:
    first = request.headers.first()
    return Seen(
        [name for name, _ in request.headers.lines[:8]],
        first.get(b"via", b""),
        first.get(b"from", b""),
        first.get(b"call-id", b""),
        first.get(b"contact"),
        first.get(b"user-agent"),
        request.body,
    )


def _asked(request: Request, user: str) -> Asked:
    """Whom the request names. A REGISTER's To is whom it says to be (RFC 3261 10.2)."""
    try:
        from_, to = _user(request.from_), _user(request.to)
        if request.method == b"REGISTER":
            return Asked((from_, to, user))
        return Asked((from_, user), (_user_of(request.uri), to))
    except BadMessage:
        return Asked((user,))


def _user(named: NameAddr) -> str:
    return _user_of(named.uri)


def _user_of(uri: Uri) -> str:
    return unescape(uri.user or b"").decode("utf-8", "replace")
