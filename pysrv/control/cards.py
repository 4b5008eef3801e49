"""What accounts.add and accounts.set do for calling cards: PINs, which pass through once, and callers' numbers."""

from appliance.wire import WireError
from pysrv.control.account_shapes import CardRow
from pysrv.control.desk import Desk
from pysrv.store.account import Account, AccountType

GENERATED, NONE = "generated", "none"


def added(desk: Desk, account: Account, anumbers: tuple[str, ...]) -> str | None:
    """A new card has a PIN, which is told this once; None: other accounts have none."""
    if account.type is not AccountType.CALLING_CARD:
        if anumbers:
            raise WireError("invalid", f"{account.name} is no calling card", "add it with --type calling_card")
        return None
    desk.store.set_card_callers(account.name, anumbers, desk.who)
    return desk.store.make_pin(account.name, desk.settings.pinlength, desk.who)


def changed(desk: Desk, name: str, pin: str | None, anumbers: tuple[str, ...] | None) -> str | None:
    """Another PIN, which is told this once, or none any more; other numbers."""
    if anumbers is not None:
        desk.store.set_card_callers(name, anumbers, desk.who)
    if pin == GENERATED:
        return desk.store.make_pin(name, desk.settings.pinlength, desk.who)
    if pin == NONE:
        desk.store.drop_pin(name, desk.who)
    elif pin is not None:
        raise WireError(
            "bad_args", f"pin is {GENERATED!r} or {NONE!r}: nobody chooses a PIN, because people choose alike"
        )
    return None


def card_shape(desk: Desk, account: Account) -> CardRow:
    """What an account shows of its card; nothing for other accounts."""
    if account.type is not AccountType.CALLING_CARD:
        return {}
    return {"anumbers": tuple(desk.store.card_callers(account.id)), "has_pin": desk.store.has_pin(account.id)}
