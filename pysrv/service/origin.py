"""Where a call comes from, as policy wants to know it; what costs a look is looked up only when a setting asks for it.

Anonymous is who does not say who he is: From without a user or with the anonymous one (RFC 3323 4.1.1.3), or a Privacy
that hides it, unless a trunk asserts an identity beside it (RFC 3325). Whether that matters is the stage's to say.
"""

from collections.abc import Callable

from appliance.config.settings import Settings
from pysrv.calls.registrar import Registrar
from pysrv.limits.facts import Auth, Origin
from pysrv.service.entry import Caller, user_in
from pysrv.service.surroundings import Surroundings
from pysrv.service.trusted import TrustedAddresses
from pysrv.sip.errors import BadMessage
from pysrv.sip.headers import NameAddr
from pysrv.sip.message import Request

HIDING = frozenset((b"id", b"user", b"header"))  # of Privacy (RFC 3323 4.2, RFC 3325 9.3)
NOBODY = frozenset(("", "anonymous", "unavailable", "unknown", "restricted"))
NOWHERE = b"anonymous.invalid"


class Origins:
    """Looks them up."""

    def __init__(
        self, registrar: Registrar, world: Surroundings, trusted: TrustedAddresses, settings: Callable[[], Settings]
    ) -> None:
        self._registrar, self._world, self._trusted, self._settings = registrar, world, trusted, settings

    def of(self, request: Request, address: str, caller: Caller) -> Origin:
        """The origin of one call."""
        internal = caller.account is None and self._settings().fs_restrictsiptolocal > 0
        registered = internal and bool(self._registrar.behind(address, self._world.clock.wall()))
        return Origin(
            own=internal and self._trusted.is_own(address),
            listed=caller.trunk is not None,
            registered=registered,
            trusted=caller.how is Auth.NONE and bool(self._trusted.why(address)),
            anonymous=is_anonymous(request, believes=caller.trunk is not None),
            lacks_prefix=caller.lacks_prefix,
        )


def is_anonymous(request: Request, *, believes: bool) -> bool:
    """Whether the caller does not say who he is; `believes`: the peer's P-Asserted-Identity counts."""
    if believes and any(map(_names_somebody, request.headers.split(b"p-asserted-identity"))):
        return False
    wishes = (wish.strip().lower() for line in request.headers.get_all(b"privacy") for wish in line.split(b";"))
    try:
        uri = request.from_.uri
    except BadMessage:
        return True
    hidden = uri.scheme != b"tel" and (user_in(uri).lower() in NOBODY or uri.host.lower() == NOWHERE)
    return hidden or any(wish in HIDING for wish in wishes)


def _names_somebody(value: bytes) -> bool:
    try:
        uri = NameAddr.parse(value).uri
    except BadMessage:
        return False
    return user_in(uri).lower() not in NOBODY and uri.host.lower() != NOWHERE
