"""A ladder as points of a drawing: where each participant stands and each arrow runs. A template makes SVG of it."""

from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.people.permissions import Area
from pysrv.web.acting import do
from pysrv.web.identity import identity

COLUMN: Final = 240  # pixels from one participant to the next
ROW: Final = 34
TOP: Final = 70
MARGIN: Final = 110
HEAD: Final = 7  # length of an arrow's head


def ladder_of(request: web.Request, call_id: str) -> dict[str, Any] | None:
    """What was said on the wire in a call, if that is remembered and the one who asks may see calls; `sip_call_id` is
    the Call-ID of the dialog that began it."""
    if call_id and identity(request).may(Area.CALLS):
        with suppress(WireError):
            return drawing(do(request, "calls.trace", {"call_id": call_id})["traces"][0])
    return None


def drawing(trace: dict[str, Any]) -> dict[str, Any]:
    """A trace as calls.trace tells it: `columns` with `x`, `arrows` with their ends, and the size of it all."""
    columns = [{**column, "x": MARGIN + COLUMN * at} for at, column in enumerate(trace["columns"])]
    arrows = []
    for number, rung in enumerate(trace["rungs"]):
        x1, x2 = columns[rung["source"]]["x"], columns[rung["target"]]["x"]
        y, back = TOP + ROW * (number + 1), HEAD if x2 > x1 else -HEAD
        head = f"{x2},{y} {x2 - back},{y - 4} {x2 - back},{y + 4}"
        arrows.append({**rung, "x1": x1, "x2": x2, "y": y, "middle": (x1 + x2) // 2, "head": head})
    return {
        "sip_call_id": (trace.get("dialogs") or [""])[0],
        "columns": columns,
        "arrows": arrows,
        "left_out": trace["left_out"],
        "width": 2 * MARGIN + COLUMN * (len(columns) - 1),
        "height": TOP + ROW * (len(arrows) + 1),
    }
