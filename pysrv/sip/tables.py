"""The four transaction machines of RFC 3261 section 17, as the tables that the engine executes.

A row reads: in this state, when this comes in, do these things in order and go to that state. A pair without a row
means that nothing happens. Knows nothing of messages, bytes or time: `transaction.py` gives the words their meaning.
Sources: RFC 3261 figures 5 to 8, with RFC 6026 (Accepted, Timers L and M, transport errors on servers), the wait for
a provisional before CANCEL of RFC 3261 9.1, and RFC 4320 (a non-INVITE request nobody answered dies in silence).
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum


class Machine(StrEnum):
    """Which of the four machines."""

    INVITE_CLIENT = "INVITE client"
    NON_INVITE_CLIENT = "non-INVITE client"
    INVITE_SERVER = "INVITE server"
    NON_INVITE_SERVER = "non-INVITE server"


class State(StrEnum):
    """Where a transaction stands. RFC 3261's names; those that split one of them are explained."""

    INITIAL = "Initial"
    CALLING = "Calling"
    ABANDONED = "Abandoned"  # Calling, and the user wants to cancel as soon as that is allowed
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    CANCELLING = "Cancelling"  # Proceeding, with our CANCEL sent
    CANCELLED = "Cancelled"  # Proceeding, with their CANCEL received
    ACCEPTED = "Accepted"
    ACKNOWLEDGED = "Acknowledged"  # Accepted, and the ACK has come
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    TERMINATED = "Terminated"


class Input(StrEnum):
    """What can happen to a transaction."""

    REQUEST = "request"  # client: the user's; server: the peer's, also again
    ACK = "ACK"
    PEER_CANCEL = "CANCEL"
    PROVISIONAL = "1xx"  # received
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    FINAL = "2xx-6xx"
    SEND_PROVISIONAL = "user sends 1xx"
    SEND_SUCCESS = "user sends 2xx"
    SEND_FAILURE = "user sends 3xx-6xx"
    SEND_FINAL = "user sends 2xx-6xx"
    CANCEL = "user cancels"
    TRANSPORT_FAILED = "transport failed"
    TIMER_A = "Timer A"
    TIMER_B = "Timer B"
    TIMER_D = "Timer D"
    TIMER_E = "Timer E"
    TIMER_F = "Timer F"
    TIMER_G = "Timer G"
    TIMER_H = "Timer H"
    TIMER_I = "Timer I"
    TIMER_J = "Timer J"
    TIMER_K = "Timer K"
    TIMER_L = "Timer L"
    TIMER_M = "Timer M"
    TIMER_TRYING = "Timer 100"  # 200 ms: say 100 to an INVITE not answered yet (17.2.1)
    TIMER_REPEAT = "Timer 2xx"  # repeat our 2xx until its ACK comes (13.3.1.4)
    TIMER_CANCEL = "Timer 9.1"  # 64*T1 after our CANCEL
    TIMER_SILENCE = "Timer 4320"  # 64*T1 without an answer from our user


class Action(StrEnum):
    """What a row does. "tell" is always an event to the transaction's user."""

    SEND = "send"  # client: the request; server: the response just given
    REPEAT = "repeat"  # the bytes last sent, if any
    SEND_100 = "send 100"
    SEND_ACK = "send ACK"
    SEND_CANCEL = "send CANCEL"
    TELL_REQUEST = "tell RequestReceived"
    TELL_RESPONSE = "tell ResponseReceived"
    TELL_ACK = "tell AckReceived"
    TELL_CANCELLED = "tell Cancelled"
    TELL_TIMED_OUT = "tell RequestTimedOut"
    TELL_ACK_TIMED_OUT = "tell AckTimedOut"
    TELL_FAILED = "tell TransportFailed"
    STOP_REPEATING = "stop repeating"
    STOP_TIMERS = "stop timers"
    ARM_A = "arm A (T1)"
    DOUBLE_A = "arm A (doubled)"
    ARM_B = "arm B (64*T1)"
    ARM_D = "arm D (32 s | 0)"
    ARM_E = "arm E (T1)"
    DOUBLE_E = "arm E (doubled, at most T2)"
    SLOW_E = "arm E (T2)"
    ARM_F = "arm F (64*T1)"
    ARM_G = "arm G (T1)"
    DOUBLE_G = "arm G (doubled, at most T2)"
    ARM_H = "arm H (64*T1)"
    ARM_I = "arm I (T4 | 0)"
    ARM_J = "arm J (64*T1 | 0)"
    ARM_K = "arm K (T4 | 0)"
    ARM_L = "arm L (64*T1)"
    ARM_M = "arm M (64*T1)"
    ARM_TRYING = "arm 100 (200 ms)"
    ARM_REPEAT = "arm 2xx (T1)"
    DOUBLE_REPEAT = "arm 2xx (doubled, at most T2)"
    ARM_CANCEL = "arm 9.1 (64*T1)"
    ARM_SILENCE = "arm 4320 (64*T1)"


