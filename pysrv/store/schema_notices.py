"""Part of step 4 of the schema: what people are to be told, and the outbox: a row for each way to a recipient."""

_NOTICES = """
CREATE TABLE notices (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    figures TEXT NOT NULL,
    routed INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, account, key)
) STRICT
"""

# Rows that go out as one message share its `message`, the number of the first of them: it never changes once given, and
# is never given again (AUTOINCREMENT): a mail under an old Message-ID would be taken for one that was read long ago.
_DELIVERIES = """
CREATE TABLE notice_deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    notice_id INTEGER NOT NULL REFERENCES notices (id),
    channel TEXT NOT NULL CHECK (channel IN ('mail', 'sms', 'webhook')),
    recipient TEXT NOT NULL,
    owner INTEGER NOT NULL CHECK (owner IN (0, 1)),
    at_once INTEGER NOT NULL DEFAULT 0 CHECK (at_once IN (0, 1)),
    status TEXT NOT NULL CHECK (status IN ('waiting', 'sent', 'failed', 'suppressed')),
    reason TEXT NOT NULL DEFAULT '',
    message INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    tried_at REAL NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0
) STRICT
"""

STATEMENTS = (
    _NOTICES,
    _DELIVERIES,
    "CREATE INDEX notices_unrouted ON notices (id) WHERE routed = 0",
    "CREATE INDEX notices_by_time ON notices (at)",
    "CREATE INDEX notice_deliveries_of ON notice_deliveries (notice_id)",
    "CREATE INDEX notice_deliveries_waiting ON notice_deliveries (channel, recipient) WHERE status = 'waiting'",
    "CREATE INDEX notice_deliveries_tried ON notice_deliveries (channel, tried_at) WHERE tried_at > 0",
    "CREATE INDEX notice_deliveries_last ON notice_deliveries (channel, recipient, tried_at) WHERE tried_at > 0",
    "CREATE INDEX notice_deliveries_failed ON notice_deliveries (notice_id) WHERE status = 'failed'",
)
