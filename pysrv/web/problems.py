"""A refusal over HTTP: which status a code has, and its two forms, a page for people and problem+json (RFC 9457)."""

import math
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from appliance.wire import WireError

STATUSES: Final[Mapping[str, int]] = {
    "bad_args": 400,
    "bad_line": 400,
    "method_not_allowed": 405,
    "unsupported_media_type": 415,
    "expectation_failed": 417,
    "invalid": 422,
    "bad_rate": 422,
    "bad_configuration": 422,
    "bad_sheet": 422,
    "bad_file": 422,
    "too_large": 413,
    "busy": 503,
    "unknown_verb": 404,
    "unknown_setting": 404,
    "not_found": 404,
    "conflict": 409,
    "forbidden": 403,
    "unproven": 403,
    "unauthorized": 401,
    "too_many": 429,
    "locked": 503,
    "not_running": 503,
    "disk_full": 507,
    "internal": 500,
}
CONTENT_TYPE: Final = "application/problem+json"


class TooMany(WireError):
    """Somebody has to wait so many seconds, which the answer says in Retry-After (RFC 9110, 10.2.3)."""

    def __init__(self, message: str, hint: str, wait_s: float) -> None:
        super().__init__("too_many", message, hint)
        self.wait_s = wait_s


def headers_of(error: WireError) -> dict[str, str]:
    """What a refusal adds to its answer's headers."""
    return {"Retry-After": str(math.ceil(error.wait_s))} if isinstance(error, TooMany) else {}


def status_of(code: str) -> int:
    """The HTTP status of a refusal."""
    return STATUSES.get(code, 422)


def problem(error: WireError, headers: Mapping[str, str] | None = None, status: int | None = None) -> web.Response:
    """A refusal for programs. `type` is a URN of the code, `detail` the sentence, `hint` what to do."""
    status = status or status_of(error.code)
    body: dict[str, Any] = {
        "type": f"urn:appliance:problem:{error.code}",
        "title": error.code.replace("_", " "),
        "status": status,
        "detail": error.message,
    }
    if error.hint:
        body["hint"] = error.hint
    told = {**headers_of(error), **(headers or {})}
    return web.json_response(body, status=status, content_type=CONTENT_TYPE, headers=told)
