"""The rows against the ledger's invariants: any interleaving of calls, repeats, deposits, commits and lost drains."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from pysrv.billing.cdr import Cdr
from pysrv.billing.tariff import Rate
from pysrv.store import NewAccount, NewCall, Store
from tests.billing.rates import rates

ONE = 1_000_000


class Rows(RuleBasedStateMachine):
    """One prepaid account in a real file."""

    calls: Bundle[str] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store.open(Path(self.folder.name) / "a.db")
        self.account = self.store.add_account(NewAccount("alice", "x", "example.com", balance=2 * ONE))
        self.store.commit()
        self.started = 0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(target=calls, rate=st.one_of(st.none(), rates), emergency=st.booleans())
    def start(self, rate: Rate | None, emergency: bool) -> str:
        self.started += 1
        call_id = f"call {self.started}"
        self.store.open_call(NewCall(call_id, self.account.id, "1", "49", rate=rate, emergency=emergency))
        return call_id

    @rule(call=calls)
    def renew(self, call: str) -> None:
        if self.store.open_call_by_id(call):
            self.store.renew_lease(call)

    @rule(call=calls, talk_s=st.floats(0, 400), answered=st.booleans())
    def end_perhaps_again(self, call: str, talk_s: float, answered: bool) -> None:
        held, before = self.store.open_call_by_id(call), self.store.cdr(call)
        ended = self.store.settle(Cdr(call, answered_at=1.0 if answered else None, duration_s=talk_s))
        assert before is None or ended == before
        assert ended.charge <= (held.lease.reserved if held else before.charge if before else 0)

    @rule(amount=st.integers(1, ONE))
    def deposit(self, amount: int) -> None:
        self.store.deposit("alice", amount)

    @rule()
    def commit(self) -> None:
        self.store.commit()

    @rule()
    def lose_the_drain(self) -> None:
        self.store.rollback()

    @invariant()
    def nothing_is_overspent(self) -> None:
        alice = self.store.account("alice")
        assert alice is not None
        assert 0 <= alice.reserved <= alice.balance

    @invariant()
    def the_balance_is_the_sum_of_its_postings(self) -> None:
        check_money(self.store)

    @invariant()
    def a_remembered_account_is_the_stored_one(self) -> None:
        assert self.store.account("alice") == self.store.account_by_id(self.account.id)


def check_money(store: Store) -> None:
    """Every figure of every account against the rows that it sums up."""
    for account in store.accounts():
        postings = store._one("SELECT coalesce(sum(amount), 0) FROM postings WHERE account_id = ?", (account.id,))
        charges = store._one(
            "SELECT coalesce(-sum(amount), 0) FROM postings WHERE account_id = ? AND kind = 'charge'", (account.id,)
        )
        billed = store._one("SELECT coalesce(sum(charge), 0) FROM cdrs WHERE account_id = ?", (account.id,))
        mine = [call for call in store.open_calls() if call.account_id == account.id]
        assert postings == (account.balance,)
        assert charges == billed
        assert account.reserved == sum(call.lease.reserved for call in mine)
        assert account.lines == len(mine)
        assert account.running_per_minute == sum(call.lease.per_minute for call in mine)


Rows.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestRows = Rows.TestCase
