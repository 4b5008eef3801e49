"""Who may do what: the one table of roles and areas, and what of it a token or a session has left.

Every verb of `pysrv.control.table` names its area and whether it writes; panel, API and console ask here and nowhere
else. Pure. The model is RBAC with static roles (NIST INCITS 359, core): a person has one role.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class Role(StrEnum):
    """What somebody is to the appliance."""

    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    SUPPORT = "support"
    SALES = "sales"
    READ_ONLY = "read-only"


class Area(StrEnum):
    """What verbs are about."""

    STATE = "state"  # what runs, figures, registrations, notices
    CALLS = "calls"  # running calls and their hang-up
    RECORDS = "records"  # call records and their prices
    ACCOUNTS = "accounts"  # accounts, their numbers and limits
    MONEY = "money"  # credit, payments, what an account may spend
    PASSWORDS = "passwords"  # reading and replacing accounts' passwords
    PRICES = "prices"  # rates, currencies, taxes
    ROUTING = "routing"  # trunks and routes
    SECURITY = "security"  # bans, firewall, lists, blacklists
    SETTINGS = "settings"
    PEOPLE = "people"  # administrators, roles, tokens, sessions of others
    TRAIL = "trail"  # the audit trail
    BACKUPS = "backups"  # what is known of the backups, and making one
    OWN = "own"  # one's own password, second factors, sessions and tokens: of people, never of their programs


class Access(IntEnum):
    """How far."""

    NONE = 0
    READ = 1
    WRITE = 2


_LETTERS: Final = {"-": Access.NONE, "r": Access.READ, "w": Access.WRITE}
# The columns are the roles in their order above: - nothing, r sees, w changes too.
TABLE: Final[Mapping[Area, str]] = {
    Area.STATE: "w w w r r r",
    Area.CALLS: "w w w w r r",
    Area.RECORDS: "w w r r r r",
    Area.ACCOUNTS: "w w w w w r",
    Area.MONEY: "w w r r w r",
    Area.PASSWORDS: "w w r w - -",
    Area.PRICES: "w w w r w r",
    Area.ROUTING: "w w w r r r",
    Area.SECURITY: "w w w w r r",
    Area.SETTINGS: "w w r r r r",
    Area.PEOPLE: "w r - - - -",
    Area.TRAIL: "w r r - - -",
    Area.BACKUPS: "w w r - - -",
    Area.OWN: "w w w w w w",
}
PROVEN: Final = frozenset({Area.MONEY, Area.PASSWORDS, Area.PEOPLE, Area.OWN})
"""Areas in which a change needs a password that was proven lately (see `PROOF_S`)."""

OF_TOKENS: Final[Mapping[Area, Access]] = dict.fromkeys(Area, Access.WRITE) | {
    Area.PEOPLE: Access.READ,
    Area.OWN: Access.NONE,
}
"""How far a token reaches at most, whatever its scopes say and whoever it acts for: a stolen one must not make itself
another one, an administrator or a password, nor take from anybody what could stop it."""

SCOPED: Final = tuple(area for area in Area if OF_TOKENS[area])
"""What a token's scopes can name."""

PROOF_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Powers:
    """What one person, token or session may do: an access for each area."""

    accesses: Mapping[Area, Access]

    @classmethod
    def of(cls, role: Role) -> "Powers":
        """The table's column of a role."""
        column = list(Role).index(role)
        return cls({area: _LETTERS[letters.split()[column]] for area, letters in TABLE.items()})

    def narrowed(self, scopes: Iterable[str]) -> "Powers":
        """What of these a token's scopes leave: `accounts:read`, `accounts:write`, `*:read`. A scope that was given
        before the table of tokens had its say reaches as far as the table. Raises ValueError."""
        granted = dict.fromkeys(Area, Access.NONE)
        for scope in scopes:
            for area, access in _named(scope).items():
                granted[area] = max(granted[area], access)
        return Powers(
            {area: min(access, granted[area], OF_TOKENS[area]) for area, access in self.accesses.items()},
        )

    def allow(self, area: Area, *, writes: bool) -> bool:
        """Whether they reach that far."""
        return self.accesses.get(area, Access.NONE) >= (Access.WRITE if writes else Access.READ)


def parse_scope(text: str) -> dict[Area, Access]:
    """The areas that a new scope names, each with its access. Raises ValueError that says what is wrong."""
    named = _named(text)
    if not text.startswith("*") and any(access > OF_TOKENS[area] for area, access in named.items()):
        raise ValueError(f"scope {text!r:.60} goes too far: no token changes administrators, their rights or tokens")
    return {area: min(access, OF_TOKENS[area]) for area, access in named.items()}


def _named(text: str) -> dict[Area, Access]:
    name, colon, how = text.partition(":")
    access = {"read": Access.READ, "write": Access.WRITE}.get(how)
    if not colon or access is None:
        raise ValueError(f"scope {text!r:.60} is not AREA:read or AREA:write")
    if name == "*":
        return dict.fromkeys(SCOPED, access)
    if name not in SCOPED:
        raise ValueError(f"scope {text!r:.60} names no area: choose from *, {', '.join(SCOPED)}")
    return {Area(name): access}
