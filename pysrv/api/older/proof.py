"""How a request of the older entry point proves whose it is: by a key, a login, a digest over a nonce, its address.

`Asked` is what it brought; nothing of that is logged. The digests are made of HA1 (RFC 7616, 3.4.2), so that no
password has to be kept for them; every comparison takes the same time whatever is right of it.
"""

import asyncio
import hashlib
import hmac
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.api.older.nonces import OnceNonces
from pysrv.control.session import Licence
from pysrv.people.permissions import Access, Area, Powers
from pysrv.store.rows import Account
from pysrv.web.backing import Backing
from pysrv.web.guesses import BackOff
from pysrv.web.problems import TooMany

NOTHING, LOGIN, LOGIN_AND_KEY, NONCE = range(4)  # apidefneedlogin
NO_MORE, TRUSTED_ADDRESS, ADDRESS_ALONE, PASSWORD_ALONE, BOTH = range(5)  # apideftrustadmin
MOST_CHECKS: Final = 8
NOBODY: Final = "0" * 64
_WRONG: Final = "authid or its proof is wrong"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request brought to prove itself, and where it came from."""

    entry: str
    address: str
    authid: str = ""
    authpwd: str = field(default="", repr=False)
    authmd5: str = field(default="", repr=False)
    authhash: str = field(default="", repr=False)
    authnonce: str = field(default="", repr=False)
    authkey: str = field(default="", repr=False)
    from_elsewhere: bool = False  # a browser says that another site's page made it ask (Fetch: Sec-Fetch-Site, Origin)
    forwarded: bool = False  # somebody between says that he speaks for another (RFC 7239): the address is only his


class Proof:
    """The checks of one web, with the guesses and nonces that it remembers. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.nonces = clock, OnceNonces()
        self._addresses, self._names = BackOff(), BackOff()
        self._one = asyncio.Semaphore(1)
        self._waiting = 0

    def key(self, office: Backing, asked: Asked) -> bool:
        """Whether it carried one of our keys. Raises WireError for a wrong one, and for none where one is needed."""
        settings = office.settings()
        self._wait(office, asked)
        if asked.authkey:
            if not _is_key(settings, asked.authkey):
                self._wrong(office, asked)
                raise WireError("unauthorized", "authkey is wrong", "httpapikey or serverapikey on the appliance")
            return True
        if settings.httpapikey or settings.apidefneedlogin == LOGIN_AND_KEY:
            hint = "send authkey" if settings.httpapikey else "set httpapikey on the appliance, and send it as authkey"
            raise WireError("unauthorized", "a request needs a key here", hint)
        return False

    async def account(self, office: Backing, asked: Asked, *, spends: bool) -> Account:
        """The account that asks. `spends`: then apidefneedlogin 0 does not do. Raises WireError."""
        settings = office.settings()
        if not asked.authid:
            raise WireError("unauthorized", "authid is missing", "name the account, and prove it")
        self._wait(office, asked)
        account = office.store.account(asked.authid)
        free = settings.apidefneedlogin == NOTHING and not spends and not _proofs(asked)
        if not free:
            await self._prove(office, settings, asked, account)
        if account is None or not account.enabled:
            self._wrong(office, asked)
            raise WireError("unauthorized", _WRONG)
        return account

    async def administrator(self, office: Backing, asked: Asked) -> tuple[str, Licence]:
        """Who does an administrative thing: his name in the trail, and what he may. Raises WireError."""
        level, keyed = office.settings().apideftrustadmin, self.key(office, asked)
        if not office.administers(asked.address):
            raise WireError("forbidden", f"remoteadmin keeps {asked.address} from the administrators' part")
        trusted = office.trusts(asked.address)
        if level in (ADDRESS_ALONE, BOTH) and not trusted:
            raise WireError("forbidden", f"{asked.address} is not trusted (apideftrustadmin)", "'appliance allow ADD'")
        if level == NO_MORE and not keyed:
            raise WireError("unauthorized", "an administrator needs a key here", "set httpapikey, send authkey")
        if not asked.authid and _by_place(level, keyed=keyed, trusted=trusted, vouched=_vouched(office, asked)):
            if asked.from_elsewhere and not asked.authkey:
                raise WireError(
                    "forbidden", "a page of another site cannot ask for this", "send httpapikey, or ask directly"
                )
            return f"api:{asked.address}", Licence(_ADMINISTRATIVE, proven=True)
        return await self._person(office, asked)

    async def _person(self, office: Backing, asked: Asked) -> tuple[str, Licence]:
        self._wait(office, asked)
        if not asked.authid or not asked.authpwd:
            hint = "or httpapikey as authkey; without either only an address that the allow list names will do"
            raise WireError("unauthorized", "an administrator's authid and authpwd are needed", hint)
        await self._slow(office, asked, _administrator_check(office, asked))
        person = office.store.administrator(asked.authid)
        if person is None or not person.enabled:
            raise WireError("unauthorized", _WRONG)
        if person.has_second_factor:
            hint = "use a token and /api/v1"
            raise WireError("forbidden", f"{person.name} has a second factor: a password does not do", hint)
        return f"api:{person.name}", Licence(Powers.of(person.role), proven=True)

    async def _prove(self, office: Backing, settings: Settings, asked: Asked, account: Account | None) -> None:
        """Raises WireError unless the account has proven itself in a way that is open."""
        nonce_alone = settings.apidefneedlogin == NONCE
        if not settings.apisipauth:
            if nonce_alone or not asked.authpwd:
                hint = "with apisipauth 0 the password for the web is needed; no digest can be made of that"
                raise WireError("unauthorized", "this proof is not open here", hint)
            await self._slow(office, asked, _account_check(office, asked))
            return
        if nonce_alone and not asked.authhash:
            raise WireError("unauthorized", "a digest over a nonce is needed", "ask apientry=nonce, send authhash")
        if not self._digest(settings, asked, account):
            self._wrong(office, asked)
            raise WireError("unauthorized", _WRONG)
        self._names.forgive(_name(asked))

    def _digest(self, settings: Settings, asked: Asked, account: Account | None) -> bool:
        """Whether HA1 of the account makes what was sent; as slow for an account that there is not."""
        md5, sha256 = (account.ha1_md5, account.ha1_sha256) if account is not None else (NOBODY[:32], NOBODY)
        realm = account.realm if account is not None else settings.realm
        if asked.authhash:
            fresh = self.nonces.take(asked.authnonce, asked.address, self.clock())
            wanted = digest_of(md5 if len(asked.authhash) == 32 else sha256, asked.authnonce, asked.entry)
            return hmac.compare_digest(wanted, asked.authhash.lower().encode()) and fresh and account is not None
        if asked.authmd5:
            if not settings.apiv2key:
                raise WireError("unauthorized", "authmd5 needs a salt", "set apiv2key on the appliance")
            wanted = salted(md5, settings.apiv2key)
            return hmac.compare_digest(wanted, asked.authmd5.lower().encode()) and account is not None
        if not asked.authpwd:
            raise WireError("unauthorized", "no proof of authid came with the request", "authpwd, authmd5 or authhash")
        made = hashlib.sha256(f"{asked.authid}:{realm}:{asked.authpwd}".encode("utf-8", "replace")).hexdigest()
        return hmac.compare_digest(made.encode(), sha256.encode()) and account is not None

    async def _slow(self, office: Backing, asked: Asked, check: Callable[[], bool]) -> None:
        """One slow hash after the other, beside the event loop. Raises WireError."""
        if self._waiting >= MOST_CHECKS:
            raise TooMany("too many logins at once", "try again in a few seconds", 2.0)
        self._waiting += 1
        try:
            async with self._one:
                self._wait(office, asked)  # those before it may have guessed: many at once gain nothing
                if not await asyncio.to_thread(check):
                    self._wrong(office, asked)
                    raise WireError("unauthorized", _WRONG)
        finally:
            self._waiting -= 1
        self._names.forgive(_name(asked))

    def _wait(self, office: Backing, asked: Asked) -> None:
        """Raises TooMany for who has guessed too often."""
        now = self.clock()
        wait_s = max(self._addresses.wait_s(asked.address, now), self._names.wait_s(_name(asked), now))
        if wait_s and not office.is_trusted(asked.address):
            words = f"too many wrong proofs: wait {math.ceil(wait_s)} s"
            raise TooMany(words, "an administrator can lift a ban and set a password", wait_s)

    def _wrong(self, office: Backing, asked: Asked) -> None:
        """A right proof forgives its name alone: one account of one's own must not buy guesses at others."""
        self._addresses.charge(asked.address, self.clock())
        if asked.authid:
            self._names.charge(_name(asked), self.clock())
        office.wrong_password(asked.address, asked.authid)


