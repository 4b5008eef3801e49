"""A comparison that somebody asked for, done: the gateway's list is read and laid beside ours."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

from pysrv.payments.compare import Comparison, Kept, compare
from pysrv.payments.gateway import Gateway, GatewayError, Taken
from pysrv.store import Store
from pysrv.store.payment_reading import Payment, PaymentComparison

AROUND_S: Final = 2 * 86_400.0  # the gateway's times and ours may lie so far apart
_BITE: Final = 100
MOST_LINES: Final = 10_000


async def reconcile(
    store: Store, gateway: Gateway | None, wanted: PaymentComparison, now: float, commit: Callable[[], None]
) -> None:
    """Writes what was found, or why nothing was."""
    until = min(wanted.until, now - gateway.lag_s) if gateway is not None else wanted.until
    try:
        if gateway is None:
            raise GatewayError(f"{wanted.gateway} is not set up")
        theirs = await gateway.taken(wanted.since, until) if wanted.since < until else []
    except GatewayError as error:
        store.note_comparison(wanted.id, "", error.reason)
        commit()
        return
    ours = await _ours(store, wanted, until, theirs)
    store.note_comparison(wanted.id, _written(compare(theirs, ours, wanted.since, until), until))
    commit()


async def _ours(store: Store, wanted: PaymentComparison, until: float, theirs: Sequence[Taken]) -> list[Kept]:
    """What is kept of that time and of what the gateway lists; calls go on in between."""
    found = {
        each.payment_id: each
        for each in store.payments_captured(wanted.gateway, wanted.since - AROUND_S, until + AROUND_S)
    }
    for name in {each.payment_id for each in theirs} - found.keys():
        if (payment := store.payment_of(wanted.gateway, name)) is not None and payment.captured:
            found[name] = payment
    kept = []
    for count, payment in enumerate(found.values(), 1):
        kept.append(_kept(store, payment))
        if count % _BITE == 0:
            await asyncio.sleep(0)
    return kept


def _kept(store: Store, payment: Payment) -> Kept:
    refunded = store.payment_standing(payment).refunded
    return Kept(
        payment.id, payment.account, payment.payment_id, payment.captured, payment.captured_currency, refunded,
        payment.captured_at,
    )  # fmt: skip


def _written(comparison: Comparison, until: float) -> str:
    lines = [asdict(line) for line in comparison.lines[:MOST_LINES]]
    more = max(0, len(comparison.lines) - MOST_LINES)
    return json.dumps(
        {"lines": lines, "more": more, "same": comparison.same, "foreign": comparison.foreign, "until": until}
    )
