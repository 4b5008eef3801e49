"""aiohttp's side of a connection, where it answers by itself: what cannot be read as HTTP never reaches a route.

Its own answer would name the library and its version, repeat the sender's bytes, and write a traceback into the log for
everybody who knocks with something else. RFC 9112, 2.2 and 6.3: whoever sends such a thing is answered 400 and hung up
on, because nobody knows where his next request begins.
"""

import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from pysrv.web.guard import HEADERS, SERVER

TOO_LARGE, BAD = 431, 400
_log = logging.getLogger("pysrv.web")


class Protocol(web.RequestHandler):
    """One connection. `malformed` is told the address and what was wrong."""

    __slots__ = ("_malformed",)

    def __init__(self, manager: Any, malformed: Callable[[str, str], object], **options: Any) -> None:
        super().__init__(manager, **options)
        self._malformed = malformed

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it repeats what was sent
    ) -> web.StreamResponse:
        """The answer to what cannot be read, and to a fault that nobody has caught."""
        if isinstance(exc, HttpProcessingError):
            self._malformed(request.remote or "", type(exc).__name__)
            status = TOO_LARGE if isinstance(exc, LineTooLong) else BAD
        elif not isinstance(exc, ConnectionError):
            _log.error("web: a request failed outside of its route: %s: %s", type(exc).__name__, exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of an answer has been sent already")
        answer = web.Response(status=status, text="this cannot be served\n", headers={**HEADERS, "Server": SERVER})
        answer.force_close()
        return answer
