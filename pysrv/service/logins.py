"""Devices that have logged in lately and are believed without a new challenge (`cacheregistrations`).

A login is remembered by account, by what the REGISTER said in To and Contact, and by where it came from. It grows old
from the moment at which the password was proven, however often the device comes back; with `authfastusers` off, from
when it was last there, until sessionabsolutetimeout. It ends with a removal of the
binding, a changed or locked account, a failed password, a ban of its source, and the process. Only a refresh is
believed: whoever wants to remove a binding proves the password, since a datagram's source is easily forged.
"""

from collections import OrderedDict
from math import inf
from typing import Final, NamedTuple

from pysrv.limits.sources import lies_in, subject_of
from pysrv.sip.errors import BadMessage
from pysrv.sip.events import Flow
from pysrv.sip.message import Request

MOST: Final = 65_536


class Login(NamedTuple):
    """What must be the same again."""

    to: bytes
    contact: bytes
    transport: str
    address: str
    port: int


class Proof(NamedTuple):
    """Whose it is, when the password was proven, and from when it grows old (Unix seconds)."""

    account: str
    since: float
    at: float


class Logins:
    """A bounded table; `keep_s` is cacheregistrations, 0 keeps nothing; `slides` and `longest_s` as in `use`."""

    def __init__(self, keep_s: float, most: int = MOST) -> None:
        self._keep_s, self._most = keep_s, most
        self._slides, self._longest_s = False, inf
        self._proofs: OrderedDict[Login, Proof] = OrderedDict()
        self._of_account: dict[str, set[Login]] = {}
        self._of_subject: dict[str, set[Login]] = {}

    def __len__(self) -> int:
        return len(self._proofs)

    def use(self, keep_s: float, *, slides: bool = False, longest_s: float = inf) -> None:
        """Another length: it holds for what is remembered, too. `slides`: a device that comes back in time is believed
        anew, but no longer than `longest_s` after its password.
        """
        self._keep_s, self._slides, self._longest_s = keep_s, slides, longest_s
        if not keep_s:
            self._drop(list(self._proofs))

    def proven(self, request: Request, flow: Flow, account: str, now: float) -> Proof | None:
        """The password was proven with this REGISTER. None: nothing is remembered of it."""
        login = login_of(request, flow) if self._keep_s else None
        if login is None:
            return None
        self._drop([login])
        proof = self._proofs[login] = Proof(account, now, now)
        self._of_account.setdefault(account, set()).add(login)
        self._of_subject.setdefault(subject_of(login.address), set()).add(login)
        if len(self._proofs) > self._most:
            self._drop([next(iter(self._proofs))])
        return proof

    def believed(self, request: Request, flow: Flow, now: float) -> Proof | None:
        """The proof that stands for this REGISTER; None: challenge it."""
        login = login_of(request, flow) if self._proofs else None
        proof = self._proofs.get(login) if login is not None else None
        if proof is None or not proof.at <= now < self.until(proof):
            return None
        return proof

    def prolonged(self, request: Request, flow: Flow, now: float) -> Proof | None:
        """The proof that stands for this REGISTER, now that it was let in; younger again if it slides."""
        proof, login = self.believed(request, flow, now), login_of(request, flow)
        if proof is None or login is None or not self._slides:
            return proof
        younger = self._proofs[login] = proof._replace(at=now)
        return younger

    def until(self, proof: Proof) -> float:
        """When the proof is too old."""
        return min(proof.at + self._keep_s, proof.since + self._longest_s)

    def forget_account(self, account: str) -> list[Login]:
        """Nobody is believed to be this account any more; returns who was."""
        return self._drop(list(self._of_account.get(account, ())))

    def forget_source(self, prefix: str, port: int = 0) -> list[Login]:
        """Nobody in this address or network, or from this port of it, is believed any more."""
        near = self._of_subject.get(prefix)
        subjects = [near] if near is not None else [v for k, v in self._of_subject.items() if lies_in(k, prefix)]
        found = [login for logins in subjects for login in logins]
        return self._drop([login for login in found if lies_in(login.address, prefix) and port in (0, login.port)])

    def _drop(self, logins: list[Login]) -> list[Login]:
        for login in logins:
            proof = self._proofs.pop(login, None)
            if proof is not None:
                _remove(self._of_account, proof.account, login)
                _remove(self._of_subject, subject_of(login.address), login)
        return logins


def _remove(index: dict[str, set[Login]], name: str, login: Login) -> None:
    index[name].discard(login)
    if not index[name]:
        del index[name]


def login_of(request: Request, flow: Flow) -> Login | None:
    """What a REGISTER says and where it came from; None for one that is not a plain refresh of one binding."""
    contacts = request.headers.get_all(b"contact")
    to = request.headers.get(b"to")
    try:
        plain = (
            len(contacts) == 1 and len(request.contacts) == 1 and len(request.vias) == 1 and not request.contact_star
        )
        expires = request.contacts[0].param(b"expires") if plain else None
        asked = request.expires if expires is None else _number(expires)
        if not plain or to is None or asked == 0:
            return None
    except BadMessage:
        return None
    return Login(to, contacts[0], flow.transport, *flow.remote)


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else -1
