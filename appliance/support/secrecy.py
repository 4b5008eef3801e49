"""Takes out of any text what looks like a secret. The last of three lines: the office masks its secret settings, and
nothing logs a secret. Pure.

It would rather take too much: a long run of letters and digits goes, even where it was a name. Forms: RFC 9110, 11.6
and RFC 3261, 20 (credentials in headers), RFC 3986, 3.2.1 (user information), RFC 7468 (keys), RFC 4568 (keys in SDP).
"""

import re
from collections.abc import Callable
from typing import Any, Final

GONE: Final = "(removed)"
LONGEST_WORD: Final = 24  # characters; a run of letters and digits of this length is a key, a token or a digest
_NAMES: Final = (
    "password|passwd|passphrase|passcode|pwd|secret|token|key|pin|otp|recovery[-_ ]?codes?|cookie|session|csrf|ha1|"
    "response|credentials?|signature|private"
)
_VALUE: Final = r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s,;&"'}\])]+)"""
_FORMS: Final = tuple(
    (re.compile(form, re.IGNORECASE | re.DOTALL), by)
    for form, by in (
        (r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", GONE),
        (r"\b((?:proxy-)?authorization|(?:set-)?cookie)(\s*:\s*)[^\r\n]+", rf"\1\2{GONE}"),
        (r"\b(bearer|basic|digest)\s+[A-Za-z0-9._~+/=-]{6,}", rf"\1 {GONE}"),
        (r"\b([a-z][a-z0-9+.-]*://)[^\s/@]+@", rf"\1{GONE}@"),
        (r"\b(sips?:[^\s:@;>]+):[^\s@;>]+@", rf"\1:{GONE}@"),
        (r"\b(a=crypto:\d+ \S+ inline:)\S+", rf"\1{GONE}"),
        (rf"""(["']?\b[\w-]*(?:{_NAMES})["']?\s*[:=]\s*){_VALUE}""", rf"\1{GONE}"),
        (rf"\b((?:{_NAMES})(?:\s+(?:is|was))?\s+)(?:'[^']*'|\"[^\"]*\")", rf"\1{GONE}"),
    )
)
_WORD: Final = re.compile(rf"[A-Za-z0-9+_=-]{{{LONGEST_WORD},}}")


def without_secrets(text: str) -> str:
    """`text` without what looks like a secret."""
    for form, by in _FORMS:
        text = form.sub(by, text)
    return _WORD.sub(_judged, text)


def _judged(found: re.Match[str]) -> str:
    word = found[0]
    mixed = any(each.isdigit() for each in word) and any(each.isalpha() for each in word)
    return GONE if mixed else word


def walked(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with every text in it changed, the names of its members as well."""
    match value:
        case str():
            return change(value)
        case dict():
            return {change(str(name)): walked(each, change) for name, each in value.items()}
        case list() | tuple():
            return [walked(each, change) for each in value]
        case _:
            return value
