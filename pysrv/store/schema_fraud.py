"""Part of step 4 of the schema: entries of blacklists, and what each account was used to on each day.

An entry's `account` is a name or empty, not a reference: a list that is imported before its accounts must not fail.
"""

_BLACKLIST = """
CREATE TABLE blacklist (
    id INTEGER PRIMARY KEY,
    side TEXT NOT NULL CHECK (side IN ('destination', 'caller')),
    kind TEXT NOT NULL CHECK (kind IN ('fixed', 'dynamic', 'smart')),
    digits TEXT NOT NULL CHECK (length(digits) BETWEEN 1 AND 18),
    whole INTEGER NOT NULL CHECK (whole IN (0, 1)),
    account TEXT NOT NULL,
    confidence INTEGER NOT NULL CHECK (confidence BETWEEN 0 AND 6),
    expires_at REAL NOT NULL,
    reason TEXT NOT NULL,
    created_at REAL NOT NULL,
    who TEXT NOT NULL
) STRICT
"""

_USUAL = """
CREATE TABLE exposure_days (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    day INTEGER NOT NULL,
    per_minute INTEGER NOT NULL,
    dearest INTEGER NOT NULL,
    alarmed INTEGER NOT NULL CHECK (alarmed IN (0, 1)),
    PRIMARY KEY (account_id, day)
) STRICT, WITHOUT ROWID
"""

STATEMENTS = (
    _BLACKLIST,
    "CREATE UNIQUE INDEX one_entry_each ON blacklist (digits, side, kind, account, whole)",
    "CREATE INDEX blacklist_ends ON blacklist (expires_at) WHERE kind = 'dynamic'",
    _USUAL,
)
