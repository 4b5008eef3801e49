"""Takes out of any text what looks like a secret. The last of three lines: the office masks its secret settings, and
nothing logs a secret. Pure.

It would rather take too much: a long run of letters and digits goes, even where it was a name. But what strangers make
the appliance log takes neither other lines with it (a key's first line without its last) nor more than linear time.
Forms: RFC 9110, 11.6 and RFC 3261, 20 (credentials in headers), RFC 3986, 3.2.1 (user information), RFC 7468 (keys),
RFC 4568 (keys in SDP).
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

GONE: Final = "(removed)"
LONGEST_WORD: Final = 24  # characters; a run of letters and digits of this length is a key, a token or a digest
_NAMES: Final = (
    "password|passwd|passphrase|passcode|pwd|secret|token|key|pin|otp|recovery[-_ ]?codes?|cookie|session|csrf|ha1|"
    "response|credentials?|signature|private|psk|(?<![a-z])pass|(?<![a-z])pw"
)
_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]+-----")
_END: Final = re.compile(r"-----END [A-Z0-9 ]+-----")
_BODY: Final = re.compile(r"[A-Za-z0-9+/]{1,76}={0,2}|")
_HEADER: Final = re.compile(r"\b(?:Proc-Type|DEK-Info): ")
MOST_KEY_LINES: Final = 120  # RSA with 16384 bits has that many
_VALUE: Final = r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s,;&"'}\])]+)"""
_FORMS: Final = tuple(
    (re.compile(form, re.IGNORECASE | re.DOTALL), by)
    for form, by in (
        (r"\b((?:proxy-)?authorization|(?:set-)?cookie)(\s*:\s*)[^\r\n]+", rf"\1\2{GONE}"),
        (r"\b(bearer|basic|digest)\s+[A-Za-z0-9._~+/=-]{6,}", rf"\1 {GONE}"),
        (r"(?<![a-z0-9+.-])([a-z][a-z0-9+.-]*://)[^\s/@]+@", rf"\1{GONE}@"),
        (r"\b(sips?:[^\s:@;>]+):[^\s@;>]+@", rf"\1:{GONE}@"),
        (r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=(?!=)", GONE),  # 32 bytes: a key of WireGuard, or of anything
        (r"\b(a=crypto:\d+ \S+ inline:)\S+", rf"\1{GONE}"),
        (rf"""((?:{_NAMES})["']?\s*[:=]\s*){_VALUE}""", rf"\1{GONE}"),
        (rf"\b((?:{_NAMES})(?:\s+(?:is|was))?\s+)(?:'[^']*'|\"[^\"]*\")", rf"\1{GONE}"),
    )
)
_WORD: Final = re.compile(rf"[A-Za-z0-9+_=-]{{{LONGEST_WORD},}}")


def without_secrets(text: str) -> str:
    """`text` without what looks like a secret."""
    text = _without_keys(text) if "-----BEGIN " in text else text
    for form, by in _FORMS:
        text = form.sub(by, text)
    return _WORD.sub(_judged, text)


def _without_keys(text: str) -> str:
    """Keys in their PEM form go, with what the log has before each of their lines."""
    lines, kept, at = text.split("\n"), [], 0
    while at < len(lines):
        begin = _BEGIN.search(lines[at])
        if begin is None:
            kept.append(lines[at])
            at += 1
            continue
        last = _last_line(lines, at, begin.end())
        end = _END.search(lines[last], begin.end() if last == at else 0)
        lines[last] = lines[at][: begin.start()] + GONE + (lines[last][end.end() :] if end else "")
        at = last
    return "\n".join(kept)


def _last_line(lines: Sequence[str], first: int, after: int) -> int:
    """Where the key ends that begins in the line `first` before the character `after`: at its last line if all between
    are a key's, else before the first line of several words."""
    if _END.search(lines[first], after):
        return first
    for at in range(first + 1, min(len(lines), first + MOST_KEY_LINES)):
        if _END.search(lines[at]):
            return at
        if not _BODY.fullmatch(lines[at].rpartition(" ")[2]) and not _HEADER.search(lines[at]):
            break
    at = first
    while at + 1 < len(lines) and _goes_on(lines[at], lines[at + 1]):
        at += 1
    return at


def _goes_on(line: str, following: str) -> bool:
    if not following:
        return bool(_HEADER.search(line))
    return bool(_HEADER.search(following)) or not any(map(str.isspace, following))


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
