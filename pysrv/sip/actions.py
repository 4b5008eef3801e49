"""What the words of the tables do: send, tell, stop, repeat, end.

Knows one layer and its transaction; which word comes when is the tables' business. Durations: RFC 3261 table 4 (Timers
A, E and G are not armed over streams; D, I, J and K have no length there), RFC 6026 section 7.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pysrv.sip import events as tell
from pysrv.sip import hop
from pysrv.sip.message import Message, Request, Response
from pysrv.sip.tables import Action, Input

if TYPE_CHECKING:
    from pysrv.sip.transaction import Transaction, TransactionLayer


# Done to a transaction at a moment, with the message that came or goes and the flow it came by, where there are any.
Act = Callable[["Transaction", float, Message | None, tell.Flow | None], None]


def meanings(layer: "TransactionLayer") -> dict[Action, Act]:
    """What every word does to a transaction of `layer`."""
    return _sends(layer) | _tells(layer) | _stops(layer) | _repetitions(layer) | _deadlines(layer)


def _sends(layer: "TransactionLayer") -> dict[Action, Act]:
    outbox = layer.outbox

    def put(txn: "Transaction", payload: bytes) -> None:
        txn.last_sent = payload
        outbox.append((payload, txn.flow))

    def send(txn: "Transaction", _now: float, message: Message | None, _flow: tell.Flow | None) -> None:
        assert message is not None
        put(txn, message.to_bytes())

    def repeat(txn: "Transaction", _now: float, _message: Message | None, _flow: tell.Flow | None) -> None:
        if txn.last_sent is not None:
            outbox.append((txn.last_sent, txn.flow))

    def send_100(txn: "Transaction", _now: float, _message: Message | None, _flow: tell.Flow | None) -> None:
        assert txn.request is not None
        put(txn, hop.trying(txn.request).to_bytes())

    def send_ack(txn: "Transaction", _now: float, message: Message | None, _flow: tell.Flow | None) -> None:
        assert isinstance(message, Response)
        assert txn.request is not None
        put(txn, hop.failure_ack(txn.request, message).to_bytes())

    def send_cancel(txn: "Transaction", now: float, _message: Message | None, _flow: tell.Flow | None) -> None:
        assert txn.request is not None
        cancel = hop.cancel_of(txn.request, txn.cancel_lines)
        layer.begin_client(cancel, hop.branch_of(cancel), txn.flow, now, quiet=True)

    return {
        Action.SEND: send,
        Action.REPEAT: repeat,
        Action.SEND_100: send_100,
        Action.SEND_ACK: send_ack,
        Action.SEND_CANCEL: send_cancel,
    }


def _tells(layer: "TransactionLayer") -> dict[Action, Act]:
    put = layer.events.append

    def request(txn: "Transaction", _now: float, message: Message | None, flow: tell.Flow | None) -> None:
        assert isinstance(message, Request)
        assert flow is not None
        put(tell.RequestReceived(txn.key, message, flow))

    def response(txn: "Transaction", _now: float, message: Message | None, flow: tell.Flow | None) -> None:
        assert isinstance(message, Response)
        assert flow is not None
        if not txn.quiet:
            put(tell.ResponseReceived(txn.key, message, flow))

    def ack(txn: "Transaction", _now: float, message: Message | None, flow: tell.Flow | None) -> None:
        assert isinstance(message, Request)
        assert flow is not None
        put(tell.AckReceived(txn.key, message, flow))

    def ended(event: Callable[[bytes], tell.Event]) -> Act:
        def act(txn: "Transaction", _now: float, _message: Message | None, _flow: tell.Flow | None) -> None:
            if not txn.quiet:
                put(event(txn.key))

        return act

    return {
        Action.TELL_REQUEST: request,
        Action.TELL_RESPONSE: response,
        Action.TELL_ACK: ack,
        Action.TELL_CANCELLED: ended(tell.Cancelled),
        Action.TELL_TIMED_OUT: ended(tell.RequestTimedOut),
        Action.TELL_ACK_TIMED_OUT: ended(tell.AckTimedOut),
        Action.TELL_FAILED: ended(tell.TransportFailed),
    }


def _stops(layer: "TransactionLayer") -> dict[Action, Act]:
    def stop_repeating(txn: "Transaction", _now: float, _message: Message | None, _flow: tell.Flow | None) -> None:
        layer.stop_repeating(txn)

    def stop_timers(txn: "Transaction", _now: float, _message: Message | None, _flow: tell.Flow | None) -> None:
        layer.stop_timers(txn)

    return {Action.STOP_REPEATING: stop_repeating, Action.STOP_TIMERS: stop_timers}


def _repetitions(layer: "TransactionLayer") -> dict[Action, Act]:
    """Timers that send something again: A, E and G are armed over datagrams only."""
    values, timers = layer.values, layer.timers
    t1, t2 = values.t1_s, values.t2_s

    def arm(given: Input, wait_s: Callable[[float], float], on_streams: bool = False) -> Act:
        def act(txn: "Transaction", now: float, _message: Message | None, _flow: tell.Flow | None) -> None:
            if txn.reliable and not on_streams:
                return
            layer.stop_repeating(txn)
            txn.interval_s = wait_s(txn.interval_s)
            txn.repeating = timers.arm(now + txn.interval_s, txn, given)

        return act

    def first(_before: float) -> float:
        return t1

    def doubled(before: float) -> float:
        return before * 2

    def capped(before: float) -> float:
        return min(before * 2, t2)

    def slow(_before: float) -> float:
        return t2

    def soon(_before: float) -> float:
        return values.trying_s

    return {
        Action.ARM_A: arm(Input.TIMER_A, first),
        Action.DOUBLE_A: arm(Input.TIMER_A, doubled),
        Action.ARM_E: arm(Input.TIMER_E, first),
        Action.DOUBLE_E: arm(Input.TIMER_E, capped),
        Action.SLOW_E: arm(Input.TIMER_E, slow),
        Action.ARM_G: arm(Input.TIMER_G, first),
        Action.DOUBLE_G: arm(Input.TIMER_G, capped),
        Action.ARM_REPEAT: arm(Input.TIMER_REPEAT, first, on_streams=True),
        Action.DOUBLE_REPEAT: arm(Input.TIMER_REPEAT, capped, on_streams=True),
        Action.ARM_TRYING: arm(Input.TIMER_TRYING, soon, on_streams=True),
    }


def _deadlines(layer: "TransactionLayer") -> dict[Action, Act]:
    """Timers that end something; one of no length (D, I, J, K over streams) ends it at once."""
    values, timers = layer.values, layer.timers
    patience = values.patience_s

    def arm(given: Input, datagrams_s: float, streams_s: float) -> Act:
        def act(txn: "Transaction", now: float, _message: Message | None, _flow: tell.Flow | None) -> None:
            if txn.deadline is not None:
                timers.cancel(txn.deadline)
            wait_s = streams_s if txn.reliable else datagrams_s
            if wait_s:
                txn.deadline = timers.arm(now + wait_s, txn, given)
            else:
                layer.fire(txn, given, now)

        return act

    always = {
        Action.ARM_B: Input.TIMER_B,
        Action.ARM_F: Input.TIMER_F,
        Action.ARM_H: Input.TIMER_H,
        Action.ARM_L: Input.TIMER_L,
        Action.ARM_M: Input.TIMER_M,
        Action.ARM_CANCEL: Input.TIMER_CANCEL,
        Action.ARM_SILENCE: Input.TIMER_SILENCE,
    }
    return {word: arm(given, patience, patience) for word, given in always.items()} | {
        Action.ARM_D: arm(Input.TIMER_D, values.d_s, 0.0),
        Action.ARM_I: arm(Input.TIMER_I, values.t4_s, 0.0),
        Action.ARM_J: arm(Input.TIMER_J, patience, 0.0),
        Action.ARM_K: arm(Input.TIMER_K, values.t4_s, 0.0),
    }
