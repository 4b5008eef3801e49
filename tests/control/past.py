"""A database with days of calls in it, made by the store's own movements on a clock that the test turns."""

from dataclasses import dataclass
from pathlib import Path

from pysrv.billing.cdr import Cdr
from pysrv.billing.lease import Lease
from pysrv.store import NewAccount, NewTrunk, Route, Store
from pysrv.store.rows import NewCall

ONE = 1_000_000
DAY = 86_400.0
NOW = 20_600 * DAY + 12 * 3600  # a noon
CARRIER = "carrier"


@dataclass
class Clock:
    """Unix seconds."""

    now: float = NOW - 10 * DAY

    def __call__(self) -> float:
        return self.now


class PastOffice:
    """Writes calls of the past; every price is 1.00 a minute by the second, half of which is the carrier's."""

    def __init__(self, database: Path) -> None:
        self.clock, self.database, self._number = Clock(), database, 0
        self.store = Store.open(database, self.clock)
        for deck, price in (("retail", "1.00"), ("wholesale", "0.80"), ("buy", "0.50")):
            ident = self.store.import_begin(deck)
            header = "prefix,per_minute,connect_fee,initial_increment,next_increment\n"
            self.store.import_rows(ident, 1, f"{header}49,{price},0,1,1\n")
            self.store.import_commit(ident)
        self.store.add_trunk(NewTrunk(CARRIER, "192.0.2.1", routes=(Route("49"),), deck="buy"))

    def account(self, name: str, balance: int = 500, **more: object) -> None:
        fields = {"deck": "retail", "balance": balance * ONE} | more
        self.store.add_account(NewAccount(name, "secret-word", "appliance", **fields))  # type: ignore[arg-type]

    def call(self, name: str, days_ago: int, hour: float, talk_s: int = 60, callee: str = "4912345") -> str:
        """A call of that day, answered after five seconds unless talk_s is 0; its id."""
        store, account = self.store, self.store.account(name)
        assert account is not None
        begin = (NOW // DAY - days_ago) * DAY + hour * 3600
        self._number += 1
        call_id, chain = f"past-{self._number}", store.chain(account)
        local = store.account(callee)
        rates = [None if local else store.rate_for(each.deck, callee) for each in chain]
        self.clock.now = begin
        source = "192.0.2.9"
        new = NewCall(call_id, account.id, name, callee, source, rate=rates[0], setup_at=begin, above=tuple(rates[1:]))
        lease = store.open_call(new)
        assert isinstance(lease, Lease), lease
        if talk_s:
            store.answer_call(call_id, begin + 5, CARRIER)
        self.clock.now = begin + 5
        while lease.covered_s < talk_s:
            renewed = store.renew_lease(call_id)
            assert isinstance(renewed, Lease), renewed
            lease = renewed
        self.clock.now = begin + 5 + talk_s
        cdr = Cdr(
            call_id, account=name, caller=name, callee=callee, source=source, setup_at=begin,
            answered_at=begin + 5 if talk_s else None, ended_at=self.clock.now, duration_s=float(talk_s),
            trunk="" if local else CARRIER,
        )  # fmt: skip
        store.settle(cdr, store.rate_for("buy", callee))
        return call_id

    def overlap(self, name: str, days_ago: int, hour: float) -> None:
        """Two calls at once."""
        self.call(name, days_ago, hour, 1200)
        self.call(name, days_ago, hour + 0.1)

    def refused(self, name: str, days_ago: int, hour: float, setting: str) -> None:
        """An attempt that was refused."""
        self._number += 1
        at = (NOW // DAY - days_ago) * DAY + hour * 3600
        refusal = Cdr(
            f"past-{self._number}", account=name, caller=name, callee="4912345", source="192.0.2.9", setup_at=at,
            ended_at=at, sip_status=486, refused_by=setting, reason="refused",
        )  # fmt: skip
        self.store.settle(refusal)

    def done(self) -> None:
        """What was written is there for others."""
        self.clock.now = NOW
        self.store.commit()
