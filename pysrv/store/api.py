"""What was answered to requests of programs that may come again, so that a repeat does nothing twice: for a day, and
not more of them than there is room for.
"""

from dataclasses import dataclass

from pysrv.store.database import Reading, Writing

KEPT_S = 86_400.0
MOST_ANSWERS = 20_000
MOST_BODY_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """`request`: the digest of what was asked. `body` None: it was not to be kept."""

    request: bytes
    status: int
    body: bytes | None


class ApiReading(Reading):
    """Questions about them."""

    def api_answer(self, digest: bytes) -> KeptAnswer | None:
        """What was answered under a key within the last day."""
        sql = "SELECT request, status, body FROM api_answers WHERE digest = ? AND at > ?"
        row = self._one(sql, (digest, self._clock() - KEPT_S))
        return KeptAnswer(*row) if row else None

    def api_transaction(self, account: str, ident: str) -> int | None:
        """The amount (micro-units) that a transaction of an account's money moved; None: there was none."""
        row = self._one("SELECT amount FROM api_transactions WHERE account = ? AND ident = ?", (account, ident))
        return int(row[0]) if row else None


class ApiWriting(ApiReading, Writing):
    """Changes of them."""

    def keep_api_answer(self, digest: bytes, answer: KeptAnswer) -> None:
        """Remembers an answer; those of yesterday go, and the oldest when there are too many."""
        now = self._clock()
        body = answer.body if answer.body is None or len(answer.body) <= MOST_BODY_BYTES else None
        self._write(
            "INSERT OR REPLACE INTO api_answers (digest, request, status, body, at) VALUES (?, ?, ?, ?, ?)",
            (digest, answer.request, answer.status, body, now),
        )
        self._write("DELETE FROM api_answers WHERE at <= ?", (now - KEPT_S,))
        self._write(
            "DELETE FROM api_answers WHERE digest IN "
            "(SELECT digest FROM api_answers ORDER BY at DESC LIMIT -1 OFFSET ?)",
            (MOST_ANSWERS,),
        )

    def note_api_transaction(self, account: str, ident: str, amount: int) -> None:
        """A transaction has moved money: it never does so again. Kept like the ledger itself."""
        sql = "INSERT INTO api_transactions (account, ident, amount, at) VALUES (?, ?, ?, ?)"
        self._write(sql, (account, ident, amount, self._clock()))
