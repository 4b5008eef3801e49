"""Requests inside dialogs that wait for an answer: ours from the peer, the peer's from our call. Values only."""

from dataclasses import dataclass
from enum import Enum, auto

from pysrv.calls.switch import HeaderLines
from pysrv.sip.dialog import Dialog
from pysrv.sip.events import TransactionKey
from pysrv.sip.message import Request


class Purpose(Enum):
    """Why we sent a request."""

    OFFER = auto()
    REFRESH = auto()
    NOTE = auto()
    NOTIFY = auto()
    PRACK = auto()
    BYE = auto()


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of ours without a final answer yet; `headers` are those to send again with credentials."""

    purpose: Purpose
    dialog: Dialog
    request: Request
    headers: HeaderLines
    ticket: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request of the peer that its call has to answer."""

    key: TransactionKey
    request: Request
