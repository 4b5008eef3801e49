"""The API: programs do over HTTPS what operators do, by the same verbs, under the same permissions."""

import time
from collections.abc import Callable

from pysrv.api import events, imports, older, openapi, rest
from pysrv.web.routes import Route


def routes(clock: Callable[[], float] = time.monotonic) -> tuple[Route, ...]:
    """The rows of one web. `clock` gives monotonic seconds."""
    return (*rest.ROUTES, *imports.ROUTES, *openapi.ROUTES, *events.ROUTES, *older.routes(clock))
