"""Static firewall rules, verdicts in report-only, management's addresses, and the change that waits for its word."""

from dataclasses import dataclass

from pysrv.store.errors import StoreCode, StoreError
from pysrv.store.secrecy import UNDO, SecrecyReading, SecrecyWriting

MANAGEMENT_KEPT_S = 86_400.0  # how long an address from which the appliance was managed stays protected
_RULE = "id, action, prefix, country, protocol, port, note, created_at, who"


@dataclass(frozen=True, slots=True)
class Rule:
    """A static rule about a network or a country (two letters); `port` 0: every port."""

    id: int
    action: str
    prefix: str
    country: str
    protocol: str = "any"
    port: int = 0
    note: str = ""
    created_at: float = 0.0
    who: str = ""


@dataclass(frozen=True, slots=True)
class PendingChange:
    """A change that is taken back at `deadline_at` unless it is confirmed; `undo` is JSON."""

    what: str
    undo: str
    made_at: float
    deadline_at: float
    who: str


@dataclass(frozen=True, slots=True)
class Management:
    """An address from which the appliance is managed."""

    address: str
    why: str
    seen_at: float


class FirewallReading(SecrecyReading):
    """Questions about rules and changes."""

    def firewall_rules(self) -> list[Rule]:
        """Every rule, in the order in which it was made."""
        return [Rule(*row) for row in self._all(f"SELECT {_RULE} FROM firewall_rules ORDER BY id")]  # noqa: S608

    def report_only(self) -> list[str]:
        """Verdicts that are counted and not acted on."""
        return [str(row[0]) for row in self._all("SELECT verdict FROM report_only ORDER BY verdict")]

    def pending_change(self) -> PendingChange | None:
        """The change that waits."""
        row = self._one("SELECT what, undo, made_at, deadline_at, who FROM pending_change")
        return PendingChange(row[0], self._opened(row[1], UNDO, 1), *row[2:]) if row else None

    def management(self) -> list[Management]:
        """Where the appliance was managed from within a day."""
        sql = "SELECT address, why, seen_at FROM management WHERE seen_at > ? ORDER BY address"
        return [Management(*row) for row in self._all(sql, (self._clock() - MANAGEMENT_KEPT_S,))]


class FirewallWriting(FirewallReading, SecrecyWriting):
    """Changes of them."""

    def add_firewall_rule(self, rule: Rule) -> Rule:
        """Adds a rule, or changes the action and note of the one with the same match; its row."""
        sql = (  # _RULE alone is put in
            "INSERT INTO firewall_rules (action, prefix, country, protocol, port, note, created_at, who) "  # noqa: S608
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (prefix, country, protocol, port) DO UPDATE SET "
            f"action = excluded.action, note = excluded.note, who = excluded.who RETURNING {_RULE}"
        )
        at = rule.created_at or self._clock()
        row = (rule.action, rule.prefix, rule.country, rule.protocol, rule.port, rule.note, at, rule.who)
        stored = Rule(*self._write(sql, row).fetchone())
        self._audit(rule.who, "firewall.add", match_text(stored), "", stored.action)
        return stored

    def remove_firewall_rule(self, rule_id: int, who: str = "") -> Rule:
        """Removes a rule. Raises StoreError."""
        sql = f"DELETE FROM firewall_rules WHERE id = ? RETURNING {_RULE}"  # noqa: S608
        rows = self._write(sql, (rule_id,)).fetchall()
        if not rows:
            raise StoreError(StoreCode.NOT_FOUND, f"there is no firewall rule {rule_id}", "'appliance firewall list'")
        self._audit(who, "firewall.remove", match_text(Rule(*rows[0])), rows[0][1], "")
        return Rule(*rows[0])

    def replace_firewall_rules(self, rules: list[Rule], who: str = "") -> None:
        """Makes exactly these the rules, ids included: what taking a change back needs."""
        with self._atomic():
            self._write("DELETE FROM firewall_rules")
            for rule in rules:
                sql = f"INSERT INTO firewall_rules ({_RULE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
                row = (rule.id, rule.action, rule.prefix, rule.country, rule.protocol, rule.port, rule.note)
                self._write(sql, (*row, rule.created_at, rule.who))
            self._audit(who, "firewall.restore", "all", "", f"{len(rules)} rules")

    def set_report_only(self, verdict: str, on: bool, who: str = "") -> None:
        """Lets a verdict only count, or act again."""
        if on:
            sql = "INSERT OR REPLACE INTO report_only (verdict, at, who) VALUES (?, ?, ?)"
            self._write(sql, (verdict, self._clock(), who))
        else:
            self._write("DELETE FROM report_only WHERE verdict = ?", (verdict,))
        self._audit(who, "rule.report_only", verdict, "", "on" if on else "off")

    def set_pending_change(self, change: PendingChange) -> None:
        """Notes a change that waits. Raises StoreError when one waits already."""
        if self.pending_change() is not None:
            raise StoreError(
                StoreCode.INVALID, "a change waits already", "'appliance changes confirm' or 'changes undo'"
            )
        sql = "INSERT INTO pending_change (id, what, undo, made_at, deadline_at, who) VALUES (1, ?, ?, ?, ?, ?)"
        self._write(
            sql, (change.what, self._kept(change.undo, UNDO, 1), change.made_at, change.deadline_at, change.who)
        )

    def drop_pending_change(self, outcome: str, who: str = "") -> PendingChange | None:
        """The change waits no more; `outcome` goes into the audit trail. None: there was none."""
        change = self.pending_change()
        if change is not None:
            self._write("DELETE FROM pending_change")
            self._audit(who, f"change.{outcome}", change.what)
        return change

    def managed_from(self, address: str, why: str) -> None:
        """Somebody manages the appliance from this address: it is protected for a day."""
        sql = "INSERT OR REPLACE INTO management (address, why, seen_at) VALUES (?, ?, ?)"
        self._write(sql, (address, why, self._clock()))
        self._write("DELETE FROM management WHERE seen_at <= ?", (self._clock() - MANAGEMENT_KEPT_S,))


def match_text(rule: Rule) -> str:
    """What a rule matches, in words."""
    where = f"country {rule.country}" if rule.country else rule.prefix
    if not rule.port:
        return where
    return f"{where} port {rule.port}" + ("" if rule.protocol == "any" else f"/{rule.protocol}")