_ADMINISTRATIVE: Final = Powers({Area.ACCOUNTS: Access.WRITE, Area.MONEY: Access.WRITE, Area.PASSWORDS: Access.WRITE})


def _by_place(level: int, *, keyed: bool, trusted: bool, vouched: bool) -> bool:
    """Whether nobody has to be named. Without a key an address opens the purse only where somebody has written it down:
    a proxy of ours, the network next door and this machine itself have the address of whoever comes through them."""
    return level == NO_MORE or (level in (TRUSTED_ADDRESS, ADDRESS_ALONE) and ((trusted and keyed) or vouched))


def _vouched(office: Backing, asked: Asked) -> bool:
    return office.vouches(asked.address) and not asked.forwarded


def digest_of(ha1: str, nonce: str, entry: str) -> bytes:
    """What authhash is: H(HA1:nonce:apientry), with SHA-256 or, of an MD5 HA1, with MD5."""
    kind = "md5" if len(ha1) == 32 else "sha256"
    text = f"{ha1}:{nonce}:{entry}".encode("utf-8", "replace")
    return hashlib.new(kind, text, usedforsecurity=False).hexdigest().encode()


def salted(ha1: str, salt: str) -> bytes:
    """What authmd5 is: MD5(HA1:apiv2key)."""
    return hashlib.md5(f"{ha1}:{salt}".encode("utf-8", "replace"), usedforsecurity=False).hexdigest().encode()


def _is_key(settings: Settings, told: str) -> bool:
    """Both are compared always; one that is not set is nobody's."""
    sent = told.encode("utf-8", "replace")
    fits = [bool(key) & hmac.compare_digest(key.encode(), sent) for key in (settings.httpapikey, settings.serverapikey)]
    return any(fits)


def _proofs(asked: Asked) -> bool:
    return bool(asked.authpwd or asked.authmd5 or asked.authhash)


def _name(asked: Asked) -> str:
    return f"name:{asked.authid[:64]}"


def _administrator_check(office: Backing, asked: Asked) -> Callable[[], bool]:
    def check() -> bool:
        with office.store.reader() as reader:
            return reader.verify_admin(asked.authid, asked.authpwd)

    return check


def _account_check(office: Backing, asked: Asked) -> Callable[[], bool]:
    lenient = office.settings().uauthverifypwd

    def check() -> bool:
        with office.store.reader() as reader:
            return reader.verify_account(asked.authid, asked.authpwd, lenient=lenient)

    return check
