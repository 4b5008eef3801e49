"""What a source offers, and one of its updates fetched: a directory of a build's outputs, on a web server or a disk.

Nothing that comes from there is trusted: SHA256SUMS says which versions there are and whether a file came whole; that
it may be installed is said by its signature, which RAUC checks. Every read has an end in bytes and in time: each call
that waits is given what is left of its request, headers, redirects and addresses included.
"""

import hashlib
import http.client
import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

from appliance.following.choice import FollowError, Options

SUMS: Final = "SHA256SUMS"
MOST_SUMS_BYTES: Final = 64 * 1024
SILENCE_S: Final = 60.0  # between two pieces of an answer
SUMS_S: Final = 120.0
FETCH_S: Final = 4 * 3600.0
LEAST_FREE: Final = 0.10  # of the file system, besides the update: as the audit wants it (appliance/audit/system.py)
BITE: Final = 1 << 18
TRIES: Final = 3
_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *]appliance-([0-9A-Za-z][0-9A-Za-z.+~_-]{0,63})\.raucb")
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
_RANGE: Final = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/(?:[0-9]{1,15}|\*)")
MOST_SAID: Final = 200  # characters of a source's own words that are repeated

Heard = Callable[[int, int], None]  # bytes that are here, in all (0: not known)


@dataclass(frozen=True, slots=True)
class Offer:
    """One update of a source: what its name says, and its digest (SHA-256)."""

    version: str
    digest: str

    @property
    def name(self) -> str:
        """Its file."""
        return f"appliance-{self.version}.raucb"


def offers(text: str) -> dict[str, Offer]:
    """The updates that a SHA256SUMS names, by version; its other lines are of other files."""
    found = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    return {each[2]: Offer(each[2], each[1]) for each in found if each}


