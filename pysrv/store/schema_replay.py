"""Part of step 4 of the schema: what rules in report-only would have refused, kept with the call."""

_COUNTS = """
CREATE TABLE reported (
    setting TEXT NOT NULL,
    day INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY (setting, day)
) STRICT, WITHOUT ROWID
"""

STATEMENTS = (
    "ALTER TABLE cdrs ADD COLUMN reports TEXT NOT NULL DEFAULT ''",
    _COUNTS,
)
