"""The schema, as numbered steps that are never edited once released: each runs once, in its own transaction.

Money columns are integers of micro-units, times are Unix seconds. Postings and audit rows cannot be changed or removed
by anybody who speaks SQL through this file: triggers refuse.
"""

from collections.abc import Callable
from dataclasses import dataclass

import sqlite_utils

from pysrv.store import (
    schema,
    schema_accounts,
    schema_api,
    schema_audits,
    schema_backups,
    schema_bans,
    schema_cards,
    schema_checklist,
    schema_fraud,
    schema_listing,
    schema_notices,
    schema_passwords,
    schema_payments,
    schema_people,
    schema_policy,
    schema_portal,
    schema_replay,
    schema_setup,
    schema_tariffs,
    schema_trust,
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its number (from 1, without gaps), what it does, and the doing."""

    number: int
    title: str
    apply: Callable[[sqlite_utils.Database], None]


def _first_schema(db: sqlite_utils.Database) -> None:
    for statement in schema.STATEMENTS_1:
        db.execute(statement)


def _policy_schema(db: sqlite_utils.Database) -> None:
    for statement in schema_policy.STATEMENTS_2:
        db.execute(statement)


def _ban_schema(db: sqlite_utils.Database) -> None:
    for statement in schema_bans.STATEMENTS_3:
        db.execute(statement)


def _money_schema(db: sqlite_utils.Database) -> None:
    for statement in STATEMENTS_4:
        db.execute(statement)


def _people_schema(db: sqlite_utils.Database) -> None:
    for statement in STATEMENTS_5:
        db.execute(statement)


def _backup_schema(db: sqlite_utils.Database) -> None:
    for statement in schema_backups.STATEMENTS_6:
        db.execute(statement)


def _audit_schema(db: sqlite_utils.Database) -> None:
    for statement in schema_audits.STATEMENTS_7:
        db.execute(statement)


def _checklist_schema(db: sqlite_utils.Database) -> None:
    for statement in schema_checklist.STATEMENTS_8:
        db.execute(statement)


def _trust_schema(db: sqlite_utils.Database) -> None:
    for statement in schema_trust.STATEMENTS_9:
        db.execute(statement)


STATEMENTS_4 = (
    *schema_accounts.STATEMENTS,
    *schema_tariffs.STATEMENTS,
    *schema_fraud.STATEMENTS,
    *schema_replay.STATEMENTS,
    *schema_passwords.STATEMENTS,
    *schema_cards.STATEMENTS,
    *schema_notices.STATEMENTS,
)
STATEMENTS_5 = (
    *schema_people.STATEMENTS,
    *schema_api.STATEMENTS,
    *schema_portal.STATEMENTS,
    *schema_payments.STATEMENTS,
    *schema_listing.STATEMENTS,
    *schema_setup.STATEMENTS,
)
MIGRATIONS = (
    Migration(1, "accounts, trunks, rates, calls, ledger, settings, security", _first_schema),
    Migration(2, "lists, firewall rules, changes that wait", _policy_schema),
    Migration(3, "bans of single ports, their evidence, who was banned how often", _ban_schema),
    Migration(
        4, "accounts' limits, owners and days, charges of each level; prices by time; fraud; notices", _money_schema
    ),
    Migration(
        5,
        "administrators' roles and second factors, sessions, tokens, the chain of the audit trail; payments",
        _people_schema,
    ),
    Migration(6, "what is known of the backups", _backup_schema),
    Migration(7, "audits of the machine", _audit_schema),
    Migration(8, "indexes for what the security checklist counts", _checklist_schema),
    Migration(9, "trust that something else took the place of", _trust_schema),
)
LATEST = MIGRATIONS[-1].number


def version(db: sqlite_utils.Database) -> int:
    """Number of the newest step that the file has seen; 0: an empty file."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_versions'").fetchone():
        return 0
    row = db.execute("SELECT max(version) FROM schema_versions").fetchone()
    return int(row[0] or 0)


def migrate(db: sqlite_utils.Database, now: float) -> int:
    """Applies the missing steps in order; returns how many."""
    missing = [step for step in MIGRATIONS if step.number > version(db)]
    for step in missing:
        with db.atomic():
            _step(db, step, now)
    return len(missing)


def _step(db: sqlite_utils.Database, step: Migration, now: float) -> None:
    versions = db.table("schema_versions")
    if not versions.exists():
        columns = {"version": int, "title": str, "applied_at": float}
        versions.create(columns, pk="version", not_null=set(columns), strict=True)
    step.apply(db)
    versions.insert({"version": step.number, "title": step.title, "applied_at": now})
