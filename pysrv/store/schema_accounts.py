"""Part of step 4 of the schema: what an account may do, whose it is, what it used each day, each level's charges."""

_COLUMNS = (
    "parent_id INTEGER REFERENCES accounts (id)",
    "group_name TEXT NOT NULL DEFAULT ''",
    "email TEXT NOT NULL DEFAULT ''",
    "phone TEXT NOT NULL DEFAULT ''",
    "country TEXT NOT NULL DEFAULT ''",
    "needauth INTEGER NOT NULL DEFAULT 4 CHECK (needauth BETWEEN 0 AND 10)",
    "authip TEXT NOT NULL DEFAULT ''",
    "techprefix TEXT NOT NULL DEFAULT ''",
    "authpin_hash TEXT NOT NULL DEFAULT ''",
    "maxlinesoffpeak INTEGER NOT NULL DEFAULT 5 CHECK (maxlinesoffpeak >= 0)",
    "maxcps TEXT NOT NULL DEFAULT '0'",
    "maxdailycredit INTEGER NOT NULL DEFAULT 0 CHECK (maxdailycredit >= 0)",
    "maxmonthlycredit INTEGER NOT NULL DEFAULT 0 CHECK (maxmonthlycredit >= 0)",
    "maxmonthlycreditinc INTEGER NOT NULL DEFAULT 0 CHECK (maxmonthlycreditinc >= 0)",
    "maxmonthlycreditend INTEGER NOT NULL DEFAULT 0 CHECK (maxmonthlycreditend >= 0)",
    "maxdailyminutes INTEGER NOT NULL DEFAULT 0 CHECK (maxdailyminutes >= 0)",
    "maxmonthlyminutes INTEGER NOT NULL DEFAULT 0 CHECK (maxmonthlyminutes >= 0)",
    "blacklistlevel INTEGER NOT NULL DEFAULT 0 CHECK (blacklistlevel BETWEEN 0 AND 6)",
    "tax TEXT NOT NULL DEFAULT ''",
    "reserved_s INTEGER NOT NULL DEFAULT 0 CHECK (reserved_s >= 0)",
)

_DAYS = """
CREATE TABLE account_days (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    day INTEGER NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0,
    seconds INTEGER NOT NULL DEFAULT 0,
    calls INTEGER NOT NULL DEFAULT 0,
    blocked TEXT NOT NULL DEFAULT '',
    extra INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, day)
) STRICT, WITHOUT ROWID
"""

_TURNS = """
CREATE TABLE month_turns (
    month INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    grown INTEGER NOT NULL
) STRICT
"""

_CHARGES = """
CREATE TABLE charges (
    call_id TEXT NOT NULL,
    level INTEGER NOT NULL,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    amount INTEGER NOT NULL,
    billable_seconds INTEGER NOT NULL,
    currency TEXT NOT NULL,
    rate TEXT,
    PRIMARY KEY (call_id, level)
) STRICT, WITHOUT ROWID
"""

STATEMENTS = (
    *(f"ALTER TABLE accounts ADD COLUMN {column}" for column in _COLUMNS),
    "UPDATE accounts SET maxlinesoffpeak = maxlines",
    "CREATE INDEX accounts_of_parent ON accounts (parent_id) WHERE parent_id IS NOT NULL",
    _DAYS,
    _TURNS,
    _CHARGES,
    "CREATE INDEX charges_of_account ON charges (account_id, call_id)",
    "ALTER TABLE open_calls ADD COLUMN above TEXT NOT NULL DEFAULT '[]'",
    "CREATE INDEX cdrs_by_source ON cdrs (source, setup_at)",
)
