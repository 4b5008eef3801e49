"""`replay`: calls of the past under other settings, in a process of its own beside the office that serves calls.

It reads the database through a connection that cannot write, says how far it is, and answers once. It must know
neither sockets nor the running service.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from appliance import wire
from appliance.config.account import FIELDS, parse_fields
from appliance.config.fields import BadValue
from appliance.config.load import layered
from appliance.config.row import Scope
from appliance.config.schema import ROWS, UnknownSetting, row
from appliance.config.settings import BadSettings, Settings, parse_all
from appliance.wire import WireError
from pysrv.billing.calendar import date_of
from pysrv.control.desk import not_found, refusals, written
from pysrv.limits.replay.difference import Difference, Money, Sums
from pysrv.limits.replay.outcome import ALWAYS
from pysrv.limits.stages.table import STAGES
from pysrv.service.replaying import Progress, Replayer, Zone
from pysrv.store import Reader, StoreError
from pysrv.store.migrations import LATEST

MOST_DAYS = 400
TRIABLE = frozenset(name for stage in STAGES for name in stage.settings) | ALWAYS
"""Settings that a course can be asked about."""
SHAPING = frozenset(
    (
        "enabled", "locklevel", "onlylocalaccess", "blocknotbilledcalls", "postpaid", "emergencynumbers",
        "maxcallperperiod", "maxcallperuserid", "creditcheckforpostp", "maxdailycreditperuser", "quotadiscreason",
        "maxdyndailycreditforenduser_min", "maxdynmaxdailycreditforts_min", "maxdyndailycredit_multiplier",
    )
)  # fmt: skip
"""Settings that shape what is decided always, or that accounts and records tell enough about."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What to try: new texts by name (none: what is in force, against the records), how far back, whom to look at."""

    changes: dict[str, str]
    days: int = 30
    accounts: tuple[str, ...] = ()
    top: int = 20


@dataclass(frozen=True, slots=True)
class Tried:
    """The proposal: settings as they would be, and fields that accounts would have."""

    proposed: Settings
    fields: Mapping[str, Any]
    shown: tuple[dict[str, str], ...]

    @property
    def names(self) -> frozenset[str]:
        """What is tried."""
        return frozenset(each["name"] for each in self.shown)


def tried(before: Settings, changes: Mapping[str, str]) -> Tried:
    """The proposal, checked as `settings set` and `accounts set` check it. Raises WireError, BadSettings, BadValue."""
    everywhere: dict[str, str] = {}
    of_accounts: dict[str, str] = {}
    for name, text in changes.items():
        canonical = _canonical(name)
        if canonical not in TRIABLE or (canonical not in FIELDS and ROWS[canonical].scope is Scope.USER):
            words = f"{canonical} is no limit of calls, so records cannot show what it does"
            raise WireError("invalid", words, f"what can be tried: {', '.join(sorted(TRIABLE & _known()))}")
        (of_accounts if canonical in FIELDS else everywhere)[canonical] = text
    after = before.with_changes(everywhere)
    fields = parse_fields(of_accounts)
    shown = [{"name": name, "now": before.shown(name), "tried": after.shown(name)} for name in everywhere]
    shown += [{"name": name, "now": "", "tried": FIELDS[name].kind.text(fields[name])} for name in of_accounts]
    return Tried(after, fields, tuple(shown))


def _known() -> set[str]:
    return {*ROWS, *FIELDS}


def _canonical(name: str) -> str:
    if name.lower() in FIELDS:
        return name.lower()
    try:
        return row(name).name
    except UnknownSetting as error:
        raise WireError("unknown_setting", str(error), "'appliance settings list' shows all") from None


def answer(reader: Reader, file: Mapping[str, Any], args: Replay, now: float, progress: Progress) -> dict[str, Any]:
    """replay: the difference as JSON. Raises WireError."""
    if not 1 <= args.days <= MOST_DAYS:
        raise WireError("bad_args", f"days must be 1 to {MOST_DAYS}, not {args.days}")
    settings = layered(file, reader.overrides(), reader.generation()).settings
    what = tried(settings, args.changes)
    replayer = Replayer(reader, settings, Zone(settings.timezone, now, args.days), args.accounts)
    if missing := replayer.unknown():
        raise not_found("account", missing[0])
    difference = replayer.compare(what.proposed, what.fields, what.names, progress)
    return shape(difference, args.top) | {
        "since": replayer.since,
        "until": now,
        "days_asked": args.days,
        "tried": list(what.shown),
        "accounts_named": list(args.accounts),
        "report_only": reader.report_only(),
        "not_in_records": sorted(what.names - ALWAYS - replayer.facts.settings - SHAPING),
    }


