"""What the lines of a SIP request may look like for the kernel to answer it: a strict part of RFC 3261 section 25.

Pure. The kernel copies Via, From, To, Call-ID and CSeq into its answer, so it answers only what these rules accept;
whatever else a grammar allows (comments, folding, tabs, blanks around separators, tel URIs, escapes in quotes) goes on
to the service. Rules begin behind the colon and end before the line's CR.
"""

from functools import cache
from string import ascii_letters, digits
from typing import Final

from appliance.kernel.automaton import (
    Expression,
    Rule,
    Table,
    alt,
    compile_table,
    many,
    maybe,
    one_of,
    seq,
    some,
    text,
    times,
)

_ALNUM: Final = ascii_letters + digits
_SPACES: Final = many(text(" "))
_DIGIT: Final = one_of(digits)
_HEX: Final = one_of("0123456789abcdefABCDEF")
_TOKEN: Final = some(one_of(_ALNUM + "-.!%*_+`'~"))
_ESCAPED: Final = seq(text("%"), _HEX, _HEX)
_HOST: Final = alt(some(one_of(_ALNUM + ".-_")), seq(text("["), some(one_of(digits + "abcdefABCDEF:.")), text("]")))
_PORT: Final = alt(
    times(1, 4, _DIGIT), seq(one_of("12345"), times(4, 4, _DIGIT)), seq(text("6"), one_of("01234"), times(3, 3, _DIGIT))
)  # none above 64999: that keeps the table small
_URI_PORT: Final = times(1, 4, _DIGIT)
_HOST_PORT: Final = seq(_HOST, maybe(seq(text(":"), _PORT)))
_USER: Final = some(alt(one_of(_ALNUM + "-_.!~*'()&=+$/"), _ESCAPED))
_URI_PARAMETER: Final = seq(text(";"), some(one_of(_ALNUM + "-_.!~*'()[]/:&+$=")))
_SCHEME: Final = seq(text("sip", fold=True), maybe(text("s", fold=True)), text(":"))
_BARE_URI: Final = seq(_SCHEME, maybe(seq(_USER, text("@"))), _HOST, maybe(seq(text(":"), _URI_PORT)))
_URI: Final = seq(_BARE_URI, many(_URI_PARAMETER))

_QUOTED_TEXT: Final = one_of(set(range(0x20, 0x100)) - {0x22, 0x5C, 0x7F})
_QUOTED: Final = seq(text('"'), many(_QUOTED_TEXT), text('"'))
_NAME: Final = alt(seq(_QUOTED, _SPACES), many(seq(_TOKEN, some(text(" ")))), seq(_TOKEN))
_VALUE: Final = some(one_of(_ALNUM + "-.!%*_+`'~:[]"))
_SEMICOLON: Final = seq(_SPACES, text(";"), _SPACES)


def _parameter(name: Expression, value: Expression = _VALUE) -> Expression:
    return seq(name, maybe(seq(text("="), value)))


_ADDRESS: Final = seq(_SPACES, alt(seq(_NAME, text("<"), _URI, text(">")), _BARE_URI))
_PARAMETERS: Final = many(seq(_SEMICOLON, _parameter(_TOKEN)))
_TAG: Final = seq(_SEMICOLON, _parameter(text("tag", fold=True)))

_VIA_PARAMETERS: Final = many(seq(text(";"), _parameter(_TOKEN)))
_TOP_VIA: Final = seq(text("SIP/2.0/UDP", fold=True), some(text(" ")), _HOST_PORT)
_OTHER_VIA: Final = seq(text("SIP/2.0/", fold=True), _TOKEN, some(text(" ")), _HOST_PORT, _VIA_PARAMETERS)
_OTHER_VIAS: Final = many(seq(text(","), _SPACES, _OTHER_VIA))
_RPORT: Final = seq(text(";"), text("rport", fold=True))


def _top_via(*parts: Expression) -> Expression:
    return seq(_SPACES, _TOP_VIA, *parts, _OTHER_VIAS)


def _via_with(part: Expression) -> Expression:
    return _top_via(_VIA_PARAMETERS, part, _VIA_PARAMETERS)


_RULES: Final = {
    # marked: it asks for rport. Refused: it says already, or chooses, where we should answer (RFC 3581, 18.2.2)
    "via": Rule(
        _top_via(_VIA_PARAMETERS),
        marked=_via_with(_RPORT),
        refused=alt(
            _via_with(seq(_RPORT, text("="), _VALUE)),
            _top_via(_VIA_PARAMETERS, _RPORT, _VIA_PARAMETERS, _RPORT, _VIA_PARAMETERS),
            _via_with(seq(text(";"), _parameter(text("received", fold=True)))),
            _via_with(seq(text(";"), _parameter(text("maddr", fold=True)))),
        ),
    ),
    "vias": Rule(seq(_SPACES, _OTHER_VIA, _OTHER_VIAS)),
    # marked: it has a tag
    "address": Rule(seq(_ADDRESS, _PARAMETERS, _SPACES), marked=seq(_ADDRESS, _PARAMETERS, _TAG, _PARAMETERS, _SPACES)),
    "call_id": Rule(
        seq(
            _SPACES,
            some(one_of(_ALNUM + "-.!%*_+`'~()<>:/[]?{}")),
            maybe(seq(text("@"), some(one_of(_ALNUM + "-.!%*_+`'~()<>:/[]?{}")))),
        )
    ),
    "cseq": Rule(
        seq(
            _SPACES,
            alt(times(1, 9, _DIGIT), seq(text("1"), times(9, 9, _DIGIT)), seq(text("20"), times(8, 8, _DIGIT))),
            some(text(" ")),
            _TOKEN,
        )
    ),
    "request": Rule(seq(some(one_of(ascii_letters)), text(" "), _URI, text(" SIP/2.0"))),
}


@cache
def table() -> Table:
    """The automaton of all rules; the kernel's map `grammars` holds it."""
    return compile_table(_RULES)
