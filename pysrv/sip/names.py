"""Names of header fields: compact and long, as they come and as they are written.

Names are compared without regard to case, so each has one canonical form: lower case, long (RFC 3261 section 7.3.3).
Spellings are learned as they arrive, up to a bound, so that a name costs one look-up.
"""

from typing import Final

from pysrv.sip.errors import UnsafeHeader
from pysrv.sip.grammar import is_token

# RFC 3261 section 7.3.3 and the compact forms that IANA registered since
COMPACT: Final[dict[bytes, bytes]] = {
    b"a": b"accept-contact",
    b"b": b"referred-by",
    b"c": b"content-type",
    b"d": b"request-disposition",
    b"e": b"content-encoding",
    b"f": b"from",
    b"i": b"call-id",
    b"j": b"reject-contact",
    b"k": b"supported",
    b"l": b"content-length",
    b"m": b"contact",
    b"n": b"identity-info",
    b"o": b"event",
    b"r": b"refer-to",
    b"s": b"subject",
    b"t": b"to",
    b"u": b"allow-events",
    b"v": b"via",
    b"x": b"session-expires",
    b"y": b"identity",
}
_ODD_SPELLINGS: Final[dict[bytes, bytes]] = {
    b"call-id": b"Call-ID",
    b"cseq": b"CSeq",
    b"www-authenticate": b"WWW-Authenticate",
    b"mime-version": b"MIME-Version",
    b"rack": b"RAck",
    b"rseq": b"RSeq",
    b"min-se": b"Min-SE",
    b"sip-etag": b"SIP-ETag",
    b"sip-if-match": b"SIP-If-Match",
}
# always known, so that a flood of invented names cannot displace them
_COMMON: Final = (
    b"Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Authentication-Info "
    b"Authorization Call-ID Call-Info Contact Content-Disposition Content-Encoding Content-Language Content-Length "
    b"Content-Type CSeq Date Diversion Error-Info Event Expires From Identity Info-Package Max-Forwards MIME-Version "
    b"Min-Expires Min-SE Organization P-Asserted-Identity P-Preferred-Identity Path Priority Privacy "
    b"Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason Record-Route Refer-To Referred-By "
    b"Remote-Party-ID Replaces Reply-To Require Retry-After Route RSeq Server Service-Route Session-Expires Subject "
    b"Subscription-State Supported Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate"
).split()
_MAX_LEARNED: Final = 2048
_MAX_NAME_BYTES: Final = 64

# spelling on the wire -> canonical name, learned as names arrive; bounded, and only of tokens
canonical_names: Final[dict[bytes, bytes]] = {}
_spellings: Final[dict[bytes, bytes]] = {}


def canonical(name: bytes) -> bytes:
    """The canonical form of a header name. Raises UnsafeHeader if it is no token."""
    known = canonical_names.get(name)
    if known is not None:
        return known
    stripped = name.rstrip(b" \t").lower()
    if not is_token(stripped):
        raise UnsafeHeader("malformed header name")
    result = COMPACT.get(stripped, stripped)
    if len(canonical_names) < _MAX_LEARNED and len(name) <= _MAX_NAME_BYTES:
        canonical_names[name] = result
    return result


for _name in (*_COMMON, *COMPACT):
    for _spelling in (_name, _name.lower(), _name.upper()):
        canonical(_spelling)


def spelled(name: bytes) -> bytes:
    """A canonical name as it is written on the wire: `Call-ID`."""
    known = _spellings.get(name)
    if known is not None:
        return known
    result = _ODD_SPELLINGS.get(name) or b"-".join([part.capitalize() for part in name.split(b"-")])
    if len(_spellings) < _MAX_LEARNED and len(name) <= _MAX_NAME_BYTES:
        _spellings[name] = result
    return result
