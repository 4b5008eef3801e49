"""Step 9 of the schema: a row of the allow list remembers until when its prefix was trusted before something took its
place that trusts nobody (Unix seconds; 0: it was not). Else such a row would end what the trust has begun."""

STATEMENTS_9 = ("ALTER TABLE allows ADD COLUMN trusted_until REAL NOT NULL DEFAULT 0",)