Row = tuple[tuple[Action, ...], State]
Table = Mapping[tuple[State, Input], Row]

_S, _I, _A = State, Input, Action

_ANSWERED = (_A.STOP_TIMERS, _A.TELL_RESPONSE, _A.ARM_M)
_REFUSED = (_A.STOP_TIMERS, _A.TELL_RESPONSE, _A.SEND_ACK, _A.ARM_D)

# Figure 5. A stream that closed takes the answer with it, so a failed transport also ends Proceeding. In Completed the
# user already has a final response, and is not told of a failed ACK: one transaction, one end.
INVITE_CLIENT: Table = {
    (_S.INITIAL, _I.REQUEST): ((_A.SEND, _A.ARM_A, _A.ARM_B), _S.CALLING),
    (_S.CALLING, _I.TIMER_A): ((_A.REPEAT, _A.DOUBLE_A), _S.CALLING),
    (_S.CALLING, _I.TIMER_B): ((_A.STOP_TIMERS, _A.TELL_TIMED_OUT), _S.TERMINATED),
    (_S.CALLING, _I.TRANSPORT_FAILED): ((_A.TELL_FAILED,), _S.TERMINATED),
    (_S.CALLING, _I.PROVISIONAL): ((_A.STOP_TIMERS, _A.TELL_RESPONSE), _S.PROCEEDING),
    (_S.CALLING, _I.SUCCESS): (_ANSWERED, _S.ACCEPTED),
    (_S.CALLING, _I.FAILURE): (_REFUSED, _S.COMPLETED),
    (_S.CALLING, _I.CANCEL): ((), _S.ABANDONED),
    (_S.ABANDONED, _I.TIMER_A): ((_A.REPEAT, _A.DOUBLE_A), _S.ABANDONED),
    (_S.ABANDONED, _I.TIMER_B): ((_A.STOP_TIMERS, _A.TELL_TIMED_OUT), _S.TERMINATED),
    (_S.ABANDONED, _I.TRANSPORT_FAILED): ((_A.TELL_FAILED,), _S.TERMINATED),
    (_S.ABANDONED, _I.PROVISIONAL): (
        (_A.STOP_TIMERS, _A.TELL_RESPONSE, _A.SEND_CANCEL, _A.ARM_CANCEL),
        _S.CANCELLING,
    ),
    (_S.ABANDONED, _I.SUCCESS): (_ANSWERED, _S.ACCEPTED),
    (_S.ABANDONED, _I.FAILURE): (_REFUSED, _S.COMPLETED),
    (_S.PROCEEDING, _I.PROVISIONAL): ((_A.TELL_RESPONSE,), _S.PROCEEDING),
    (_S.PROCEEDING, _I.SUCCESS): (_ANSWERED, _S.ACCEPTED),
    (_S.PROCEEDING, _I.FAILURE): (_REFUSED, _S.COMPLETED),
    (_S.PROCEEDING, _I.CANCEL): ((_A.SEND_CANCEL, _A.ARM_CANCEL), _S.CANCELLING),
    (_S.PROCEEDING, _I.TRANSPORT_FAILED): ((_A.TELL_FAILED,), _S.TERMINATED),
    (_S.CANCELLING, _I.PROVISIONAL): ((_A.TELL_RESPONSE,), _S.CANCELLING),
    (_S.CANCELLING, _I.SUCCESS): (_ANSWERED, _S.ACCEPTED),
    (_S.CANCELLING, _I.FAILURE): (_REFUSED, _S.COMPLETED),
    (_S.CANCELLING, _I.TIMER_CANCEL): ((_A.TELL_TIMED_OUT,), _S.TERMINATED),
    (_S.CANCELLING, _I.TRANSPORT_FAILED): ((_A.TELL_FAILED,), _S.TERMINATED),
    (_S.ACCEPTED, _I.SUCCESS): ((_A.TELL_RESPONSE,), _S.ACCEPTED),
    (_S.ACCEPTED, _I.TIMER_M): ((), _S.TERMINATED),
    (_S.COMPLETED, _I.FAILURE): ((_A.REPEAT,), _S.COMPLETED),
    (_S.COMPLETED, _I.TIMER_D): ((), _S.TERMINATED),
    (_S.COMPLETED, _I.TRANSPORT_FAILED): ((), _S.TERMINATED),
}

