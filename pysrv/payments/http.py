"""Requests to a gateway: over verified TLS, without redirects, with a time limit and a bounded answer.

Nothing of a request is ever part of an error or of the log: it may hold a secret.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
import yarl

from pysrv.payments.gateway import GatewayError, text

TIMEOUT_S = 20.0
MOST_ANSWER = 4 * 1024 * 1024
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and decoded JSON; an empty object where there was none."""

    status: int
    value: Any

    @property
    def done(self) -> bool:
        """Whether the gateway did what it was asked."""
        return 200 <= self.status < 300


async def ask(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, timeout_s: float = TIMEOUT_S
) -> Answer:
    """One request. Raises GatewayError: no answer, a redirect, too long an answer, or one that is not JSON."""
    context = await asyncio.to_thread(ssl.create_default_context)
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    jar = aiohttp.DummyCookieJar()
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context), timeout=timeout, cookie_jar=jar, auto_decompress=False
            ) as session,
            session.request(
                method,
                yarl.URL(url, encoded=True),
                data=body,
                headers={"Accept-Encoding": "identity", **headers},
                allow_redirects=False,
            ) as answer,
        ):
            status, said = answer.status, await _bounded(answer.content)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise GatewayError(f"no answer: {type(error).__name__}") from None
    if 300 <= status < 400:
        raise GatewayError(f"answered with {status}; redirects are not followed")
    return Answer(status, _decoded(said, status))


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    said = bytearray()
    async for chunk in content.iter_chunked(65_536):
        said += chunk
        if len(said) > MOST_ANSWER:
            raise GatewayError("its answer has no end")
    return bytes(said)


def _decoded(said: bytes, status: int) -> Any:
    try:
        return json.loads(said) if said.strip() else {}
    except (ValueError, RecursionError):
        if 200 <= status < 300:
            raise GatewayError("its answer is not JSON") from None
        return {}


def refusal(answer: Answer, what: str, *words: str) -> GatewayError:
    """The error for an answer that is none of 2xx: what was asked, the status, and the gateway's own code."""
    said = ", ".join(word for word in words if word)
    final = 400 <= answer.status < 500 and answer.status not in (401, 403, 408, 409, 425, _TOO_MANY)
    return GatewayError(f"{what}: refused with {answer.status}{f' ({said})' if said else ''}", final=final)


def query(**parameters: str | int) -> str:
    """A query, escaped."""
    return urlencode(parameters)


def as_json(value: Any) -> bytes:
    """A body."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def first_text(value: Any, *paths: tuple[str | int, ...]) -> str:
    """The first of several places that has a text."""
    return next((found for path in paths if (found := text(value, *path))), "")
