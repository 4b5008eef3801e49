"""Who may begin a connection to SSH, where the machine's packet filter keeps it: the image's, by two sets of its table.

The office says with each plan from where the machine is administered (pysrv/limits/trusted.py); through the tunnel it
always is. The sets stay when the keeper ends. What holds without an end is kept in a file that nft(8) reads, so that
SSH lets the same in after a restart whose keeper or office does not come up (image/files: door); where nothing was
ever said, private networks may, as in the panel. What cannot be brought about is said and tried again; the sets are
empty then, or as they were. On a machine without these sets nothing is done. Not for several threads.
"""

import contextlib
import ipaddress
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from appliance import wire
from appliance.config.private import PRIVATE
from appliance.kernel.nft import Nft
from appliance.wire import WireError

SETS: Final = {4: "inet machine administrators", 6: "inet machine administrators6"}  # image/files/etc/nftables.conf
DIRECTORY, FILE = "door", "ssh.nft"  # below the state; /usr/local/lib/appliance/door names them too
MOST_SOURCES: Final = 65_536
MOST_NAMED: Final = 8  # networks in a line of the journal
LOOK_EVERY: Final = 15  # ticks, of a second each
FIRST: Final = tuple(wire.Source(str(network)) for network in PRIVATE)
_LAST_SECOND: Final = 2**33
_KEPT: Final = re.compile(r"add element inet machine administrators6? \{ (.*) \}")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network(source: wire.Source) -> Network:
    """Raises WireError: "bad_prefix", "bad_time"."""
    if not 0 <= source.expires_at < _LAST_SECOND:
        raise WireError("bad_time", f"expires_at {source.expires_at!r} is not a Unix time in seconds")
    try:
        if "%" in source.prefix:  # a zone may hold anything, and nft reads what stands here
            raise ValueError
        return ipaddress.ip_network(source.prefix, strict=False)
    except ValueError:
        raise WireError("bad_prefix", f"{source.prefix!r:.60} is no address or network") from None


