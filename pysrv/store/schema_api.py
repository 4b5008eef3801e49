"""Part of step 5 of the schema: what was answered to requests that may come again (Idempotency-Key).

Neither the key nor the request is kept, only what a token that is not in this file makes of them.
"""

_ANSWERS = """
CREATE TABLE api_answers (
    digest BLOB PRIMARY KEY,
    request BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB,
    at REAL NOT NULL
) STRICT, WITHOUT ROWID
"""

_TRANSACTIONS = """
CREATE TABLE api_transactions (
    account TEXT NOT NULL,
    ident TEXT NOT NULL,
    amount INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (account, ident)
) STRICT, WITHOUT ROWID
"""

STATEMENTS = (
    _ANSWERS,
    "CREATE INDEX api_answers_at ON api_answers (at)",
    _TRANSACTIONS,
)
