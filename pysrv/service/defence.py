"""Bans that nobody ordered: failures are counted, the table decides, and here it is carried out.

A ban is a row in the store with its evidence, a verb to the gate and a line in the log that names rule and figures.
Allowed sources, trunks and management's own addresses are never banned automatically, and every such ban leaves known
pairs working. The limits and the table are pure (pysrv.limits.strikes, pysrv.limits.sentence).
"""

import logging
import re
from base64 import b64decode
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from ipaddress import ip_network

from appliance import wire
from appliance.config.settings import Settings
from pysrv.limits.entrances import Entrance
from pysrv.limits.sentence import RECENT_S, Scope, Standing, judge, length_s
from pysrv.limits.sources import lies_in, network_of, subject_of
from pysrv.limits.strikes import Strikes, Trip
from pysrv.service.journal import visible
from pysrv.service.pairs import KnownPairs
from pysrv.service.surroundings import Surroundings
from pysrv.sip.events import Flow, MalformedReceived
from pysrv.sip.message import Request
from pysrv.store import BanRow, Store

SAMPLES = 5  # of what a source sent
MOST_SAMPLED = 4096  # sources of which samples are kept
SAMPLE_CHARACTERS = 512
_words = re.compile(rb"[\x20-\x7e]{8,64}").search
NEIGHBOURS_KEPT = 20
SWEEP_S = 600.0
_log = logging.getLogger("pysrv.defence")


