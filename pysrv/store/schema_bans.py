"""Step 3 of the schema: bans of single ports, with their evidence, and who was banned how often."""

_BANS = """
CREATE TABLE bans_with_evidence (
    prefix TEXT NOT NULL,
    port INTEGER NOT NULL DEFAULT 0 CHECK (port BETWEEN 0 AND 65535),
    rule TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    who TEXT NOT NULL,
    scope TEXT NOT NULL DEFAULT 'address',
    spares_known INTEGER NOT NULL DEFAULT 0 CHECK (spares_known IN (0, 1)),
    proven INTEGER NOT NULL DEFAULT 0 CHECK (proven IN (0, 1)),
    count INTEGER NOT NULL DEFAULT 0,
    allowed INTEGER NOT NULL DEFAULT 0,
    window_s REAL NOT NULL DEFAULT 0,
    repetition INTEGER NOT NULL DEFAULT 0,
    samples TEXT NOT NULL DEFAULT '[]',
    neighbours TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (prefix, port)
) STRICT, WITHOUT ROWID
"""

_REPEATERS = """
CREATE TABLE ban_repeaters (
    prefix TEXT NOT NULL,
    port INTEGER NOT NULL,
    bans INTEGER NOT NULL,
    until_at REAL NOT NULL,
    PRIMARY KEY (prefix, port)
) STRICT, WITHOUT ROWID
"""

STATEMENTS_3 = (
    _BANS,
    "INSERT INTO bans_with_evidence (prefix, rule, reason, created_at, expires_at, who) "
    "SELECT prefix, rule, reason, created_at, expires_at, who FROM bans",
    "DROP TABLE bans",
    "ALTER TABLE bans_with_evidence RENAME TO bans",
    "CREATE INDEX bans_by_expiry ON bans (expires_at)",
    _REPEATERS,
    "CREATE INDEX repeaters_by_time ON ban_repeaters (until_at)",
)
