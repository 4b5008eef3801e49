"""Step 1 of the schema: every table of the first release, as SQL."""

_ACCOUNTS = """
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL DEFAULT '',
    type TEXT NOT NULL,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    realm TEXT NOT NULL,
    ha1_md5 TEXT NOT NULL,
    ha1_sha256 TEXT NOT NULL,
    deck TEXT NOT NULL DEFAULT '',
    postpaid INTEGER NOT NULL CHECK (postpaid IN (0, 1)),
    currency TEXT NOT NULL,
    balance INTEGER NOT NULL DEFAULT 0,
    reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    lines INTEGER NOT NULL DEFAULT 0 CHECK (lines >= 0),
    running_per_minute INTEGER NOT NULL DEFAULT 0 CHECK (running_per_minute >= 0),
    maxlines INTEGER NOT NULL CHECK (maxlines >= 0),
    locklevel INTEGER NOT NULL CHECK (locklevel BETWEEN 0 AND 4),
    onlylocalaccess INTEGER NOT NULL CHECK (onlylocalaccess IN (0, 1)),
    created_at REAL NOT NULL,
    removed_at REAL
) STRICT
"""

_ACCOUNT_NUMBERS = """
CREATE TABLE account_numbers (
    number TEXT PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""

_TRUNKS = """
CREATE TABLE trunks (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    transport TEXT NOT NULL,
    user TEXT NOT NULL,
    password TEXT NOT NULL,
    max_channels INTEGER NOT NULL,
    deck TEXT NOT NULL,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1))
) STRICT
"""

_TRUNK_INBOUND = """
CREATE TABLE trunk_inbound (
    network TEXT PRIMARY KEY,
    trunk_id INTEGER NOT NULL REFERENCES trunks (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID
"""

_ROUTES = """
CREATE TABLE routes (
    id INTEGER PRIMARY KEY,
    trunk_id INTEGER NOT NULL REFERENCES trunks (id) ON DELETE CASCADE,
    prefix TEXT NOT NULL,
    priority INTEGER NOT NULL,
    strip INTEGER NOT NULL,
    prepend TEXT NOT NULL
) STRICT
"""

_IMPORTS = """
CREATE TABLE imports (
    id INTEGER PRIMARY KEY,
    deck TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'active', 'old')),
    rates INTEGER NOT NULL DEFAULT 0,
    started_at REAL NOT NULL,
    imported_at REAL NOT NULL DEFAULT 0
) STRICT
"""

_RATES = """
CREATE TABLE rates (
    import_id INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    per_minute INTEGER NOT NULL,
    connect_fee INTEGER NOT NULL,
    initial_increment_s INTEGER NOT NULL,
    next_increment_s INTEGER NOT NULL,
    minimum_s INTEGER NOT NULL,
    destination TEXT NOT NULL,
    PRIMARY KEY (import_id, prefix)
) STRICT, WITHOUT ROWID
"""

_OPEN_CALLS = """
CREATE TABLE open_calls (
    call_id TEXT PRIMARY KEY,
    account_id INTEGER REFERENCES accounts (id),
    caller TEXT NOT NULL,
    callee TEXT NOT NULL,
    source TEXT NOT NULL,
    trunk TEXT NOT NULL,
    emergency INTEGER NOT NULL,
    setup_at REAL NOT NULL,
    answered_at REAL,
    rate TEXT,
    covered_s INTEGER NOT NULL,
    reserved INTEGER NOT NULL CHECK (reserved >= 0),
    snapshot TEXT NOT NULL DEFAULT '{}'
) STRICT, WITHOUT ROWID
"""

_CDRS = """
CREATE TABLE cdrs (
    id INTEGER PRIMARY KEY,
    call_id TEXT NOT NULL UNIQUE,
    account_id INTEGER REFERENCES accounts (id),
    account TEXT NOT NULL,
    caller TEXT NOT NULL,
    callee TEXT NOT NULL,
    source TEXT NOT NULL,
    trunk TEXT NOT NULL,
    setup_at REAL NOT NULL,
    ringing_at REAL,
    answered_at REAL,
    ended_at REAL NOT NULL,
    cause INTEGER NOT NULL,
    sip_status INTEGER NOT NULL,
    reason TEXT NOT NULL,
    ended_by TEXT NOT NULL,
    duration_s REAL NOT NULL,
    billable_seconds INTEGER NOT NULL,
    charge INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    currency TEXT NOT NULL,
    emergency INTEGER NOT NULL,
    refused_by TEXT NOT NULL,
    rate TEXT,
    caller_packets INTEGER NOT NULL,
    caller_bytes INTEGER NOT NULL,
    caller_last_at REAL NOT NULL,
    callee_packets INTEGER NOT NULL,
    callee_bytes INTEGER NOT NULL,
    callee_last_at REAL NOT NULL
) STRICT
"""

_POSTINGS = """
CREATE TABLE postings (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    amount INTEGER NOT NULL,
    balance_after INTEGER NOT NULL,
    call_id TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    who TEXT NOT NULL DEFAULT ''
) STRICT
"""

_BINDINGS = """
CREATE TABLE bindings (
    aor TEXT NOT NULL,
    contact TEXT NOT NULL,
    transport TEXT NOT NULL,
    local_host TEXT NOT NULL,
    local_port INTEGER NOT NULL,
    remote_host TEXT NOT NULL,
    remote_port INTEGER NOT NULL,
    expires_at REAL NOT NULL,
    call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    connection INTEGER NOT NULL,
    instance_id TEXT NOT NULL,
    reg_id INTEGER NOT NULL,
    path TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    PRIMARY KEY (aor, contact)
) STRICT, WITHOUT ROWID
"""

_SETTINGS = """
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT,
    generation INTEGER NOT NULL,
    changed_at REAL NOT NULL,
    who TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""

