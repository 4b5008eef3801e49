"""Part of step 4 of the schema: rates by time and class, decks of a later day, currencies, taxes, what trunks are
worth, and the quotes that every call was priced by."""

_RATES = """
CREATE TABLE rates_by_time (
    import_id INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    time_class TEXT NOT NULL,
    valid_from REAL NOT NULL,
    valid_until REAL NOT NULL,
    per_minute INTEGER NOT NULL,
    connect_fee INTEGER NOT NULL,
    initial_increment_s INTEGER NOT NULL,
    next_increment_s INTEGER NOT NULL,
    minimum_s INTEGER NOT NULL,
    destination TEXT NOT NULL,
    free_seconds INTEGER NOT NULL,
    rounding TEXT NOT NULL,
    places INTEGER NOT NULL,
    PRIMARY KEY (import_id, prefix, time_class, valid_from)
) STRICT, WITHOUT ROWID
"""

_CURRENCIES = """
CREATE TABLE currencies (
    code TEXT NOT NULL,
    valid_from REAL NOT NULL,
    rate TEXT NOT NULL,
    PRIMARY KEY (code, valid_from)
) STRICT, WITHOUT ROWID
"""

_TAXES = """
CREATE TABLE taxes (
    name TEXT PRIMARY KEY,
    ppm INTEGER NOT NULL CHECK (ppm BETWEEN 0 AND 1000000),
    note TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""

_TRUNK_HOURS = """
CREATE TABLE trunk_hours (
    trunk TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hour INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    talk_s INTEGER NOT NULL,
    PRIMARY KEY (trunk, prefix, hour)
) STRICT, WITHOUT ROWID
"""

_CALL_QUOTES = """
CREATE TABLE call_quotes (
    call_id TEXT PRIMARY KEY,
    quotes TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""

STATEMENTS = (
    _RATES,
    "INSERT INTO rates_by_time SELECT import_id, prefix, '', 0, 0, per_minute, connect_fee, initial_increment_s, "
    "next_increment_s, minimum_s, destination, 0, 'up', 6 FROM rates",
    "DROP TABLE rates",
    "ALTER TABLE rates_by_time RENAME TO rates",
    "ALTER TABLE imports ADD COLUMN currency TEXT NOT NULL DEFAULT 'EUR'",
    "ALTER TABLE imports ADD COLUMN tax TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE imports ADD COLUMN effective_at REAL NOT NULL DEFAULT 0",
    "ALTER TABLE imports ADD COLUMN plain INTEGER NOT NULL DEFAULT 1 CHECK (plain IN (0, 1))",
    "ALTER TABLE imports ADD COLUMN longest INTEGER NOT NULL DEFAULT 16",
    "DROP INDEX active_imports",
    "CREATE UNIQUE INDEX active_imports ON imports (deck, effective_at) WHERE state = 'active'",
    _CURRENCIES,
    _TAXES,
    _TRUNK_HOURS,
    _CALL_QUOTES,
)
