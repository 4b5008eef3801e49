"""Whose a request is without a password: by its source address, the tech prefix dialled, or the name it says.

What each account has to show is pysrv.limits.credentials; a source address is as good as the transport that shows it.
Who says to be another account that has a password is not taken for somebody by the address: that account is asked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from appliance.config.settings import Settings
from pysrv.limits.credentials import Register, is_taken_unproven, mode_of
from pysrv.limits.entrances import Entrance, Entrances, pick
from pysrv.limits.facts import Auth
from pysrv.service.surroundings import Surroundings
from pysrv.service.trusted import TrustedAddresses
from pysrv.sip.errors import BadMessage
from pysrv.sip.events import Flow
from pysrv.sip.grammar import unescape
from pysrv.sip.message import Request
from pysrv.sip.uri import Uri
from pysrv.store import Store
from pysrv.store.rows import Account, Trunk

NAMES_FOR_S: Final = 5.0  # how long the addresses of DNS names are taken as read


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is: an account, a trunk, or nobody where calls that prove nothing are taken (`how` NONE).

    Not `proven`: it did not bring a password itself. `lacks_prefix`: the account's tech prefix was not dialled.
    """

    account: Account | None = None
    trunk: Trunk | None = None
    proven: bool = True
    how: Auth = Auth.PROVEN
    lacks_prefix: bool = False

    @property
    def is_sure(self) -> bool:
        """Whether it is an account that showed a password or its address, and all that its calls must show."""
        return self.account is not None and not self.lacks_prefix and self.how in (Auth.PROVEN, Auth.ADDRESS)

    def dialled(self, text: str) -> str:
        """What was dialled, without the account's tech prefix."""
        if self.account is None or self.lacks_prefix or not mode_of(self.account.needauth).prefix:
            return text
        return text.removeprefix(self.account.techprefix)


class Entry:
    """Looks accounts up by what a request shows."""

    def __init__(
        self, store: Store, world: Surroundings, trusted: TrustedAddresses, settings: Callable[[], Settings]
    ) -> None:
        self._store, self._world, self._trusted, self._settings = store, world, trusted, settings
        self._resolved: dict[str, list[Entrance]] = {}
        self._resolved_of: tuple[Entrances | None, int] = None, 0
        self._resolved_at = 0.0

    def admits(self, account: Account, flow: Flow) -> bool:
        """Whether an account that proved its password may come from there."""
        mode = mode_of(account.needauth)
        return not mode.address or self._is_at(account, flow)

    def lacks_prefix(self, account: Account, request: Request) -> bool:
        """Whether the account should have dialled its tech prefix first."""
        return mode_of(account.needauth).prefix and not user_in(request.uri).startswith(account.techprefix)

    def unproven(self, request: Request, flow: Flow) -> Caller | None:
        """Whose request it is without any password; None: nobody's that we know."""
        try:
            return self._registering(request, flow) if request.method == b"REGISTER" else self._calling(request, flow)
        except BadMessage:
            return None

    def _registering(self, request: Request, flow: Flow) -> Caller | None:
        account = self._named(user_in(request.to.uri))
        if account is None or not account.enabled:
            return None
        match mode_of(account.needauth).registers:
            # A datagram's source is easily forged: nobody is unregistered by one that proves no more.
            case Register.ADDRESS if self._is_at(account, flow) and (flow.reliable or not _removes(request)):
                return Caller(account, proven=False, how=Auth.ADDRESS)
            case Register.NAME:
                return Caller(account, proven=False, how=Auth.NAMED)
        return None

    def _calling(self, request: Request, flow: Flow) -> Caller | None:
        dialled, said = user_in(request.uri), user_in(request.from_.uri)
        named = self._named(said)
        best, lacking = pick(self._at(flow.remote[0]), flow.remote[1], dialled, named.name if named else "")
        if best is None and (by_prefix := self._store.entrances().by_prefix(dialled)) is not None:
            best = by_prefix
        if best is not None or lacking:
            found = self._by_entrance(best, lacking, said)
            if found is not None:
                return found
        return self._by_name(request, flow, named)

    def _by_entrance(self, best: Entrance | None, lacking: tuple[str, ...], said: str) -> Caller | None:
        names = (best.account,) if best is not None else lacking
        other = self._store.account(said)
        if other is not None and other.name not in names and mode_of(other.needauth).password:
            return None
        account = self._store.account(names[0]) if len(names) == 1 else None
        if len(names) == 1 and (account is None or not account.enabled):
            return None
        how = Auth.ADDRESS if best is None or best.mode.address else Auth.NAMED
        return Caller(account, proven=False, how=how, lacks_prefix=best is None)

    def _by_name(self, request: Request, flow: Flow, named: Account | None) -> Caller | None:
        mode = mode_of(named.needauth) if named is not None else None
        if named is not None and not named.enabled:
            return None
        if mode is not None and mode.number == 5:
            return Caller(named, proven=False, how=Auth.NAMED)
        nothing = mode is None or mode.number == 0
        if request.method == b"INVITE" and nothing and self._takes_unproven(flow, account=named is not None):
            return Caller(named, proven=False, how=Auth.NONE)
        return None

    def _takes_unproven(self, flow: Flow, *, account: bool) -> bool:
        settings = self._settings()
        if not settings.allownoauthcalls:
            return False
        trusted = bool(self._trusted.why(flow.remote[0]))
        return is_taken_unproven(allowed=True, trusted=trusted, strong=settings.enforcestrongauth, account=account)

    def _named(self, said: str) -> Account | None:
        """The account of a name, or of a number with or without its plus."""
        return self._store.account(said) or (self._store.account_by_number(said.lstrip("+")) if said else None)

    def _is_at(self, account: Account, flow: Flow) -> bool:
        wants_port = mode_of(account.needauth).port
        return any(
            each.account == account.name and (not wants_port or each.place.port == flow.remote[1])
            for each in self._at(flow.remote[0])
        )

    def _at(self, address: str) -> Iterator[Entrance]:
        """Entrances at an address, the narrowest first; those by DNS name count as single addresses."""
        entrances = self._store.entrances()
        if entrances.names:
            yield from self._by_dns(entrances).get(address, ())
        if entrances.networks:
            yield from entrances.at(address)

    def _by_dns(self, entrances: Entrances) -> dict[str, list[Entrance]]:
        now, (held, count) = self._world.clock.monotonic(), self._resolved_of
        if entrances is not held or entrances.count != count or now - self._resolved_at > NAMES_FOR_S:
            self._resolved, self._resolved_of, self._resolved_at = {}, (entrances, entrances.count), now
            for name, found in entrances.names.items():
                if (address := self._world.resolve(name)) is not None:
                    self._resolved.setdefault(address, []).extend(found)
        return self._resolved


def _removes(request: Request) -> bool:
    """Whether a REGISTER takes a binding away. Raises BadMessage."""
    if request.contact_star:
        return True
    asked = [contact.param(b"expires") for contact in request.contacts]
    return any((request.expires == 0) if each is None else each.strip(b"0") == b"" for each in asked)


def user_in(uri: Uri) -> str:
    """The user part of a URI as it was written."""
    return unescape(uri.user or b"").decode("utf-8", "replace")
