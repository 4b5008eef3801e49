import pytest

from pysrv.billing.cdr import Cdr
from pysrv.store import CdrFilter, NewAccount, Store

CDRS = (
    Cdr("a", account="alice", callee="49301", trunk="t1", setup_at=10.0, answered_at=11.0, duration_s=3.0),
    Cdr("b", account="alice", callee="33123", trunk="t2", setup_at=20.0, sip_status=403, refused_by="credit"),
    Cdr("c", account="bob", callee="49302", trunk="t1", setup_at=30.0, sip_status=486),
)


@pytest.fixture(autouse=True)
def filled(store: Store) -> None:
    for name in ("alice", "bob"):
        store.add_account(NewAccount(name, "x", "example.com"))
    for cdr in CDRS:
        store.settle(cdr)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (CdrFilter(), "cba"),
        (CdrFilter(account="alice"), "ba"),
        (CdrFilter(account="carol"), ""),
        (CdrFilter(trunk="t1"), "ca"),
        (CdrFilter(callee="49"), "ca"),
        (CdrFilter(since=20.0), "cb"),
        (CdrFilter(until=20.0), "a"),
        (CdrFilter(answered=True), "a"),
        (CdrFilter(answered=False), "cb"),
        (CdrFilter(refused_by="credit"), "b"),
        (CdrFilter(account="alice", callee="33"), "b"),
    ],
)
def test_records_are_filtered_newest_first(store: Store, wanted: CdrFilter, found: str) -> None:
    assert "".join(cdr.call_id for cdr in store.cdrs(wanted)) == found


def test_pages_go_backwards(store: Store) -> None:
    page = store.cdr_page(CdrFilter(), limit=2)
    assert [cdr.call_id for _, cdr in page] == ["c", "b"]
    assert [cdr.call_id for cdr in store.cdrs(CdrFilter(before_id=page[-1][0]))] == ["a"]
