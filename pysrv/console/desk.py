"""Who is let in to the console, as whom, and what a line comes to: between the sockets and the office's verbs."""

from collections.abc import Callable, Sequence
from typing import Protocol

from appliance.wire import WireError
from pysrv.console.commands import answered, refusal, words_of
from pysrv.control.session import Control, Licence
from pysrv.people.permissions import PROOF_S, Powers
from pysrv.store import Store
from pysrv.store.people import Administrator


class Door(Protocol):
    """The web's logins: passwords, codes, waiting and what is told to the gate are the same here."""

    async def console(self, address: str, name: str, password: str, code: str) -> Administrator:
        """Raises WireError."""


class ConsoleDesk:
    """The office behind the console. `turn` commits and sends what a line has caused; `clock` gives Unix seconds."""

    def __init__(
        self,
        control: Control,
        store: Store,
        door: Door,
        lets_in: Callable[[str], bool],
        turn: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self.control, self.store, self.lets_in, self.turn, self.clock = control, store, lets_in, turn, clock
        self._door = door

    def local(self, user: str) -> "Talk":
        """Somebody who has the machine: he may everything."""
        return Talk(self, user, "")

    async def log_in(self, address: str, name: str, password: str, code: str) -> "Talk":
        """Somebody who came over TCP. Raises WireError."""
        person = await self._door.console(address, name, password, code)
        self.store.console_session(person.name, address, begun=True)
        self.turn()
        return Talk(self, person.name, address)


class Talk:
    """One conversation. `address` empty: of somebody who has the machine."""

    def __init__(self, desk: ConsoleDesk, name: str, address: str) -> None:
        self._desk, self._name, self._address, self._began_at = desk, name, address, desk.clock()

    def hear(self, line: bytes) -> Sequence[str] | None:
        """The lines of the answer; None: he wants to go. Raises WireError when he may be here no longer."""
        licence = self._licence()
        try:
            words = words_of(line)
        except WireError as error:
            return refusal(error)
        if not words:
            return []
        if words[0].lower() == "quit":
            return None
        session = self._desk.control.session(f"console:{self._name}", licence)
        try:
            return answered(words, session.do)
        finally:
            session.close()
            self._desk.turn()

    def close(self) -> None:
        """He has gone."""
        if self._address:
            self._desk.store.console_session(self._name, self._address, begun=False)
            self._desk.turn()

    def _licence(self) -> Licence | None:
        """What he may now: his role can have changed since he came, and so can the address's trust."""
        if not self._address:
            return None
        person = self._desk.store.administrator(self._name)
        if person is None or not person.enabled or not self._desk.lets_in(self._address):
            raise WireError("forbidden", "you may not be here any more")
        proven = self._desk.clock() - self._began_at <= PROOF_S
        return Licence(Powers.of(person.role), proven, person.name)
