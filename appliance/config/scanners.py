"""Scanners: the names that they give themselves, and the shapes of their messages that outlive a changed name.

One table for both sides: the keeper compiles it for the kernel, the office runs it on TCP and while the gate is away.
A fingerprint matches when all its shapes are there and, where it names an order, the first headers stand in it. Each
row joins marks that no telephone is known to send together; a single one of them proves nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from appliance.config.fields import BadValue
from appliance.config.textual import ListOf

MAX_STATES: Final = 1022  # of the automaton in the kernel, beside its first and its last
MAX_CHARACTERS: Final = 63  # different ones, without regard to case
LEAST_CHARACTERS: Final = 3
MOST_CHARACTERS: Final = 64
MOST_TOGETHER: Final = 4000
ORDERED_HEADERS: Final = 8  # how many headers an order speaks of

AGENTS: Final = (
    "friendly-scanner",  # SIPVicious, and what is made of it
    "friendly-request",
    "sipvicious",
    "sundayddr",
    "sip-scan",
    "sipscan",
    "svmap",
    "svwar",
    "svcrack",
    "sipsscuser",
    "sipcli",  # KaplanSoft's caller, in the hands of toll frauds
    "pplsip",
    "VaxSIPUserAgent",  # a kit's own name; products that are built with it set theirs
    "siparmyknife",
    "SIVuS",
    "sipptk",
    "smap 0",
    "gulp",
    "Nmap NSE",
    "elite-scanner",
)
"""User-Agents that are refused from the start. Left out on purpose: sipsak and SIPp (monitoring uses them), names that
fraudsters borrow from real telephones, and words so short or so common that they stand inside real names ("iWar" in
Uniware, "Test Agent" in Latest Agent)."""

SESSION_NAMES: Final = ("sipcli", "sipvicious", "sundayddr", "pplsip")
"""The first word of an SDP's s= or of its o= line that only scanners write, in lower case."""


class Shape(StrEnum):
    """One mark of a message; the kernel's side of this list is bpf/shapes.def, name by name."""

    BRANCH_DIGITS = "branch_digits"
    BRANCH_FOREIGN = "branch_foreign"
    CALL_ID_DIGITS = "call_id_digits"
    TAG_HEX_TEXT = "tag_hex_text"
    CONTACT_BARE = "contact_bare"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One tool: its shapes, the names of its first headers as it writes them (none: any order), and what it is."""

    name: str
    shapes: frozenset[Shape]
    order: tuple[str, ...] = ()
    text: str = ""


def _print(name: str, text: str, order: str, *shapes: Shape) -> Fingerprint:
    return Fingerprint(name, frozenset(shapes), tuple(order.split()), text)


FINGERPRINTS: Final = (
    _print(
        "sipvicious",
        "SIPVicious and its descendants, whatever the order of headers",
        "",
        Shape.BRANCH_DIGITS,
        Shape.CALL_ID_DIGITS,
        Shape.CONTACT_BARE,
    ),
    _print(
        "sipvicious_tag",
        "SIPVicious, which keeps what it looks for in the From tag",
        "",
        Shape.TAG_HEX_TEXT,
        Shape.CONTACT_BARE,
    ),
    _print(
        "sipvicious_order",
        "SIPVicious since 0.3, by the order of its headers",
        "via max-forwards to from user-agent call-id contact cseq",
        Shape.CALL_ID_DIGITS,
        Shape.CONTACT_BARE,
    ),
    _print(
        "sipvicious_nameless",
        "the same with the User-Agent taken out",
        "via max-forwards to from call-id contact cseq accept",
        Shape.CALL_ID_DIGITS,
        Shape.CONTACT_BARE,
    ),
    _print(
        "sipvicious_compact",
        "the same with compact headers",
        "v t f i m cseq max-forwards accept",
        Shape.CALL_ID_DIGITS,
        Shape.CONTACT_BARE,
    ),
    _print(
        "sipvicious_old",
        "SIPVicious before 0.3, by the order of its headers",
        "via content-length from accept user-agent to contact cseq",
        Shape.CONTACT_BARE,
    ),
    _print(
        "nmap",
        "the SIP probe of nmap's service detection",
        "via from to call-id cseq max-forwards content-length contact",
        Shape.BRANCH_FOREIGN,
        Shape.CALL_ID_DIGITS,
    ),
)


def states(agents: Iterable[str]) -> int:
    """How many states an automaton for `agents` has beside its first: their different beginnings."""
    return len({agent.lower()[:end] for agent in agents for end in range(1, len(agent) + 1)})


def check(agents: Iterable[str]) -> None:
    """Raises BadValue for a list that the kernel could not hold, or that would refuse whoever calls."""
    listed = tuple(agents)
    for agent in listed:
        if not LEAST_CHARACTERS <= len(agent) <= MOST_CHARACTERS or not (agent.isascii() and agent.isprintable()):
            wanted = f"parts of {LEAST_CHARACTERS} to {MOST_CHARACTERS} ASCII characters"
            raise BadValue(f"must be {wanted} (a shorter one would hit telephones), not {agent[:80]!r}")
    if (needed := sum(len(agent) + 1 for agent in listed)) > MOST_TOGETHER:
        raise BadValue(f"must have at most {MOST_TOGETHER} characters together, not {needed}")
    if (needed := states(listed)) > MAX_STATES:
        raise BadValue(f"must have at most {MAX_STATES} characters of different beginnings together, not {needed}")
    if (needed := len(set("".join(listed).lower()))) > MAX_CHARACTERS:
        raise BadValue(f"must use at most {MAX_CHARACTERS} different characters, not {needed}")


@dataclass(frozen=True, slots=True)
class AgentList(ListOf):
    """Parts of User-Agents."""

    def _checked(self, items: list[str]) -> tuple[str, ...]:
        listed = ListOf._checked(self, items)
        check(listed)
        return listed

    def allowed(self) -> str:
        """The words of the documents."""
        return f"parts of User-Agents, {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters each, separated by commas"
