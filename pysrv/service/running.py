"""What only the running service knows of itself, for whoever asks how it is. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Running:
    """Running calls, live bindings and transactions now; what was `malformed` and what went wrong (`faults`) since the
    start. `relay` says who carries the audio; empty: the gate has not said it yet. `slot` of the image's runs, empty
    elsewhere; `trial`: it is not confirmed yet."""

    calls: int = 0
    registrations: int = 0
    transactions: int = 0
    malformed: int = 0
    faults: int = 0
    relay: str = ""
    slot: str = ""
    trial: bool = False