class Body(Protocol):
    """An answer that is read piece by piece."""

    def read1(self, size: int, /) -> bytes:
        """What is there, at most `size` bytes; empty at the end."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of a source: where in it `body` begins, and its length in all in bytes (0: not known)."""

    body: Body
    at: int
    size: int


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to https alone."""

    max_redirections = 5

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.lower().startswith("https://"):
            raise FollowError(f"the source sends to {newurl!r:.80}, which is not https", "name another source")
        fp.close()  # what is left of this answer would be read to an end that it need not have
        return super().redirect_request(req, fp, code, msg, headers, newurl)


Left = Callable[[], float]  # seconds that are left for what comes next; raises TimeoutError


def _ending(left: Left) -> type[ssl.SSLSocket]:
    """Sockets whose every wait ends in time: a timeout alone begins anew with each byte that comes."""

    class Ending(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            self.settimeout(left())
            super().do_handshake(block)

        def recv_into(self, *args: Any, **given: Any) -> int:
            self.settimeout(left())
            return super().recv_into(*args, **given)

    return Ending


def _reaching(left: Left) -> type[http.client.HTTPSConnection]:
    """Connections to a name of any number of addresses: all of them together end in time."""

    def reached(address: tuple[str, int], *_: object) -> socket.socket:
        failed: OSError = OSError(f"{address[0]} has no address")
        for found in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            host, port, within_s = str(found[4][0]), address[1], left()
            try:
                return socket.create_connection((host, port), within_s)
            except OSError as error:
                failed = error
        raise failed

    class Reaching(http.client.HTTPSConnection):
        def __init__(self, *args: Any, **given: Any) -> None:
            super().__init__(*args, **given)
            self._create_connection = reached

    return Reaching


class _Https(urllib.request.HTTPSHandler):
    """Connections that end in time."""

    def __init__(self, context: ssl.SSLContext, left: Left) -> None:
        super().__init__(context=context)
        context.sslsocket_class = _ending(left)
        self._context_of_all, self._connection = context, _reaching(left)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """One request over a connection of its own."""
        return self.do_open(self._connection, req, context=self._context_of_all)


class Source:
    """One source. `authority`: certificates that vouch for it in place of the machine's. Every method raises
    FollowError."""

    def __init__(self, options: Options, authority: Path | None, *, silence_s: float = SILENCE_S) -> None:
        self._source, self._silence_s, self._until = options.source, silence_s, 0.0
        self._opener: urllib.request.OpenerDirector | None = None
        if options.remote:
            try:
                context = ssl.create_default_context(cafile=authority)
                context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN  # as newer Pythons do
            except (OSError, ssl.SSLError) as error:
                raise FollowError(
                    f"{authority}: {error}", "'appliance update follow --ca FILE' gives it anew"
                ) from None
            self._opener = urllib.request.build_opener(_Https(context, self._left), _Redirects())

    def offers(self, within_s: float = SUMS_S) -> Mapping[str, Offer]:
        """Its updates, by version."""
        said, self._until = b"", time.monotonic() + within_s
        with self._opened(SUMS) as opened, self._lost(SUMS):
            while bite := opened.body.read1(BITE):
                said += bite
                if len(said) > MOST_SUMS_BYTES:
                    raise FollowError(f"{SUMS} of the source is larger than {MOST_SUMS_BYTES} bytes")
                self._in_time(SUMS)
        found = offers(said.decode(errors="replace"))
        if not found:
            raise FollowError(f"{SUMS} of the source names no update", "it has a line for each appliance-VERSION.raucb")
        return found

    def fetch(self, offer: Offer, place: Path, most_bytes: int, heard: Heard, within_s: float = FETCH_S) -> Path:
        """One update in the directory `place`, by its digest. A part that an earlier run left is gone on with."""
        part, self._until = place / f"{offer.digest}.part", time.monotonic() + within_s
        for other in place.glob("*.part"):
            if other != part:
                other.unlink()
        if part.exists() and _digest(part) == offer.digest:  # an earlier run got no further
            return part
        for left in reversed(range(TRIES)):
            begun = part.stat().st_size if part.exists() else 0
            try:
                self._go_on(offer, part, most_bytes, heard)
            except FollowError as error:
                if not error.again:
                    part.unlink(missing_ok=True)
                elif left and time.monotonic() < self._until and part.exists() and part.stat().st_size > begun:
                    continue  # something came: the rest may too
                raise
            if _digest(part) == offer.digest:
                return part
            part.unlink()
            if not begun:
                break
        raise FollowError(f"{offer.name} is not what {SUMS} of the source says: its digest is another")

    def _go_on(self, offer: Offer, part: Path, most_bytes: int, heard: Heard) -> None:
        """What is missing of it."""
        here = part.stat().st_size if part.exists() else 0
        with self._opened(offer.name, here) as opened, self._lost(offer.name):
            _small(offer.name, opened.size, most_bytes)
            _room(part.parent, max(opened.size - opened.at, 0))
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
                file.truncate(opened.at)
                here = file.seek(opened.at)
                while bite := opened.body.read1(BITE):
                    here += len(bite)
                    _small(offer.name, here, most_bytes)
                    _room(part.parent, len(bite))
                    file.write(bite)
                    heard(here, opened.size)
                    self._in_time(offer.name)
        if here < opened.size:
            raise FollowError(f"{offer.name} broke off after {here} of {opened.size} bytes", again=True)

    @contextmanager
    def _opened(self, name: str, at: int = 0) -> Iterator[Opened]:
        """A file of it, from byte `at` on, or from its beginning where the source cannot do that."""
        if self._opener is None:
            path = Path(self._source, name)
            try:
                file = path.open("rb")
            except OSError as error:
                raise FollowError(f"{path}: {error.strerror}", "is its disk mounted?", again=True) from None
            with file, self._lost(name):
                size = os.fstat(file.fileno()).st_size
                yield Opened(file, file.seek(min(at, size)), size)
            return
        address = f"{self._source.rstrip('/')}/{name}"
        request = urllib.request.Request(address)  # noqa: S310 - https alone (choice.check_source)
        if at:
            request.add_header("Range", f"bytes={at}-")
        try:
            answer = self._opener.open(request, timeout=self._left())
        except urllib.error.HTTPError as error:
            error.close()
            if at and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                with self._opened(name) as anew:
                    yield anew
                return
            words = f"{address}: the source says {error.code} {plain(error.reason)}"
            raise FollowError(words, again=True) from None
        except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:  # the last two: a redirect's
            self._in_time(name)
            reason = getattr(error, "reason", None) or error
            raise FollowError(f"{address} cannot be reached: {plain(reason)}", again=True) from None
        with answer:
            begins = _RANGE.fullmatch(answer.headers.get("Content-Range", "")) if answer.status == 206 else None
            start = int(begins[1]) if begins else 0
            if start not in (0, at) or (answer.status == 206 and begins is None):
                raise FollowError(f"{address}: the source sends another part than was asked for")
            length = answer.headers.get("Content-Length", "")
            yield Opened(answer, start, start + int(length) if _LENGTH.fullmatch(length) else 0)

    @contextmanager
    def _lost(self, name: str) -> Iterator[None]:
        """A connection, or a disk, that ends in the middle. Raises FollowError."""
        try:
            yield
        except TimeoutError:
            self._in_time(name)
            raise FollowError(f"{name}: the source has stopped sending", again=True) from None
        except (OSError, http.client.HTTPException) as error:
            raise FollowError(f"{name} broke off: {plain(error)}", again=True) from None

    def _left(self) -> float:
        """Seconds that the next wait may take. Raises TimeoutError when the request's time is over."""
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the source sends too slowly")
        return min(left_s, self._silence_s)

    def _in_time(self, name: str) -> None:
        if time.monotonic() >= self._until:
            raise FollowError(f"{name}: the source sends too slowly", again=True)


def plain(words: object, most: int = MOST_SAID) -> str:
    """At most so many characters of it, all printable: what a source says may be long, and steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(words)[:most])


def _small(name: str, size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise FollowError(f"{name} is larger than the slot that it is for ({most_bytes} bytes)")


def _room(place: Path, more_bytes: int) -> None:
    found = os.statvfs(place)
    free, least = found.f_bavail * found.f_frsize, int(found.f_blocks * found.f_frsize * LEAST_FREE)
    if free - more_bytes < least:
        words = f"there is no room for the update in {place}: {LEAST_FREE:.0%} of the disk have to stay free"
        raise FollowError(words, "make the disk larger, or remove what is not needed", again=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
