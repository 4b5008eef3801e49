"""Calls on calling cards: who dials an access number talks to the office, which asks for a PIN and then for a number.

Carries out what the table of pysrv.calls.ivr says. Who the caller is decide pysrv.limits.cards and the store; whether
the number may be called, and who pays, the admission as for every call. Until a number is dialled nobody pays, so the
stay is bounded, and the relay session with it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from appliance.config.settings import Settings
from pysrv.billing import money
from pysrv.billing.number import normalise
from pysrv.calls.b2bua import B2bua
from pysrv.calls.causes import NORMAL, Cause
from pysrv.calls.events import (
    CallAnswered,
    CallAttended,
    CallEnded,
    CallRequested,
    ConnectFailed,
    DigitPressed,
    MediaChanged,
)
from pysrv.calls.ivr import Action, Happening, Menu, Step, number_of, pin_of
from pysrv.limits.cards import EVER, Evidence, Guesses, Verdict, number_is_enough
from pysrv.limits.decision import Refuse
from pysrv.media.tones import digits_of
from pysrv.service.accounting import NS, Accounting
from pysrv.service.admission import Admission
from pysrv.service.claims import Claim, claim
from pysrv.service.entry import Caller
from pysrv.service.surroundings import Surroundings
from pysrv.store import Store
from pysrv.store.account import Account
from pysrv.store.rows import Attempt

FAREWELL_S = 15.0  # for what is said at the end, beyond ivrtimeout
BUSY = Refuse("voice menu", "ivrcalls", 486, "Busy Here", "as many callers as ivrcalls allows are in the voice menu")
_SAYS = {
    Action.ASK_PIN: ("pin",),
    Action.ASK_NUMBER: ("number",),
    Action.SAY_WRONG: ("wrong",),
    Action.SAY_REFUSED: ("refused",),
    Action.SAY_BUSY: ("busy",),
    Action.SAY_GOODBYE: ("goodbye",),
}
_log = logging.getLogger("pysrv.cards")
Struck = Callable[[CallRequested, Caller], None]
Tell = Callable[..., None]


@dataclass(slots=True)
class Talk:
    """One caller in the voice menu, from the answer to the moment at which somebody else answers."""

    event: CallRequested
    caller: Caller
    access: str
    claim: Claim
    menu: Menu
    until: float
    session: int = 0
    media: MediaChanged | None = None
    keys_by: str = ""  # the way that keys come: whoever sends them both ways presses once
    card: str = ""
    look_at: float | None = None  # when the PIN is looked at
    leave_at: float | None = None
    refusal: Refuse | None = None
    cause: Cause = NORMAL
    says: list[str] = field(default_factory=list)

    @property
    def free(self) -> bool:
        """Whether this is the part of the call that nobody pays for, and that ivrtimeout bounds."""
        return self.menu.step in (Step.PIN, Step.CHECKING, Step.NUMBER)

    def due(self) -> float:
        """When something happens by itself."""
        moments = (self.menu.alarm_at, self.look_at, self.leave_at, self.until if self.free else None)
        return min((at for at in moments if at is not None), default=float("inf"))


class CardCalls:
    """All callers in the voice menu, by call."""

    def __init__(
        self,
        store: Store,
        b2bua: B2bua,
        admission: Admission,
        accounting: Accounting,
        world: Surroundings,
        settings: Callable[[], Settings],
        struck: Struck,
        tell: Tell,
    ) -> None:
        self._store, self._b2bua, self._admission, self._accounting = store, b2bua, admission, accounting
        self._world, self._settings, self._struck, self._tell = world, settings, struck, tell
        self._guesses = Guesses()
        self.talks: dict[str, Talk] = {}

    # -- events of calls ------------------------------------------------------------------------------------------

    def requested(self, event: CallRequested, caller: Caller, now: float) -> bool:
        """A call; True: it was to an access number."""
        settings, number = self._settings(), self._admission.number_of(event, caller)
        if number is None or number not in settings.ivrnumbers or self._world.voice is None:
            return False
        full = len(self.talks) >= settings.ivrcalls
        refusal = BUSY if full else self._admission.access(event, caller, number)
        if refusal is not None:
            self._refuse(event, caller, number, refusal, now)
            return True
        self.talks[event.call_id] = Talk(
            event, caller, number, claim(event, caller), Menu(settings.ivrtries), now + settings.ivrtimeout
        )
        self._admission.answer_here(event, caller, number, now)
        return True

    def _refuse(self, event: CallRequested, caller: Caller, number: str, refusal: Refuse, now: float) -> None:
        _log.info("access refused id=%s setting=%s: %s", event.call_id, refusal.setting, refusal.sentence)
        self._admission.left(event, caller, caller.account, number, refusal)
        self._b2bua.refuse(event.call_id, refusal.status, refusal.reason, (), now)

    def attended(self, event: CallAttended) -> None:
        """The caller is on the line, or has described itself anew."""
        talk, voice = self.talks.get(event.call_id), self._world.voice
        if talk is None or voice is None:
            return
        fresh, talk.session = not talk.session, event.session
        voice.begin(event.session, event.tongue)
        if fresh:
            known = self._known(talk)
            talk.card = known.name if known is not None else ""
            self._do(talk, talk.menu.happen(Happening.KNOWN if known is not None else Happening.STRANGER), event.at)

    def media(self, event: MediaChanged) -> bool:
        """The relay rows of a call; True: of one that has no lease yet, so that they end with its stay."""
        talk = self.talks.get(event.call_id)
        if talk is None:
            return False
        talk.media = event
        if event.call_id in self._accounting.running:
            return False
        until_ns = int((talk.until + FAREWELL_S) * NS)
        self._world.gate.open_session(replace(event.session, deadline_ns=until_ns))
        return True

    def pressed(self, event: DigitPressed) -> None:
        """A key that came by INFO."""
        if (talk := self.talks.get(event.call_id)) is not None:
            self._key(talk, event.digit, "info", event.at)

    def heard(self, session: int, digit: str, now: float) -> None:
        """A key that came as RTP."""
        talk = next((each for each in self.talks.values() if each.session == session), None)
        if talk is not None:
            self._key(talk, digit, "rtp", now)

    def connect_failed(self, event: ConnectFailed) -> None:
        """Nobody answered."""
        if (talk := self.talks.get(event.call_id)) is not None:
            talk.cause = event.cause
            self._do(talk, talk.menu.happen(Happening.FAILED), event.at)

    def answered(self, event: CallAnswered) -> None:
        """Somebody answered: the office has no part in this call any more."""
        if (talk := self.talks.pop(event.call_id, None)) is not None:
            self._end(talk)

    def ended(self, event: CallEnded) -> None:
        """The call is over; one that had a lease is settled by the accounting."""
        talk = self.talks.pop(event.call_id, None)
        if talk is None:
            return
        self._end(talk)
        if event.call_id not in self._accounting.running:
            if talk.media is not None:
                self._world.gate.close_session(talk.media.session.session)
            self._admission.left(talk.event, talk.caller, self._card(talk), talk.access, talk.refusal)

    def refused(self, session: int, now: float) -> None:
        """The relay has refused a session: nobody could be heard."""
        for call_id, talk in list(self.talks.items()):
            if talk.media is not None and talk.media.session.session == session:
                self._b2bua.hangup(call_id, Cause.of_q850(47, "no relay for the media"), now)

    def _end(self, talk: Talk) -> None:
        if talk.session and self._world.voice is not None:
            self._world.voice.end(talk.session)

    # -- time -----------------------------------------------------------------------------------------------------

    def get_timer(self) -> float | None:
        """When `run` wants to be called (monotonic seconds)."""
        return min((talk.due() for talk in self.talks.values()), default=None)

    def run(self, now: float) -> None:
        """Questions that were not answered, PINs that are to be looked at, callers that have stayed too long."""
        for call_id, talk in list(self.talks.items()):
            if talk.look_at is not None and now >= talk.look_at:
                talk.look_at = None
                self._look(talk, now)
            self._do(talk, talk.menu.alarm(now), now)
            if talk.leave_at is not None and now >= talk.leave_at:
                self._b2bua.hangup(call_id, talk.cause, now)
            elif talk.free and now >= talk.until:
                sentence = f"in the voice menu for longer than ivrtimeout ({self._settings().ivrtimeout:g} s)"
                talk.refusal, talk.look_at = Refuse("voice menu", "ivrtimeout", 408, "", sentence), None
                self._do(talk, talk.menu.happen(Happening.TIMEOUT), now)

    # -- the menu -------------------------------------------------------------------------------------------------

    def _key(self, talk: Talk, digit: str, way: str, now: float) -> None:
        talk.keys_by = talk.keys_by or way
        if way != talk.keys_by or not talk.menu.asks:
            return
        if talk.session and self._world.voice is not None:
            self._world.voice.hush(talk.session)
        self._do(talk, talk.menu.key(digit, now), now)

    def _do(self, talk: Talk, actions: tuple[Action, ...], now: float) -> None:
        """Carry actions out; what they say is said in one go."""
        for action in actions:
            match action:
                case Action.CHECK_PIN:
                    talk.look_at = now + self._guesses.pause_s(talk.claim.party, now)
                    if talk.look_at <= now:
                        talk.look_at = None
                        self._look(talk, now)
                case Action.PLACE_CALL:
                    self._place(talk, now)
                case Action.SAY_CREDIT:
                    talk.says += ["credit", *digits_of(self._credit(talk))]
                case Action.HANG_UP:
                    talk.leave_at = now + self._speak(talk)
                case Action.SAY_MINUTES | Action.SAY_RINGING:
                    pass  # said by _place, which knows how long the card lasts
                case _:
                    talk.says += _SAYS[action]
        if talk.says:
            seconds = self._speak(talk)
            if talk.menu.asks:
                talk.menu.asked(now + seconds)

    def _speak(self, talk: Talk, *, again: bool = False) -> float:
        clips, talk.says = tuple(talk.says), []
        voice = self._world.voice
        return voice.play(talk.session, clips, again=again) if voice is not None and talk.session and clips else 0.0

    # -- who it is ------------------------------------------------------------------------------------------------

    def _card(self, talk: Talk) -> Account | None:
        return self._store.account(talk.card) if talk.card else None

    def _credit(self, talk: Talk) -> str:
        """What the card has left, in whole hundredths."""
        card = self._card(talk)
        headroom = card.funds.headroom if card is not None else None
        return money.format(max(0, headroom) // 10_000 * 10_000) if headroom is not None else ""

    def _known(self, talk: Talk) -> Account | None:
        """The card of the caller's number, where the settings let that be enough."""
        settings, said = self._settings(), talk.claim
        if settings.anumberhandling != 1:
            return None
        cards = [card for number in said.numbers if (card := self._store.card_by_caller(number)) is not None]
        card = cards[0] if cards else None
        if card is None or not card.enabled:
            return None
        age = self._store.proof_age(card.id, said.party)
        wrong = self._guesses.is_wrong(said.party, self._world.clock.monotonic())
        evidence = Evidence(said.strength, said.agrees, said.hidden, wrong, EVER if age is None else age)
        return card if number_is_enough(evidence, settings.callingcardauth, settings.anumberhandling) else None

    def _look(self, talk: Talk, now: float) -> None:
        """Look at the PIN, if this caller may still guess."""
        settings, party = self._settings(), talk.claim.party
        pin = pin_of(talk.menu.entered, validated=settings.ivrvalidatedtmf)
        verdict = self._guesses.verdict(party, now, settings.maxwrongpins, settings.maxwrongpinsall)
        card = self._store.card_by_pin(pin) if pin is not None and verdict is Verdict.LOOK else None
        if card is not None and card.enabled:
            self._guesses.right(party)
            self._store.note_proof(card.id, party)
            talk.card, talk.refusal = card.name, None
            self._do(talk, talk.menu.happen(Happening.RIGHT), now)
            return
        if pin is None:
            talk.refusal = Refuse("voice menu", "ivrvalidatedtmf", 403, "", "what was keyed in cannot be a PIN")
        elif verdict is Verdict.LOOK:
            self._wrong(talk, now)
        else:
            talk.refusal = Refuse("voice menu", str(verdict), 403, "", f"too many wrong PINs ({verdict})")
        self._do(talk, talk.menu.happen(Happening.WRONG), now)

    def _wrong(self, talk: Talk, now: float) -> None:
        """A PIN that nobody has, or of a card that is not let in: it counts, and is written down without the digits."""
        party, source = talk.claim.party, talk.event.flow.remote[0]
        verdict, count = self._guesses.wrong(party, now, self._settings().maxwrongpins)
        talk.refusal = Refuse("voice menu", "callingcardauth", 403, "", f"wrong PIN, {count} within the hour")
        self._store.record_attempt(Attempt(self._world.clock.wall(), source, "wrong_pin", party, "callingcardauth"))
        _log.warning("wrong PIN id=%s source=%s caller=%r count=%d", talk.event.call_id, source, party, count)
        self._struck(talk.event, talk.caller)
        if verdict is Verdict.CALLER_LOCKED:
            _log.warning("PINs of caller=%r are not looked at any more for a while (maxwrongpins)", party)
            key = f"{party}:{int(self._world.clock.wall() // 3600)}"
            self._tell("pin_guessing", "", key, caller=party, source=source, wrong=count, setting="maxwrongpins")

    # -- the call -------------------------------------------------------------------------------------------------

    def _place(self, talk: Talk, now: float) -> None:
        """Decide on the number; an allowed call goes out. Who has hung up in this very turn gets no lease."""
        if talk.event.call_id not in self._b2bua.calls:
            return
        settings, card = self._settings(), self._card(talk)
        number = number_of(talk.menu.entered, frozenset(settings.emergencynumbers), validated=settings.ivrvalidatedtmf)
        if number is None:
            talk.refusal = Refuse("voice menu", "ivrvalidatedtmf", 484, "", "what was keyed in cannot be a number")
        elif normalise(number) in settings.ivrnumbers:
            talk.refusal = Refuse("voice menu", "ivrnumbers", 403, "", f"{number} is the voice menu itself")
        elif card is None:
            talk.refusal = Refuse("voice menu", "enabled", 403, "", "the card is gone")
        else:
            allowed = self._admission.card_call(talk.event, talk.caller, card, number, now)
            if not isinstance(allowed, Refuse):
                self._ring(talk, allowed.lasts_s)
                self._admission.connect(talk.event.call_id, allowed, now)
                return
            talk.refusal = allowed
        assert talk.refusal is not None
        _log.info(
            "card call refused id=%s account=%s stage=%s setting=%s: %s", talk.event.call_id, talk.card,
            talk.refusal.stage, talk.refusal.setting, talk.refusal.sentence,
        )  # fmt: skip
        self._do(talk, talk.menu.happen(Happening.REFUSED), now)

    def _ring(self, talk: Talk, lasts_s: int | None) -> None:
        """The call has its lease: from here on its relay session ends with that."""
        talk.refusal = None
        if talk.media is not None:
            self._accounting.media(talk.media)
        talk.menu.happen(Happening.ALLOWED)
        if lasts_s is not None:
            talk.says += ["minutes", *digits_of(str(lasts_s // 60))]
        talk.says.append("ringing")
        self._speak(talk, again=True)
