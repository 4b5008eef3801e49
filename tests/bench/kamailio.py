"""Kamailio as a peer: one UDP worker, credentials from SQLite for each request, in the appliance's place in the lab.

As a registrar it keeps locations in memory (the appliance writes them to disk); as a proxy it records its route, keeps
a dialog and sends everything to one carrier, without media and without money. So it does less, which is as it should
be with a bar to reach.
"""

import hashlib
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from tests.bench.processes import family
from tests.lab.network import Lab, end

REALM = "appliance"
SCHEMA = Path("/usr/share/kamailio/db_sqlite")
MODULES = "tm sl rr pv maxfwd siputils textops usrloc registrar auth db_sqlite auth_db dialog"

_CONFIG = """
debug=0
log_stderror=yes
fork=yes
children=1
disable_tcp=yes
auto_aliases=no
dns=no
rev_dns=no
listen=udp:{address}:5060
mpath="{modules}"
{loads}
modparam("usrloc", "db_mode", 0)
modparam("usrloc", "hash_size", 12)
modparam("auth", "nonce_expire", 300)
modparam("auth_db", "db_url", "sqlite:///{database}")
modparam("auth_db", "password_column", "ha1")
modparam("auth_db", "load_credentials", "")
modparam("auth_db", "use_domain", 0)
modparam("dialog", "db_mode", 0)
modparam("dialog", "hash_size", 4096)

request_route {{
    if (!mf_process_maxfwd_header("70")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) t_relay();
        else if (is_method("ACK")) {{
            if (t_check_trans()) t_relay();
        }} else sl_send_reply("481", "Unknown Dialog");
        exit;
    }}
    t_check_trans();
    if (is_method("REGISTER")) {{
        if (!www_authenticate("{realm}", "subscriber")) {{
            www_challenge("{realm}", "1");
            exit;
        }}
        if ($au != $tU) sl_send_reply("403", "Not Your Address Of Record");
        else if (!save("location")) sl_reply_error();
        exit;
    }}
    if (!is_method("INVITE")) {{
        sl_send_reply("405", "Method Not Allowed");
        exit;
    }}
    if (!proxy_authenticate("{realm}", "subscriber")) {{
        proxy_challenge("{realm}", "1");
        exit;
    }}
    consume_credentials();
    record_route();
    dlg_manage();
    $du = "sip:{carrier}:5060";
    if (!t_relay()) sl_reply_error();
}}
"""


def installed() -> bool:
    """Whether Kamailio and its SQLite module are there."""
    return shutil.which("kamailio") is not None and _modules() is not None


class Kamailio:
    """Kamailio in the lab's appliance namespace, pinned to one processor."""

    def __init__(
        self, lab: Lab, directory: Path, users: Iterable[tuple[str, str]], cpu: int, *, address: str, carrier: str
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        database = directory / "kamailio.db"
        _fill(database, users)
        loads = "\n".join(f'loadmodule "{name}.so"' for name in MODULES.split())
        config = directory / "kamailio.cfg"
        config.write_text(
            _CONFIG.format(
                address=address, carrier=carrier, database=database, loads=loads, modules=f"{_modules()}/", realm=REALM
            )
        )
        self._log = (directory / "kamailio.log").open("wb")
        command = ["taskset", "-c", str(cpu), "kamailio", "-DD", "-E", "-m", "512", "-M", "32", "-b", "4194304"]
        self._process = lab.start(
            lab.appliance, [*command, "-Y", str(directory), "-f", str(config)], stdout=self._log, stderr=self._log,
            stdin=subprocess.DEVNULL, cwd=str(directory),
        )  # fmt: skip
        self._wait(Path(self._log.name))

    def __enter__(self) -> "Kamailio":
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)
        self._log.close()

    def pids(self) -> list[int]:
        """All of its processes."""
        return family(self._process.pid)

    def _wait(self, log: Path) -> None:
        """Until its children run."""
        until = time.monotonic() + 10
        while len(self.pids()) < 4:
            if self._process.poll() is not None or time.monotonic() > until:
                end(self._process)
                raise RuntimeError(f"kamailio did not start: {log.read_text(errors='replace')[-500:]}")
            threading.Event().wait(0.1)
        threading.Event().wait(0.5)


def _modules() -> Path | None:
    found = sorted(Path("/usr/lib").glob("*/kamailio/modules/db_sqlite.so"))
    return found[0].parent if found else None


def _fill(database: Path, users: Iterable[tuple[str, str]]) -> None:
    database.unlink(missing_ok=True)
    with sqlite3.connect(database) as db:
        db.execute("PRAGMA journal_mode=WAL")
        for name in ("standard", "auth_db"):
            db.executescript((SCHEMA / f"{name}-create.sql").read_text())
        rows = [
            (user, REALM, hashlib.md5(f"{user}:{REALM}:{password}".encode(), usedforsecurity=False).hexdigest())
            for user, password in users
        ]
        db.executemany("INSERT INTO subscriber (username, domain, ha1) VALUES (?, ?, ?)", rows)
