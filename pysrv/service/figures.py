"""What the office counts, put together for the metrics.

Money is micro-units of the payer's currency. Knows the service's parts, not who asks.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from appliance import wire
from pysrv.calls.registrar import Registrar
from pysrv.limits.input import RULES
from pysrv.service.accounting import Accounting
from pysrv.service.surroundings import Clock
from pysrv.service.tally import OUTCOMES
from pysrv.service.tap import Tap
from pysrv.sip.endpoint import Endpoint
from pysrv.store import Store


class Figures:
    """Asks every part for what it counts. The ring says how many `connections` are open, what was `exported`, how
    many may come through the tunnel, and what the web refused."""

    def __init__(
        self, store: Store, accounting: Accounting, registrar: Registrar, endpoint: Endpoint, tap: Tap, clock: Clock
    ) -> None:
        self._store, self._accounting, self._registrar, self._endpoint = store, accounting, registrar, endpoint
        self._tap, self._started_at = tap, clock.wall()
        self.malformed = 0  # messages
        self.faults = 0  # of the service itself
        self.inputs: Counter[str] = Counter()  # refused by validateinput, by rule
        self.connections: Callable[[], int] = lambda: 0
        self.tunnel_peers: Callable[[], int] = lambda: 0
        self.web_refusals: Callable[[], dict[str, int]] = dict
        self.exported: Callable[[], tuple[int, int]] = lambda: (0, 0)  # sent, dropped

    def refused(self, rule: str) -> None:
        """Something that came in was refused by this rule of validateinput."""
        self.inputs[rule] += 1

    def read(self, generation: int) -> wire.OfficeFigures:
        """Everything at this moment; `generation` is that of the settings in force."""
        running = list(self._accounting.running.values())
        answered = [call for call in running if call.answered is not None]
        sent, dropped = self.exported()
        audit_at, audit_score, audit_failed = self._store.machine_audit_counts()
        backup = self._store.backup_state()
        return wire.OfficeFigures(
            started_at=self._started_at,
            generation=generation,
            calls={"setup": len(running) - len(answered), "answered": len(answered)},
            outcomes=dict.fromkeys(OUTCOMES, 0) | dict(self._accounting.tally.outcomes),
            refusals=dict(self._accounting.tally.refusals),
            per_minute=self._sums((call.cdr.account, call.lease.per_minute) for call in answered),
            reserved=self._sums((call.cdr.account, call.lease.reserved) for call in running),
            registrations=len(self._registrar),
            transactions=sum(self._endpoint.transactions),
            connections=self.connections(),
            malformed=self.malformed,
            inputs=dict.fromkeys((rule.name for rule in RULES), 0) | dict(self.inputs),
            overloads=self._endpoint.tally.overload,
            faults=self.faults,
            notices_waiting=self._store.waiting_notices(),
            hep_sent=sent,
            hep_dropped=dropped,
            traces=self._tap.traces.held[0],
            audit_at=audit_at,
            audit_score=audit_score,
            audit_failed=audit_failed,
            web_refusals=self.web_refusals(),
            backup_at=backup.made_at,
            backup_bytes=backup.size_bytes,
            backup_failed=int(backup.failed_at > 0),
            tunnel_peers=self.tunnel_peers(),
        )

    def _sums(self, amounts: Iterable[tuple[str, int]]) -> dict[str, int]:
        """Amounts that accounts pay, summed by currency; calls that nobody pays for count nowhere."""
        sums: Counter[str] = Counter()
        for name, micro in amounts:
            account = self._store.account(name) if name else None
            if account is not None:
                sums[account.currency] += micro
        return dict(sums)
