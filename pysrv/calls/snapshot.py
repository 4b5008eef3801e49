"""An answered call as plain JSON types and back, so that it outlives a restart of the service.

What was under way is not kept: a peer repeats what was not answered, and our own numbers jump ahead so that none is
used twice. Moments are those of the B2bua's clock (CLOCK_MONOTONIC, so a snapshot is good until the machine restarts).
Secrets are not in it: a trunk's credentials are given again on restoring.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from pysrv.calls.bridge import Bridge
from pysrv.calls.call import Call, CallState, Times
from pysrv.calls.events import Role
from pysrv.calls.invitation import Caller
from pysrv.calls.leg import Leg, LegState
from pysrv.calls.plan import CallPlan, Target, TargetKind
from pysrv.calls.restored import RestoredLeg
from pysrv.calls.session_timer import SessionTimer
from pysrv.calls.switch import Alarm, Switch
from pysrv.media.ports import PortPool
from pysrv.sip.errors import BadMessage
from pysrv.sip.events import Flow
from pysrv.sip.uri import Uri

VERSION = 1
CSEQ_LEAP = 100  # more requests than any leg sends between its last snapshot and a crash


def take(call: Call) -> dict[str, Any] | None:
    """A running call; None when it is not answered by both sides, or just changes a party."""
    legs = [leg for leg in (call.caller, call.callee) if leg is not None]
    absorbed = call.state is CallState.ABSORBED and not legs
    settled = call.state is CallState.ANSWERED and len(legs) == 2 and call.transfer is None
    if not absorbed and not (settled and all(leg.state is LegState.CONFIRMED for leg in legs)):
        return None
    return {
        "version": VERSION,
        "call_id": call.id,
        "absorbed": absorbed,
        "partners": [partner.id for partner in call.partners],
        "plan": {field.name: getattr(call.plan, field.name) for field in fields(CallPlan)},
        "setup_at": call.times.setup_at,
        "ringing_at": call.times.ringing_at,
        "answered_at": call.times.answered_at,
        "identity": _identity(call),
        "target": None if call.target is None else _target(call.target),
        "media": call.bridge.to_dict(),
        "legs": {leg.role.value: _leg(leg) for leg in legs},
    }


def restore(switch: Switch, pool: PortPool, saved: dict[str, Any], on_end: Callable[[Call], None]) -> Call:
    """The call that `take` described. Raises KeyError, TypeError, ValueError or BadMessage.

    Its partners are to be joined by the caller.
    """
    if saved["version"] != VERSION:
        raise ValueError(f"snapshot of version {saved['version']}, not {VERSION}")
    call = Call(switch, str(saved["call_id"]), on_end)
    call.plan = CallPlan(**saved["plan"])
    call.times = Times(saved["setup_at"], saved["ringing_at"], saved["answered_at"])
    call.target = None if saved["target"] is None else _target_of(saved["target"])
    call.identity = _identity_of(saved["identity"])
    call.use(Bridge.from_dict(switch, call.id, saved["media"], pool, call.plan))
    call.state = CallState.ABSORBED if saved["absorbed"] else CallState.ANSWERED
    try:
        for role, kept in saved["legs"].items():
            call.seat(_leg_of(switch, call, Role(role), kept), Role(role))
    except (KeyError, TypeError, ValueError, BadMessage):
        call.unseat()
        raise
    call.arm(Alarm.LIMIT, (call.times.answered_at or switch.now) + call.plan.call_timeout_s)
    call.bridge.show()
    return call


def _leg(leg: Leg) -> dict[str, Any]:
    assert leg.dialog is not None
    timer = leg.clock.timer
    return {
        "dialog": leg.dialog.to_dict(),
        "flow": _flow(leg.flow),
        "local_tag": _text(leg.local_tag),
        "owns_call_id": leg.owns_call_id,
        "allows": sorted(_text(method) for method in leg.peer_allows),
        "local": _text_or_none(leg.negotiation.local),
        "remote": _text_or_none(leg.negotiation.remote),
        "moved": leg.negotiation.moved,
        "timer": None if timer is None else [timer.interval_s, timer.ours, timer.peer_supports],
        "refers": leg.refers,
    }


def _leg_of(switch: Switch, call: Call, role: Role, saved: dict[str, Any]) -> Leg:
    leg = RestoredLeg(switch, call, role, _flow_of(saved["flow"]), saved["dialog"], _octets(saved["local_tag"]))
    assert leg.dialog is not None
    leg.dialog.local_seq += CSEQ_LEAP
    leg.owned = bool(saved["owns_call_id"])
    leg.peer_allows = frozenset(_octets(method) for method in saved["allows"])
    leg.negotiation.local = None if saved["local"] is None else _octets(saved["local"])
    leg.negotiation.remote = None if saved["remote"] is None else _octets(saved["remote"])
    leg.negotiation.moved = bool(saved["moved"])
    leg.refers = int(saved["refers"])
    if saved["timer"] is not None:
        leg.clock.agree(SessionTimer(*saved["timer"]))
        if leg.clock.timer is not None and leg.clock.timer.ours:
            leg.arm(Alarm.REFRESH, switch.now)  # is the peer still there?
    return leg


def _identity(call: Call) -> dict[str, Any] | None:
    caller = call.identity
    if caller is None:
        return None
    return {
        "user": _text(caller.user),
        "display": _text(caller.display),
        "address": list(caller.address),
        "hops": caller.hops,
        "private": caller.private,
    }


def _identity_of(saved: dict[str, Any] | None) -> Caller | None:
    if saved is None:
        return None
    address = (str(saved["address"][0]), int(saved["address"][1]))
    user, display = _octets(saved["user"]), _octets(saved["display"])
    return Caller(user, display, address, int(saved["hops"]), (), (), bool(saved["private"]))


def _target(target: Target) -> dict[str, Any]:
    return {
        "flow": _flow(target.flow),
        "uri": _text(target.uri.to_bytes()),
        "from_user": target.from_user,
        "label": target.label,
        "kind": target.kind.value,
        "route_id": target.route_id,
        "to_user": target.to_user,
    }


def _target_of(saved: dict[str, Any]) -> Target:
    return Target(
        flow=_flow_of(saved["flow"]),
        uri=Uri.parse(_octets(saved["uri"])),
        from_user=saved["from_user"],
        label=saved["label"],
        kind=TargetKind(saved["kind"]),
        route_id=int(saved["route_id"]),
        to_user=saved["to_user"],
    )


def _flow(flow: Flow) -> list[Any]:
    return [flow.transport, list(flow.local), list(flow.remote), flow.connection]


def _flow_of(saved: list[Any]) -> Flow:
    transport, local, remote, _ = saved
    # A stream's number means nothing to a new process: it finds or opens one to the same remote.
    return Flow(str(transport), (str(local[0]), int(local[1])), (str(remote[0]), int(remote[1])))


def _text(octets: bytes) -> str:
    return octets.decode("latin-1")


def _text_or_none(octets: bytes | None) -> str | None:
    return None if octets is None else _text(octets)


def _octets(text: str) -> bytes:
    return text.encode("latin-1")
