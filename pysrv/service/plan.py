"""What the gate should look like, gathered from the store and the settings. Level-triggered: always the whole of it."""

from appliance import wire
from appliance.config.settings import Settings
from pysrv.service.defence import gate_bans
from pysrv.service.firewall import gate_rules, protected
from pysrv.service.surroundings import Surroundings
from pysrv.store import Store

NS = 1_000_000_000
STRANGER_WINDOW_S = 90  # the window of fastauthsubswrongusermsg


def gate_plan(
    store: Store,
    settings: Settings,
    world: Surroundings,
    known: list[wire.Source],
    known_pairs: tuple[wire.KnownPair, ...] = (),
) -> wire.Plan:
    """Ports, limits, sources and bans; sessions are added by the gate's client."""
    trunks = [
        wire.Source(prefix, wire.SourceClass.KNOWN, 0.0, f"trunk {trunk.name}")
        for trunk in store.trunks()
        for prefix in trunk.inbound
        if trunk.enabled
    ]
    allowed = [
        wire.Source(row.prefix, wire.SourceClass(row.kind), row.expires_at, row.reason) for row in store.allows()
    ]
    sources = {source.prefix: source for source in (*known, *trunks, *allowed)}
    bans, pair_bans = gate_bans(store.bans())
    return wire.Plan(
        generation=settings.generation,
        service_ports=(("udp", world.sip_port), ("tcp", world.sip_port)),
        relay_ports=world.relay_ports,
        limits=_limits(settings),
        sources=tuple(sources.values()),
        bans=bans,
        pair_bans=pair_bans,
        known_pairs=known_pairs,
        scanners=settings.blockua,
        firewall=gate_rules(store),
        report_only=tuple(store.report_only()),
        protected=tuple(protected(store, world.host())),
    )


def _limits(settings: Settings) -> wire.Limits:
    """The buckets: a window's count is the depth, and the depth refills once a window."""
    return wire.Limits(
        {
            "known_burst": settings.maxsubsmmsgcount,
            "known_interval": int(settings.maxsubsmmsgperiod * NS / settings.maxsubsmmsgcount),
            "stranger_burst": settings.fastauthsubswrongusermsg,
            "stranger_interval": STRANGER_WINDOW_S * NS // settings.fastauthsubswrongusermsg,
        }
    )
