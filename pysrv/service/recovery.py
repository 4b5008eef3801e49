"""Calls that outlive a restart: what a running call needs is written down, and taken up again by the next process.

A snapshot is taken once a call has been up for a moment (a short call is not worth one), and again after each change of
its media. At start every open call is either taken up, with its lease and its relay session as they were, or settled.
"""

import logging
from collections import deque
from typing import Any

from pysrv.billing.cdr import Cdr
from pysrv.calls.b2bua import B2bua
from pysrv.calls.causes import Cause
from pysrv.calls.plan import TrunkCredentials
from pysrv.service.accounting import Accounting
from pysrv.service.surroundings import Surroundings
from pysrv.store import Store
from pysrv.store.rows import OpenCall

SETTLING_S = 1.0  # from an answer or a change to its snapshot: by then it is acknowledged
_log = logging.getLogger("pysrv.calls")


class Recovery:
    """Writes snapshots of running calls; at start, takes up or settles what is open."""

    def __init__(self, store: Store, b2bua: B2bua, accounting: Accounting, world: Surroundings) -> None:
        self._store, self._b2bua, self._accounting, self._world = store, b2bua, accounting, world
        self._due: deque[tuple[float, str]] = deque()
        self._waiting: set[str] = set()

    def changed(self, call_id: str, now: float) -> None:
        """A call has changed: if it runs and is answered, a snapshot is due soon."""
        call = self._accounting.running.get(call_id)
        if call is not None and call.answered is not None and call_id not in self._waiting:
            self._waiting.add(call_id)
            self._due.append((now + SETTLING_S, call_id))

    def get_timer(self) -> float | None:
        """When `run` wants to be called (monotonic seconds)."""
        return self._due[0][0] if self._due else None

    def run(self, now: float) -> None:
        """Write the snapshots that are due."""
        while self._due and self._due[0][0] <= now:
            _, call_id = self._due.popleft()
            self._waiting.discard(call_id)
            call = self._accounting.running.get(call_id)
            if call is None or call.answered is None or call.ended is not None:
                continue
            saved = self._b2bua.snapshot(call_id)
            if saved is None:
                self.changed(call_id, now)  # an acknowledgement or a transfer is under way
            else:
                self._store.save_snapshot(call_id, {"boot": self._world.boot_id, "call": saved})

    def start(self, now: float) -> tuple[int, int]:
        """Take up or settle every open call; returns how many of each."""
        wall = self._world.clock.wall()
        settled = 0
        found: list[OpenCall] = []
        for opened in self._store.open_calls():
            if self._resume(opened, now, wall):
                found.append(opened)
            else:
                stored = self._store.close_interrupted(opened, wall)
                settled += 1
                _log.warning("call interrupted by a restart id=%s charge=%d", opened.call_id, stored.charge)
        for opened in found:
            self._join(opened, now)
        return len(found), settled

    def _join(self, opened: OpenCall, now: float) -> None:
        """A conversation of several calls goes on only if each of them still pays for its part."""
        for partner in opened.snapshot["call"]["partners"]:
            if partner not in self._accounting.running:
                self._b2bua.hangup(opened.call_id, Cause.of_q850(41, "the call it was joined with has ended"), now)
            elif opened.call_id < partner:
                self._accounting.joined(opened.call_id, partner)

    def _resume(self, opened: OpenCall, now: float, wall: float) -> bool:
        saved: dict[str, Any] | None = opened.snapshot.get("call")
        ends_at = opened.lease_ends_at
        # A monotonic clock starts anew with the machine, and a lease that ended has stopped the audio already.
        if not saved or opened.snapshot.get("boot") != self._world.boot_id or ends_at is None or ends_at <= wall:
            return False
        try:
            self._b2bua.restore(saved, now, self._credentials)
        except ValueError as error:
            _log.warning("call cannot be taken up again id=%s: %s", opened.call_id, error)
            return False
        cdr = Cdr(
            opened.call_id,
            account=opened.account,
            caller=opened.caller,
            callee=opened.callee,
            source=opened.source,
            trunk=opened.trunk,
            setup_at=opened.setup_at,
            answered_at=opened.answered_at,
            emergency=opened.emergency,
        )
        self._accounting.resumed(cdr, opened.lease, now - (wall - (opened.answered_at or wall)))
        _log.info("call taken up again id=%s account=%s", opened.call_id, opened.account)
        return True

    def _credentials(self, label: str) -> TrunkCredentials | None:
        trunk = self._store.trunk(label)
        return TrunkCredentials(trunk.user, trunk.password) if trunk is not None and trunk.user else None