_DONE = (_A.STOP_TIMERS, _A.TELL_RESPONSE, _A.ARM_K)

# Figure 6.
NON_INVITE_CLIENT: Table = {
    (_S.INITIAL, _I.REQUEST): ((_A.SEND, _A.ARM_E, _A.ARM_F), _S.TRYING),
    (_S.TRYING, _I.TIMER_E): ((_A.REPEAT, _A.DOUBLE_E), _S.TRYING),
    (_S.TRYING, _I.TIMER_F): ((_A.STOP_TIMERS, _A.TELL_TIMED_OUT), _S.TERMINATED),
    (_S.TRYING, _I.TRANSPORT_FAILED): ((_A.TELL_FAILED,), _S.TERMINATED),
    (_S.TRYING, _I.PROVISIONAL): ((_A.TELL_RESPONSE, _A.SLOW_E), _S.PROCEEDING),
    (_S.TRYING, _I.FINAL): (_DONE, _S.COMPLETED),
    (_S.PROCEEDING, _I.TIMER_E): ((_A.REPEAT, _A.SLOW_E), _S.PROCEEDING),
    (_S.PROCEEDING, _I.TIMER_F): ((_A.STOP_TIMERS, _A.TELL_TIMED_OUT), _S.TERMINATED),
    (_S.PROCEEDING, _I.TRANSPORT_FAILED): ((_A.TELL_FAILED,), _S.TERMINATED),
    (_S.PROCEEDING, _I.PROVISIONAL): ((_A.TELL_RESPONSE,), _S.PROCEEDING),
    (_S.PROCEEDING, _I.FINAL): (_DONE, _S.COMPLETED),
    (_S.COMPLETED, _I.TIMER_K): ((), _S.TERMINATED),
}

_SUCCEED = (_A.STOP_TIMERS, _A.SEND, _A.ARM_REPEAT, _A.ARM_L)
_REFUSE = (_A.STOP_TIMERS, _A.SEND, _A.ARM_G, _A.ARM_H)

# Figure 7 as RFC 6026 redraws it: a failed transport tells the user and changes nothing. The 2xx is repeated by the
# machine, not by the user, over streams too (13.3.1.4); an INVITE that comes again then is absorbed.
INVITE_SERVER: Table = {
    (_S.INITIAL, _I.REQUEST): ((_A.TELL_REQUEST, _A.ARM_TRYING), _S.PROCEEDING),
    (_S.PROCEEDING, _I.REQUEST): ((_A.REPEAT,), _S.PROCEEDING),
    (_S.PROCEEDING, _I.TIMER_TRYING): ((_A.SEND_100,), _S.PROCEEDING),
    (_S.PROCEEDING, _I.SEND_PROVISIONAL): ((_A.STOP_TIMERS, _A.SEND), _S.PROCEEDING),
    (_S.PROCEEDING, _I.SEND_SUCCESS): (_SUCCEED, _S.ACCEPTED),
    (_S.PROCEEDING, _I.SEND_FAILURE): (_REFUSE, _S.COMPLETED),
    (_S.PROCEEDING, _I.PEER_CANCEL): ((_A.STOP_TIMERS, _A.TELL_CANCELLED), _S.CANCELLED),
    (_S.PROCEEDING, _I.TRANSPORT_FAILED): ((_A.TELL_FAILED,), _S.PROCEEDING),
    (_S.CANCELLED, _I.REQUEST): ((_A.REPEAT,), _S.CANCELLED),
    (_S.CANCELLED, _I.SEND_PROVISIONAL): ((_A.SEND,), _S.CANCELLED),
    (_S.CANCELLED, _I.SEND_SUCCESS): (_SUCCEED, _S.ACCEPTED),
    (_S.CANCELLED, _I.SEND_FAILURE): (_REFUSE, _S.COMPLETED),
    (_S.ACCEPTED, _I.TIMER_REPEAT): ((_A.REPEAT, _A.DOUBLE_REPEAT), _S.ACCEPTED),
    (_S.ACCEPTED, _I.ACK): ((_A.STOP_REPEATING, _A.TELL_ACK), _S.ACKNOWLEDGED),
    (_S.ACCEPTED, _I.TIMER_L): ((_A.STOP_TIMERS, _A.TELL_ACK_TIMED_OUT), _S.TERMINATED),
    (_S.ACKNOWLEDGED, _I.TIMER_L): ((), _S.TERMINATED),
    (_S.COMPLETED, _I.REQUEST): ((_A.REPEAT,), _S.COMPLETED),
    (_S.COMPLETED, _I.TIMER_G): ((_A.REPEAT, _A.DOUBLE_G), _S.COMPLETED),
    (_S.COMPLETED, _I.TIMER_H): ((_A.STOP_TIMERS,), _S.TERMINATED),
    (_S.COMPLETED, _I.ACK): ((_A.STOP_TIMERS, _A.ARM_I), _S.CONFIRMED),
    (_S.CONFIRMED, _I.TIMER_I): ((), _S.TERMINATED),
}

