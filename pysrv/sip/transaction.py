"""The transaction layer: executes the tables, keeps the transactions, queues what they send and tell.

Knows bytes, flows and timers; it decides nothing that a table does not say, and never looks at a clock or a socket.
An exact repetition of a request is known by a keyed hash of the datagram, and is answered without being parsed.
Sources: RFC 3261 section 17, RFC 6026; what each word of a row means is in `actions.py`.
"""

from collections import deque
from collections.abc import Mapping

from pysrv.sip import events as tell
from pysrv.sip.actions import Act, meanings
from pysrv.sip.keys import client_key
from pysrv.sip.message import Message, Request
from pysrv.sip.tables import MACHINES, Input, Machine, State
from pysrv.sip.timers import Armed, TimerHeap, TimerValues


class Transaction:
    """One transaction: which machine it runs, where it stands, and what it may have to send again."""

    __slots__ = (
        "ack_key",
        "came_by",
        "cancel_lines",
        "deadline",
        "digest",
        "flow",
        "interval_s",
        "key",
        "last_sent",
        "local_tag",
        "machine",
        "origin_key",
        "quiet",
        "reliable",
        "repeating",
        "request",
        "state",
    )

    def __init__(
        self, machine: Machine, key: bytes, request: Request, flow: tell.Flow, came_by: tell.Flow | None = None
    ) -> None:
        self.machine = machine
        self.key = key
        self.request: Request | None = request  # until the final response: from then on bytes suffice
        self.flow = flow  # where to send: the peer's address for its next message
        self.came_by = came_by  # server: the flow of its request
        self.reliable = flow.transport != "udp"
        self.state = State.INITIAL
        self.last_sent: bytes | None = None
        self.interval_s = 0.0
        self.repeating: Armed[Transaction, Input] | None = None
        self.deadline: Armed[Transaction, Input] | None = None
        self.quiet = False  # our own CANCEL: its user is this layer
        self.digest = 0  # of the datagram that began it
        self.origin_key: bytes | None = None
        self.ack_key: bytes | None = None
        self.local_tag: bytes | None = None
        self.cancel_lines: tuple[tuple[bytes, bytes], ...] = ()


CompiledRow = tuple[tuple[Act, ...], State]
Compiled = Mapping[tuple[State, Input], CompiledRow]


class TransactionLayer:
    """All transactions of one endpoint."""

    def __init__(self, values: TimerValues) -> None:
        self.values = values
        self.timers: TimerHeap[Transaction, Input] = TimerHeap()
        self.events: deque[tell.Event] = deque()
        self.outbox: list[tuple[bytes, tell.Flow]] = []
        self.clients: dict[bytes, Transaction] = {}
        self.servers: dict[bytes, Transaction] = {}
        self.origins: dict[bytes, Transaction] = {}  # requests outside dialogs, for merged ones (8.2.2.2)
        self.acks: dict[bytes, Transaction] = {}  # INVITEs that we accepted, by what their ACK will say
        self.repetitions: dict[int, Transaction] = {}  # by the hash of the datagram that began them
        self.streams: dict[tuple[str, int], dict[bytes, Transaction]] = {}
        acts = meanings(self)
        self.tables: dict[Machine, Compiled] = {
            machine: {pair: (tuple(acts[word] for word in words), state) for pair, (words, state) in table.items()}
            for machine, table in MACHINES.items()
        }

    def fire(
        self,
        txn: Transaction,
        given: Input,
        now: float,
        message: Message | None = None,
        flow: tell.Flow | None = None,
    ) -> bool:
        """Execute the row for `given`; False when the table has none, so nothing happened."""
        row = self.tables[txn.machine].get((txn.state, given))
        if row is None:
            return False
        # The state changes first: a timer of no length fires inside the actions of its own row, always the last one.
        acts, txn.state = row
        for act in acts:
            act(txn, now, message, flow)
        if txn.state is State.TERMINATED:
            self._forget(txn)
        return True

    def begin_client(
        self, request: Request, branch: bytes, flow: tell.Flow, now: float, quiet: bool = False
    ) -> Transaction:
        """Send a request (its Via is in place) and keep it until it is answered."""
        machine = Machine.INVITE_CLIENT if request.method == b"INVITE" else Machine.NON_INVITE_CLIENT
        txn = Transaction(machine, client_key(branch, request.method), request, flow)
        txn.quiet = quiet
        self.clients[txn.key] = txn
        self._index_stream(txn)
        self.fire(txn, Input.REQUEST, now, request)
        return txn

    def keep_server(self, txn: Transaction, origin: bytes | None, digest: int) -> None:
        """Keep a server transaction. `origin`: for a request outside a dialog; `digest`: of its datagram, or 0."""
        self.servers[txn.key] = txn
        if origin is not None:
            txn.origin_key = origin
            self.origins[origin] = txn
        if digest:
            txn.digest = digest
            self.repetitions[digest] = txn
        self._index_stream(txn)

    def await_ack(self, txn: Transaction, key: bytes) -> None:
        """Know the ACK of the 2xx that is about to be sent by `key`."""
        txn.ack_key = key
        self.acks[key] = txn

    def stop_repeating(self, txn: Transaction) -> None:
        """Cancel what would send again."""
        if txn.repeating is not None:
            self.timers.cancel(txn.repeating)
            txn.repeating = None

    def stop_timers(self, txn: Transaction) -> None:
        """Cancel all timers of a transaction."""
        self.stop_repeating(txn)
        if txn.deadline is not None:
            self.timers.cancel(txn.deadline)
            txn.deadline = None

    def drop(self, txn: Transaction) -> None:
        """Forget a transaction without a word, as if its request had never come."""
        txn.state = State.TERMINATED
        self._forget(txn)

    def on_flow(self, flow: tell.Flow) -> list[Transaction]:
        """The transactions that a failure of `flow` concerns."""
        if flow.transport == "udp":
            return [txn for txn in self.clients.values() if txn.flow == flow]
        held = self.streams.get(flow.remote, {}).values()
        return [txn for txn in held if _same_stream(txn.flow, flow)]

    def _index_stream(self, txn: Transaction) -> None:
        if txn.reliable:
            self.streams.setdefault(txn.flow.remote, {})[txn.key] = txn

    def _forget(self, txn: Transaction) -> None:
        self.stop_timers(txn)
        if txn.key[:1] == b">":
            self.clients.pop(txn.key, None)
        else:
            self._forget_server(txn)
        if txn.reliable and (held := self.streams.get(txn.flow.remote)) is not None:
            held.pop(txn.key, None)
            if not held:
                del self.streams[txn.flow.remote]

    def _forget_server(self, txn: Transaction) -> None:
        self.servers.pop(txn.key, None)
        if txn.origin_key is not None and self.origins.get(txn.origin_key) is txn:
            del self.origins[txn.origin_key]
        if txn.ack_key is not None and self.acks.get(txn.ack_key) is txn:
            del self.acks[txn.ack_key]
        if txn.digest and self.repetitions.get(txn.digest) is txn:
            del self.repetitions[txn.digest]


def _same_stream(held: tell.Flow, failed: tell.Flow) -> bool:
    """A request may have been given the number 0 before its connection was open."""
    return held.transport == failed.transport and (
        held.connection == failed.connection or not held.connection or not failed.connection
    )
