"""A route as a row: where it is, who may come there, and what answers. Rooms hand their rows to the server, which
enforces them; menus and tests read the same rows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from appliance.config.settings import Settings
from pysrv.people.permissions import Area
from pysrv.store.account import AccountType
from pysrv.store.web import PersonKind

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row. `kind` None: everybody. `area`: administrators need it in the table of permissions, with `writes` to
    change. `token`: a program's token opens it, never a cookie. `menu`: its words in the menu, in the group `group`.
    `sessionless` POSTs need no form token: they prove themselves otherwise. `half`: the second factor may be missing.
    `uploads`: a form with a file, which the answer reads from `request[UPLOAD]` as it comes. `of_type`: for accounts of
    that type alone. `offered`: whether the menu has it, by the settings; its page answers all the same.
    """

    method: str
    path: str
    answer: Answer
    kind: PersonKind | None = PersonKind.ADMINISTRATOR
    area: Area | None = None
    writes: bool = False
    token: bool = False
    menu: str = ""
    group: str = ""
    sessionless: bool = False
    half: bool = False
    uploads: bool = False
    of_type: AccountType | None = None
    offered: Callable[[Settings], bool] = lambda _: True
