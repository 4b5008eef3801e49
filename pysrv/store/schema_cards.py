"""Part of step 4 of the schema: the numbers that holders of calling cards call from, and from where a PIN was given.

The PIN itself is a column of accounts (authpin_hash).
"""

_CALLERS = """
CREATE TABLE card_callers (
    number TEXT PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""

_PROOFS = """
CREATE TABLE card_proofs (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    caller TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (account_id, caller)
) STRICT, WITHOUT ROWID
"""

STATEMENTS = (
    _CALLERS,
    _PROOFS,
    "CREATE INDEX card_callers_of_account ON card_callers (account_id)",
    "CREATE INDEX accounts_by_pin ON accounts (authpin_hash) WHERE authpin_hash != ''",
)
