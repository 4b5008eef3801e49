from fractions import Fraction

from pysrv.billing.cdr import Cdr
from pysrv.billing.quote import CallQuotes, Match, Quote, for_payer
from pysrv.billing.tariff import Rate
from pysrv.store import NewAccount, NewCall, Store
from pysrv.store.rows import TrunkHours

SOLD = Quote("alice", "retail", Rate("49", 20_000), Match.EXACT, "alice", "EUR")
COST = Quote(
    "carrier", "cost", for_payer(Rate("49", 10_000), Fraction(23, 25), "", 0, "USD"), Match.BEST, "carrier", "EUR"
)
NONE = Quote("other", why="other has no rate deck")


def test_attempts_are_counted_by_hour_and_prefix(store: Store) -> None:
    for at, talk_s in ((7_200.0, 0), (7_300.0, 30), (10_799.0, 90), (10_800.0, 10)):
        store.count_attempt("carrier", "49301", at, talk_s)
    store.count_attempt("carrier", "33144", 7_200.0)
    assert store.trunk_hours(0.0, "carrier", "49301") == [
        TrunkHours("carrier", "49301", 2, 3, 2, 120),
        TrunkHours("carrier", "49301", 3, 1, 1, 10),
    ]
    assert [row.prefix for row in store.trunk_hours(0.0)] == ["33144", "49301", "49301"]
    assert store.trunk_hours(10_800.0, "carrier") == [TrunkHours("carrier", "49301", 3, 1, 1, 10)]


def test_hours_long_past_are_forgotten(store: Store) -> None:
    store.count_attempt("carrier", "49301", 3_600.0)
    store.count_attempt("carrier", "49301", 3_600.0 + 40 * 86_400)
    assert len(store.trunk_hours(0.0)) == 1


def test_the_quotes_of_a_call_are_kept_word_for_word(store: Store) -> None:
    quotes = CallQuotes((SOLD,), (COST, NONE))
    store.keep_quotes("c1", quotes)
    assert store.call_quotes("c1") == quotes
    assert store.call_quotes("c2") is None


def test_a_call_costs_what_was_said_before_it_went_out(store: Store) -> None:
    account = store.add_account(NewAccount("alice", "x", "r", balance=10**7))
    for call_id, trunk in (("c1", "carrier"), ("c2", "other"), ("c3", "stranger")):
        store.open_call(NewCall(call_id, account.id, "101", "4930", rate=SOLD.rate))
        store.keep_quotes(call_id, CallQuotes((SOLD,), (COST, NONE)))
        store.answer_call(call_id, 1.0, trunk)
        stored = store.settle(Cdr(call_id, trunk=trunk, answered_at=1.0, duration_s=60.0))
        assert stored.charge == 20_000
        assert stored.cost == (9_200 if trunk == "carrier" else 0)
    (charged,) = store.charges("c1")
    assert (charged.level, charged.amount, charged.billable_seconds, charged.rate) == (0, 20_000, 60, SOLD.rate)
