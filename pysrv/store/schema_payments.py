"""Part of step 5 of the schema: payments through gateways, what the gateways said of them, refunds, comparisons."""

_STATUSES = "('open', 'pending', 'failed', 'waiting', 'approved', 'rejected')"

# `rate` is what one unit of `currency` is in the account's currency, as an exact fraction; `posted` is how much of the
# payment is in the account's balance now. `captured` 0: nothing was paid yet.
_PAYMENTS = f"""
CREATE TABLE payments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    reference TEXT NOT NULL UNIQUE,
    gateway TEXT NOT NULL,
    order_id TEXT NOT NULL DEFAULT '',
    payment_id TEXT NOT NULL DEFAULT '',
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    rate TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN {_STATUSES}),
    captured INTEGER NOT NULL DEFAULT 0 CHECK (captured >= 0),
    captured_currency TEXT NOT NULL DEFAULT '',
    posted INTEGER NOT NULL DEFAULT 0,
    reasons TEXT NOT NULL DEFAULT '',
    payer_email TEXT NOT NULL DEFAULT '',
    payer_country TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    captured_at REAL NOT NULL DEFAULT 0,
    heard_at REAL NOT NULL DEFAULT 0,
    decided_at REAL NOT NULL DEFAULT 0,
    decided_by TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    looks INTEGER NOT NULL DEFAULT 0,
    look_at REAL NOT NULL DEFAULT 0
) STRICT
"""

# A fact is said once: its key is the gateway's own identity of it. It may come before the payment it belongs to.
_FACTS = """
CREATE TABLE payment_facts (
    gateway TEXT NOT NULL,
    kind TEXT NOT NULL,
    ident TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    at REAL NOT NULL,
    heard_at REAL NOT NULL,
    PRIMARY KEY (gateway, kind, ident)
) STRICT, WITHOUT ROWID
"""

# `in_all`: how much of the payment will have been given back when this refund is done.
_REFUNDS = """
CREATE TABLE payment_refunds (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    payment INTEGER NOT NULL REFERENCES payments (id),
    key TEXT NOT NULL UNIQUE,
    amount INTEGER NOT NULL CHECK (amount > 0),
    in_all INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('wanted', 'sent', 'failed')),
    reason TEXT NOT NULL DEFAULT '',
    who TEXT NOT NULL,
    at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0
) STRICT
"""

_COMPARISONS = """
CREATE TABLE payment_comparisons (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    gateway TEXT NOT NULL,
    since REAL NOT NULL,
    until REAL NOT NULL,
    asked_at REAL NOT NULL,
    done_at REAL NOT NULL DEFAULT 0,
    problem TEXT NOT NULL DEFAULT '',
    found TEXT NOT NULL DEFAULT ''
) STRICT
"""

STATEMENTS = (
    _PAYMENTS,
    "CREATE UNIQUE INDEX one_payment_of_each ON payments (gateway, payment_id) WHERE payment_id <> ''",
    "CREATE INDEX payments_of_order ON payments (gateway, order_id)",
    "CREATE INDEX payments_of_account ON payments (account_id, id)",
    "CREATE INDEX payments_captured ON payments (gateway, captured_at) WHERE captured > 0",
    "CREATE INDEX payments_looked_for ON payments (look_at) WHERE status IN ('open', 'pending')",
    _FACTS,
    "CREATE INDEX payment_facts_of ON payment_facts (gateway, payment_id)",
    _REFUNDS,
    "CREATE INDEX payment_refunds_of ON payment_refunds (payment)",
    "CREATE INDEX payment_refunds_wanted ON payment_refunds (next_at) WHERE status = 'wanted'",
    _COMPARISONS,
)
