"""From a record of the store to a call that replay understands: who paid, by which rates, where it went, and what its
number and its hour are to the stages.
"""

from collections.abc import Mapping

from pysrv.billing.number import normalise
from pysrv.billing.tariff import Rate, talk_seconds
from pysrv.billing.timeclass import TimeClass
from pysrv.limits.facts import Destination, DestinationKind
from pysrv.limits.fraud import FraudFacts
from pysrv.limits.replay.past import PastCall
from pysrv.service import numbering
from pysrv.service.quotes import Quotes
from pysrv.store.account import Account
from pysrv.store.account_reading import DEEPEST
from pysrv.store.history import Record

MOST_RATES = 200_000
HOUR_S = 3600


class Past:
    """Makes the calls. Accounts and their chains are those of now; rates are the recorded ones where there are any."""

    def __init__(self, accounts: Mapping[int, Account], quotes: Quotes) -> None:
        self._accounts, self._quotes = accounts, quotes
        self._chains = {key: self._chain(account) for key, account in accounts.items()}
        self._names = {account.name: key for key, account in accounts.items()}
        self._numbers = {number: key for key, account in accounts.items() for number in account.numbers}
        self._rates: dict[tuple[int, str, int], tuple[Rate | None, ...]] = {}

    def call(self, record: Record) -> PastCall:
        """The call of one record."""
        chain = self._chains.get(record.account_id, ()) if record.account_id is not None else ()
        callee_id = self._callee(record.callee)
        local = callee_id is not None or not chain
        talk_s = 0 if record.answered_at is None else talk_seconds(record.duration_s)
        return PastCall(
            record.call_id,
            chain,
            record.source,
            record.caller,
            record.callee,
            record.setup_at,
            record.answered_at,
            max(record.ended_at, record.setup_at),
            talk_s,
            DestinationKind.LOCAL if local else DestinationKind.TRUNK,
            (None,) * len(chain) if local else self._of_levels(record, chain),
            record.cost,
            record.charge,
            record.emergency,
            record.refused_by,
            callee_id,
        )

    def _chain(self, account: Account) -> tuple[int, ...]:
        chain = [account.id]
        while account.parent_id is not None and len(chain) <= DEEPEST:
            account = self._accounts[account.parent_id]
            chain.append(account.id)
        return tuple(chain)

    def _callee(self, callee: str) -> int | None:
        found = self._names.get(callee)
        if found is None:
            found = self._numbers.get(callee) or self._numbers.get(normalise(callee) or "")
        return found

    def _of_levels(self, record: Record, chain: tuple[int, ...]) -> tuple[Rate | None, ...]:
        """What was charged by, else what the decks in force would have said at that hour."""
        if record.answered_at is not None and (len(chain) == 1 or len(record.above) == len(chain) - 1):
            return (record.rate, *record.above)
        rates = self._sold(chain, record)
        return rates if record.answered_at is None and record.rate is None else (record.rate, *rates[1:])

    def _sold(self, chain: tuple[int, ...], record: Record) -> tuple[Rate | None, ...]:
        key = chain[0], record.callee, int(record.setup_at // HOUR_S)
        found = self._rates.get(key)
        if found is None:
            if len(self._rates) >= MOST_RATES:
                self._rates.clear()
            payers = [self._accounts[each] for each in chain]
            quotes = self._quotes.sell(payers, record.callee, record.setup_at)
            found = self._rates[key] = tuple(quote.rate for quote in quotes)
        return found


class NumbersAndHours:
    """What the dialled number is, and whether it is off-peak: facts that a record's number and time tell.

    Blacklists and the exposure brake are not among them: what stood on the lists then nobody knows.
    """

    settings = frozenset(("blocksatellitecalls", "blockpremiumnumbers", "blocksharedcostnumbers", "blockcountries"))

    def __init__(self, accounts: Mapping[int, Account], home: str, quotes: Quotes) -> None:
        self._homes = {key: account.country or home for key, account in accounts.items()}
        self._home, self._quotes = home, quotes

    def __call__(self, call: PastCall, /) -> Mapping[str, object]:
        """By the names of CallFacts' fields."""
        facts: dict[str, object] = {}
        if self._quotes.time_class(call.setup_at) is not TimeClass.PEAK:
            facts["off_peak"] = True
        if call.kind is not DestinationKind.LOCAL and call.chain:
            number = numbering.facts(call.callee, self._homes.get(call.chain[0], self._home))
            dear = bool(number.premium or number.satellite)
            facts["fraud"] = FraudFacts(number)
            facts["destination"] = Destination(call.kind, call.callee, foreign=number.foreign, premium=dear)
        return facts
