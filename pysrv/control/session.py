"""Verbs carried out: who may, on which desk, and the execution of one line. No sockets: lines come in, and go out.

Nothing that a line holds raises out of `Session.answer`; a fault of our own is refused as `internal` and logged.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from appliance import wire
from appliance.wire import WireError
from pysrv.certificates.held import Certificates
from pysrv.certificates.renewer import Renewer
from pysrv.control.desk import Desk, Keeper, Live, fault
from pysrv.control.memory import Memory
from pysrv.control.mine import MINE, Mine
from pysrv.control.table import VERBS
from pysrv.control.verb import Verb
from pysrv.people.permissions import PROVEN, Area, Powers
from pysrv.store import Store


@dataclass(frozen=True, slots=True)
class Licence:
    """What somebody who came over the network may do. `proven`: his password was typed a short while ago; `person`: the
    administrator whose `own` verbs are meant."""

    powers: Powers
    proven: bool
    person: str = ""

    def check(self, verb: Verb, args: Any, held: Iterable[Area] = ()) -> None:
        """Raises WireError: "forbidden" for what no role of theirs reaches, "unproven" for what wants a password."""
        written = {verb.area, *verb.also(args), *held} if verb.changes else set()
        for area in (verb.area, *written):
            if not self.powers.allow(area, writes=verb.changes):
                raise _forbidden(area, writes=verb.changes)
        if not self.proven and written & PROVEN:
            raise WireError("unproven", "this wants your password again", "type it, then repeat what you did")


def _forbidden(area: Area, *, writes: bool) -> WireError:
    how = "change" if writes else "see"
    return WireError("forbidden", f"your role may not {how} {area}", "an owner can give you another role")


class Session:
    """One operator's conversation: an import begun in it belongs to it."""

    def __init__(self, desk: Desk, licence: Licence | None = None) -> None:
        self._desk, self._licence = desk, licence

    def do(
        self,
        name: str,
        args: Mapping[str, Any] | None = None,
        noted: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> dict[str, Any]:
        """What a verb says. Raises WireError; a fault of our own is logged and raised as `internal`. `noted` is told
        what it says before that is committed, and may write too: both are on disk, or neither."""
        try:
            return self._act({"verb": name, "args": args or {}}, noted)
        except WireError:
            raise
        except Exception as error:
            raise fault(error) from None

    def answer(self, line: bytes) -> bytes:
        """The reply to one line."""
        ident = 0
        try:
            message = wire.decode(line)
            ident = message["id"] if type(message.get("id")) is int else 0
            return wire.reply(ident, self._act(message))
        except WireError as error:
            return wire.refusal(ident, error)
        except Exception as error:
            return wire.refusal(ident, fault(error))

    def _act(
        self, message: Mapping[str, Any], noted: Callable[[dict[str, Any]], None] = lambda _: None
    ) -> dict[str, Any]:
        verb = VERBS.get(str(message.get("verb")))
        if verb is None:
            raise WireError("unknown_verb", f"there is no verb {message.get('verb')!r:.60}")
        args = wire.from_dict(verb.args, message.get("args") or {})
        if self._licence is not None:
            self._licence.check(verb, args, verb.held(self._desk))
        try:
            if not verb.told or self._licence is not None:
                self._desk.screen(message.get("args"))
            return self._desk.carry_out(lambda: verb.act(self._desk, args), noted, writes=verb.writes)
        except BaseException:
            if verb.name.startswith(("rates.", "lists.", "sheets.", "config.")):
                self._desk.close()  # all of a deck, a list or a sheet, or nothing
            raise

    def renew(self, licence: Licence) -> None:
        """It goes on with what its operator may do now, which may be less than when it began."""
        self._licence = licence
        self._desk.person, self._desk.powers = licence.person, licence.powers

    def close(self) -> None:
        """The operator has gone."""
        self._desk.close()


class Control:
    """The verbs over one store and, if it runs, one service."""

    def __init__(
        self,
        store: Store,
        live: Live | None = None,
        file: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
        memory: Memory | None = None,
        certificates: Certificates | None = None,
        renewer: Renewer | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        """`file` holds the settings file's typed values, `clock` gives Unix seconds; `certificates` are what a running
        office serves with, `renewer` orders them, `keeper` answers by hand."""
        self._store, self._live, self._file, self._clock = store, live, file or {}, clock
        self._memory, self._certificates, self._renewer = memory, certificates, renewer
        self._keeper = keeper

    def session(self, who: str, licence: Licence | None = None) -> "Session":
        """A conversation with one operator; `who` goes into the audit trail. Without a licence he may do everything:
        he has the machine.
        """
        person, powers = (licence.person, licence.powers) if licence is not None else ("", None)
        desk = Desk(
            self._store, self._clock, self._live, self._file, who, person, powers, self._certificates,
            memory=self._memory, renewer=self._renewer, keeper=self._keeper,
        )  # fmt: skip
        return Session(desk, licence)

    def ask_aside(self, who: str, licence: Licence, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """What a verb that changes nothing says, over a connection of its own: for another thread. Raises WireError."""
        verb = VERBS.get(name)
        if verb is None or verb.changes:
            raise WireError("unknown_verb", f"{name!r:.60} cannot be asked aside")
        with self._store.reader() as reader:
            desk = Desk(cast(Store, reader), self._clock, self._live, self._file, who, memory=self._memory)
            desk.is_aside = True
            return Session(desk, licence).do(name, args)

    def mine_aside(self, account: str, who: str, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """As `ask_aside`, of the verbs of an account's owner."""
        verb = MINE.get(name)
        if verb is None or verb.writes:
            raise WireError("unknown_verb", f"{name!r:.60} cannot be asked aside")
        with self._store.reader() as reader:
            desk = Desk(cast(Store, reader), self._clock, self._live, self._file, who, is_aside=True)
            return Mine(desk, account, proven=False).do(name, args)

    def screen(self, given: Any) -> None:
        """Raises WireError for what came in by the web and validateinput refuses."""
        Desk(self._store, self._clock, self._live, self._file).screen(given)

    def mine(self, account: str, who: str, *, proven: bool, session: str = "") -> Mine:
        """A conversation with the owner of an account: his verbs, about that account alone (see pysrv.control.mine)."""
        return Mine(Desk(self._store, self._clock, self._live, self._file, who), account, proven, session)
