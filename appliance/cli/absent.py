"""Verbs of the office that no command reaches, each with the reason. A test holds it against the table of verbs."""

from collections.abc import Mapping
from typing import Final

ABSENT: Final[Mapping[str, str]] = {
    "audit.show": "'appliance audit' audits the machine itself, and says it all",
    "audit.make": "'appliance audit --record' makes one itself",
    "backups.list": "'appliance backup list' asks the repository itself",
    "backups.make": "'appliance backup now' makes one itself, without keeper and office",
    "bans.remove": "'appliance bans lift' lifts the same and forgives what was counted",
    "bans.clear": "'appliance bans lift all' lifts them by 'bans.lift'",
    "bans.whom": "asked before a ban on the page; 'appliance firewall test' says whom an address is",
    "firewall.whom": "what firewall.add answers, asked again for the page's banner",
    "tunnel.show": "'appliance tunnel' asks the keeper itself, so that it works while the office is down",
    "tunnel.add": "'appliance tunnel add' asks the keeper itself",
    "tunnel.remove": "'appliance tunnel remove' asks the keeper itself",
}
PERSONAL: Final = "own."
"""Verbs of this prefix are for people who logged in at the panel: whoever has the machine has no such session."""
