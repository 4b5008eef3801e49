"""AUTH_MODES: what each `needauth` demands of calls and registrations. Pure; who looks it up is not known here.

The service runs this table, docs/authentication.md prints it, the tests walk it. A number is refused before a password
is asked for only where the source address is the account's own; everybody else gets the same challenge.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Register(StrEnum):
    """What a REGISTER of an account must show, since it says no tech prefix."""

    PASSWORD = "password"  # noqa: S105
    ADDRESS = "address"
    NAME = "name"
    ADDRESS_AND_PASSWORD = "address and password"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Mode:
    """One row. `networks`: authip may hold networks beside single addresses and DNS names."""

    number: int
    words: str
    address: bool = False
    port: bool = False
    networks: bool = False
    prefix: bool = False
    user: bool = False
    password: bool = False
    registers: Register = Register.ADDRESS

    @property
    def believes_address(self) -> bool:
        """Whether the source address is enough, so that the gate must neither challenge it nor be made to ban it."""
        return self.address and not self.password

    @property
    def by_source(self) -> bool:
        """Whether the account is found by where a call comes from or by its tech prefix, without a name."""
        return (self.address or self.prefix) and not self.user

    def demands(self) -> tuple[str, ...]:
        """What a call must show, as people read it."""
        place = "address or network" if self.networks else "address"
        shown = (
            (self.address, f"{place} and port" if self.port else place),
            (self.prefix, "tech prefix"),
            (self.user, "user name"),
            (self.password, "password"),
        )
        return tuple(words for wanted, words in shown if wanted)


_ROWS = (
    Mode(0, "nothing", registers=Register.PASSWORD),
    Mode(1, "address", address=True),
    Mode(2, "tech prefix", prefix=True, registers=Register.PASSWORD),
    Mode(3, "address and tech prefix", address=True, prefix=True),
    Mode(4, "user name and password", user=True, password=True, registers=Register.PASSWORD),
    Mode(5, "user name only", user=True, registers=Register.NAME),
    Mode(6, "address and port", address=True, port=True),
    Mode(7, "address and user name", address=True, user=True),
    Mode(8, "address, user name and password", address=True, user=True, password=True,
         registers=Register.ADDRESS_AND_PASSWORD),
    Mode(9, "address range", address=True, networks=True),
    Mode(10, "address range, user name and password", address=True, networks=True, user=True, password=True,
         registers=Register.ADDRESS_AND_PASSWORD),
)  # fmt: skip
AUTH_MODES: Mapping[int, Mode] = {mode.number: mode for mode in _ROWS}
STRICTEST = AUTH_MODES[8]


def mode_of(number: int) -> Mode:
    """The mode of a stored number; an unknown one asks for everything."""
    return AUTH_MODES.get(number, STRICTEST)


def is_taken_unproven(*, allowed: bool, trusted: bool, strong: bool, account: bool) -> bool:
    """Whether a call that proves nothing is taken: `allowed` is allownoauthcalls, `strong` enforcestrongauth.

    Only from a trusted address. One that is put on an account (needauth 0) could cost money, so not while every account
    is held to a strong password; one without an account reaches users of this server alone, and costs nothing.
    """
    return allowed and trusted and not (account and strong)


def lines(modes: Iterable[Mode] = _ROWS) -> list[str]:
    """The table of docs/authentication.md."""
    head = ["| needauth | a call shows | a registration shows | `authip` holds |", "|---|---|---|---|"]
    return head + [f"| {m.number} | {_calls(m)} | {_registers(m)} | {_holds(m)} |" for m in modes]


def _calls(mode: Mode) -> str:
    return ", ".join(mode.demands()) or "nothing but a name in From, see below"


def _registers(mode: Mode) -> str:
    place = "address and port" if mode.port else "address or network" if mode.networks else "address"
    return {
        Register.PASSWORD: "user name, password",
        Register.NAME: "user name",
        Register.ADDRESS: f"{place}, user name in To",
        Register.ADDRESS_AND_PASSWORD: f"{place}, user name, password",
    }[mode.registers]


def _holds(mode: Mode) -> str:
    if not mode.address:
        return "nothing"
    if mode.port:
        return "addresses or DNS names, each with its port"
    return "addresses, DNS names, networks" if mode.networks else "addresses, DNS names"
