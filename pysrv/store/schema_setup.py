"""Part of step 5 of the schema: how far the first set-up has come."""

STATEMENTS = (
    """
CREATE TABLE setup_steps (
    step TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('done', 'skipped')),
    at REAL NOT NULL,
    who TEXT NOT NULL
) STRICT, WITHOUT ROWID
""",
)