class Defence:
    """Counts what sources do wrong, and bans."""

    def __init__(self, store: Store, settings: Settings, world: Surroundings, pairs: KnownPairs) -> None:
        self._store, self._settings, self._world, self._pairs = store, settings, world, pairs
        self._strikes = Strikes(settings)
        self._samples: OrderedDict[str, deque[str]] = OrderedDict()
        self._sweep_at = 0.0
        self.on_ban: Callable[[str, int], object] | None = None  # told the address or network, and the port or 0

    def use(self, settings: Settings) -> None:
        """New limits, for what happens from now on."""
        self._settings = settings
        self._strikes.use(settings)

    # -- what happens ---------------------------------------------------------------------------------------------

    def message(self, flow: Flow) -> None:
        """Any message."""
        self._convict(self._strikes.message(*flow.remote, self._now()))

    def malformed(self, event: MalformedReceived) -> None:
        """A message that could not be read."""
        self._wrong(event.flow, event.first_line.decode("utf-8", "replace"), event.reason)

    def meaningless(self, request: Request, flow: Flow) -> None:
        """A request with a method that nobody has."""
        self._wrong(flow, _told(request), "unknown method")

    def challenged(self, request: Request, flow: Flow, why: str) -> None:
        """A request without usable credentials; it counts unless a correct answer follows."""
        self._sample(flow.remote[0], f"{_told(request)} ({why})")
        call_id, identity = request.call_id, identity_of(request)
        proven = flow.reliable
        self._convict(self._strikes.challenged(*flow.remote, call_id, identity, self._now(), proven=proven))

    def answered(self, request: Request, flow: Flow) -> None:
        """A correct answer."""
        self._strikes.answered(flow.remote[0], request.call_id, self._now())

    def wrong_password(self, request: Request, flow: Flow, user: str) -> None:
        """A wrong answer to a valid challenge."""
        self._sample(flow.remote[0], f"{_told(request)} (wrong password of {user[:64]})")
        call_id, identity = request.call_id, identity_of(request)
        self._convict(self._strikes.wrong_password(*flow.remote, call_id, identity, self._now()))

    def wrong_web_password(self, address: str, name: str) -> None:
        """A wrong password on the web."""
        self._sample(address, f"a wrong password on the web, of {visible(name[:64])}")
        self._convict(self._strikes.wrong_web_password(address, self._now()))

    def wrong_web_request(self, address: str, words: str) -> None:
        """A request to the web that no page and no browser sends."""
        self._sample(address, words)
        self._convict(self._strikes.wrong_message(address, 0, self._now(), proven=True))

    def unknown_user(self, request: Request, flow: Flow, user: str) -> None:
        """An answer to a valid challenge for somebody who does not exist."""
        self._sample(flow.remote[0], f"{_told(request)} (unknown user {user[:64]})")
        call_id, identity = request.call_id, identity_of(request)
        self._convict(self._strikes.unknown_user(*flow.remote, call_id, identity, self._now()))

    def decoy(self, request: Request, flow: Flow, why: str) -> None:
        """A decoy was touched from a proven address, which nobody does by mistake: once is enough."""
        address, port = flow.remote
        self._sample(address, f"{_told(request)} ({why})")
        self._convict([Trip("decoyextensions", address, port, 1, 0, 0.0, True, {port: 1})])

    def offences(self, offences: Iterable[wire.Offence]) -> None:
        """What the kernel counted."""
        for each in offences:
            try:
                subject_of(each.address)
            except ValueError:
                continue
            if each.sample:
                self._sample(each.address, _framed(each.sample))
            self._convict(self._strikes.kernel(each.rule, each.address, each.port, each.count, each.since_at, each.at))

    def is_crowded(self, flow: Flow) -> bool:
        """Whether the registrar makes no new challenge for this source: strangers left too many unanswered."""
        crowded = self._strikes.is_crowded(self._now(), proven=flow.reliable)
        return crowded and not self._pairs.neighbours(flow.remote[0])

    # -- time -----------------------------------------------------------------------------------------------------

    def get_timer(self) -> float | None:
        """When `run` wants to be called (monotonic seconds)."""
        at = self._strikes.get_timer()
        return None if at is None else self._world.clock.monotonic() + at - self._now()

    def run(self) -> None:
        """Requests that nobody answered in time count now; what is too old to matter is forgotten."""
        now = self._now()
        self._convict(self._strikes.due(now))
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_S
            self._store.forget_repeaters(now - self._settings.banperiodmax)

    # -- operators ------------------------------------------------------------------------------------------------

    def lifted(self, prefix: str, port: int) -> None:
        """A ban was lifted: tell the gate, and count anew for whom it held."""
        if port:
            self._world.gate.unban_pair(wire.Pair(prefix, port))
        else:
            self._world.gate.unban(prefix)
        self._strikes.forget(prefix)

    def forgive(self) -> None:
        """Every ban was lifted: the gate gets the whole plan, and everybody counts anew."""
        self._strikes.forget()
        self._world.gate.resync()

    # -- the sentence ---------------------------------------------------------------------------------------------

    def _convict(self, trips: list[Trip]) -> None:
        for trip in trips:
            standing = self._standing(trip)
            sentence = judge(trip, standing)
            if trip.rule in self._store.report_only():
                _log.warning("would ban source=%s rule=%s: %s (report-only)", trip.address, trip.rule, trip.sentence)
                continue
            if sentence.scope is Scope.NOBODY:
                why = standing.exempt or sentence.why
                _log.warning("not banned source=%s rule=%s: %s; %s", trip.address, trip.rule, trip.sentence, why)
            for prefix, port in sentence.subjects:
                if sentence.scope is Scope.NETWORK and self._holds_exempt(prefix):
                    self._ban(trip, standing, subject_of(trip.address), 0, Scope.ADDRESS)
                else:
                    self._ban(trip, standing, prefix, port, sentence.scope)

    def _ban(self, trip: Trip, standing: Standing, prefix: str, port: int, scope: Scope) -> None:
        held = self._store.ban(prefix, port)
        if held is not None and (held.proven or not trip.proven or not held.spares_known):
            return  # but one whose reason may be forged gives way to one that is proven
        settings, now = self._settings, self._now()
        again = self._store.repetitions(prefix, port, now - settings.banperiodmax) if trip.proven else 0
        length = length_s(again, settings.banperiod, settings.banperiodmax, settings.reenabledosblocked)
        row = BanRow(
            prefix, str(trip.rule), trip.sentence, now, now + length, "", port, str(scope), True, trip.proven,
            trip.count, trip.limit, trip.window_s, again,
            tuple(self._samples.get(subject_of(trip.address), ())),
            tuple(f"{near.account} {near.address}:{near.port}" for near in standing.neighbours[:NEIGHBOURS_KEPT]),
        )  # fmt: skip
        self._store.add_ban(row)
        if trip.proven:
            self._store.remember_ban(prefix, port, again + 1, now + length)
        self._tell(row)
        _log.warning(
            "banned source=%s rule=%s scope=%s count=%d limit=%d window_s=%g for_s=%g repetition=%d neighbours=%d",
            row.source, row.rule, scope, trip.count, trip.limit, trip.window_s, length, again,
            len(standing.neighbours),
        )  # fmt: skip

    def _tell(self, row: BanRow) -> None:
        if self.on_ban is not None:
            self.on_ban(row.prefix, row.port)
        if row.port:
            self._world.gate.ban_pair(pair_ban(row))
        else:
            self._world.gate.ban(address_ban(row))

    def _standing(self, trip: Trip) -> Standing:
        since, subject = self._now() - RECENT_S, subject_of(trip.address)
        network = network_of(subject)
        banned = {subject_of(address.partition("/")[0]) for address in self._store.banned_addresses(since)}
        others = sum(network_of(each) == network for each in banned if each != subject)
        pairs = self._store.banned_pairs(trip.address, since)
        return Standing(self._pairs.neighbours(trip.address), self._exempt(trip.address), pairs, others)

    def _exempt(self, address: str) -> str:
        """Why an address is never banned automatically; empty: it may be."""
        why = next((why for prefix, why in self._exemptions() if lies_in(address, prefix)), "")
        return why or next((f"account {each.account} comes from it" for each in self._accounts(address)), "")

    def _holds_exempt(self, network: str) -> bool:
        if any(lies_in(prefix, network) or lies_in(network, prefix) for prefix, _ in self._exemptions()):
            return True
        return any(self._accounts(network))

    def _accounts(self, network: str) -> Iterator[Entrance]:
        """Accounts that are believed by an address inside a network, or by one that holds it."""
        wanted, entrances = ip_network(network, strict=False), self._store.entrances()
        found = [*entrances.at(str(wanted.network_address)), *entrances.within(wanted)]
        for name, named in entrances.names.items():
            address = self._world.resolve(name)
            found += named if address is not None and lies_in(address, network) else []
        return (each for each in found if each.mode.believes_address)

    def _exemptions(self) -> Iterable[tuple[str, str]]:
        yield from ((row.prefix, "it is on the allow list") for row in self._store.trusted())
        yield from ((prefix, f"it is trunk {trunk.name}") for trunk in self._store.trunks() for prefix in trunk.inbound)
        yield from ((row.address, "the appliance is managed from it") for row in self._store.management())
        yield from self._world.host().items()

    # -- evidence -------------------------------------------------------------------------------------------------

    def _wrong(self, flow: Flow, line: str, why: str) -> None:
        self._sample(flow.remote[0], f"{line} ({why})")
        self._convict(self._strikes.wrong_message(*flow.remote, self._now(), proven=flow.reliable))

    def _sample(self, address: str, text: str) -> None:
        subject = subject_of(address)
        kept = self._samples.get(subject)
        if kept is None:
            kept = self._samples[subject] = deque(maxlen=SAMPLES)
        self._samples.move_to_end(subject)
        kept.append(visible(text[:SAMPLE_CHARACTERS]))
        if len(self._samples) > MOST_SAMPLED:
            self._samples.popitem(last=False)

    def _now(self) -> float:
        return self._world.clock.wall()


