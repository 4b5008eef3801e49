"""The challenge's part of the policy row: keys, clock, and the texts of answers that are ready but for a nonce.

Pure. bpf/nonce.h says how keys are used, bpf/reply.h and bpf/answer.c how texts are. Sources: RFC 3261 8.2.6 (what an
answer copies), 20.33 (Retry-After), 22.1-22.3 (401 and 407), RFC 7616 3.3 (what a challenge says), 3.5 (stale).
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from appliance import wire

KEY_BYTES: Final = 16
NONCE_DIGITS: Final = 32
RETRY_AFTER_S: Final = 30
ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, REFER, NOTIFY, REGISTER"
_MASK: Final = (1 << 64) - 1
_STATUS_BYTES: Final = 64
_REST_BYTES: Final = 384


class AnswerText(NamedTuple):
    """What of an answer is ready; `lean` leaves Server out; the nonce goes to `nonce_at` of `rest` (0: none)."""

    status: bytes = b""
    rest: bytes = b""
    lean: int = 0
    nonce_at: int = 0


class ChallengeRow(NamedTuple):
    """All that the answering stages know. Keys as pairs of words; `boot_ns`: Unix ns at which CLOCK_MONOTONIC was 0."""

    enabled: bool = False
    keys: tuple[int, ...] = (0,) * 8
    tag_key: tuple[int, int] = (0, 0)
    boot_ns: int = 0
    epoch_s: int = 3600
    ttl_s: int = 300
    answers: tuple[AnswerText, ...] = (AnswerText(),) * 8


def challenge_row(wanted: wire.Challenge, boot_ns: int) -> ChallengeRow:
    """The row for a plan's challenge. Raises WireError("bad_challenge") for one that cannot be served."""
    try:
        keys = [bytes.fromhex(key) for key in wanted.keys]
    except ValueError:
        raise _refused("its keys are hexadecimal digits") from None
    if any(len(key) != KEY_BYTES for key in keys) or len(keys) not in (0, 4):
        raise _refused("it has four keys of 16 bytes")
    if not 60 <= wanted.epoch_s <= 86_400 or not 1 <= wanted.nonce_ttl_s <= wanted.epoch_s:
        raise _refused("its epoch lasts 60 to 86400 seconds, and a nonce no longer than that")
    words = tuple(word for key in keys for word in _words(key)) or (0,) * 8
    return ChallengeRow(
        enabled=wanted.enabled and bool(keys),
        keys=words,
        tag_key=_words(_tag_key(keys)),
        boot_ns=max(boot_ns, 0),
        epoch_s=wanted.epoch_s,
        ttl_s=wanted.nonce_ttl_s,
        answers=_answers(wanted.realm, wanted.server),
    )


def pack(row: ChallengeRow) -> dict[str, int | bytes]:
    """The fields of the policy's struct."""
    fields: dict[str, int | bytes] = {
        "enabled": int(row.enabled),
        "boot_ns": row.boot_ns,
        "epoch_s": row.epoch_s,
        "ttl_s": row.ttl_s,
    }
    fields |= {f"keys.{place // 2}.word.{place % 2}": word for place, word in enumerate(row.keys)}
    fields |= {f"tag_key.{place}": word for place, word in enumerate(row.tag_key)}
    for number, answer in enumerate(row.answers):
        at = f"answers.{number}."
        fields |= {at + "status": answer.status, at + "rest": answer.rest, at + "status_bytes": len(answer.status)}
        fields |= {
            at + "rest_bytes": len(answer.rest),
            at + "lean_bytes": answer.lean,
            at + "nonce_at": answer.nonce_at,
        }
    return {f"challenge.{name}": value for name, value in fields.items()}


def unpack(fields: Mapping[str, Any]) -> ChallengeRow:
    """The row of the policy's fields."""
    mine = {name.removeprefix("challenge."): value for name, value in fields.items() if name.startswith("challenge.")}
    return ChallengeRow(
        bool(mine["enabled"]),
        tuple(mine[f"keys.{place // 2}.word.{place % 2}"] for place in range(8)),
        (mine["tag_key.0"], mine["tag_key.1"]),
        mine["boot_ns"],
        mine["epoch_s"],
        mine["ttl_s"],
        tuple(_unpack_answer(mine, f"answers.{number}.") for number in range(8)),
    )


def _unpack_answer(fields: Mapping[str, Any], at: str) -> AnswerText:
    status, rest = fields[at + "status"], fields[at + "rest"]
    return AnswerText(
        status[: fields[at + "status_bytes"]],
        rest[: fields[at + "rest_bytes"]],
        fields[at + "lean_bytes"],
        fields[at + "nonce_at"],
    )


def _words(key: bytes) -> tuple[int, int]:
    return int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")


def _tag_key(keys: list[bytes]) -> bytes:
    """A key of its own for To tags: whoever chooses a Call-ID must not learn the hash of a nonce from its tag."""
    return blake2b(b"to tag", key=keys[0], digest_size=KEY_BYTES).digest() if keys else bytes(KEY_BYTES)


def _answers(realm: str, server: str) -> tuple[AnswerText, ...]:
    """By enum answer of layout.h."""
    denied = (
        ("SIP/2.0 401 Unauthorized", "WWW-Authenticate"),
        ("SIP/2.0 407 Proxy Authentication Required", "Proxy-Authenticate"),
    )
    texts = [
        _text(status, _digest(name, realm, stale), server) for status, name in denied for stale in ("", ", stale=true")
    ]
    texts.append(_text("SIP/2.0 200 OK", f"Allow: {ALLOW}\r\nAccept: application/sdp\r\n", server))
    texts.append(_text("SIP/2.0 503 Service Unavailable", f"Retry-After: {RETRY_AFTER_S}\r\n", server))
    texts.append(_text("SIP/2.0 200 OK", "", server))  # behind the Contact that refresh.c writes
    return (*texts, AnswerText())


def _digest(name: str, realm: str, stale: str) -> str:
    return (
        f'{name}: Digest realm="{_quoted(realm)}", nonce="{"0" * NONCE_DIGITS}", algorithm=MD5, qop="auth"{stale}\r\n'
    )


def _text(status: str, own: str, server: str) -> AnswerText:
    lean = f"{own}Content-Length: 0\r\n"
    rest = f"{lean}Server: {server}\r\n\r\n" if server else f"{lean}\r\n"
    if len(rest.encode()) > _REST_BYTES or len(status) + 2 > _STATUS_BYTES:
        raise _refused("realm and server are too long together")
    place = rest.encode().find(b'nonce="')
    return AnswerText(f"{status}\r\n".encode(), rest.encode(), len(lean.encode()), place + 7 if place >= 0 else 0)


def _quoted(realm: str) -> str:
    if any(not character.isprintable() for character in realm):
        raise _refused("its realm is not printable")
    return realm.replace("\\", "\\\\").replace('"', '\\"')


def _refused(why: str) -> wire.WireError:
    return wire.WireError("bad_challenge", f"the challenge cannot be served: {why}")