# -- as JSON ----------------------------------------------------------------------------------------------------------


def shape(difference: Difference, top: int) -> dict[str, Any]:
    """What the two courses disagree about; amounts as text, by currency."""
    by_account = sorted(difference.accounts.items(), key=lambda each: -_weight(each[1]))[:top]
    return {
        "calls": difference.calls,
        "unlike_records": difference.unlike,
        "total": _sums(difference.total),
        "settings": [{"setting": name} | _sums(each) for name, each in difference.settings.items()],
        "accounts": [{"account": name} | _sums(each) for name, each in by_account],
        "accounts_hit": sum(each.refused + each.cut > 0 for each in difference.accounts.values()),
        "days": [
            {
                "day": date_of(day).isoformat(),
                "calls": each.calls,
                "before": _money(each.before),
                "after": _money(each.after),
                "ceiling": None if each.ceiling is None else written(each.ceiling),
                "stopped": each.hit,
                "blocked": each.blocked,
            }
            for day, each in sorted(difference.days.items())
        ],
        "stopped": [asdict(each) for each in difference.hits[:top]],
        "blocked": [asdict(each) | {"spent": written(each.spent)} for each in difference.blocks[:top]],
        "blocked_in_all": difference.blocks_in_all,
    }


def _weight(sums: Sums) -> int:
    return (sums.refused + sums.cut) * 1_000_000 + sum(sums.revenue.values())


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        "refused": sums.refused,
        "cut": sums.cut,
        "freed": sums.freed,
        "trusted": sums.trusted,
        "talk_s": sums.talk_s,
        "revenue": _money(sums.revenue),
        "cost": _money(sums.cost),
        "first_at": sums.first_at,
    }


def _money(amounts: Money) -> dict[str, str]:
    return {currency: written(amount) for currency, amount in sorted(amounts.items()) if amount}


# -- one process, one replay -------------------------------------------------------------------------------------------


def run_replay(
    open_reader: Callable[[], Reader], now: float, lines: Iterable[bytes], write: Callable[[bytes], object]
) -> int:
    """Answers the lines of one replay: `context` with the settings file's texts, then `replay`. The exit status."""
    file: dict[str, Any] = {}
    for line in lines:
        ident = 0
        try:
            message = wire.decode(line)
            ident = message["id"] if type(message.get("id")) is int else 0
            args = message.get("args") or {}
            if message.get("verb") == "context":
                file = parse_all({name: str(text) for name, text in (args.get("file") or {}).items()})
                write(wire.reply(ident))
            elif message.get("verb") == "replay":
                write(wire.reply(ident, _answer(open_reader, now, file, args, write)))
            else:
                raise WireError("unknown_verb", f"there is no verb {message.get('verb')!r:.60} here")
        except WireError as error:
            write(wire.refusal(ident, error))
            return 1
        except (BadSettings, BadValue) as error:
            write(wire.refusal(ident, WireError("invalid", str(error))))
            return 1
    return 0


def _answer(
    open_reader: Callable[[], Reader], now: float, file: Mapping[str, Any], args: Any, write: Callable[[bytes], object]
) -> dict[str, Any]:
    wanted = wire.from_dict(Replay, args)

    def progress(done: int, total: int) -> None:
        write(wire.encode({"progress": [done, total]}))

    with refusals(), _opened(open_reader) as reader:
        return answer(reader, file, wanted, now, progress)


def _opened(open_reader: Callable[[], Reader]) -> Reader:
    """The database. Raises WireError when there is none that this version can read."""
    try:
        reader = open_reader()
    except StoreError as error:
        hint = "name the appliance's --state; a database comes with its first start"
        raise WireError(str(error.code), error.message, error.hint or hint) from None
    if reader.schema_version < LATEST:
        reader.close()
        raise WireError("failed", "the database is of an older version", "start the appliance once: it is brought up")
    return reader
