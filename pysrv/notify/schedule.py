"""When a message may go: windows of digests, the rate of an hour, pauses between tries. Pure."""

from collections.abc import Sequence

HOUR_S = 3600.0
PAUSES_S = (60.0, 300.0, 900.0, 3600.0, 10_800.0, 21_600.0)
TRIES = len(PAUSES_S) + 1


def retry_at(now: float, tries: int) -> float | None:
    """When to try again after so many tries; None: not any more."""
    return now + PAUSES_S[tries - 1] if tries < TRIES else None


def ready_at(since: float, last_at: float, digest_s: float) -> float:
    """When what waits since then becomes a message. The first goes at once, what follows within the window together."""
    return max(since, last_at + digest_s) if last_at else since


def free_at(tried: Sequence[float], per_hour: int, now: float) -> float:
    """When the next message of a channel may go; `tried` are the times of those of the last hour, oldest first."""
    within = [at for at in tried if at > now - HOUR_S]
    return now if not per_hour or len(within) < per_hour else within[-per_hour] + HOUR_S
