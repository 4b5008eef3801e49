"""Pages of a list: at most so many rows, and where the next page begins. One way for every list of the API.

`after` is what the page before said under `next`; it holds the last row's place in the order, so that rows which come
or go meanwhile neither repeat nor hide others. Pure.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from appliance.wire import WireError
from pysrv.api.endpoint import Pages

USUAL: Final = 100
MOST: Final = 1000


def asked(told: dict[str, Any]) -> tuple[int, list[Any] | None]:
    """Takes `limit` and `after` out of the arguments: how many rows, and the place behind which. Raises WireError."""
    limit, after = told.pop("limit", str(USUAL)), told.pop("after", None)
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10 and 1 <= int(limit) <= MOST):
        raise WireError("bad_args", f"limit must be 1 to {MOST}, not {limit!r:.60}")
    return int(limit), None if after is None else _place(after)


def passed(pages: Pages, limit: int, after: list[Any] | None) -> dict[str, Any]:
    """The arguments of a verb that cuts pages itself: one row more is asked for, to know whether there is a next page.
    Raises WireError."""
    if not pages.passed:
        return {}
    if after is not None and len(after) != len(pages.by):
        raise _strange()
    return {"limit": limit + 1, **dict(zip(pages.passed, after or (), strict=False))}


def cut(pages: Pages, said: Mapping[str, Any], limit: int, after: list[Any] | None) -> dict[str, Any]:
    """The answer with one page of its list, and `next`: what `after` of the next page is; None: this is the last."""
    rows = list(said[pages.rows])
    if not pages.passed:
        rows.sort(key=lambda row: _key(pages, row))
        try:
            rows = [row for row in rows if after is None or _key(pages, row) > after]
        except TypeError:
            raise _strange() from None
    page = rows[:limit]
    behind = _written(_key(pages, page[-1])) if len(rows) > limit else None
    return {**said, pages.rows: page, "next": behind}


def _key(pages: Pages, row: Mapping[str, Any]) -> list[Any]:
    return [row[name] for name in pages.by]


def _written(key: list[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def _place(text: str) -> list[Any]:
    try:
        padded = text + "=" * (-len(text) % 4)
        found = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        raise _strange() from None
    if type(found) is not list or not 1 <= len(found) <= 4 or any(type(x) not in (str, int, float) for x in found):
        raise _strange()
    if any(type(each) is int and abs(each) >= 2**63 for each in found):
        raise _strange()
    return found


def _strange() -> WireError:
    return WireError("bad_args", "after is not what a page of this list gave as next", "begin without it")
