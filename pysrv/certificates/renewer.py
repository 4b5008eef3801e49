"""The certificate that an authority issues: ordered when somebody asks for it, and again before it ends, for as long as
the order stands. Nothing is sent to anybody before an operator has named an authority.

The order lies in `order.json` beside the certificate (mode 600: it holds the account's key). Only a certificate that
was ordered is replaced: one that the operator brought stays.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pysrv.certificates.brought import CertificateError
from pysrv.certificates.held import Certificates
from pysrv.certificates.renewal import Standing, due_at, standing_of, text_of
from pysrv.certificates.selfsigned import write

FILE_NAME: Final = "order.json"
LONGEST_SLEEP_S: Final = 600.0  # a clock may be set, and files may change
LONGEST_ORDER_S: Final = 600.0  # whatever an authority does, the next order is made
_log = logging.getLogger("pysrv.certificates")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ordering:
    """What an operator sees of it. Times are Unix seconds; `due_at` 0: at once; `in_use`: what was issued is the file
    that serves, so it is renewed."""

    directory: str
    email: str
    names: tuple[str, ...]
    running: bool
    issued: bool
    in_use: bool
    due_at: float
    failures: int
    failed_at: float
    problem: str
    hint: str


def kept(directory: Path) -> Standing | None:
    """The order that stands in this directory."""
    try:
        return standing_of((directory / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


class Renewer:
    """Asks the authority, one order at a time. `failed` hears of renewals that came to nothing, with the end of the
    certificate in use; `renewed` of fingerprints, before and after. `challenges`: what to answer, by token."""

    def __init__(
        self,
        directory: Path,
        held: Certificates,
        clock: Callable[[], float],
        failed: Callable[[Standing, float], None] = lambda _standing, _ends_at: None,
        renewed: Callable[[str, str], None] = lambda _before, _after: None,
        longest_order_s: float = LONGEST_ORDER_S,
    ) -> None:
        self._directory, self._held, self._clock = directory, held, clock
        self._failed, self._renewed, self._longest_order_s = failed, renewed, longest_order_s
        self._standing = kept(directory)
        self._asked = asyncio.Event()
        self._running = False
        self.challenges: dict[str, str] = {}

    def order(self, directory: str, email: str, names: tuple[str, ...]) -> None:
        """Order at once, and from now on. The account at the same authority goes on."""
        from pysrv.certificates.authority import new_key

        before = self._standing
        key = before.key if before is not None and before.directory == directory else new_key()
        self._keep(Standing(directory, email, names, key))
        self._asked.set()

    def was_brought(self) -> bool:
        """The operator has brought a certificate: an order that has come to nothing so far is forgotten, or it would
        replace what he brought. False: there is none."""
        return self._standing is not None and not self._standing.fingerprint and self.forget()

    def forget(self) -> bool:
        """Order no more; what was issued serves until it ends. False: no order stands."""
        if self._standing is None:
            return False
        self._standing = None
        (self._directory / FILE_NAME).unlink(missing_ok=True)
        return True

    def shown(self) -> Ordering | None:
        """The order that stands."""
        standing = self._standing
        if standing is None:
            return None
        return Ordering(
            standing.directory, standing.email, standing.names, self._running or self._asked.is_set(),
            bool(standing.fingerprint), self._in_use(standing), self._due_at(standing), standing.failures,
            standing.failed_at, standing.problem, standing.hint,
        )  # fmt: skip

    def notices(self) -> tuple[str, ...]:
        """What an operator should know."""
        standing = self._standing
        if standing is None or not standing.failures:
            return ()
        what = "could not be renewed" if standing.fingerprint else "was not issued"
        return (f"the certificate {what}: {standing.problem}",)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._sleep_s()):
                    await self._asked.wait()
            if self._standing is not None and (self._asked.is_set() or self._is_due(self._standing)):
                await self.attempt()

    async def attempt(self) -> bool:
        """One order now; whether it brought a certificate."""
        standing, self._running = self._standing, True
        self._asked.clear()
        try:
            return standing is not None and await self._attempt(standing)
        finally:
            self._running = False
            self.challenges.clear()

    async def _attempt(self, standing: Standing) -> bool:
        before, laid_down = self._held.fingerprint, self._held.laid_down()
        try:
            async with asyncio.timeout(self._longest_order_s):
                pem = await beside(lambda: self._order(standing))
            if self._standing is not standing:
                return False  # forgotten, or ordered otherwise meanwhile
            if (there := self._held.laid_down())[0] and there != laid_down:
                self.was_brought()
                return False
            self._held.put(pem)
        except CertificateError as error:
            self._note_failure(standing, error.message, error.hint)
            return False
        except TimeoutError:
            problem = f"the authority was not done after {self._longest_order_s:.0f} s"
            hint = "it is tried again by itself; the authority's status page may say more"
            self._note_failure(standing, problem, hint)
            return False
        except Exception as error:
            _log.exception("an order at %s failed", standing.directory)
            self._note_failure(standing, f"a fault of the appliance: {type(error).__name__}", "its log says more")
            return False
        after = self._held.fingerprint
        self._keep(standing.issued(after))
        _log.info("certificate issued authority=%s sha256=%s", standing.directory, after)
        self._renewed(before, after)
        return True

    def _order(self, standing: Standing) -> bytes:
        """In a thread. The library is read when it is wanted: most appliances never do."""
        from pysrv.certificates import authority

        wanted = authority.Wanted(standing.directory, standing.email, standing.names, standing.key)
        return authority.order(wanted, self._held.client_context(), self.challenges.__setitem__)

    def _note_failure(self, standing: Standing, problem: str, hint: str) -> None:
        if self._standing is not standing:
            return
        failed = standing.failed(self._clock(), problem, hint)
        self._keep(failed)
        _log.error("no certificate authority=%s: %s (%s)", standing.directory, problem, hint)
        if standing.fingerprint:
            self._failed(failed, self._held.laid_down()[2])

    def _in_use(self, standing: Standing) -> bool:
        return bool(standing.fingerprint) and self._held.laid_down()[0] == standing.fingerprint

    def _due_at(self, standing: Standing) -> float:
        _, begins_at, ends_at = self._held.laid_down()
        return due_at(standing, begins_at, ends_at)

    def _is_due(self, standing: Standing) -> bool:
        wanted = not standing.fingerprint or self._in_use(standing)
        return wanted and self._clock() >= self._due_at(standing)

    def _sleep_s(self) -> float:
        standing = self._standing
        if standing is None or not (not standing.fingerprint or self._in_use(standing)):
            return LONGEST_SLEEP_S
        return min(max(0.0, self._due_at(standing) - self._clock()), LONGEST_SLEEP_S)

    def _keep(self, standing: Standing) -> None:
        self._standing = standing
        write(self._directory / FILE_NAME, text_of(standing).encode())


async def beside(work: Callable[[], T]) -> T:
    """What `work` gives, done in a thread that nobody waits for at the end: an authority may be slow to answer."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(finish: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lambda: None if done.done() else finish())

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            failure = error
            settle(lambda: done.set_exception(failure))
        else:
            settle(lambda: done.set_result(result))

    threading.Thread(target=run, name="certificate-order", daemon=True).start()
    return await done
