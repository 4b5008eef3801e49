"""What the gate should look like, gathered from the store and the settings. Level-triggered: always the whole of it."""

from collections.abc import Iterable, Iterator

from appliance import wire
from appliance.config.banning import BANNING
from appliance.config.schema import ROWS
from appliance.config.settings import Settings
from pysrv.limits.entrances import Entrance
from pysrv.limits.strikes import GUARD_FACTOR, Rule, figures
from pysrv.limits.trusted import administering
from pysrv.service.defence import gate_bans
from pysrv.service.firewall import gate_rules, protected
from pysrv.service.surroundings import Surroundings
from pysrv.sip.digest import NONCE_TTL_S
from pysrv.sip.nonces import NonceKeys
from pysrv.store import Store

NS = 1_000_000_000
NEVER_NS = 2**62 - 1  # longer than any datagram waits, and the most that a limit of the gate may be
LEAST_UNPRIVILEGED = 1024  # below it the keeper refuses the plan: the office cannot open such a port
LONGEST_REALM = 96  # characters, where the kernel writes it
SERVER = "appliance"
PAIRS_FOR_S = 86_400.0  # each plan says it anew, and there is one whenever the keys of nonces turn
PS_PER_KILOBIT_BYTE = 8_000_000_000  # picoseconds for a byte at 1 kbit/s
STRANGER_BURST_S = 15  # how long an unknown address may send at its rate before it has to keep to it
# On loopback our own requests to a device come in again as those of a stranger. No card brings such a source: the
# kernel drops it as a martian (RFC 1122 section 3.2.1.3).
_THIS_MACHINE = tuple(wire.Source(prefix, wire.SourceClass.KNOWN, 0.0, "loopback") for prefix in ("127.0.0.0/8", "::1"))
_COUNTED = (Rule.MESSAGES, Rule.WRONG_MESSAGES, Rule.STRANGERS)


def gate_plan(
    store: Store,
    settings: Settings,
    world: Surroundings,
    known: list[wire.Source],
    known_pairs: tuple[wire.KnownPair, ...] = (),
    *,
    nonces: NonceKeys,
) -> wire.Plan:
    """Ports, limits, sources and bans; sessions are added by the gate's client."""
    allowed = [
        wire.Source(row.prefix, wire.SourceClass(row.kind), row.expires_at, row.reason) for row in store.allows()
    ]
    places = (*_THIS_MACHINE, *known, *_accounts(store, world), *_trunks(store, world), *allowed)
    sources = {source.prefix: source for source in places}
    bans, pair_bans = gate_bans(store.bans())
    return wire.Plan(
        generation=settings.generation,
        service_ports=tuple(_service_ports(settings, world)),
        relay_ports=world.relay_ports,
        limits=_limits(settings),
        sources=tuple(sources.values()),
        bans=bans,
        pair_bans=pair_bans,
        known_pairs=_pairs((*known_pairs, *_account_pairs(store, world))),
        scanners=settings.blockua,
        firewall=gate_rules(store),
        challenge=_challenge(settings, nonces, world.clock.wall()),
        report_only=tuple(name for name in store.report_only() if name not in BANNING and name not in ROWS),
        protected=tuple(protected(store, world.host())),
        administrators=tuple(_administrators(store, settings)),
    )


def _administrators(store: Store, settings: Settings) -> Iterator[wire.Source]:
    """From where SSH is reached, where the machine's packet filter keeps it."""
    listed = [(row.prefix, row.expires_at) for row in store.trusted()]
    for prefix, expires_at in administering(settings, listed, begun=store.trust_begun()):
        yield wire.Source(prefix, expires_at=expires_at)


def _service_ports(settings: Settings, world: Surroundings) -> Iterator[tuple[str, int]]:
    """SIP over TLS cannot be read on the way: its port is guarded by how many connections come, as that of TCP."""
    yield from (("udp", world.sip_port), ("tcp", world.sip_port))
    if settings.tls_port >= LEAST_UNPRIVILEGED and settings.tls_port != world.sip_port:
        yield "tcp", settings.tls_port


