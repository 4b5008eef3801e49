"""The table of an owner's verbs, and the execution of one. Nobody's role is asked: the account is the session's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from appliance import wire
from appliance.wire import WireError
from pysrv.control.desk import Desk, fault
from pysrv.control.forwards import Wanted
from pysrv.control.mine import changed, customers, prices, shown, statement
from pysrv.control.mine.holder import Answer, Holder
from pysrv.store.account import AccountType


@dataclass(frozen=True, slots=True)
class Nothing:
    """The arguments of a verb that takes none."""


@dataclass(frozen=True, slots=True)
class MineVerb:
    """One row. `proof`: it wants a password that was typed a short while ago. `resells`: for resellers alone."""

    name: str
    args: type[Any]
    act: Callable[[Holder, Any], Answer]
    writes: bool = False
    proof: bool = False
    resells: bool = False


ROWS = (
    MineVerb("mine.show", Nothing, shown.show),
    MineVerb("mine.calls", shown.CallsOf, shown.calls),
    MineVerb("mine.call", shown.CallId, shown.call),
    MineVerb("mine.quote", prices.QuoteFor, prices.quote),
    MineVerb("mine.callback", changed.WantedCall, changed.call_back, proof=True),
    MineVerb("mine.devices", Nothing, shown.devices),
    MineVerb("mine.unregister", changed.Device, changed.unregister, writes=True),
    MineVerb("mine.movements", shown.Movements, shown.movements),
    MineVerb("mine.statement", statement.StatementOf, statement.statement),
    MineVerb("mine.contact", changed.Contact, changed.contact, writes=True, proof=True),
    MineVerb("mine.password", changed.NewPassword, changed.password, writes=True, proof=True),
    MineVerb("mine.pin", Nothing, changed.pin, writes=True, proof=True),
    MineVerb("mine.limits", changed.Limits, changed.limits, writes=True, proof=True),
    MineVerb("mine.forwards", Wanted, changed.ahead, writes=True, proof=True),
    MineVerb("mine.sessions", Nothing, shown.sessions),
    MineVerb("mine.revoke", changed.SessionId, changed.revoke, writes=True),
    MineVerb("mine.customers", Nothing, customers.list_all, resells=True),
    MineVerb("mine.customer", customers.CustomerNamed, customers.show, resells=True),
    MineVerb("mine.add_customer", customers.NewCustomer, customers.add, writes=True, proof=True, resells=True),
    MineVerb("mine.set_customer", customers.SetCustomer, customers.change, writes=True, proof=True, resells=True),
    MineVerb("mine.credit_customer", customers.CreditOf, customers.credit, writes=True, proof=True, resells=True),
)
MINE: Mapping[str, MineVerb] = {verb.name: verb for verb in ROWS}


class Mine:
    """A conversation with the owner of one account."""

    def __init__(self, desk: Desk, account: str, proven: bool, session: str = "") -> None:
        self._desk, self._account, self._proven, self._session = desk, account, proven, session

    def do(
        self, name: str, args: Mapping[str, Any] | None = None, noted: Callable[[Answer], None] = lambda _: None
    ) -> Answer:
        """What a verb says. Raises WireError; a fault of our own is logged and raised as `internal`. `noted` is told
        what it says before that is committed, and may write too, if the verb does: both are on disk, or neither."""
        try:
            return self._act(name, args or {}, noted)
        except WireError:
            raise
        except Exception as error:
            raise fault(error) from None

    def _act(self, name: str, args: Mapping[str, Any], noted: Callable[[Answer], None]) -> Answer:
        verb = MINE.get(name)
        if verb is None:
            raise WireError("unknown_verb", f"there is no verb {name!r:.60}")
        self._desk.screen(args)
        account = self._desk.store.account(self._account)
        if account is None or not account.enabled:
            raise WireError("unauthorized", "this account is closed", "ask whoever you have it from")
        if verb.resells and account.type is not AccountType.RESELLER:
            raise WireError("forbidden", "only a reseller has customers")
        if verb.proof and not self._proven:
            raise WireError("unproven", "this wants your password again", "type it, then repeat what you did")
        holder, told = Holder(self._desk, account, self._session), wire.from_dict(verb.args, args)
        return self._desk.carry_out(lambda: verb.act(holder, told), noted, writes=verb.writes)