def identity_of(request: Request) -> bytes:
    """The same for a request and its repetitions alone.

    The branch would be enough for honest senders; a bot could send every guess under one branch.
    """
    given = request.headers.get(b"authorization") or request.headers.get(b"proxy-authorization") or b""
    mac = blake2b(digest_size=16)
    for part in (request.top_via.branch or b"", request.call_id, request.headers.get(b"cseq") or b"", given):
        mac.update(b"%d %b" % (len(part), part))
    return mac.digest()


def address_ban(row: BanRow) -> wire.Ban:
    """A ban of an address or network as the gate takes it."""
    forgeable = row.spares_known and not row.proven
    return wire.Ban(row.prefix, row.expires_at, row.rule, row.reason, row.spares_known, forgeable)


def pair_ban(row: BanRow) -> wire.PairBan:
    """A ban of one port as the gate takes it."""
    return wire.PairBan(row.prefix, row.port, row.expires_at, row.rule, row.reason)


def gate_bans(rows: Iterable[BanRow]) -> tuple[tuple[wire.Ban, ...], tuple[wire.PairBan, ...]]:
    """Stored bans as the gate's plan takes them."""
    kept = list(rows)
    return tuple(address_ban(row) for row in kept if not row.port), tuple(pair_ban(row) for row in kept if row.port)


def _framed(sample: str) -> str:
    """A packet that the kernel kept: the first words in it for people, and all of it in base64."""
    try:
        words = _words(b64decode(sample))
    except ValueError:
        words = None
    return f"{words[0].decode()} frame {sample}" if words else f"frame {sample}"


def _told(request: Request) -> str:
    agent = (request.headers.get(b"user-agent") or b"").decode("utf-8", "replace")[:80]
    return request.start_line()[:160].decode("utf-8", "replace") + (f" [{agent}]" if agent else "")
