"""The table of the API: every endpoint, and the verbs that have none, each with the reason.

The server runs it, the OpenAPI document prints it, the tests walk it.
"""

from collections.abc import Mapping
from typing import Final

from pysrv.api.endpoint import Endpoint, Pages

_BY_ID: Final = ("id",)
_BEFORE: Final = ("before_id",)
_AFTER_RATE: Final = ("after_prefix", "after_class", "after_from")

# fmt: off
ENDPOINTS: Final = (
    Endpoint("GET", "/status", "status", "Figures of the running service."),
    Endpoint("GET", "/accounts", "accounts.list", "Accounts.", Pages("accounts", ("name",))),
    Endpoint("POST", "/accounts", "accounts.add", "Add an account.", status=201, secret=True),
    Endpoint("GET", "/accounts/{name}", "accounts.show", "One account, with what it has used beside its limits."),
    Endpoint("PATCH", "/accounts/{name}", "accounts.set", "Change an account; credit and top-up are money.",
             inside="changes", secret=True),
    Endpoint("DELETE", "/accounts/{name}", "accounts.remove", "Remove an account."),
    Endpoint("GET", "/accounts/{name}/ledger", "accounts.ledger", "Movements of the balance, newest first.",
             Pages("postings", _BY_ID, _BEFORE)),
    Endpoint("GET", "/accounts/{name}/days", "accounts.days", "What was used on each day, newest first."),
    Endpoint("POST", "/accounts/{name}/allow", "accounts.allow", "Let an account spend more today."),
    Endpoint("POST", "/accounts/{name}/verify", "accounts.verify", "Whether a password is the account's."),
    Endpoint("POST", "/accounts/{name}/reveal", "accounts.reveal", "Show an account's password.", secret=True),
    Endpoint("GET", "/passwords", "accounts.passwords", "How strong accounts' passwords are.",
             Pages("passwords", ("name",))),
    Endpoint("GET", "/trunks", "trunks.list", "Trunks.", Pages("trunks", ("name",))),
    Endpoint("POST", "/trunks", "trunks.add", "Add a trunk.", status=201),
    Endpoint("PATCH", "/trunks/{name}", "trunks.set", "Change a trunk.", inside="changes"),
    Endpoint("DELETE", "/trunks/{name}", "trunks.remove", "Remove a trunk."),
    Endpoint("GET", "/trunks/{name}/routes", "trunks.routes", "Routes over a trunk."),
    Endpoint("POST", "/trunks/{name}/routes", "trunks.route", "Add or replace a route.", inside="route", status=201),
    Endpoint("DELETE", "/trunks/{name}/routes", "trunks.unroute", "Take the route of a prefix away."),
    Endpoint("GET", "/quality", "trunks.quality", "ASR, ACD and price of trunks by prefix."),
    Endpoint("GET", "/decks", "rates.decks", "Rate decks."),
    Endpoint("DELETE", "/decks/{deck}", "rates.remove", "Take a deck out of use, or only its successor."),
    Endpoint("GET", "/decks/{deck}/rates", "rates.list", "Rates of a deck, in the order of prefixes.",
             Pages("rates", ("prefix", "time_class", "valid_from"), _AFTER_RATE)),
    Endpoint("GET", "/decks/{deck}/export", "rates.export", "A piece of a deck as CSV; `next` is what to ask for."),
    Endpoint("GET", "/quotes", "rates.quote", "What a call would cost everybody, and over which trunk it would go."),
    Endpoint("GET", "/currencies", "currencies.list", "Currencies and their rates."),
    Endpoint("PUT", "/currencies/{code}", "currencies.set", "Set what a currency is worth."),
    Endpoint("DELETE", "/currencies/{code}", "currencies.remove", "Remove a currency."),
    Endpoint("GET", "/taxes", "taxes.list", "Tax schemes."),
    Endpoint("PUT", "/taxes/{name}", "taxes.set", "Set a tax scheme."),
    Endpoint("DELETE", "/taxes/{name}", "taxes.remove", "Remove a tax scheme."),
    Endpoint("GET", "/settings", "settings.list", "Settings with their values and sources.",
             Pages("settings", ("name",))),
    Endpoint("PATCH", "/settings", "settings.set", "Change settings: texts by name, null takes a change back."),
    Endpoint("GET", "/settings/{name}", "settings.get", "One setting."),
    Endpoint("GET", "/profiles/{profile}", "settings.diff", "How the settings differ from a profile."),
    Endpoint("GET", "/bans", "bans.list", "Who is banned.", Pages("bans", ("prefix", "port"))),
    Endpoint("POST", "/bans", "bans.add", "Ban an address or network.", status=201),
    Endpoint("POST", "/bans/clear", "bans.clear", "Lift every ban."),
    Endpoint("GET", "/bans/{source}", "bans.show", "A ban with its evidence."),
    Endpoint("DELETE", "/bans/{source}", "bans.remove", "Lift the ban of an address or network.",
             names={"source": "prefix"}),
    Endpoint("POST", "/bans/{source}/lift", "bans.lift", "Lift whatever keeps an address or port out."),
    Endpoint("GET", "/allows", "allows.list", "Who is trusted.", Pages("allows", ("prefix",))),
    Endpoint("POST", "/allows", "allows.add", "Trust an address or network.", status=201),
    Endpoint("DELETE", "/allows/{prefix}", "allows.remove", "Trust it no more."),
    Endpoint("GET", "/lists", "lists.list", "Imported lists of networks."),
    Endpoint("DELETE", "/lists/{name}", "lists.remove", "Remove a list."),
    Endpoint("GET", "/blacklist", "blacklist.list", "Entries of the blacklists.",
             Pages("entries", _BY_ID, ("after_id",))),
    Endpoint("POST", "/blacklist", "blacklist.add", "Add an entry.", status=201),
    Endpoint("PUT", "/blacklist", "blacklist.put", "Add or replace entries; all of them or none."),
    Endpoint("DELETE", "/blacklist", "blacklist.remove", "Remove entries by their numbers."),
    Endpoint("GET", "/blacklist/test", "blacklist.test", "What the blacklists say to a number."),
    Endpoint("GET", "/firewall", "firewall.list", "Rules of the firewall."),
    Endpoint("POST", "/firewall", "firewall.add", "Add rules; with `confirm_s` they are taken back without a word.",
             status=201),
    Endpoint("DELETE", "/firewall", "firewall.remove", "Remove rules by their numbers."),
    Endpoint("GET", "/firewall/test", "firewall.test", "What would become of a packet."),
    Endpoint("GET", "/protected", "protected.list", "Networks that nothing may cut off."),
    Endpoint("GET", "/rules", "rules.list", "What only counts (report-only)."),
    Endpoint("PATCH", "/rules", "rules.report_only", "Let verdicts only count, or act again."),
    Endpoint("GET", "/changes", "changes.show", "The change that waits to be confirmed."),
    Endpoint("POST", "/changes/confirm", "changes.confirm", "Keep the change that waits."),
    Endpoint("POST", "/changes/undo", "changes.undo", "Take the change that waits back."),
    Endpoint("GET", "/notices", "notices.list", "What was told to whom, newest first.",
             Pages("notices", _BY_ID, _BEFORE)),
    Endpoint("POST", "/notices/test", "notices.test", "Send a test."),
    Endpoint("POST", "/notices/retry", "notices.retry", "Try what failed again."),
    Endpoint("GET", "/calls", "calls.list", "Running calls.", Pages("calls", ("call_id",))),
    Endpoint("DELETE", "/calls", "calls.hangup", "Hang up the calls of an account, or all.",
             without=frozenset({"call_id"})),
    Endpoint("DELETE", "/calls/{call_id}", "calls.hangup", "Hang up a call.", without=frozenset({"account", "all"})),
    Endpoint("GET", "/cdrs", "cdrs.list", "Call records, newest first.", Pages("cdrs", _BY_ID, _BEFORE)),
    Endpoint("GET", "/cdrs/{call_id}", "cdrs.show", "A past call's price, explained."),
    Endpoint("GET", "/people", "people.list", "Administrators.", Pages("people", ("name",))),
    Endpoint("POST", "/people", "people.add", "Add an administrator.", status=201),
    Endpoint("PATCH", "/people/{name}", "people.set", "Change an administrator."),
    Endpoint("DELETE", "/people/{name}", "people.remove", "Remove an administrator."),
    Endpoint("GET", "/sessions", "people.sessions", "Who is logged in.", Pages("sessions", ("id",))),
    Endpoint("DELETE", "/sessions/{id}", "people.revoke", "End a session."),
    Endpoint("GET", "/tokens", "tokens.list", "Tokens of programs.", Pages("tokens", _BY_ID)),
    Endpoint("POST", "/tokens", "tokens.add", "Make a token; it is shown this once.", status=201, secret=True),
    Endpoint("DELETE", "/tokens/{id}", "tokens.remove", "Take a token out of force."),
    Endpoint("GET", "/trail", "trail.list", "The audit trail, newest first.", Pages("trail", _BY_ID, _BEFORE)),
    Endpoint("GET", "/trail/verify", "trail.verify", "Whether the chain of the audit trail is whole."),
    Endpoint("GET", "/registrations", "registrations.list", "Registered devices.",
             Pages("registrations", ("aor", "contact"))),
)
# fmt: on

NOT_HERE: Final[Mapping[str, str]] = {
    "context": "the settings file's values, for single runs on the machine",
    "protected.here": "the addresses from which the machine itself is managed",
    "rates.begin": "a deck comes as one POST of CSV",
    "rates.rows": "a deck comes as one POST of CSV",
    "rates.commit": "a deck comes as one POST of CSV",
    "sheets.begin": "a sheet comes as one POST of CSV",
    "sheets.rows": "a sheet comes as one POST of CSV",
    "sheets.commit": "a sheet comes as one POST of CSV",
    "lists.begin": "lists are packed by the command on the machine",
    "lists.rows": "lists are packed by the command on the machine",
    "lists.commit": "lists are packed by the command on the machine",
}
"""Verbs that no endpoint reaches, each with the reason."""

PERSONAL: Final = "own."
"""Verbs of this prefix are for people at the panel: a program has no password and no second factor of its own."""
