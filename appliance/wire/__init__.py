"""The control protocol between keeper, office and command line: its verbs, its shapes and its codec.

One JSON object a line over a unix stream socket; requests may be pipelined, replies keep their order.

    request   {"id": 7, "verb": "renew_lease", "args": {...}}
    reply     {"id": 7, "ok": true, "result": {...}}
    refusal   {"id": 7, "ok": false, "error": {"code": "...", "message": "...", "hint": "..."}}
    progress  {"id": 7, "progress": [done, total]}          (any number, before the reply)

This package knows shapes only: no sockets, no clock, no kernel. Every ``*_ns`` deadline is on CLOCK_MONOTONIC, the
clock of bpf_ktime_get_ns(); every ``*_at`` is Unix time in seconds. Addresses are text as `ipaddress` writes them.
"""

from appliance.wire.codec import MAX_LINE_BYTES, decode, encode, from_dict, refusal, reply, request, to_dict
from appliance.wire.evidence import Events, Offence, Offender, Pulse, Sample, SampleQuery, Tally, Top
from appliance.wire.figures import OfficeFigures
from appliance.wire.lists import ListChunk, ListKind, ListRef, ListStatus
from appliance.wire.media import RelaySession, RelayStream, Renewal, SessionCounters, SessionRef, StreamCounters
from appliance.wire.policy import Applied, Challenge, FirewallAction, FirewallRule, Limits, Plan
from appliance.wire.registrations import Refresh, RefreshRef
from appliance.wire.sources import Ban, KnownPair, Pair, PairBan, Prefix, Source, SourceClass
from appliance.wire.status import GateStatus, Interface
from appliance.wire.tunnel import NewPeer, PeerMade, PeerRef, TunnelPeer, TunnelQuery, TunnelStatus, TunnelSwitch
from appliance.wire.verbs import PROTOCOL_VERSION, BackupWanted, BackupWork, Hello, KeeperVerb, WireError

__all__ = [
    "MAX_LINE_BYTES",
    "PROTOCOL_VERSION",
    "Applied",
    "BackupWanted",
    "BackupWork",
    "Ban",
    "Challenge",
    "Events",
    "FirewallAction",
    "FirewallRule",
    "GateStatus",
    "Hello",
    "Interface",
    "KeeperVerb",
    "KnownPair",
    "Limits",
    "ListChunk",
    "ListKind",
    "ListRef",
    "ListStatus",
    "NewPeer",
    "Offence",
    "Offender",
    "OfficeFigures",
    "Pair",
    "PairBan",
    "PeerMade",
    "PeerRef",
    "Plan",
    "Prefix",
    "Pulse",
    "Refresh",
    "RefreshRef",
    "RelaySession",
    "RelayStream",
    "Renewal",
    "Sample",
    "SampleQuery",
    "SessionCounters",
    "SessionRef",
    "Source",
    "SourceClass",
    "StreamCounters",
    "Tally",
    "Top",
    "TunnelPeer",
    "TunnelQuery",
    "TunnelStatus",
    "TunnelSwitch",
    "WireError",
    "decode",
    "encode",
    "from_dict",
    "refusal",
    "reply",
    "request",
    "to_dict",
]
