"""How one appliance is started: interfaces, directories, addresses, ports. One frozen value, handed on as JSON.

The command line makes it, the keeper obeys it, the office gets it from the keeper. Settings that can change while the
appliance runs are not here but in `schema.py`; `settings` carries only what the settings file said at start.
"""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Self

DEFAULT_STATE, DEFAULT_RUNTIME = "/var/lib/appliance", "/run/appliance"
DEFAULT_INTERFACE = "lo"
# Between keeper and office: where the office finds its options and the keeper, and how it says that it cannot start.
OPTIONS_VARIABLE, KEEPER_VARIABLE = "APPLIANCE_OPTIONS", "APPLIANCE_KEEPER"
_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.service")
CANNOT_RUN = 78  # EX_CONFIG of sysexits.h: starting it again would not help


class Mode(StrEnum):
    """How the gate is held: XDP in the driver, XDP in the stack, nftables, or the first of these that works."""

    AUTO = "auto"
    NATIVE = "native"
    GENERIC = "generic"
    NFTABLES = "nftables"


class Relay(StrEnum):
    """Who forwards audio: the kernel, the office, or the kernel where that works."""

    AUTO = "auto"
    KERNEL = "kernel"
    USER = "user"


class BadOption(ValueError):
    """An option that cannot be used; the message names it and says what it must be."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """One start. `listen` empty: the addresses of the interfaces. `config` is the settings file's path, if any."""

    interfaces: tuple[str, ...] = (DEFAULT_INTERFACE,)
    state: str = DEFAULT_STATE
    runtime: str = DEFAULT_RUNTIME
    listen: tuple[str, ...] = ()
    sip_port: int = 5060
    https_port: int = 8443
    rtp_first: int = 20000
    rtp_last: int = 29999
    config: str = ""
    pin: bool = False
    office_unit: str = ""  # the unit of systemd that runs the office; empty: the keeper runs it
    relay: Relay = Relay.AUTO
    mode: Mode = Mode.AUTO
    demo_accounts: bool = False  # two accounts to try it with, made where there is none yet
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.interfaces or not all(self.interfaces):
            raise BadOption("--interface must name an interface")
        for address in self.listen:
            _check_address(address)
        if self.office_unit and not (self.pin and _UNIT.fullmatch(self.office_unit)):
            raise BadOption("--office-unit must name a service such as appliance-office.service, and goes with --pin")
        for name in ("sip_port", "https_port"):
            if not 1 <= getattr(self, name) <= 65535:
                raise BadOption(f"--{name.replace('_', '-')} must be 1 to 65535, not {getattr(self, name)}")
        if self.rtp_first % 2 or not 2 <= self.rtp_first <= self.rtp_last - 3 <= 65532:
            raise BadOption(
                "--rtp-ports must be an even first port, a dash and a last port at least 3 above, up to 65535"
            )
        for port in (self.sip_port, self.https_port):
            if self.rtp_first <= port <= self.rtp_last:
                raise BadOption(
                    f"--rtp-ports {self.rtp_first}-{self.rtp_last} must leave out port {port}, which serves"
                )

    def to_json(self) -> str:
        """One line that `from_json` reads back."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The options that `to_json` wrote. Raises BadOption."""
        try:
            values = json.loads(text)
            if not isinstance(values, dict):
                raise BadOption("run options are one JSON object")
            unknown = set(values) - {each.name for each in fields(cls)}
            if unknown:
                raise BadOption(f"there is no option {sorted(unknown)[0]!r}")
            return cls(**{name: _typed(name, value) for name, value in values.items()})
        except (ValueError, TypeError) as error:
            raise error if isinstance(error, BadOption) else BadOption(f"not run options: {error}") from None


def _typed(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    kinds = {"relay": Relay, "mode": Mode}
    return kinds[name](value) if name in kinds else value


def _check_address(address: str) -> None:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise BadOption(f"--listen must be an IPv4 or IPv6 address, not {address!r:.60}") from None


def port_range(text: str) -> tuple[int, int]:
    """First and last of `FIRST-LAST`. Raises BadOption."""
    first, dash, last = text.partition("-")
    if not dash or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in (first, last)):
        raise BadOption(f"--rtp-ports must be FIRST-LAST such as 20000-29999, not {text!r:.60}")
    return int(first), int(last)
