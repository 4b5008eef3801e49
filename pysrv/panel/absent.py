"""Verbs of the office that no page of the panel asks, each with the reason. A test holds it against the table."""

from collections.abc import Mapping
from typing import Final

ABSENT: Final[Mapping[str, str]] = {
    "accounts.reveal": "a password in clear is not shown in a browser; 'appliance accounts reveal' and the API can",
    "accounts.verify": "trying passwords is for the machine and for programs",
    "audit.report": "whoever audits the machine as root tells of it",
    "backups.report": "whoever makes backups as root tells of them",
    "bans.remove": "the page lifts by bans.lift, which forgives what was counted too",
    "blacklist.put": "many entries at once come by the command or a program; the page adds one",
    "calls.dial": "no page has a button for it yet: 'appliance calls dial', or the API",
    "schema.show": "is for the support bundle, which root makes on the machine",
    "certificate.reload": "what the page brings is in use at once; the command is for files that were laid down",
    "config.begin": "the page asks it as the file's reader says (appliance.config.document)",
    "config.rows": "the page asks it as the file's reader says (appliance.config.document)",
    "context": "the settings file's values, for single runs on the machine",
    "figures": "counters for the metrics; the dashboard draws history.list",
    "lists.begin": "lists are packed by the command on the machine",
    "lists.compare": "lists are packed by the command on the machine",
    "lists.commit": "lists are packed by the command on the machine",
    "lists.rows": "lists are packed by the command on the machine",
    "messages.send": "no page has a form for it yet: 'appliance messages send', or the API",
    "protected.here": "the addresses from which the machine itself is managed",
    "reload": "what is saved in the panel is in force at once",
    "settings.get": "the page of a setting asks settings.show, which says more",
    "tokens.add": "people make tokens of their own there, by own.token",
    "trunks.routes": "the page of trunks shows them with trunks.list",
}
