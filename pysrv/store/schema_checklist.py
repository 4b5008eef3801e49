"""Step 8 of the schema: indexes for what the security checklist counts, so that its page need not read every account.

Each holds only the accounts that have the fault (weak passwords have theirs already, `weak_passwords`): on a good
appliance it is empty. A query uses it because it repeats
the index's conditions word for word (sqlite.org/partialindex.html, section 3.1)."""

IN_USE = "removed_at IS NULL AND enabled = 1"
WEAK = "weak_since > 0"
LAX = "needauth IN (0, 2, 5)"  # nothing, a tech prefix, a user name: none of it is a secret
DECKLESS = "deck = '' AND parent_id IS NULL"

STATEMENTS_8 = (
    f"CREATE INDEX accounts_lax ON accounts (name) WHERE {IN_USE} AND {LAX}",
    f"CREATE INDEX accounts_deckless ON accounts (name) WHERE {IN_USE} AND {DECKLESS}",
    "CREATE INDEX audit_by_action ON audit (action, at)",
)
