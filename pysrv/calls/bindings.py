"""A binding: where one device of an address of record can be reached, until when, and by which REGISTER.

Knows no table of them and no clock. RFC 3261 section 10.3, RFC 3327 (path), RFC 5626 section 6 (one binding for each
instance and reg-id, tied to the flow that it came over).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pysrv.sip.events import Flow
from pysrv.sip.grammar import Params, join_params, quote, split_list
from pysrv.sip.headers import NameAddr
from pysrv.sip.uri import Uri

FULL_Q: Final = 1000  # q=1, in thousandths (RFC 3261 section 20.10)


@dataclass(frozen=True, slots=True)
class Binding:
    """One binding. `expires_at` is on the caller's clock (Unix seconds); `q` in thousandths, 1000 is tried first.

    `instance_id` is `+sip.instance` without its quotes and `reg_id` at least 1 for a binding under RFC 5626, else
    empty and 0. `flow` is the one the REGISTER came over. `path` are the Path elements, first hop first.
    """

    aor: str
    contact: Uri
    flow: Flow
    expires_at: float
    call_id: bytes
    cseq: int
    instance_id: bytes = b""
    reg_id: int = 0
    user_agent: bytes = b""
    q: int = FULL_Q
    path: tuple[bytes, ...] = ()
    registered_at: float = 0.0

    @property
    def contact_text(self) -> str:
        """The Contact with everything that tells devices apart: with the AOR, the key under which it is stored."""
        return _text(b"<" + self.contact.to_bytes() + b">" + join_params(self._params()))

    def is_same_device(self, other: "Binding") -> bool:
        """Whether `other` takes this one's place: same instance and reg-id, without those the same contact URI."""
        if self.reg_id or other.reg_id:
            return (self.instance_id, self.reg_id) == (other.instance_id, other.reg_id)
        return self.contact.equivalent(other.contact)

    def contact_value(self, now: float) -> bytes:
        """The Contact element of the 200 that tells about this binding (10.3 step 8; RFC 5626 section 6)."""
        expires = (b"expires", b"%d" % max(1, round(self.expires_at - now)))
        return b"<" + self.contact.to_bytes() + b">" + join_params((expires, *self._params()))

    def _params(self) -> Params:
        q = () if self.q == FULL_Q else ((b"q", b"0.%03d" % self.q),)
        if not self.reg_id:
            return q
        return (*q, (b"+sip.instance", quote(self.instance_id)), (b"reg-id", b"%d" % self.reg_id))

    def to_row(self) -> dict[str, Any]:
        """Plain text and numbers, one column each, for the store."""
        return {
            "aor": self.aor,
            "contact": self.contact_text,
            "transport": self.flow.transport,
            "local_host": self.flow.local[0],
            "local_port": self.flow.local[1],
            "remote_host": self.flow.remote[0],
            "remote_port": self.flow.remote[1],
            "expires_at": self.expires_at,
            "call_id": _text(self.call_id),
            "cseq": self.cseq,
            "connection": self.flow.connection,
            "instance_id": _text(self.instance_id),
            "reg_id": self.reg_id,
            "path": _text(b", ".join(self.path)),
            "user_agent": _text(self.user_agent),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Binding":
        """The reverse of `to_row` after a restart: no stream has survived, so the flow names none.

        Raises BadMessage or KeyError for a row that is not one of ours.
        """
        contact = NameAddr.parse(_bytes(row["contact"]))
        local, remote = (row["local_host"], row["local_port"]), (row["remote_host"], row["remote_port"])
        path = _bytes(row["path"])
        return cls(
            aor=row["aor"],
            contact=contact.uri,
            flow=Flow(row["transport"], local, remote),
            expires_at=row["expires_at"],
            call_id=_bytes(row["call_id"]),
            cseq=row["cseq"],
            instance_id=_bytes(row["instance_id"]),
            reg_id=row["reg_id"],
            user_agent=_bytes(row["user_agent"]),
            q=q_of(contact),
            path=tuple(split_list(path)) if path else (),
        )


def q_of(contact: NameAddr) -> int:
    """A Contact's q in thousandths; 1000 without one or for what is not a qvalue."""
    text = contact.param(b"q") or b""
    whole, _, part = text.partition(b".")
    if whole not in (b"0", b"1") or len(part) > 3 or (part and not part.isdigit()):
        return FULL_Q
    return min(FULL_Q, 1000 * int(whole) + int(part.ljust(3, b"0")))


def _text(value: bytes) -> str:
    """Text that every store takes: what is no UTF-8 (a Latin-1 User-Agent) becomes `\\xNN`."""
    return value.decode("utf-8", "backslashreplace")


def _bytes(text: str) -> bytes:
    return text.encode()
