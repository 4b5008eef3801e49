"""Step 6 of the schema: what is known of the backups. They are root's; it tells of them, and this is what was told."""

STATEMENTS_6 = (
    """
CREATE TABLE backups (
    ident TEXT PRIMARY KEY,
    at REAL NOT NULL,
    host TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('full', 'incremental')),
    size_bytes INTEGER NOT NULL,
    version TEXT NOT NULL
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE backup_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    place TEXT NOT NULL,
    local INTEGER NOT NULL,
    every_h INTEGER NOT NULL,
    checked_at REAL NOT NULL,
    made_at REAL NOT NULL,
    size_bytes INTEGER NOT NULL,
    added_bytes INTEGER NOT NULL,
    failed_at REAL NOT NULL,
    failure TEXT NOT NULL
) STRICT
""",
    "INSERT INTO backup_state VALUES (1, '', 0, 0, 0, 0, 0, 0, 0, '')",
)
