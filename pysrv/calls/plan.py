"""What the service decides about a call before it goes out: targets, their order, identity, time limits.

Knows no messages and no state; every duration is in seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pysrv.media.session import Checks
from pysrv.sip.events import Flow
from pysrv.sip.timers import TimerValues
from pysrv.sip.uri import Uri


class TargetKind(StrEnum):
    """Who is behind a target: a registered device of ours, or somebody else's network."""

    BINDING = "binding"
    TRUNK = "trunk"


@dataclass(frozen=True, slots=True)
class TrunkCredentials:
    """What a trunk that challenges us wants to hear."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """One place to send the call. `uri` becomes the Request-URI; `to_user` the To user (default: that of `uri`).

    `from_user` replaces the caller's user for this target (a trunk that wants its own number); `assert_identity` lets
    P-Asserted-Identity and Privacy go there. `label` names it in records: "binding" or the trunk's name.
    """

    flow: Flow
    uri: Uri
    from_user: str | None = None
    label: str = "binding"
    kind: TargetKind = TargetKind.BINDING
    credentials: TrunkCredentials | None = None
    route_id: int = 0
    to_user: str | None = None
    assert_identity: bool = False


@dataclass(frozen=True, slots=True)
class CallPlan:
    """How a call is to be carried. Identity fields left empty are taken from the caller's From.

    A caller that asks for privacy itself (RFC 3323) is hidden whatever `hide_caller` says.
    """

    caller_user: str = ""
    caller_display: str = ""
    hide_caller: bool = False  # From becomes anonymous (RFC 3323); P-Asserted-Identity still goes to trusted targets
    asserted_identity: str = ""  # user or number for P-Asserted-Identity toward targets with assert_identity
    caller_is_trunk: bool = False
    forward_client_address: bool = False
    follow_redirects: bool = False
    block_early_media: bool = False  # before the answer no SDP toward the caller, and no sound
    block_early_media_in: bool = False  # before the answer no sound from the caller
    learn_sources: bool = True  # media may come from elsewhere than announced
    first_source_stays: bool = False  # and the first such source keeps the stream
    diverts: bool = False  # when nobody answers, the service is asked for another place first
    media: bool = True  # False: session descriptions pass untouched (media does not cross the appliance)
    ring_timeout_s: float = 90.0
    call_init_timeout_s: float = 30.0
    call_timeout_s: float = 14_400.0
    session_expires_s: int = 1800

    @property
    def checks(self) -> Checks:
        """What the relay is to check of this call's media; side A is the caller's."""
        return Checks(
            learn=self.learn_sources,
            final=self.first_source_stays,
            mute_a=self.block_early_media_in,
            mute_b=self.block_early_media,
        )


@dataclass(frozen=True, slots=True)
class B2buaConfig:
    """What stays the same for all calls of one B2bua."""

    product: bytes = b"appliance"  # User-Agent and Server
    contact_user: bytes = b"appliance"
    min_se_s: int = 90  # RFC 4028: never under 90
    max_forks: int = 16  # legs that ring at once
    max_early_dialogs: int = 8  # forks of one INVITE beyond our sight
    max_redirects: int = 5
    transfer_timeout_s: float = 90.0
    timers: TimerValues = field(default_factory=TimerValues)


Groups = tuple[tuple[Target, ...], ...]


def grouped(targets: Sequence[Target] | Sequence[Sequence[Target]]) -> Groups:
    """Targets as groups: a flat sequence is tried one after the other; members of an inner one ring together."""
    return tuple((item,) if isinstance(item, Target) else tuple(item) for item in targets if item)
