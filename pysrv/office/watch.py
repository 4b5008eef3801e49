"""What the gate counts, read every second, and what the dashboard's charts are made of."""

import asyncio
import time
from collections.abc import Callable

from appliance import wire
from appliance.metrics import Reading
from pysrv.control.memory import Memory
from pysrv.net.gate import GateClient
from pysrv.net.pulse import QueueDelay
from pysrv.service import Service, history

EVERY_S = 1.0


class Watch:
    """Looks at gate and service while the office runs. `tallies`: the packets of each verdict, as read last."""

    def __init__(
        self,
        gate: GateClient,
        service: Service,
        delay: QueueDelay,
        memory: Memory,
        tunnel: Callable[[wire.TunnelStatus], None],
    ) -> None:
        """`tunnel` hears what the administrators' tunnel is."""
        self._gate, self._service, self._delay, self._memory, self._tunnel = gate, service, delay, memory, tunnel
        self.tallies: tuple[wire.Tally, ...] = ()

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            self._gate.tallies(self._keep)
            self._gate.read_tunnel(self._tunnel)
            self._gate.read_status(lambda _: None)
            self._gate.flush()
            now = time.time()
            if self._memory.history.is_due(now):
                self._memory.history.add(self._sample(now))
            await asyncio.sleep(EVERY_S)

    async def reading(self) -> Reading:
        """What keeper and office say now, for the metrics."""
        loop = asyncio.get_running_loop()
        status: asyncio.Future[wire.GateStatus | None] = loop.create_future()
        tallies: asyncio.Future[tuple[wire.Tally, ...]] = loop.create_future()
        self._gate.read_status(lambda answer: None if status.done() else status.set_result(answer))
        self._gate.tallies(lambda answer: None if tallies.done() else tallies.set_result(answer))
        self._gate.flush()
        return Reading(await status, await tallies, self._service.operators.figures())

    def _keep(self, tallies: tuple[wire.Tally, ...]) -> None:
        self.tallies = tallies

    def _sample(self, now: float) -> history.Reading:
        figures = self._service.operators.figures()
        return history.Reading(
            now,
            {tally.verdict: tally.packets for tally in self.tallies},
            {tally.verdict: tally.action for tally in self.tallies},
            sum(figures.calls.values()),
            figures.calls["answered"],
            figures.registrations,
            {currency: micro // 60 for currency, micro in figures.per_minute.items()},
            1000 * self._delay.take_worst(),
        )
