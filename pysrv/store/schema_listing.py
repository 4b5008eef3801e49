"""Part of step 5 of the schema: indexes that long lists go by."""

STATEMENTS = (
    # What a search reads: a hundred thousand names without the rows that they stand in.
    "CREATE INDEX accounts_by_words ON accounts (name, display_name, removed_at) WHERE removed_at IS NULL",
)
