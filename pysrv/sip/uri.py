"""URIs: sip and sips (RFC 3261 section 19.1), tel (RFC 3966), and others kept as they are.

Knows no message. A Uri is a value: parsed once, compared by `equivalent`, written by `to_bytes`, never altered (the
type checker holds that: a frozen dataclass takes five times as long to make).
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from pysrv.sip.errors import BadMessage
from pysrv.sip.grammar import HOST, unescape

DEFAULT_PORT: Final = 5060  # of UDP and TCP (RFC 3261 19.1.2)

UriParams = tuple[tuple[bytes, bytes | None], ...]

_PARAM: Final = rb";[A-Za-z0-9_.!~*'()\[\]/:&+$%=-]++"
_sip: Final = re.compile(
    rb"(?:([A-Za-z0-9_.!~*'()&=+$,;?/%-]++)(?::([A-Za-z0-9_.!~*'()&=+$,%-]*+))?@)?"
    rb"(" + HOST + rb")(?::([0-9]{1,5}+))?((?:" + _PARAM + rb")*)(?:\?([A-Za-z0-9_.!~*'()\[\]/?:+$&=%-]*+))?"
).fullmatch
_tel: Final = re.compile(rb"(\+?[0-9A-Fa-f*#().-]++)((?:" + _PARAM + rb")*)").fullmatch
_scheme: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*+):").match
_opaque: Final = re.compile(rb"[!#-;=?-~]++").fullmatch  # printable, no space, quotes or angle brackets
_bad_escape: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})").search
_needs_escape: Final = re.compile(rb"[^A-Za-z0-9_.!~*'()&=+$,;?/-]")
_escape: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_is_unreserved: Final = re.compile(rb"[A-Za-z0-9_.!~*'()-]").fullmatch
_VISUAL: Final = b"-.()"
_SIGNIFICANT: Final = (b"user", b"ttl", b"method", b"maddr", b"transport")  # absent on one side: not equal


@dataclass(slots=True, unsafe_hash=True)
class Uri:
    """One URI. `user`, `password`, params and headers keep their escapes; `host` of IPv6 keeps its brackets.

    For `tel`, `user` is the number and `host` is empty; for a scheme not understood all of it is in `opaque`.
    """

    scheme: Final[bytes]
    user: Final[bytes | None]
    host: Final[bytes]
    port: Final[int | None] = None
    params: Final[UriParams] = ()
    headers: Final[UriParams] = ()
    password: Final[bytes | None] = None
    opaque: Final[bytes] = b""

    @staticmethod
    def parse(text: bytes) -> "Uri":
        """Reads an absolute URI. Raises BadMessage(400)."""
        return _parse(text)

    def to_bytes(self) -> bytes:
        """The URI as it goes on the wire."""
        if self.opaque:
            return self.scheme + b":" + self.opaque
        user = self.user or b""
        if self.password is not None:
            user += b":" + self.password
        if self.scheme != b"tel" and self.user is not None:
            user += b"@"
        text = self.scheme + b":" + user + self.host
        if self.port is not None:
            text += b":%d" % self.port
        for name, value in self.params:
            text += b";" + name if value is None else b";" + name + b"=" + value
        if self.headers:
            text += b"?" + b"&".join([name if value is None else name + b"=" + value for name, value in self.headers])
        return text

    def param(self, name: bytes) -> bytes | None:
        """The value of a parameter (b"" for a bare flag), None if absent; case and escapes of names do not matter."""
        name = name.lower()
        for key, value in self.params:
            if (_normal(key) or b"").lower() == name:
                return b"" if value is None else value
        return None

    def with_param(self, name: bytes, value: bytes | None = None) -> "Uri":
        """The same URI with one parameter set (None: a bare flag)."""
        kept = tuple(pair for pair in self.params if pair[0].lower() != name.lower())
        return replace(self, params=(*kept, (name, value)))

    def without_params(self) -> "Uri":
        """The same URI without parameters and headers."""
        return replace(self, params=(), headers=())

    def equivalent(self, other: "Uri") -> bool:
        """Comparison by RFC 3261 section 19.1.4 (tel: RFC 3966 section 4; other schemes: byte for byte)."""
        if self.scheme != other.scheme or self.opaque != other.opaque:
            return False
        if self.scheme == b"tel":
            return _digits(self.user) == _digits(other.user) and _folded(self.params) == _folded(other.params)
        return (
            _normal(self.user) == _normal(other.user)
            and _normal(self.password) == _normal(other.password)
            and self.host.lower() == other.host.lower()
            and self.port == other.port
            and _params_match(_folded(self.params), _folded(other.params))
            and _folded(self.headers) == _folded(other.headers)
        )

    def aor(self) -> bytes:
        """The address of record `sip:user@host`: escapes normal, host in lower case, no port or parameters (10.3)."""
        if self.scheme == b"tel":
            return b"tel:" + (_digits(self.user) or b"")
        if self.opaque:
            return self.scheme + b":" + self.opaque
        user = b"" if self.user is None else escape_user(unescape(self.user)) + b"@"
        return b"sip:" + user + self.host.lower()

    @property
    def address(self) -> bytes:
        """The host without the brackets of an IPv6 reference."""
        return self.host[1:-1] if self.host[:1] == b"[" else self.host

    def __str__(self) -> str:
        return self.to_bytes().decode("utf-8", "backslashreplace")


def escape_user(text: bytes) -> bytes:
    """Text as the user part of a SIP URI: what may not stand there becomes %XX."""
    return _needs_escape.sub(lambda match: b"%%%02X" % match[0][0], text)


@lru_cache(maxsize=4096)  # the same few addresses come again with every message of a call
def _parse(text: bytes) -> Uri:
    if text[:4] == b"sip:":
        return _parse_sip(b"sip", text[4:])
    match = _scheme(text)
    if match is None:
        raise BadMessage(400, "malformed URI")
    scheme, rest = match[1].lower(), text[match.end() :]
    if scheme in (b"sip", b"sips"):
        return _parse_sip(scheme, rest)
    if scheme == b"tel":
        number = _tel(rest)
        if number is None:
            raise BadMessage(400, "malformed tel URI")
        return Uri(b"tel", number[1], b"", params=_split(number[2], b";"))
    if not _opaque(rest):
        raise BadMessage(400, "malformed URI")
    return Uri(scheme, None, b"", opaque=rest)


def _parse_sip(scheme: bytes, rest: bytes) -> Uri:
    match = _sip(rest)
    if match is None or (b"%" in rest and _bad_escape(rest)):
        raise BadMessage(400, "malformed SIP URI")
    user, password, host, port, params, headers = match.groups()
    number = None if port is None else int(port)
    if number is not None and number > 65535:
        raise BadMessage(400, "port out of range in a URI")
    return Uri(
        scheme,
        user,
        host,
        number,
        _split(params, b";") if params else (),
        _split(b"&" + headers, b"&") if headers else (),
        password,
    )


def _split(text: bytes, separator: bytes) -> UriParams:
    found: list[tuple[bytes, bytes | None]] = []
    for part in text.split(separator)[1:]:
        name, equals, value = part.partition(b"=")
        if not name:
            raise BadMessage(400, "parameter without a name in a URI")
        found.append((name, value if equals else None))
    return tuple(found)


def _normal(text: bytes | None) -> bytes | None:
    """Escapes of what needs none resolved, the others in upper case: reserved characters differ from their escapes."""
    return text if text is None or b"%" not in text else _escape.sub(_normal_escape, text)


def _normal_escape(match: re.Match[bytes]) -> bytes:
    character = bytes((int(match[1], 16),))
    return character if _is_unreserved(character) else match[0].upper()


def _digits(text: bytes | None) -> bytes | None:
    return None if text is None else text.translate(None, _VISUAL).lower()


def _folded(params: UriParams) -> dict[bytes, bytes | None]:
    return {
        (_normal(name) or b"").lower(): None if value is None else (_normal(value) or b"").lower()
        for name, value in params
    }


def _params_match(ours: dict[bytes, bytes | None], theirs: dict[bytes, bytes | None]) -> bool:
    """A parameter in both must match; of those in only one, the significant ones make the URIs differ."""
    for name in ours.keys() | theirs.keys():
        if name in ours and name in theirs:
            if ours[name] != theirs[name]:
                return False
        elif name in _SIGNIFICANT:
            return False
    return True
