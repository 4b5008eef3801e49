"""Changes that wait for a word: live at once, and taken back unless somebody confirms in time.

The change that waits is a row with a deadline in Unix time, so that a crash or a restart in between takes it back too.
One change waits at a time; until it is confirmed or undone no other change of policy is made, or undoing it could not
mean "as it was".
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from appliance.config.schema import ROWS
from appliance.wire import WireError
from pysrv.service.surroundings import Clock
from pysrv.store import Store
from pysrv.store.firewall import PendingChange, Rule

SHORTEST_S, LONGEST_S = 5.0, 3600.0
BY_ITSELF = "not confirmed"
_log = logging.getLogger("pysrv.service")


def snapshot(store: Store, settings: Iterable[str] = ()) -> str:
    """What `take_back` needs to put everything back: rules, report-only, and the stored texts of these settings."""
    stored = store.overrides()
    return json.dumps(
        {
            "settings": {name: stored.get(name) for name in settings},
            "firewall": [asdict(rule) for rule in store.firewall_rules()],
            "report_only": store.report_only(),
        }
    )


def hold(store: Store, now: float, confirm_s: float, what: str, undo: str, who: str = "") -> PendingChange:
    """Notes that the change made in this transaction waits `confirm_s` seconds. Raises WireError."""
    if not SHORTEST_S <= confirm_s <= LONGEST_S:
        raise WireError("invalid", f"a change can wait {SHORTEST_S:.0f} s to {LONGEST_S:.0f} s for its confirmation")
    change = PendingChange(what, undo, now, now + confirm_s, who)
    store.set_pending_change(change)
    return change


def new_rules(store: Store, change: PendingChange) -> tuple[int, ...]:
    """The numbers of the rules that came with the change that waits."""
    before = {each["id"] for each in json.loads(change.undo)["firewall"]}
    return tuple(rule.id for rule in store.firewall_rules() if rule.id not in before)


def settings_of(change: PendingChange) -> tuple[str, ...]:
    """The settings that a change has changed; none: it was about rules alone."""
    return tuple(json.loads(change.undo)["settings"])


def demand_none(store: Store) -> None:
    """Raises WireError while a change waits."""
    if waiting := store.pending_change():
        words = f"a change waits for confirmation: {waiting.what}"
        raise WireError(
            "pending", words, "'appliance changes confirm' keeps it, 'appliance changes undo' takes it back"
        )


def take_back(store: Store, outcome: str, who: str = "") -> Mapping[str, str | None]:
    """Puts back what the change that waits has replaced; the settings that it changed, as `with_changes` takes them."""
    change = store.drop_pending_change(outcome, who)
    if change is None:
        return {}
    was: dict[str, Any] = json.loads(change.undo)
    settings: dict[str, str | None] = was["settings"]
    for name, text in settings.items():
        if name in ROWS:
            store.set_setting(name, text, who, secret=ROWS[name].kind.secret)
    rules = [Rule(**rule) for rule in was["firewall"]]
    if rules != store.firewall_rules():
        store.replace_firewall_rules(rules, who)
    before, now = set(was["report_only"]), set(store.report_only())
    for verdict in before ^ now:
        store.set_report_only(verdict, verdict in before, who)
    return {name: text for name, text in settings.items() if name in ROWS}


class Changes:
    """The deadline of the change that waits. `taken_back` is told which settings have other texts again."""

    def __init__(self, store: Store, clock: Clock, taken_back: Callable[[Mapping[str, str | None]], None]) -> None:
        self._store, self._clock, self._taken_back = store, clock, taken_back
        self._deadline_at: float | None = None
        self.look()

    def look(self) -> None:
        """A change came to wait, or waits no more."""
        waiting = self._store.pending_change()
        self._deadline_at = waiting.deadline_at if waiting else None

    def get_timer(self) -> float | None:
        """When `run` wants to be called (monotonic seconds)."""
        if self._deadline_at is None:
            return None
        return self._clock.monotonic() + self._deadline_at - self._clock.wall()

    def run(self) -> None:
        """Take back what was not confirmed in time."""
        if self._deadline_at is None or self._clock.wall() < self._deadline_at:
            return
        waiting = self._store.pending_change()
        if waiting is not None:
            _log.warning("change taken back, nobody confirmed it: %s", waiting.what)
            self._taken_back(take_back(self._store, BY_ITSELF))
        self.look()