_AUDIT = """
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL
) STRICT
"""

_BANS = """
CREATE TABLE bans (
    prefix TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    who TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""

_ALLOWS = """
CREATE TABLE allows (
    prefix TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    who TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""

_ATTEMPTS = """
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    user TEXT NOT NULL,
    setting TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT
"""

_ADMINISTRATORS = """
CREATE TABLE administrators (
    name TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT, WITHOUT ROWID
"""

_SECRETS = "CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID"


def _append_only(table: str) -> tuple[str, str]:
    refusal = f"BEGIN SELECT RAISE(ABORT, '{table} rows are never changed or removed'); END"
    return (
        f"CREATE TRIGGER {table}_unchanged BEFORE UPDATE ON {table} {refusal}",
        f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} {refusal}",
    )


STATEMENTS_1 = (
    _ACCOUNTS,
    "CREATE UNIQUE INDEX accounts_by_name ON accounts (name) WHERE removed_at IS NULL",
    _ACCOUNT_NUMBERS,
    "CREATE INDEX numbers_of_account ON account_numbers (account_id, position)",
    _TRUNKS,
    _TRUNK_INBOUND,
    "CREATE INDEX inbound_of_trunk ON trunk_inbound (trunk_id)",
    _ROUTES,
    "CREATE INDEX routes_by_prefix ON routes (prefix, priority)",
    "CREATE INDEX routes_of_trunk ON routes (trunk_id)",
    _IMPORTS,
    "CREATE UNIQUE INDEX active_imports ON imports (deck) WHERE state = 'active'",
    _RATES,
    _OPEN_CALLS,
    _CDRS,
    "CREATE INDEX cdrs_of_account ON cdrs (account_id, setup_at)",
    "CREATE INDEX cdrs_by_time ON cdrs (setup_at)",
    _POSTINGS,
    "CREATE INDEX postings_of_account ON postings (account_id, id)",
    "CREATE UNIQUE INDEX one_charge_per_call ON postings (call_id, account_id) WHERE kind = 'charge'",
    *_append_only("postings"),
    _BINDINGS,
    "CREATE INDEX bindings_by_expiry ON bindings (expires_at)",
    _SETTINGS,
    _AUDIT,
    *_append_only("audit"),
    _BANS,
    _ALLOWS,
    _ATTEMPTS,
    _ADMINISTRATORS,
    _SECRETS,
)
