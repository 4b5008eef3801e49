"""An office for tests: the operators' verbs over a real store, with a service that only writes down what it is told."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from appliance import wire
from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.calls.trace import Traces
from pysrv.control.memory import Memory
from pysrv.control.session import Control, Session
from pysrv.limits.decision import Refuse
from pysrv.net.control_socket import ControlSocket
from pysrv.notify import Dispatcher
from pysrv.service.callbacks import Placed
from pysrv.service.running import Running
from pysrv.service.trunk_watch import TrunkHealth
from pysrv.store import Store
from pysrv.store.blacklists import BlacklistRow

NOW = 1_700_000_000.0


class Service:
    """The running service as the verbs see it."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.calls: set[str] = set()
        self.phones: set[str] = set()
        self.health: dict[str, TrunkHealth] = {}
        self.held: dict[str, str] = {}
        self.guarded: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.keeper_is_there = True
        self.remembered = Traces(lambda _dialog, _tag: None)
        self.on_notices: Callable[[], None] = lambda: None
        self.on_payments: Callable[[], None] = lambda: None
        self._settings = settings or Settings()

    def settings(self) -> Settings:
        return self._settings

    def apply_settings(self, settings: Settings) -> None:
        self._settings = settings
        self.told.append(("settings", settings.generation))

    def status(self) -> Running:
        return Running(relay="kernel")

    def figures(self) -> wire.OfficeFigures:
        return wire.OfficeFigures(started_at=NOW, calls={"setup": 1, "answered": 2}, outcomes={"busy": 3})

    def trunk_health(self, trunk: str) -> TrunkHealth:
        return self.health.get(trunk, TrunkHealth())

    def traces(self) -> Traces:
        return self.remembered

    def hangup(self, call_id: str) -> bool:
        self.told.append(("hangup", call_id))
        return call_id in self.calls

    def dial(self, account: str, number: str) -> bool:
        self.told.append(("dial", account, number))
        return account in self.phones

    def call_back(self, account: str, number: str, first: str) -> Placed | Refuse:
        self.told.append(("callback", account, number, first))
        if account not in self.phones and not first:
            return Refuse("callback", "", 480, "", f"no phone of {account} is registered")
        return Placed("far", "near", number.lstrip("+"), first)

    def page(self, sender: str, user: str, text: str) -> int:
        self.told.append(("page", sender, user, text))
        return int(user in self.phones)

    def unregister(self, account: str, contact: str) -> bool:
        self.told.append(("unregister", account, contact))
        return True

    def account_changed(self, name: str) -> None:
        self.told.append(("account", name))

    def errand(self, verb: wire.KeeperVerb, args: wire.BackupWanted | None, refused: Callable[[str], None]) -> bool:
        self.told.append((str(verb), args, refused))
        return self.keeper_is_there

    def notices_told(self) -> None:
        self.told.append(("notices",))
        self.on_notices()

    def input_refused(self, rule: str) -> None:
        self.told.append(("input", rule))

    def payments_told(self) -> None:
        self.told.append(("payments",))
        self.on_payments()

    def trunks_changed(self) -> None:
        self.told.append(("trunks",))

    def ban(self, ban: wire.Ban) -> None:
        self.told.append(("ban", ban.prefix, ban.expires_at))

    def unban(self, prefix: str, port: int) -> None:
        self.told.append(("unban", prefix, port) if port else ("unban", prefix))

    def forgive(self) -> None:
        self.told.append(("forgive",))

    def allow(self, source: wire.Source) -> None:
        self.told.append(("allow", source.prefix))

    def disallow(self, prefix: str) -> None:
        self.told.append(("disallow", prefix))

    def policy_changed(self) -> None:
        self.told.append(("policy",))

    def lists_changed(self) -> None:
        self.told.append(("lists",))

    def blacklist_changed(self, put: Iterable[BlacklistRow], dropped: Iterable[BlacklistRow]) -> None:
        self.told.append(("blacklist", [row.digits for row in put], [row.digits for row in dropped]))

    def lists_held(self) -> Mapping[str, str]:
        return self.held

    def resolved(self, host: str) -> str | None:
        return self.names.get(host)

    def protected(self) -> Mapping[str, str]:
        return self.guarded


class Operator:
    """One operator's conversation, without a socket."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def ask(self, verb: str, **args: Any) -> dict[str, Any]:
        """The result. Raises WireError for a refusal."""
        reply = wire.decode(self.session.answer(wire.request(1, verb, args)))
        if not reply["ok"]:
            error = reply["error"]
            raise WireError(error["code"], error["message"], error["hint"])
        return dict(reply["result"])


@contextlib.contextmanager
def office(
    runtime: Path,
    database: Path,
    live: Service | None = None,
    beside: Callable[[Store], Callable[[], Any]] | None = None,
    memory: Memory | None = None,
) -> Iterator[Service]:
    """A running office on RUNTIME/office.sock, in a thread of its own, with what `beside` makes of its store."""
    service = live or Service()
    loop, ready, done = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        with Store.open(database, lambda: NOW) as store:
            control = Control(store, service, clock=lambda: NOW, memory=memory)
            listener = ControlSocket(runtime / "office.sock", control.session)
            dispatcher = Dispatcher(store, service.settings, lambda: NOW, store.commit)
            service.on_notices = dispatcher.wake
            tasks = [asyncio.create_task(dispatcher.run())]
            if beside is not None:
                tasks.append(asyncio.create_task(beside(store)()))
            await listener.start()
            ready.set()
            await done.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await listener.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(5)
        yield service
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(5)
        loop.close()


@contextlib.contextmanager
def keeper(runtime: Path, answers: Mapping[str, Any]) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """A keeper on RUNTIME/keeper.sock that answers by verb and writes down what it was asked."""
    asked: list[tuple[str, dict[str, Any]]] = []

    class Talk:
        def answer(self, line: bytes) -> bytes:
            message = wire.decode(line)
            asked.append((message["verb"], message["args"]))
            found = answers.get(message["verb"], {})
            if isinstance(found, WireError):
                return wire.refusal(message["id"], found)
            return wire.reply(message["id"], found)

        def close(self) -> None:
            pass

    loop, ready, done = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        listener = ControlSocket(runtime / "keeper.sock", lambda _who: Talk())
        await listener.start()
        ready.set()
        await done.wait()
        await listener.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(5)
        yield asked
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(5)
        loop.close()
