"""A media session's agreement as plain JSON types and back, so that calls outlive a restart. Knows shapes only."""

import dataclasses
from typing import Any

from pysrv.media.description import Endpoint, Media

Told = dict[tuple[str, str], tuple[int, bytes]]


def store_offer(offerer: str, offer: tuple[Media, ...], answer: tuple[Media, ...]) -> dict[str, Any]:
    """Offer and answer as JSON types."""
    return {
        "offerer": str(offerer),
        "offer": [dataclasses.asdict(media) for media in offer],
        "answer": [dataclasses.asdict(media) for media in answer],
    }


def load_offer(saved: dict[str, Any]) -> tuple[str, tuple[Media, ...], tuple[Media, ...]]:
    """The reverse of `store_offer`. Raises KeyError or TypeError for anything else."""
    return saved["offerer"], tuple(map(_media, saved["offer"])), tuple(map(_media, saved["answer"]))


def store_sides(told: Any) -> list[list[Any]]:
    """What each side was told last: rows of side, address, version, body."""
    return [[str(side), address, version, body.decode("latin-1")] for (side, address), (version, body) in told.items()]


def load_sides(rows: list[list[Any]]) -> Told:
    """The reverse of `store_sides`."""
    return {(side, address): (int(version), body.encode("latin-1")) for side, address, version, body in rows}


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
    )


def _endpoint(saved: Any) -> Endpoint | None:
    return None if saved is None else (str(saved[0]), int(saved[1]))
