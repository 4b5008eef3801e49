"""Which addresses are trusted now: the rules of pysrv.limits.trusted over the allow list and what was seen lately.

An address from which somebody proved a password is remembered for an hour; a restart forgets it.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from appliance.config.opening import Reach, Where
from appliance.config.settings import Settings
from pysrv.limits.trusted import Known, is_own, is_private, is_vouched, is_within, trusted_why
from pysrv.service.surroundings import THIS_MACHINE, Surroundings
from pysrv.store import Store

AUTHENTICATED_S: Final = 3600.0
MOST: Final = 65_536


class TrustedAddresses:
    """Asked for the few requests whose fate hangs on it, so the allow list is read each time."""

    def __init__(self, store: Store, world: Surroundings, settings: Callable[[], Settings]) -> None:
        self._store, self._world, self._settings = store, world, settings
        self._authenticated: OrderedDict[str, float] = OrderedDict()
        self.tunnel: tuple[str, ...] = ()  # networks of those who come through the administrators' tunnel

    def authenticated(self, address: str) -> None:
        """Somebody proved a password from this address."""
        self._authenticated[address] = self._world.clock.wall() + AUTHENTICATED_S
        self._authenticated.move_to_end(address)
        if len(self._authenticated) > MOST:
            self._authenticated.popitem(last=False)

    def why(self, address: str, under: Settings | None = None) -> str:
        """Why an address is trusted; empty: it is not. `under` other settings than now."""
        listed = tuple(row.prefix for row in self._store.trusted())
        lately = self._authenticated.get(address, 0.0) > self._world.clock.wall()
        return trusted_why(address, under or self._settings(), Known(listed, self._own(), lately))

    def vouches(self, address: str) -> bool:
        """Whether the allow list names it, and it is not this machine."""
        listed = tuple(row.prefix for row in self._store.trusted())
        return is_vouched(address, self._settings(), Known(listed, self._own()))

    def is_own(self, address: str) -> bool:
        """Whether it is this machine."""
        return is_own(address, self._own())

    def opens_console(self, address: str) -> bool:
        """Whether the administrators' console does not make this address wait after a wrong password."""
        return self._settings().allowtrustedip == Where.CONSOLE_TOO and self.is_near(address)

    def opens_tcp_console(self, address: str) -> bool:
        """Whether somebody from there may log in to the console over TCP: this machine, and those who are trusted."""
        reach = Reach(self._settings().remoteadmin)
        near = self.through_tunnel(address) or self.is_near(address)
        return self.is_own(address) or (reach is not Reach.NOWHERE and near)

    def through_tunnel(self, address: str) -> bool:
        """Whether it is one of the tunnel's peers: nobody else has such an address while the tunnel is there."""
        return is_within(address, self.tunnel)

    def administers(self, address: str, under: Settings | None = None) -> bool:
        """Whether the administrators' part of the web is open to it (remoteadmin); `under` other settings than now.

        Private networks are let in too until somebody has said whom he trusts: there has to be a first.
        """
        settings = under or self._settings()
        reach = Reach(settings.remoteadmin)
        if self.is_own(address) or reach is Reach.ANYWHERE:
            return True
        if reach is not Reach.TRUSTED:
            return False
        near = self.through_tunnel(address) or self.is_near(address, settings)
        return near or (is_private(address) and not self._store.trust_begun())

    def is_near(self, address: str, under: Settings | None = None) -> bool:
        """Whether it is trusted without a log-in (trustauthip): whoever has a telephone administers nothing by it."""
        listed = tuple(row.prefix for row in self._store.trusted())
        return bool(trusted_why(address, under or self._settings(), Known(listed, self._own())))

    def _own(self) -> frozenset[str]:
        return frozenset(address for address, what in self._world.host().items() if what == THIS_MACHINE)
