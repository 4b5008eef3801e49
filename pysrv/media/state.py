"""A media session's agreement as plain JSON types and back, so that calls outlive a restart. Knows shapes only."""

import dataclasses
from typing import Any

from pysrv.media.agreement import Agreement, Side
from pysrv.media.description import Endpoint, Media

Told = dict[tuple[Side, str], tuple[int, bytes]]  # (side, our address) -> o= version and body that it was told last


def store_agreement(agreement: Agreement) -> dict[str, Any]:
    """An agreement as JSON types."""
    return {
        "offerer": str(agreement.offerer),
        "offer": [dataclasses.asdict(media) for media in agreement.offer],
        "answer": [dataclasses.asdict(media) for media in agreement.answer],
    }


def load_agreement(saved: dict[str, Any]) -> Agreement:
    """The reverse of `store_agreement`. Raises KeyError, TypeError or ValueError for anything else."""
    return Agreement(Side(saved["offerer"]), tuple(map(_media, saved["offer"])), tuple(map(_media, saved["answer"])))


def store_told(told: Told) -> list[list[Any]]:
    """What each side was told last: rows of side, address, version, body."""
    return [[str(side), address, version, body.decode("latin-1")] for (side, address), (version, body) in told.items()]


def load_told(rows: list[list[Any]]) -> Told:
    """The reverse of `store_told`."""
    return {(Side(side), address): (int(version), body.encode("latin-1")) for side, address, version, body in rows}


def _media(saved: dict[str, Any]) -> Media:
    return Media(
        kind=str(saved["kind"]),
        port=int(saved["port"]),
        relayed=bool(saved["relayed"]),
        remote=_endpoint(saved["remote"]),
        rtcp=_endpoint(saved["rtcp"]),
        held=bool(saved["held"]),
        mux=bool(saved["mux"]),
        formats=tuple(int(number) for number in saved["formats"]),
        codecs=tuple((int(number), str(name)) for number, name in saved["codecs"]),
        ptime_ms=int(saved.get("ptime_ms", 0)),
        maxptime_ms=int(saved.get("maxptime_ms", 0)),
        fingerprint=bool(saved.get("fingerprint")),
    )


def _endpoint(saved: Any) -> Endpoint | None:
    return None if saved is None else (str(saved[0]), int(saved[1]))
