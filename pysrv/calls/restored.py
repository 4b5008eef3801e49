"""A leg taken up again after a restart: its dialog is confirmed, how it began is forgotten."""

from collections.abc import Mapping
from typing import Any

from pysrv.calls.authorization import Authorization
from pysrv.calls.events import Role
from pysrv.calls.leg import Leg, LegState, Listener
from pysrv.calls.plan import TrunkCredentials
from pysrv.calls.switch import Switch
from pysrv.sip.dialog import Dialog
from pysrv.sip.events import Flow


class RestoredLeg(Leg):
    """A leg of a call that an earlier process began. `owned`: it made the Call-ID."""

    __slots__ = ("owned",)

    def __init__(
        self, switch: Switch, listener: Listener, role: Role, flow: Flow, dialog: Mapping[str, Any], local_tag: bytes
    ) -> None:
        """`dialog` is what Dialog.to_dict wrote. Raises KeyError, ValueError or BadMessage when it is not."""
        kept = Dialog.from_dict(dialog)
        super().__init__(switch, listener, role, flow, kept.call_id, local_tag)
        self.owned = False
        self.dialog = kept
        self.state = LegState.CONFIRMED
        switch.dialogs[self.call_id, self.local_tag] = self

    @property
    def owns_call_id(self) -> bool:
        return self.owned

    def authorize(self, credentials: TrunkCredentials) -> None:
        """Answer the peer's challenges from now on."""
        self.authorization = Authorization(credentials, self.switch.tokens)
