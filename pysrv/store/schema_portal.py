"""Part of step 5 of the schema: what an account's owner sets himself, and who disabled it."""

_COLUMNS = (
    *(
        f"own_{name} INTEGER NOT NULL DEFAULT 0 CHECK (own_{name} >= 0)"
        for name in ("maxdailycredit", "maxmonthlycredit", "maxdailyminutes", "maxmonthlyminutes")
    ),
    "own_locklevel INTEGER NOT NULL DEFAULT 0 CHECK (own_locklevel BETWEEN 0 AND 3)",
    "language TEXT NOT NULL DEFAULT ''",
    *(f"fwd_{name} TEXT NOT NULL DEFAULT ''" for name in ("always", "busy", "noanswer")),
    "fwd_seconds INTEGER NOT NULL DEFAULT 20 CHECK (fwd_seconds BETWEEN 5 AND 120)",
    "disabled_by TEXT NOT NULL DEFAULT ''",
)
STATEMENTS = (
    *(f"ALTER TABLE accounts ADD COLUMN {column}" for column in _COLUMNS),
    "CREATE INDEX postings_by_time ON postings (account_id, at)",
)
