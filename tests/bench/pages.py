"""Pages of the panel on a full appliance: 100,000 accounts, 1,000 running calls. Server time, from the request's first
byte to the answer's last over TLS on loopback, the median of some; the peer is the budget of a page.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pysrv.certificates.held import Certificates
from pysrv.control.memory import Memory
from pysrv.control.session import Control
from pysrv.panel import ROUTES
from pysrv.store import NewAccount, NewCall, Store
from tests.bench.report import Row, compare, say
from tests.lab.tunnel import KeeperHere
from tests.web.house import living

ACCOUNTS, CALLS, TIMES = 100_000, 1_000, 15
BUDGET_MS = 100.0


def run() -> Iterator[Row]:
    """Every page of the menu, and an account's."""
    with tempfile.TemporaryDirectory() as directory:
        for path, milliseconds in asyncio.run(_measured(Path(directory))).items():
            yield compare(f"page {path}", milliseconds, BUDGET_MS, "budget, ms", BUDGET_MS, less=True)


async def _measured(directory: Path) -> dict[str, float]:
    async with living(directory, ROUTES) as (house, browser):
        fill(house.store)
        place = directory / "certificates"
        place.mkdir()
        served = Certificates(place, ["127.0.0.1"], lambda: "", lambda: "", time.time)
        keeper = KeeperHere(directory)
        house.control = Control(house.store, None, {}, time.time, Memory(), certificates=served, keeper=keeper)
        await browser.get("/panel/login")
        await browser.log_in("olga")
        found = {}
        for path in [
            *(route.path for route in ROUTES if route.menu),
            "/panel/accounts/user7",
            "/panel/accounts?q=user99",
        ]:
            taken = []
            for _ in range(TIMES):
                began = time.perf_counter()
                answer = await browser.get(path)
                taken.append(1000 * (time.perf_counter() - began))
                assert answer.status == 200, (path, answer.status)
            found[path] = statistics.median(taken)
        return found


def fill(store: Store) -> None:
    """Accounts as copies of one, made inside SQLite: adding them one by one would take minutes."""
    say(f"{ACCOUNTS:,} accounts")
    store.add_account(NewAccount("user0", "correct-horse", "sip", ("2000000",), balance=10**9, maxlines=ACCOUNTS))
    first = store.account("user0")
    assert first is not None
    columns = [row[1] for row in store._all("PRAGMA table_info(accounts)") if row[1] not in ("id", "name")]
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS - 1}) "
    store._write(
        f"{numbers} INSERT INTO accounts (name, {', '.join(columns)}) "
        f"SELECT 'user' || i, {', '.join(columns)} FROM n, accounts a WHERE a.id = {first.id}"
    )
    store._write(
        "INSERT INTO account_numbers (number, account_id, position) "
        "SELECT CAST(2000000 + id AS TEXT), id, 0 FROM accounts WHERE name <> 'user0'"
    )
    for number in range(CALLS):
        store.open_call(NewCall(f"call{number}", first.id, "user0", f"49{number:08}", "192.0.2.1"))
    store.commit()
