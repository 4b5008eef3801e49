"""What the office has for those who ask it, and how they reach it: handed to the reception when that opens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.config.options import RunOptions
from pysrv.certificates.held import Certificates
from pysrv.certificates.renewer import Renewer
from pysrv.control.memory import Memory
from pysrv.net.gate import GateClient
from pysrv.net.tls import TlsConnections
from pysrv.office.watch import Watch
from pysrv.payments.cashier import Cashier
from pysrv.service import Service
from pysrv.service.health import Checkup
from pysrv.store import Store


@dataclass(frozen=True, slots=True)
class Offered:
    """Parts of an office.

    `file`: what the settings file says, by name. `keeper`: the path of its socket. `turn` makes a turn of the service,
    `soon` has one made. `session_s`: how long a session may last. `problems`: of the settings it was started with.
    """

    options: RunOptions
    file: Mapping[str, Any]
    keeper: str
    store: Store
    service: Service
    gate: GateClient
    tls: TlsConnections
    certificates: Certificates
    renewer: Renewer
    watch: Watch
    cashier: Cashier
    memory: Memory
    health: Checkup
    turn: Callable[[], None]
    soon: Callable[[], None]
    session_s: Callable[[], float]
    gate_problem: Callable[[], str]
    problems: tuple[str, ...]
