"""The attacks as a table: what each one sends, how much of it may get through, and why an operator should care.

Pure: makes frames, sends none. `through` is how many of an attack's packets may get past the gate, to the service or
into a call, within `seconds`: what its limits let one unknown source, or all of them together, have.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from appliance.selftest import customers
from appliance.selftest.frames import Wire, request, rtp

SIP: Final = customers.SIP_PORT
TEMPLATES: Final = 512
_SEED: Final = 5060


@dataclass(frozen=True, slots=True)
class Aim:
    """Whom an attack can reach: the attacker's own wire, a customer's wire to forge, and the address of a call."""

    attacker: Wire
    forged: Wire  # the attacker's frame with the phone's address as its source


@dataclass(frozen=True, slots=True)
class Attack:
    """One row. `forge`: every frame gets a source drawn at random."""

    name: str
    says: str
    frames: Callable[[Aim], list[bytes]]
    through: Callable[[float], float]
    forge: bool = False


def _sip(wire: Wire, method: str, agent: str, *, port: int = 40000, extra: str = "") -> list[bytes]:
    return [
        wire.udp(port, SIP, request(method, str(100 + i), wire.target, i, agent=agent, extra=extra))
        for i in range(TEMPLATES)
    ]


def _credentials(nonce: str) -> str:
    return (
        f'Authorization: Digest username="100", realm="sip", nonce="{nonce}", uri="sip:sip", '
        'response="00000000000000000000000000000000", algorithm=MD5\r\n'
    )


def _brute_force(aim: Aim) -> list[bytes]:
    return _sip(aim.attacker, "REGISTER", "softphone", extra=_credentials("0" * 48))


def _injected(aim: Aim) -> list[bytes]:
    """Audio into running calls, from the attacker's address and from the phone's own with the wrong source number."""
    ports = [customers.FIRST_PORT + 2 * i for i in range(customers.CALLS)]
    own = [aim.attacker.udp(port, port, rtp(i, ssrc=9)) for i, port in enumerate(ports)]
    other = [aim.forged.udp(port + 1, port, rtp(i, ssrc=9)) for i, port in enumerate(ports)]
    exact = [aim.forged.udp(port, port, rtp(i, ssrc=9)) for i, port in enumerate(ports)]
    return own + other + exact


def _fragments(aim: Aim) -> list[bytes]:
    """Later parts of datagrams whose first part never comes, and first parts that are never completed."""
    later = [aim.attacker.fragment(i, 1480, bytes(400), more=False) for i in range(TEMPLATES // 2)]
    first = aim.attacker.udp(40000, SIP, bytes(1000))[34:]
    return later + [aim.attacker.fragment(i + TEMPLATES, 0, first, more=True) for i in range(TEMPLATES // 2)]


def _malformed(aim: Aim) -> list[bytes]:
    """Good requests with bytes turned, cut off or doubled behind the link header."""
    random, made = Random(_SEED), []  # noqa: S311 - the same frames every time
    for frame in _sip(aim.attacker, "INVITE", "x"):
        body = bytearray(frame)
        for _ in range(random.randint(1, 12)):
            body[random.randrange(14, len(body))] = random.randrange(256)
        made.append(bytes(body[: random.randint(20, len(body))]))
    return made


def _garbage(aim: Aim) -> list[bytes]:
    random = Random(_SEED)  # noqa: S311 - the same frames every time
    return [aim.attacker.udp(40000, SIP, random.randbytes(200)) for _ in range(TEMPLATES)]


def _syns(aim: Aim) -> list[bytes]:
    return [aim.attacker.syn(1024 + i, SIP) for i in range(TEMPLATES)]


def _none(_seconds: float) -> float:
    return 0


def _few(seconds: float) -> float:
    """One unknown source: its burst, and what refills."""
    return 700 + 100 * seconds


def _shared(seconds: float) -> float:
    """All unknown sources together: the shared burst, and what refills."""
    return 3500 + 200 * seconds


ATTACKS: Final = (
    Attack(
        "register flood", "one address sends REGISTERs as fast as it can",
        lambda aim: _sip(aim.attacker, "REGISTER", "softphone"), _few,
    ),
    Attack(
        "forged register flood", "REGISTERs from a new address and port each: nobody to ban",
        lambda aim: _sip(aim.attacker, "REGISTER", "softphone"), _shared, forge=True,
    ),
    Attack(
        "forged invite flood", "INVITEs from a new address and port each",
        lambda aim: _sip(aim.attacker, "INVITE", "softphone"), _shared, forge=True,
    ),
    Attack("brute force", "passwords are tried under nonces that were never given out", _brute_force, _few),
    Attack(
        "scan", "a known scanner asks every extension",
        lambda aim: _sip(aim.attacker, "OPTIONS", "friendly-scanner"), _few,
    ),
    Attack("garbage", "random bytes to the SIP port", _garbage, _none),
    Attack("malformed", "requests with broken headers of every layer", _malformed, _few),
    Attack("fragments", "fragments that never become a datagram", _fragments, _few),
    Attack("audio injection", "audio into running calls, also under a customer's address", _injected, _none),
    Attack("connection flood", "TCP connections to the SIP port", _syns, _none),
)  # fmt: skip
