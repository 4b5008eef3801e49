"""Part of step 4 of the schema: what is kept of a password besides HA1, and how secrets are kept at rest."""

_COLUMNS = (
    "web_hash TEXT NOT NULL DEFAULT ''",  # Argon2id; empty: not made yet, the password is that of SIP
    "web_own INTEGER NOT NULL DEFAULT 0 CHECK (web_own IN (0, 1))",  # 1: the web has a password of its own
    "clear TEXT NOT NULL DEFAULT ''",  # the password itself, with securepasswords 0 alone
    "password_score INTEGER NOT NULL DEFAULT -1",
    "password_length INTEGER NOT NULL DEFAULT 128",
    "password_set_at REAL NOT NULL DEFAULT 0",
    "password_checked_at REAL NOT NULL DEFAULT 0",
    "password_searched INTEGER NOT NULL DEFAULT 0 CHECK (password_searched IN (0, 1))",
    "weak_since REAL NOT NULL DEFAULT 0",
    "weak_why TEXT NOT NULL DEFAULT ''",
    "former_ha1_md5 TEXT NOT NULL DEFAULT ''",
    "former_ha1_sha256 TEXT NOT NULL DEFAULT ''",
    "former_until REAL NOT NULL DEFAULT 0",
)

_PROTECTION = """
CREATE TABLE protection (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 2),
    whole INTEGER NOT NULL CHECK (whole IN (0, 1)),
    key_id TEXT NOT NULL
) STRICT
"""

STATEMENTS = (
    *(f"ALTER TABLE accounts ADD COLUMN {column}" for column in _COLUMNS),
    "CREATE INDEX passwords_by_check ON accounts (password_checked_at) WHERE removed_at IS NULL AND enabled",
    "CREATE INDEX weak_passwords ON accounts (weak_since) WHERE weak_since > 0",
    "CREATE INDEX former_passwords ON accounts (former_until) WHERE former_until > 0",
    _PROTECTION,
    "INSERT INTO protection VALUES (1, 1, 1, '')",
)
