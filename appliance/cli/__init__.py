"""The `appliance` command: all its commands in one table, and `main`.

The commands stand beside this file by subject; `table.py` makes click commands of them, `link.py` talks to keeper and
office. The command itself touches neither maps nor database.
"""

from appliance.cli import (
    accounts,
    audit,
    backups,
    bans,
    blacklists,
    bundle,
    calls,
    certificate,
    completion,
    configuration,
    duties,
    firewall,
    gate,
    lately,
    lists,
    notices,
    passwords,
    payments,
    people,
    policy,
    pricing,
    rates,
    reset,
    selftest,
    service,
    settings,
    sheets,
    trunks,
    trying,
    tunnel,
    update,
    usage,
)
from appliance.cli.table import Book
from appliance.release import version

ABOUT = "A VoIP security appliance: a gate at the network card, a SIP back-to-back user agent, limits and money."

BOOK = Book(
    about=ABOUT,
    version=version(),
    groups=(
        accounts.GROUP,
        trunks.GROUP,
        rates.GROUP,
        *pricing.GROUPS,
        settings.GROUP,
        configuration.GROUP,
        certificate.GROUP,
        backups.GROUP,
        bans.GROUP,
        firewall.GROUP,
        lists.GROUP,
        blacklists.GROUP,
        *policy.GROUPS,
        *calls.GROUPS,
        *duties.GROUPS,
        notices.GROUP,
        payments.GROUP,
        *people.GROUPS,
        gate.GROUP,
        tunnel.GROUP,
        selftest.GROUP,
        update.GROUP,
    ),
    commands=(
        *service.COMMANDS,
        *accounts.COMMANDS,
        *usage.COMMANDS,
        *sheets.COMMANDS,
        *passwords.COMMANDS,
        *trunks.COMMANDS,
        *rates.COMMANDS,
        *pricing.COMMANDS,
        *settings.COMMANDS,
        *configuration.COMMANDS,
        *certificate.COMMANDS,
        *backups.COMMANDS,
        *bans.COMMANDS,
        *firewall.COMMANDS,
        *lists.COMMANDS,
        *blacklists.COMMANDS,
        *policy.COMMANDS,
        *trying.COMMANDS,
        *calls.COMMANDS,
        *lately.COMMANDS,
        *duties.COMMANDS,
        *bundle.COMMANDS,
        *notices.COMMANDS,
        *payments.COMMANDS,
        *people.COMMANDS,
        *gate.COMMANDS,
        *tunnel.COMMANDS,
        *selftest.COMMANDS,
        *audit.COMMANDS,
        *update.COMMANDS,
        *reset.COMMANDS,
        *completion.COMMANDS,
    ),
)


def main() -> None:
    """Run the command that the command line names, and exit with one of the codes of `exits.Exit`."""
    BOOK.root(prog_name="appliance")
