"""Step 2 of the schema: imported lists, static firewall rules, report-only verdicts, the change that waits."""

_LISTS = """
CREATE TABLE lists (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('ban', 'country')),
    state TEXT NOT NULL CHECK (state IN ('open', 'active')),
    digest TEXT NOT NULL DEFAULT '',
    entries INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    source TEXT NOT NULL,
    imported_at REAL NOT NULL,
    who TEXT NOT NULL
) STRICT
"""

_LIST_ROWS = """
CREATE TABLE list_rows (
    list_id INTEGER NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    packed BLOB NOT NULL,
    PRIMARY KEY (list_id, position)
) STRICT
"""

_FIREWALL = """
CREATE TABLE firewall_rules (
    id INTEGER PRIMARY KEY,
    action TEXT NOT NULL CHECK (action IN ('allow', 'deny')),
    prefix TEXT NOT NULL,
    country TEXT NOT NULL,
    protocol TEXT NOT NULL CHECK (protocol IN ('any', 'udp', 'tcp')),
    port INTEGER NOT NULL CHECK (port BETWEEN 0 AND 65535),
    note TEXT NOT NULL,
    created_at REAL NOT NULL,
    who TEXT NOT NULL,
    CHECK ((prefix = '') <> (country = ''))
) STRICT
"""

_REPORT_ONLY = """
CREATE TABLE report_only (
    verdict TEXT PRIMARY KEY,
    at REAL NOT NULL,
    who TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""

_PENDING = """
CREATE TABLE pending_change (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    what TEXT NOT NULL,
    undo TEXT NOT NULL,
    made_at REAL NOT NULL,
    deadline_at REAL NOT NULL,
    who TEXT NOT NULL
) STRICT
"""

_MANAGEMENT = """
CREATE TABLE management (
    address TEXT PRIMARY KEY,
    why TEXT NOT NULL,
    seen_at REAL NOT NULL
) STRICT, WITHOUT ROWID
"""

STATEMENTS_2 = (
    _LISTS,
    "CREATE UNIQUE INDEX active_lists ON lists (name) WHERE state = 'active'",
    _LIST_ROWS,
    _FIREWALL,
    "CREATE UNIQUE INDEX one_rule_each ON firewall_rules (prefix, country, protocol, port)",
    _REPORT_ONLY,
    _PENDING,
    _MANAGEMENT,
)