_REPLY = (_A.SEND, _A.ARM_J)

# Figure 8, with RFC 6026's transport errors.
NON_INVITE_SERVER: Table = {
    (_S.INITIAL, _I.REQUEST): ((_A.TELL_REQUEST, _A.ARM_SILENCE), _S.TRYING),
    (_S.TRYING, _I.SEND_PROVISIONAL): ((_A.SEND,), _S.PROCEEDING),
    (_S.TRYING, _I.SEND_FINAL): (_REPLY, _S.COMPLETED),
    (_S.TRYING, _I.TIMER_SILENCE): ((), _S.TERMINATED),
    (_S.TRYING, _I.TRANSPORT_FAILED): ((_A.TELL_FAILED,), _S.TRYING),
    (_S.PROCEEDING, _I.REQUEST): ((_A.REPEAT,), _S.PROCEEDING),
    (_S.PROCEEDING, _I.SEND_PROVISIONAL): ((_A.SEND,), _S.PROCEEDING),
    (_S.PROCEEDING, _I.SEND_FINAL): (_REPLY, _S.COMPLETED),
    (_S.PROCEEDING, _I.TIMER_SILENCE): ((), _S.TERMINATED),
    (_S.PROCEEDING, _I.TRANSPORT_FAILED): ((_A.TELL_FAILED,), _S.PROCEEDING),
    (_S.COMPLETED, _I.REQUEST): ((_A.REPEAT,), _S.COMPLETED),
    (_S.COMPLETED, _I.TIMER_J): ((), _S.TERMINATED),
}

MACHINES: Mapping[Machine, Table] = {
    Machine.INVITE_CLIENT: INVITE_CLIENT,
    Machine.NON_INVITE_CLIENT: NON_INVITE_CLIENT,
    Machine.INVITE_SERVER: INVITE_SERVER,
    Machine.NON_INVITE_SERVER: NON_INVITE_SERVER,
}


def render() -> str:
    """The machines as Markdown: for each a mermaid state diagram and the table it was drawn from."""
    opening = (
        "# SIP transaction machines\n\n"
        "RFC 3261 section 17 with RFC 6026. `a | b` is the value over datagrams and over streams; timers A, E and G "
        "are not armed over streams. A pair of state and input that has no row changes nothing.\n"
    )
    return opening + "".join(_render_machine(machine, table) for machine, table in MACHINES.items())


def _render_machine(machine: Machine, table: Table) -> str:
    return "\n".join((f"\n## {machine}\n", *_diagram(table), "", *_rows(table), ""))


def _diagram(table: Table) -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    edges: dict[tuple[State, State], list[Input]] = {}
    for (state, given), (_, following) in table.items():
        edges.setdefault((state, following), []).append(given)
    for (state, following), inputs in edges.items():
        yield f"    {_node(state)} --> {_node(following)}: {', '.join(inputs)}"
    yield "```"


def _node(state: State) -> str:
    return "[*]" if state in (State.INITIAL, State.TERMINATED) else str(state)


def _rows(table: Table) -> Iterator[str]:
    yield "| state | input | actions | next state |"
    yield "|---|---|---|---|"
    for (state, given), (actions, following) in table.items():
        cell = ", ".join(actions).replace("|", "\\|") or "-"
        yield f"| {state} | {given} | {cell} | {following} |"
