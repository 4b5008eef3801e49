"""The verbs about registrations that the kernel answers for: remembered one by one, forgotten for many reasons.

A row ends on its instant, on the office's word, with a ban of its source, with each new plan and with each start of a
keeper: whoever is not sure does not answer. Must not know: bcc, bytes of a row.
"""

from collections.abc import Callable, Iterable

from appliance import wire
from appliance.kernel import plan, refreshes
from appliance.kernel.plan import MapName
from appliance.kernel.refreshes import RefreshKey, Remembered
from appliance.kernel.sources import SourceVerbs
from appliance.kernel.tables import Tables


class AnswerVerbs(SourceVerbs):
    """Who is answered without the office. Every refusal is a wire.WireError."""

    def __init__(self, tables: Tables, monotonic_ns: Callable[[], int], unix_ns: Callable[[], int]) -> None:
        super().__init__(tables, monotonic_ns, unix_ns)
        self._remembered = Remembered()

    def remember(self, refresh: wire.Refresh) -> None:
        """Answers repetitions of this REGISTER until `refresh.until`; another of the same device is forgotten."""
        key, row = refreshes.row_of(refresh, self.boot_ns)
        if row.until_ns <= self._monotonic_ns():
            raise wire.WireError("bad_time", "until lies in the past")
        self._forget(self._remembered.add(key, refresh.address_of_record, row.until_ns))
        self.tables.put(MapName.REFRESHES, key, row)

    def forget(self, ref: wire.RefreshRef) -> None:
        """Answers no more for those that `ref` means; none is no error."""
        self._forget(self._remembered.named(ref))

    def ban(self, ban: wire.Ban) -> None:
        """Bans, and answers no more for whom the ban covers."""
        super().ban(ban)
        self._forget(self._remembered.within(ban.prefix))

    def ban_pair(self, ban: wire.PairBan) -> None:
        """Bans, and answers no more for whom the ban covers."""
        super().ban_pair(ban)
        self._forget([key for key in self._remembered.within(ban.address) if key.port == ban.port])

    def _watch(self, rows: plan.Rows) -> None:
        super()._watch(rows)
        self._remembered.clear()
        self.tables.drop_many(MapName.REFRESHES, list(self.tables.rows(MapName.REFRESHES)))

    def _expire(self) -> int:
        over = self._remembered.ended(self._monotonic_ns())
        self._forget(over)
        return super()._expire() + len(over)

    def _forget(self, keys: Iterable[RefreshKey]) -> None:
        for key in keys:
            self.tables.drop(MapName.REFRESHES, key)
            self._remembered.discard([key])
