"""Passwords while the service runs: secrets brought to the level that `securepasswords` says, and the sweep of
`enforcestrongauth`. All of it in bites of a few milliseconds.

The sweep never takes a telephone out by surprise. A weak password is told of once (`password_weak`); after
`passwordgrace` a random one takes its place (`password_replaced`), and for as long again the former one is good for
devices that are registered at that moment, from the very address and port that they registered from.
"""

import logging
import secrets
from collections.abc import Callable

from appliance.config.schema import ROWS
from appliance.config.settings import Settings
from pysrv.passwords import guesses
from pysrv.passwords.estimator import common
from pysrv.passwords.guesses import Search
from pysrv.passwords.policy import GENERATED, standing_weakness
from pysrv.service.surroundings import Clock
from pysrv.store import Store, StoreError
from pysrv.store.passwords import StoredPassword

EVERY_S, BUSY_S = 5.0, 0.25  # between bites, while there is nothing to do and while there is
GUESSES = 1500  # of a bite: three milliseconds
SECRETS = 50  # converted in a bite
ACCOUNTS = 20  # looked at in a bite, as long as none of them needs guesses
SWEEPER = "enforcestrongauth"
RANDOM_BYTES = 15
_SECRET_SETTINGS = frozenset(name for name, row in ROWS.items() if row.kind.secret)
_log = logging.getLogger("pysrv.passwords")
Tell = Callable[..., None]


class Passwords:
    """Chores about passwords on a timer. `changed` hears the name of each account whose password was replaced."""

    def __init__(
        self, store: Store, settings: Settings, clock: Clock, tell: Tell, changed: Callable[[str], None]
    ) -> None:
        self._store, self._settings, self._clock, self._tell, self._changed = store, settings, clock, tell, changed
        self._at = clock.monotonic() + EVERY_S
        self._search: tuple[StoredPassword, Search] | None = None
        self._converting = True
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Another snapshot of the settings."""
        self._settings = settings
        try:
            self._converting = self._store.protect(settings.securepasswords) or self._converting
        except StoreError as error:
            _log.error("secrets stay as they are: %s", error)
        if self._store.secrecy == 0:
            self._store.change_realm(settings.realm)
        if not settings.enforcestrongauth:
            self._search = None
            self._store.forget_warnings()

    def get_timer(self) -> float:
        """When `run` wants to be called (monotonic seconds)."""
        return self._at

    def run(self, now: float) -> None:
        """One bite of what is due."""
        if now < self._at:
            return
        busy = self._convert() or self._sweep()
        self._at = now + (BUSY_S if busy else EVERY_S)

    def _convert(self) -> bool:
        if self._converting:
            try:
                self._converting = self._store.convert(SECRETS, _SECRET_SETTINGS)
            except StoreError as error:
                self._converting = False  # until the next start or change: what cannot be opened stays as it is
                _log.error("secrets were not converted: %s", error)
            if not self._converting and self._store.is_converted:
                _log.info("secrets are kept as securepasswords=%d says", self._store.secrecy)
        return self._converting

    def _sweep(self) -> bool:
        """True: there is more to do."""
        self._store.forget_former()
        if not self._settings.enforcestrongauth:
            return False
        if self._search is not None:
            return self._guess()
        if self._replace():
            return True
        since = self._clock.wall() - self._settings.passwordsweep
        due = self._store.passwords_to_check(since, ACCOUNTS)
        for held in due:
            if self._look(held):
                break
        return len(due) == ACCOUNTS or self._search is not None

    def _look(self, held: StoredPassword) -> bool:
        """Judges a password by what was written down of it; True: it has to be guessed at."""
        why = standing_weakness(held.strength, self._settings.minpwdlength)
        if why or not held.ha1_md5:
            self._judged(held, why, searched=held.searched)
            return False
        words = tuple(word for _, word in held.owner.words)
        is_known = held.searched or held.strength.score >= 0
        groups = guesses.cheap(words) if is_known else guesses.thorough(words, common())
        self._search = held, Search(held.owner.name, held.realm, held.ha1_md5, groups)
        return True

    def _guess(self) -> bool:
        assert self._search is not None
        held, search = self._search
        if search.step(GUESSES):
            self._search = None
            current = self._store.account_by_id(held.account_id)
            if current is not None and current.ha1_md5 == held.ha1_md5:  # it may have been changed meanwhile
                self._judged(held, search.found, searched=True)
        return True

    def _judged(self, held: StoredPassword, why: str, *, searched: bool) -> None:
        if not why:
            self._store.note_password_checked(held.account_id, searched=searched)
            return
        if not self._store.note_password_weak(held.account_id, why):
            return
        until = int(self._clock.wall() + self._settings.passwordgrace)
        _log.warning("weak password account=%s it %s; replaced at %d", held.owner.name, why, until)
        key = str(int(self._clock.wall()))
        self._tell("password_weak", held.owner.name, key, why=why, replaced_at=until, setting=SWEEPER)

    def _replace(self) -> bool:
        """Replaces one password whose grace is over; True: there was one."""
        now, grace = self._clock.wall(), self._settings.passwordgrace
        for held in self._store.passwords_warned(now - grace, 1):
            # Nobody is told the new password: it stands in no mail. An operator sets one that can be told.
            made = secrets.token_urlsafe(RANDOM_BYTES)
            self._store.replace_password(held.account_id, made, GENERATED, now + grace, SWEEPER)
            name = held.owner.name
            _log.warning("weak password replaced account=%s it %s", name, held.weak_why)
            told = {"why": held.weak_why, "former_until": int(now + grace), "setting": SWEEPER}
            remedy = f"appliance accounts set {name} --password generated"
            self._tell("password_replaced", name, str(int(now)), remedy=remedy, **told)
            self._changed(name)
            return True
        return False
