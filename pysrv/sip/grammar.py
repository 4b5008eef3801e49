"""The lexical ground of SIP: tokens, quoted strings, parameters, comma lists, numbers, escapes.

Works on bytes; knows no header by name. RFC 3261 section 25. Character classes are repeated possessively and groups
begin with a character of their own, so that the time to match is linear in the input whatever an attacker sends.
(Groups themselves are not possessive: Python 3.11 before 3.11.5 matches those wrongly.)
"""

import re
from collections.abc import Iterable
from typing import Final

from pysrv.sip.errors import BadMessage

Params = tuple[tuple[bytes, bytes | None], ...]

TOKEN: Final = rb"[A-Za-z0-9.!%*_+`'~-]++"
QUOTED: Final = rb'"(?:[^"\\]++|\\.)*"'
HOST: Final = rb"(?:\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9._-]++)"
# a parameter's value: token, host (with or without brackets) or quoted string; wider than gen-value on purpose
_VALUE: Final = rb"(?:" + QUOTED + rb'|[^\s";,<>=]++(?:=[^\s";,<>]*+)?)'
_PARAM: Final = rb"[ \t]*+;[ \t]*+(" + TOKEN + rb")(?:[ \t]*+=[ \t]*+(" + _VALUE + rb")?)?"

is_token: Final = re.compile(TOKEN).fullmatch
_one_param: Final = re.compile(_PARAM, re.DOTALL).match
_simple_params: Final = re.compile(rb"(?:;[A-Za-z0-9.!%*_+`'~-]++(?:=[A-Za-z0-9.!%*_+`'~:\[\]/@-]++)?)*").fullmatch
_element: Final = re.compile(rb'(?:[^",<]++|' + QUOTED + rb"|<[^<>]*+>)*", re.DOTALL).match
_quoted_pair: Final = re.compile(rb"\\(.)", re.DOTALL)
_escape: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_controls: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def split_params(text: bytes) -> Params:
    """The parameters of `;name=value;flag`, names in lower case, quoted values as they came. Raises BadMessage(400)."""
    if _simple_params(text):
        found: list[tuple[bytes, bytes | None]] = []
        for part in text.split(b";")[1:]:
            name, equals, value = part.partition(b"=")
            found.append((name.lower(), value if equals else None))
        return tuple(found)
    return _split_params_slowly(text)


def _split_params_slowly(text: bytes) -> Params:
    found: list[tuple[bytes, bytes | None]] = []
    position, end = 0, len(text.rstrip(b" \t"))
    while position < end:
        match = _one_param(text, position, end)
        if match is None:
            raise BadMessage(400, "malformed parameter")
        name, value = match.groups()
        if value is None and match[0].rstrip(b" \t").endswith(b"="):
            value = b""
        found.append((name.lower(), value))
        position = match.end()
    return tuple(found)


def join_params(params: Iterable[tuple[bytes, bytes | None]]) -> bytes:
    """Back to `;name=value;flag`."""
    return b"".join([b";" + name if value is None else b";" + name + b"=" + value for name, value in params])


def param(params: Params, name: bytes) -> bytes | None:
    """The value of a parameter (b"" for a bare flag), None if it is not there. `name` is in lower case."""
    for key, value in params:
        if key == name:
            return b"" if value is None else value
    return None


def with_param(params: Params, name: bytes, value: bytes | None) -> Params:
    """The same parameters with one set, in its old place if it had one."""
    if any(key == name for key, _ in params):
        return tuple((key, value if key == name else old) for key, old in params)
    return (*params, (name, value))


def split_list(value: bytes) -> list[bytes]:
    """The elements of a comma-separated header value; commas in quotes and angle brackets do not count (7.3.1)."""
    if b"," not in value:
        return [value]
    if b'"' not in value and b"<" not in value:
        return [part.strip(b" \t") for part in value.split(b",")]
    found: list[bytes] = []
    position = 0
    while True:
        match = _element(value, position)
        end = match.end() if match else position
        found.append(value[position:end].strip(b" \t"))
        if end == len(value):
            return found
        if value[end] != 0x2C:
            raise BadMessage(400, "unbalanced quotes or angle brackets")
        position = end + 1


def unquote(value: bytes) -> bytes:
    """The text of a quoted string, quoted pairs resolved; a value without quotes comes back as it is (25.1)."""
    if len(value) >= 2 and value[:1] == b'"' == value[-1:]:
        value = value[1:-1]
        if b"\\" in value:
            return _quoted_pair.sub(rb"\1", value)
    return value


def quote(text: bytes) -> bytes:
    """A quoted string; control characters, which could only be there to confuse, become spaces."""
    text = _controls.sub(b" ", text)
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def unescape(text: bytes) -> bytes:
    """`%41` becomes `A`; a lone `%` stays (19.1.2)."""
    if b"%" not in text:
        return text
    return _escape.sub(lambda match: bytes((int(match[1], 16),)), text)


def number(text: bytes, limit: int, what: str) -> int:
    """A decimal number from 0 to `limit` (at most 20 digits); `what` names it in the BadMessage(400)."""
    if not text.isdigit():
        raise BadMessage(400, f"{what} is not a number")
    if len(text) > 20:
        text = text.lstrip(b"0")[:21] or b"0"
    value = int(text)
    if value > limit:
        raise BadMessage(400, f"{what} is too large")
    return value
