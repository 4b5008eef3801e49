"""The session timer of one leg at work: refreshes when it is our turn, gives up a session that nobody refreshed.

The rules of who and how long are in `session_timer.py`. Source: RFC 4028 sections 7 to 10.
"""

from typing import TYPE_CHECKING

from pysrv.calls import session_timer
from pysrv.calls.causes import SESSION_EXPIRED
from pysrv.calls.events import Carrier
from pysrv.calls.requests import Purpose, Sent
from pysrv.calls.session_timer import SessionTimer, TooShort
from pysrv.calls.switch import Alarm, HeaderLines
from pysrv.sip.events import TransactionKey
from pysrv.sip.message import Request, Response

if TYPE_CHECKING:
    from pysrv.calls.leg import Leg


class SessionClock:
    """When the session of a leg is refreshed or over; without `timer` nothing is watched."""

    __slots__ = ("_leg", "timer")

    def __init__(self, leg: "Leg") -> None:
        self._leg = leg
        self.timer: SessionTimer | None = None

    def agree(self, timer: SessionTimer) -> None:
        """A session interval begins now."""
        self.timer = timer
        now = self._leg.switch.now
        if timer.ours:
            self._leg.arm(Alarm.REFRESH, timer.refresh_at(now))
        else:
            self._leg.disarm(Alarm.REFRESH)
        self._leg.arm(Alarm.EXPIRY, timer.expires_at(now))

    def agree_to(self, key: TransactionKey, request: Request) -> bool:
        """Take an INVITE or UPDATE of the peer as the refresh that it is; False when it was refused with 422."""
        if self.timer is None:
            return True
        agreed = session_timer.of_request(request, self.timer.interval_s, self._leg.switch.config.min_se_s)
        if isinstance(agreed, TooShort):
            self._leg.switch.reply(key, request, 422, headers=agreed.headers)
            return False
        self.agree(agreed)
        return True

    def renewed(self, response: Response) -> None:
        """A 2xx to an INVITE or UPDATE of ours."""
        if self.timer is not None:
            self.agree(session_timer.of_response(response, self.timer))

    def in_request(self) -> HeaderLines:
        """What our INVITE or UPDATE says about the timer."""
        return () if self.timer is None else self.timer.in_request(self._leg.switch.config.min_se_s)

    def in_response(self) -> HeaderLines:
        """What our 2xx to the peer's INVITE or UPDATE says about the timer."""
        return () if self.timer is None else self.timer.in_response()

    def fire(self, alarm: Alarm) -> None:
        """REFRESH or EXPIRY went off."""
        if alarm is Alarm.EXPIRY:
            self._leg.lost(SESSION_EXPIRED)
        elif alarm is Alarm.REFRESH:
            self._refresh()

    def _refresh(self) -> None:
        """Refresh the session: UPDATE without SDP where the peer takes it, else the last description again."""
        leg = self._leg
        if leg.negotiation.busy or not leg.established:
            self._again(leg.negotiation.back_off_s())
        elif b"UPDATE" in leg.peer_allows:
            leg.negotiation.send(Purpose.REFRESH, Carrier.UPDATE, None)
        else:
            leg.negotiation.send_refresh()

    def concluded(self, sent: Sent, response: Response) -> None:
        """The answer to a refresh of ours. A refused one leaves the session to its expiry."""
        if response.status < 300:
            self.renewed(response)
        elif response.status == 422 and self.timer is not None:
            longer = session_timer.after_422(response, self.timer)
            if longer is not None:
                self.timer = longer
                self._again(0.0)
        elif response.status in (405, 501) and sent.request.method == b"UPDATE":
            self._leg.peer_allows -= {b"UPDATE"}
            self._again(0.0)
        elif response.status in (491, 500):
            self._again(self._leg.negotiation.back_off_s())

    def _again(self, wait_s: float) -> None:
        self._leg.arm(Alarm.REFRESH, self._leg.switch.now + wait_s)
