"""A message without its secrets, for traces and for what is exported: answers to challenges, keys, private bodies.

Works on bytes in linear time and never fails, because broken and hostile messages are looked at as well. What is taken
out leaves a mark in its place. Sources: RFC 3261 22 and 19.1.1 (passwords in URIs), RFC 4568 (a=crypto), RFC 4567
(a=key-mgmt), RFC 8839 (ICE passwords), RFC 8866 5.12 (k=), RFC 6086 (INFO carries the keys of PINs), RFC 3428 (MESSAGE
is a letter).
"""

import re
from dataclasses import dataclass
from typing import Final

from pysrv.sip.events import Flow

HIDDEN: Final = b"(hidden)"
_HEADERS: Final = frozenset(
    (b"authorization", b"proxy-authorization", b"authentication-info", b"proxy-authentication-info")
)
_SHOWN_BODIES: Final = (b"application/sdp", b"message/sipfrag")
# One of these in lower case, or another body than SDP, calls for a closer look; most messages have none.
_MARKS: Final = (
    b"authori",
    b"ation-info",
    b"response",
    b"rspauth",
    b"crypto",
    b"key-mgmt",
    b"\nk=",
    b"-pwd",
    b"inline:",
)
_has_uri_password = re.compile(rb"sips?:[^\s@:;>\"]{0,128}:[^\s@;>\"]{0,128}@", re.IGNORECASE).search
_uri_password: Final = re.compile(rb"(sips?:[^\s@:;>\"]{0,128}:)[^\s@;>\"]{0,128}(?=@)", re.IGNORECASE)
_answer: Final = re.compile(rb"\b((?:response|rspauth)\s*=\s*)\"?[^\s,\";]*\"?", re.IGNORECASE)
_username: Final = re.compile(rb"\busername\s*=\s*(\"[^\"\r\n]{0,128}\")", re.IGNORECASE)
_secret_line: Final = re.compile(
    rb"^(a=crypto:|a=key-mgmt:|a=3ge2ae:|a=ice-pwd:|k=)[^\r\n]*|(\binline:)[^\s|;]*", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Caught:
    """One message as it is exported: Unix time, direction, path, text without secrets, the Call-ID its call goes by."""

    at: float
    out: bool
    flow: Flow
    text: bytes
    correlation: bytes


def scrubbed(message: bytes) -> bytes:
    """The message with everything secret replaced; the very same bytes when there is nothing."""
    low = message.lower()
    head, end, body = low.partition(b"\r\n\r\n")
    plain = bool(end) and b"\n " not in head and (not body or b"\ncontent-type: application/sdp\r\n" in head + b"\r\n")
    if plain and not any(mark in low for mark in _MARKS) and _has_uri_password(message) is None:
        return message
    return _closely(message)


def _closely(message: bytes) -> bytes:
    match = re.search(rb"\r\n\r\n|\n\n|\r\r", message)
    cut = (match.start(), match.end()) if match else (len(message), len(message))
    head, gap, body = message[: cut[0]], message[cut[0] : cut[1]], message[cut[1] :]
    lines = _lines(head)
    written = b"\r\n".join(_header(name, line) for name, line in lines)
    kind = next((line.partition(b":")[2] for name, line in lines if name in (b"content-type", b"c")), b"")
    return written + gap + _body(kind, body)


def _lines(head: bytes) -> list[tuple[bytes, bytes]]:
    """Name (lower case) and whole line of each header, with folded lines joined (RFC 3261 7.3.1)."""
    joined = re.sub(rb"(?:\r\n|\n|\r)[ \t]+", b" ", head)
    return [(line.partition(b":")[0].strip().lower(), line) for line in re.split(rb"\r\n|\n|\r", joined)]


def _header(name: bytes, line: bytes) -> bytes:
    if name not in _HEADERS:
        return _answer.sub(rb"\1" + HIDDEN, _uri_password.sub(rb"\1" + HIDDEN, line))
    who = _username.search(line)
    said = b"Digest username=" + who[1] + b", " if who else b""
    return line.partition(b":")[0].strip() + b": " + said + HIDDEN


def _body(kind: bytes, body: bytes) -> bytes:
    plain = kind.partition(b";")[0].strip().lower()
    if not body.strip():
        return body
    if plain not in _SHOWN_BODIES:
        return b"(%d bytes hidden)" % len(body)
    kept = _secret_line.sub(lambda found: (found[1] or found[2]) + HIDDEN, body)
    return _answer.sub(rb"\1" + HIDDEN, _uri_password.sub(rb"\1" + HIDDEN, kept))