def joined(sources: Iterable[wire.Source], now: float) -> tuple[str, ...]:
    """What holds at `now`, without an overlap, which nft's intervals do not take."""
    held = [network(each) for each in sources if not each.expires_at or each.expires_at > now]
    four = ipaddress.collapse_addresses(each for each in held if isinstance(each, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(each for each in held if isinstance(each, ipaddress.IPv6Network))
    return tuple(map(str, (*four, *six)))


def rules(networks: Sequence[str]) -> Iterator[str]:
    """Commands after which the sets hold these networks and nothing else."""
    yield from (f"flush set {name}" for name in SETS.values())
    yield from additions(networks)


def additions(networks: Sequence[str]) -> Iterator[str]:
    """The networks, a line for each family that has one."""
    for version, name in SETS.items():
        if chosen := [each for each in networks if ipaddress.ip_network(each).version == version]:
            yield f"add element {name} {{ {', '.join(chosen)} }}"


def kept(text: str) -> tuple[wire.Source, ...]:
    """What a file of ours says. Raises ValueError for another one."""
    found: list[wire.Source] = []
    for line in filter(None, text.splitlines()):
        read = _KEPT.fullmatch(line)
        if read is None:
            raise ValueError(f"no line of the keeper's: {line:.60}")
        found += [wire.Source(str(ipaddress.ip_network(each))) for each in read[1].split(", ")]
    return tuple(found)


class Door:
    """Call `start()` once and `tick()` each second. `state`: the keeper's directory; `wall`: Unix seconds."""

    def __init__(self, state: Path, say: Callable[[str], None], wall: Callable[[], float] = time.time) -> None:
        self._directory, self._say, self._wall = state / DIRECTORY, say, wall
        self._sources: tuple[wire.Source, ...] = FIRST
        self._networks: tuple[str, ...] | None = None  # what was brought about last
        self._written: tuple[str, ...] | None = None
        self._unwritten = ""  # why the file could not be written; empty: it was
        self._shown = ""  # as nft lists it
        self._guarded = False
        self._next_end = 0.0  # of those that have one, Unix seconds; 0: none
        self._problem = ""
        self._ticks = 0

    def start(self) -> None:
        """As it was left; where nobody has said anything yet, private networks."""
        self._sources = self._read()
        self._become(self._sources)

    def tick(self) -> None:
        """What has ended goes, and what somebody has taken away comes back."""
        self._ticks += 1
        ended = self._guarded and 0 < self._next_end <= self._wall()
        if ended or self._ticks % LOOK_EVERY == 0:
            self._become(self._sources)

    def let_in(self, sources: Sequence[wire.Source]) -> None:
        """Exactly these, and whoever comes through the tunnel. Raises WireError for what is no network."""
        wanted = tuple(sources)
        if len(wanted) > MOST_SOURCES:
            raise WireError("too_many", f"SSH is kept for at most {MOST_SOURCES} networks, not {len(wanted)}")
        for each in wanted:
            network(each)
        changed = joined(wanted, self._wall()) != self._networks or wanted != self._sources
        self._sources = wanted
        if changed:
            self._become(wanted)

    def add(self, source: wire.Source) -> None:
        """One more, on root's word, until the office says otherwise. Raises WireError for what is no network."""
        self.let_in((*self._without(source.prefix), source))

    def remove(self, prefix: str) -> None:
        """No longer these, whatever network they were let in with."""
        gone = network(wire.Source(prefix))
        self.let_in([part for each in self._sources for part in _outside(each, gone)])

    def told(self, status: wire.GateStatus) -> wire.GateStatus:
        """With what is known of SSH."""
        return replace(status, ssh_guarded=self._guarded, ssh=(self._networks or ()) if self._guarded else ())

    # -- inside ---------------------------------------------------------------------------------------------------

    def _without(self, prefix: str) -> tuple[wire.Source, ...]:
        gone = network(wire.Source(prefix))
        return tuple(each for each in self._sources if network(each) != gone)

    def _become(self, sources: Sequence[wire.Source]) -> None:
        """First the file: whoever goes does not come back by a restart in between."""
        now = self._wall()
        networks = joined(sources, now)
        self._next_end = min((each.expires_at for each in sources if each.expires_at > now), default=0.0)
        try:
            nft = Nft()
            try:
                self._guarded = all(nft.knows(f"set {name}") for name in SETS.values())
                if not self._guarded:
                    self._networks = networks
                    return
                lasting = joined((each for each in sources if not each.expires_at), 0)
                if lasting != self._written:
                    self._write(lasting)
                if networks != self._networks or self._listed(nft) != self._shown:
                    nft.run(rules(networks))
                    self._say(f"SSH answers the tunnel {_words(networks)}")
                    self._shown, self._networks = self._listed(nft), networks
            finally:
                nft.close()
            self._problem = ""
        except WireError as error:
            self._fail(f"a packet filter that keeps SSH stays as it is: {error.message}")

    @staticmethod
    def _listed(nft: Nft) -> str:
        return "".join(nft.listed(f"set {name}") for name in SETS.values())

    def _fail(self, words: str) -> None:
        if words != self._problem:
            self._say(words)
        self._problem = words

    def _read(self) -> tuple[wire.Source, ...]:
        path = self._directory / FILE
        try:
            return kept(path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return FIRST
        except (OSError, ValueError) as error:
            self._say(f"{path} cannot be read: {error}; until the office says more SSH answers the tunnel alone")
            return ()

    def _write(self, networks: Sequence[str]) -> None:
        """Whole or not at all, and for root alone. One that cannot be written is said once, tried again with each
        look, and keeps nothing from holding; an older one would let in whom it names, so it goes."""
        path = self._directory / FILE
        unready = path.with_suffix(".new")
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            with open(unready, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write("".join(f"{each}\n" for each in additions(networks)))
                file.flush()
                os.fsync(file.fileno())
            unready.replace(path)
            self._written = tuple(networks)
            if self._unwritten:
                self._say(f"{path} is written again: whom SSH lets in outlives a restart")
            self._unwritten = ""
        except OSError as error:
            if self._unwritten != (why := error.strerror or str(error)):
                self._say(f"{path} cannot be written: {why}; whom SSH lets in is forgotten by a restart")
            self._unwritten = why
            for left in (path, unready):
                with contextlib.suppress(OSError):
                    left.unlink()


def _outside(source: wire.Source, gone: Network) -> Iterator[wire.Source]:
    """What of a source lies outside of a network."""
    held = network(source)
    if isinstance(held, ipaddress.IPv4Network) and isinstance(gone, ipaddress.IPv4Network) and held.overlaps(gone):
        parts: Iterable[Network] = held.address_exclude(gone) if gone.subnet_of(held) else ()
    elif isinstance(held, ipaddress.IPv6Network) and isinstance(gone, ipaddress.IPv6Network) and held.overlaps(gone):
        parts = held.address_exclude(gone) if gone.subnet_of(held) else ()
    else:
        parts = (held,)
    yield from (replace(source, prefix=str(part)) for part in parts)


def _words(networks: Sequence[str]) -> str:
    if not networks:
        return "alone"
    more = f" and {len(networks) - MOST_NAMED} more networks" if len(networks) > MOST_NAMED else ""
    return f"and {', '.join(networks[:MOST_NAMED])}{more}"
