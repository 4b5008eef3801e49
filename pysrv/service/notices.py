"""Telling people: one insert within the turn that it belongs to. The outbox is emptied elsewhere (pysrv.notify).

Told is what happened, not the words. A fault here is a line in the log, never the end of a call.
"""

import logging
from collections.abc import Callable

from pysrv.limits.notices import one_line, without_secrets
from pysrv.service.feed import Feed, Kind
from pysrv.store import Store

_log = logging.getLogger("pysrv.notices")


def _nobody() -> None:
    pass


class Notices:
    """What the rooms of the service tell through."""

    def __init__(self, store: Store, feed: Feed | None = None) -> None:
        self._store, self._feed = store, feed
        self.on_told: Callable[[], None] = _nobody

    def tell(self, kind: str, account: str, key: str, **figures: int | str) -> None:
        """Something that people should hear of, once for the same kind, account and key. Never raises."""
        try:
            kept = without_secrets(figures)
            if self._store.add_notice(kind, one_line(account), kept, one_line(key)):
                _log.warning("notice kind=%s account=%s key=%s %s", kind, account, key, kept)
                if self._feed is not None:
                    self._feed.tell(Kind.NOTICE, of=kind, account=one_line(account))
                self.on_told()
        except Exception:
            _log.exception("a notice of the kind %s was lost", kind)