def _trunks(store: Store, world: Surroundings) -> Iterable[wire.Source]:
    """Where calls come from by agreement, and where ours go: a carrier's answers are no stranger's packets."""
    for trunk in store.trunks():
        if trunk.enabled:
            address = world.resolve(trunk.host)
            for prefix in (*trunk.inbound, *([address] if address else [])):
                yield wire.Source(prefix, wire.SourceClass.KNOWN, 0.0, f"trunk {trunk.name}")


def _accounts(store: Store, world: Surroundings) -> Iterable[wire.Source]:
    """From where accounts come that are believed by their address: a challenge would be nothing to them.

    Those that bring a password too are strangers until they have shown it, like everybody who does.
    """
    for entrance, prefix in _by_address(store, world):
        if not entrance.mode.port:
            yield wire.Source(prefix, wire.SourceClass.KNOWN, 0.0, f"account {entrance.account}")


def _pairs(rows: Iterable[wire.KnownPair]) -> tuple[wire.KnownPair, ...]:
    """Each pair once; the last word about it holds."""
    return tuple({(row.address, row.port): row for row in rows}.values())


def _account_pairs(store: Store, world: Surroundings) -> Iterable[wire.KnownPair]:
    """Those that come from one port of an address: nobody else behind it gains by them."""
    until = world.clock.wall() + PAIRS_FOR_S
    for entrance, prefix in _by_address(store, world):
        if entrance.mode.port:
            yield wire.KnownPair(prefix, entrance.place.port, until)


def _by_address(store: Store, world: Surroundings) -> Iterator[tuple[Entrance, str]]:
    for name, entrances in store.entrances().of_account.items():
        account = store.account(name)
        for entrance in entrances if account is not None and account.enabled else ():
            if not entrance.mode.believes_address:
                continue
            place = entrance.place
            if place.network is not None:
                yield entrance, str(place.network.network_address) if place.single else str(place.network)
            elif (address := world.resolve(place.name)) is not None:
                yield entrance, address


def _challenge(settings: Settings, nonces: NonceKeys, now: float) -> wire.Challenge:
    """The kernel makes the service's own nonces; a realm that has no room in its answers leaves strangers to us."""
    return wire.Challenge(
        enabled=settings.nicchallenge and settings.realm.isprintable() and len(settings.realm) <= LONGEST_REALM,
        realm=settings.realm[:LONGEST_REALM],
        keys=tuple(key.hex() for key in nonces.slots(now)),
        epoch_s=int(nonces.rotate_s),
        nonce_ttl_s=int(NONCE_TTL_S),
        server=SERVER,
    )


def _limits(settings: Settings) -> wire.Limits:
    """The buckets and the windows of the gate. A bucket's depth is a window's count, and refills once a window.

    Strangers who prove nothing have `fastauthsubswrongusermsg` for each address, and ten times that among them all;
    what is challenged and answered has the gate's own, wider ones. While datagrams wait too long for the office, the
    gate shrinks what strangers share; without `autofinetune` it never does, unless the office gives no sign of life.
    """
    messages, wrong, guard = (figures(rule, settings) for rule in _COUNTED)
    return wire.Limits(
        {
            "interface_interval": PS_PER_KILOBIT_BYTE // settings.maxnetworkspeed if settings.maxnetworkspeed else 0,
            "stranger_burst": STRANGER_BURST_S * settings.maxstrangermsgpersec,
            "stranger_interval": NS // settings.maxstrangermsgpersec,
            "known_burst": messages[0],
            "known_interval": int(messages[1] * NS / messages[0]),
            "pair_burst": messages[0],
            "pair_interval": int(messages[1] * NS / messages[0]),
            "messages_most": messages[0],
            "messages_window": int(messages[1] * NS),
            "wrong_most": wrong[0],
            "wrong_window": int(wrong[1] * NS),
            "guard_burst": guard[0],
            "guard_window": int(guard[1] * NS),
            "answer_registrations": int(settings.cacheregistrations > 0),
            "budget_burst": GUARD_FACTOR * guard[0],
            "budget_interval": int(guard[1] * NS / (GUARD_FACTOR * guard[0])),
        }
        | ({} if settings.autofinetune else {"pressure_delay": NEVER_NS})
    )
