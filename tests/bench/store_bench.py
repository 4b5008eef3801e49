"""What the store costs: microseconds per verb inside a group commit, and commits per second.

The peer is the budget of one verb (100 us), so a ratio above 1 is good. A drain is taken as 20
calls: at 500 calls a second that is 25 commits a second.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from appliance.config.settings import Settings
from pysrv.billing.cdr import Cdr
from pysrv.billing.lease import Lease
from pysrv.billing.timeclass import TimeClass
from pysrv.service.pricing import Pricing
from pysrv.store import NewAccount, NewCall, NewTrunk, Route, SavedBinding, Store
from pysrv.store.account import AccountType
from tests.bench.report import Row, compare

CALLS = 4000
DRAIN = 20
BUDGET_US = 100.0
_rows: list[Row] = []
DECK_ROWS = 200_000


def report(name: str, microseconds: float, budget: float = BUDGET_US) -> None:
    _rows.append(compare(name, microseconds, budget, "budget, us", budget, less=True))


def timed(name: str, times: int, step: Callable[[int], object], store: Store) -> None:
    """Runs a verb `times` times with a commit per drain; the commits are counted apart."""
    spent = committing = 0.0
    for first in range(0, times, DRAIN):
        start = time.perf_counter()
        for index in range(first, first + DRAIN):
            step(index)
        middle = time.perf_counter()
        store.commit()
        spent, committing = spent + middle - start, committing + time.perf_counter() - middle
    report(f"store {name}", spent / times * 1e6)
    commit_us = committing / (times / DRAIN) * 1e6
    if commit_us > 5:  # the verb writes
        report(f"store {name}: commit of {DRAIN}", commit_us, 2000.0)


def filled(store: Store) -> None:
    """200 accounts with money, a trunk, and a deck of DECK_ROWS prefixes."""
    for index in range(200):
        store.add_account(NewAccount(f"user{index}", "x", "bench", (f"1{index:03}",), deck="d", balance=10**12))
    store.add_trunk(NewTrunk("carrier", "192.0.2.1", routes=(Route(""), Route("49", 1)), inbound=("192.0.2.0/24",)))
    deck = store.import_begin("d")
    start = time.perf_counter()
    for first in range(0, DECK_ROWS, 1000):
        header = "" if first else "prefix,per_minute,connect_fee,initial_increment,next_increment\n"
        lines = (f"{10**6 + row},0.{row % 97:02},0,1,{1 + row % 60}" for row in range(first, first + 1000))
        store.import_rows(deck, 1 + first + bool(first), header + "\n".join(lines) + "\n")
        store.commit()
    store.import_commit(deck)
    store.commit()
    report("store import of a rate", (time.perf_counter() - start) / DECK_ROWS * 1e6, 60.0)


def calls(store: Store) -> None:
    ids = [store.accounts()[index].id for index in range(200)]
    rate = store.rate_for("d", "1000123456")
    opened: list[str] = []

    def open_call(index: int) -> None:
        new = NewCall(f"call-{index:08x}", ids[index % 200], "1001", "1000123456", "192.0.2.9", rate=rate)
        assert isinstance(store.open_call(new), Lease)
        opened.append(new.call_id)

    done = Cdr("", answered_at=1.0, ended_at=40.0, duration_s=39.0, ended_by="caller")
    timed("open_call (reserve)", CALLS, open_call, store)
    timed("answer_call", CALLS, lambda index: store.answer_call(opened[index], 1.0, "carrier"), store)
    timed("renew_lease", CALLS, lambda index: store.renew_lease(opened[index]), store)
    timed("settle", CALLS, lambda index: store.settle(replace(done, call_id=opened[index])), store)


def lookups(store: Store) -> None:
    timed("account, remembered", CALLS, lambda index: store.account("user7"), store)
    timed("account_by_number", CALLS, lambda index: store.account_by_number(f"1{index % 200:03}"), store)
    timed("rate_for, new number", CALLS, lambda index: store.rate_for("d", f"1{index:06}123"), store)
    timed("rate_for, seen number", CALLS, lambda index: store.rate_for("d", "1000123456"), store)
    timed("routes_for", CALLS, lambda index: store.routes_for(f"49{index}"), store)
    timed("trunk_by_address", CALLS, lambda index: store.trunk_by_address("192.0.2.77"), store)
    binding = SavedBinding("user", "sip:u@192.0.2.9", "udp", "192.0.2.1", 5060, "192.0.2.9", 5060, 2e9, "id", 1)
    timed("save_binding", CALLS, lambda index: store.save_binding(replace(binding, aor=f"user{index}")), store)


def prices(store: Store) -> None:
    """What one call asks before its lease: two levels, two trunks, a deck whose rows differ by class and date."""
    deck = store.import_begin("timed")
    rows = (
        f"{1000 + row // 4},0.{row % 97:02},{('', 'peak', 'weekend', 'holiday')[row % 4]},2020-01-01\n"
        for row in range(4000)
    )
    store.import_rows(deck, 1, "prefix,per_minute,time_class,valid_from\n" + "".join(rows))
    store.import_commit(deck)
    store.add_account(NewAccount("agency", "x", "bench", type=AccountType.RESELLER, deck="d", balance=10**12))
    shop = store.add_account(NewAccount("shop", "x", "bench", parent="agency", deck="timed", balance=10**12))
    store.add_trunk(NewTrunk("other", "192.0.2.2", routes=(Route("1"),), deck="d"))
    settings, at = Settings(), time.time()
    pricing = Pricing(store, lambda: settings, tuple, lambda *_, **__: None)
    timed("rate_for by class, seen number", CALLS, lambda _: store.rate_for("timed", "1500", at, TimeClass.PEAK), store)
    timed("prices of a call, new number", CALLS, lambda index: pricing.of(shop, f"1{index:06}456", at), store)
    timed("prices of a call, seen number", CALLS, lambda _: pricing.of(shop, "1500123456", at), store)
    asked = pricing.of(shop, "1500123456", at).kept
    timed("keep_quotes", CALLS, lambda index: store.keep_quotes(f"quoted-{index}", asked), store)


def run() -> Iterator[Row]:
    """One row a verb."""
    _rows.clear()
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "bench.db") as store:
        for part in (filled, calls, lookups, prices):
            part(store)
            yield from _rows
            _rows.clear()
