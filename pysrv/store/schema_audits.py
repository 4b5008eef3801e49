"""Step 7 of the schema: what audits of the machine found. They are root's; it tells of them, and this is what was
told. Of all but the newest only score and counts are kept."""

STATEMENTS_7 = (
    """
CREATE TABLE machine_audits (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    host TEXT NOT NULL,
    score INTEGER NOT NULL CHECK (score BETWEEN 0 AND 100),
    failed INTEGER NOT NULL,
    warned INTEGER NOT NULL,
    findings TEXT NOT NULL,
    worse TEXT NOT NULL
) STRICT
""",
)
