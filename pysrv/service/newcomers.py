"""Accounts that come into being through a REGISTER, while autocreatereguserstrict is off.

Only from a trusted address, and bound to it: such an account calls users of this server alone, has no money, and shows
its address and its name (needauth 7). Its password is random and told to nobody.
"""

import logging
from collections.abc import Callable
from typing import Final

from appliance.config.settings import Settings
from pysrv.billing.number import normalise
from pysrv.limits.decoys import taken
from pysrv.service.entry import user_in
from pysrv.service.surroundings import Surroundings
from pysrv.service.trusted import TrustedAddresses
from pysrv.sip.errors import BadMessage
from pysrv.sip.events import Flow
from pysrv.sip.message import Request
from pysrv.store import Store, StoreError
from pysrv.store.account import Account, NewAccount

MOST_AN_HOUR: Final = 100
HOUR_S: Final = 3600.0
ADDRESS_AND_NAME: Final = 7
SETTING = "autocreatereguserstrict"
_log = logging.getLogger("pysrv.registrar")


class Newcomers:
    """Makes them, so many an hour."""

    def __init__(
        self, store: Store, world: Surroundings, trusted: TrustedAddresses, settings: Callable[[], Settings]
    ) -> None:
        self._store, self._world, self._trusted, self._settings = store, world, trusted, settings
        self._made: list[float] = []

    def account(self, request: Request, flow: Flow) -> Account | None:
        """The account that this REGISTER makes; None: it makes none."""
        settings = self._settings()
        if settings.autocreatereguserstrict or request.method != b"REGISTER":
            return None
        try:
            name, said = user_in(request.to.uri), user_in(request.from_.uri)
        except BadMessage:
            return None
        if name != said or not self._is_free(name, settings) or not self._trusted.why(flow.remote[0]):
            return None
        return self._make(name, flow.remote[0], settings) if self._has_room(settings) else None

    def _is_free(self, name: str, settings: Settings) -> bool:
        somebody = self._store.account(name) or self._store.account_by_number(name.lstrip("+"))
        number = normalise(name)
        leads = number is not None and (
            number in (*settings.emergencynumbers, *settings.ivrnumbers) or bool(self._store.routes_for(number))
        )
        return bool(name) and somebody is None and not leads and not taken(settings.decoyextensions, (name,))

    def _has_room(self, settings: Settings) -> bool:
        now = self._world.clock.wall()
        self._made = [at for at in self._made if now - at < HOUR_S]
        most = settings.licensecfg.get("accounts", 0)
        return len(self._made) < MOST_AN_HOUR and (not most or self._store.account_count() < most)

    def _make(self, name: str, address: str, settings: Settings) -> Account | None:
        password = (self._world.tokens() + self._world.tokens()).hex()
        new = NewAccount(
            name,
            password,
            settings.realm,
            maxlines=settings.maxlines,
            maxlinesoffpeak=settings.maxlinesoffpeak,
            needauth=ADDRESS_AND_NAME,
            authip=(address,),
            onlylocalaccess=True,
        )
        try:
            made = self._store.add_account(new, SETTING)
        except StoreError as error:
            _log.info("no account comes of a REGISTER source=%s: %s", address, error)
            return None
        self._made.append(self._world.clock.wall())
        _log.warning("account made by a REGISTER account=%s source=%s (%s is off)", name, address, SETTING)
        self._world.gate.resync()
        return made
