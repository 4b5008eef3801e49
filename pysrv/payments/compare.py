"""The gateway's list of payments beside ours: what is missing here, missing there, or says another amount. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pysrv.payments.gateway import REFERENCE, Taken


class Difference(StrEnum):
    """How a payment differs."""

    MISSING_HERE = "missing_here"  # the gateway has our customer's money, and we have not heard of it
    MISSING_THERE = "missing_there"  # we heard of it, and the gateway does not list it
    AMOUNT = "amount_differs"
    REFUNDS = "refunds_differ"


@dataclass(frozen=True, slots=True)
class Kept:
    """A payment as it is kept here; `amount` and `refunded` in micro-units, `at` in Unix seconds."""

    number: int
    account: str
    payment_id: str
    amount: int
    currency: str
    refunded: int
    at: float


@dataclass(frozen=True, slots=True)
class Line:
    """One difference; `number` 0: there is no payment here."""

    difference: Difference
    payment_id: str
    number: int
    account: str
    at: float
    currency: str
    theirs: int
    ours: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`same` payments agree; `foreign` ones of the gateway's list were not begun by this appliance."""

    lines: tuple[Line, ...]
    same: int
    foreign: int


def compare(theirs: Iterable[Taken], ours: Iterable[Kept], since: float, until: float) -> Comparison:
    """Everything that differs, oldest first. `ours` may hold payments around the span: those that the gateway does not
    list are missing only if they lie in it."""
    listed, kept = {each.payment_id: each for each in theirs}, {each.payment_id: each for each in ours}
    lines = [line for name in listed.keys() & kept.keys() for line in _differences(listed[name], kept[name])]
    unknown = [listed[name] for name in listed.keys() - kept.keys()]
    mine = [each for each in unknown if each.reference.startswith(REFERENCE)]
    lines += [
        Line(Difference.MISSING_HERE, each.payment_id, 0, "", each.at, each.currency, each.amount, 0) for each in mine
    ]
    unlisted = [kept[name] for name in kept.keys() - listed.keys() if since <= kept[name].at < until]
    lines += [_line(Difference.MISSING_THERE, each, 0, each.amount) for each in unlisted]
    differing = {line.payment_id for line in lines}
    same = len([name for name in listed.keys() & kept.keys() if name not in differing])
    ordered = sorted(lines, key=lambda line: (line.at, line.payment_id, line.difference))
    return Comparison(tuple(ordered), same, len(unknown) - len(mine))


def _differences(theirs: Taken, ours: Kept) -> Iterable[Line]:
    if (theirs.amount, theirs.currency) != (ours.amount, ours.currency):
        yield _line(Difference.AMOUNT, ours, theirs.amount, ours.amount)
    if theirs.refunded is not None and theirs.refunded != ours.refunded:
        yield _line(Difference.REFUNDS, ours, theirs.refunded, ours.refunded)


def _line(difference: Difference, ours: Kept, theirs: int, mine: int) -> Line:
    return Line(difference, ours.payment_id, ours.number, ours.account, ours.at, ours.currency, theirs, mine)
