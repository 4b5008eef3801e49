"""Which failures let a call try its next target, which failure it reports at the end, and what the caller is told.

One table. A busy or declining user is an answer and ends the search; a route that could not carry the call is not.
Source: RFC 3261 16.7 (choice of the best response, 503 not passed on), 8.1.3.4; RFC 3398 for what gateways mean.
"""

from dataclasses import dataclass, replace

from pysrv.calls.causes import NO_ROUTE, Cause
from pysrv.calls.plan import TargetKind


@dataclass(frozen=True, slots=True)
class Rule:
    """A status (or class, as 5 for 500-599): whether a binding's or trunk's failure goes on to the next target.

    `rank`: the lowest of all failures is reported; `told`: the status that the caller gets (0: the same).
    """

    status: int
    binding: bool
    trunk: bool
    rank: int
    told: int = 0


TABLE: tuple[Rule, ...] = (
    Rule(3, True, True, 70, 480),  # a redirect that we do not follow
    Rule(4, False, False, 40),
    Rule(5, True, True, 60),
    Rule(6, False, False, 0),  # global: no other place may ring any more
    Rule(401, True, True, 65, 403),  # a challenge is between us and the trunk
    Rule(402, False, True, 50, 403),
    Rule(403, False, True, 45),
    Rule(404, True, True, 45),
    Rule(406, False, True, 50),
    Rule(407, True, True, 65, 403),
    Rule(408, True, True, 55),
    Rule(410, True, True, 45),
    Rule(415, False, True, 50),
    Rule(420, True, True, 65, 500),
    Rule(421, True, True, 65, 500),
    Rule(422, True, True, 65, 500),
    Rule(430, True, True, 55, 480),
    Rule(480, True, True, 50),
    Rule(481, True, True, 65, 480),
    Rule(482, True, True, 65),
    Rule(483, True, True, 65),
    Rule(484, False, False, 30),
    Rule(485, True, True, 50, 404),
    Rule(486, False, False, 10),
    Rule(487, True, True, 65, 480),
    Rule(488, False, True, 20),
    Rule(491, True, True, 65, 480),
    Rule(493, False, True, 50),
    Rule(501, True, True, 60),
    Rule(503, True, True, 62, 500),
)
_RULES = {rule.status: rule for rule in TABLE}


def rule_of(status: int) -> Rule:
    """The rule for a status, else that of its class."""
    return _RULES.get(status) or _RULES.get(status // 100) or _RULES[5]


def fails_over(status: int, kind: TargetKind) -> bool:
    """Whether a target of this kind that failed so is followed by the next one."""
    rule = rule_of(status)
    return rule.trunk if kind is TargetKind.TRUNK else rule.binding


def best(failures: list[Cause]) -> Cause:
    """The failure to report of all that happened; the earliest of equals."""
    return min(failures, key=lambda cause: rule_of(cause.status).rank, default=NO_ROUTE)


def told(cause: Cause) -> Cause:
    """The cause as the caller may see it."""
    status = rule_of(cause.status).told
    return replace(cause, status=status) if status else cause
