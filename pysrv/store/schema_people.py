"""Part of step 5 of the schema: roles and second factors of administrators, sessions on the web, tokens of programs,
and the chain of digests that the audit trail hangs on."""

_ADMINISTRATOR_COLUMNS = (
    "role TEXT NOT NULL DEFAULT 'owner' "
    "CHECK (role IN ('owner', 'admin', 'operator', 'support', 'sales', 'read-only'))",
    "enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1))",
    "display_name TEXT NOT NULL DEFAULT ''",
    "email TEXT NOT NULL DEFAULT ''",
    "language TEXT NOT NULL DEFAULT ''",
    "totp_secret TEXT NOT NULL DEFAULT ''",
    "totp_step INTEGER NOT NULL DEFAULT 0",  # the last step whose code was used: no code is good twice
    "handle BLOB NOT NULL DEFAULT x''",  # WebAuthn's user handle: random, tells nothing
    "seen_at REAL NOT NULL DEFAULT 0",
)

_RECOVERY = """
CREATE TABLE recovery_codes (
    name TEXT NOT NULL REFERENCES administrators (name) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (name, digest)
) STRICT, WITHOUT ROWID
"""

_PASSKEYS = """
CREATE TABLE passkeys (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL REFERENCES administrators (name) ON DELETE CASCADE,
    public_key BLOB NOT NULL,
    sign_count INTEGER NOT NULL,
    label TEXT NOT NULL,
    created_at REAL NOT NULL,
    used_at REAL NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID
"""

# A session is known by the digest of its cookie: who reads the database cannot take one over.
_SESSIONS = """
CREATE TABLE web_sessions (
    digest TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('administrator', 'account')),
    name TEXT NOT NULL,
    form_token TEXT NOT NULL,
    created_at REAL NOT NULL,
    seen_at REAL NOT NULL,
    proven_at REAL NOT NULL,
    complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    challenge TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID
"""

_TOKENS = """
CREATE TABLE api_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    used_at REAL NOT NULL DEFAULT 0
) STRICT
"""

STATEMENTS = (
    *(f"ALTER TABLE administrators ADD COLUMN {column}" for column in _ADMINISTRATOR_COLUMNS),
    _RECOVERY,
    _PASSKEYS,
    _SESSIONS,
    "CREATE INDEX web_sessions_of ON web_sessions (kind, name)",
    _TOKENS,
    "CREATE INDEX api_tokens_of ON api_tokens (name)",
    "ALTER TABLE audit ADD COLUMN digest TEXT NOT NULL DEFAULT ''",  # empty: written before there was a chain
)
