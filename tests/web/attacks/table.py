"""The attacks, one a row: who tries it, and where it is counted. docs/attacks.md has the list with what holds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tests.web.attacks import files, sessions, wire, words
from tests.web.attacks.ground import Ground


@dataclass(frozen=True, slots=True)
class Attack:
    """One row. `counted`: the reasons of pysrv.web.refusals that must have gone up; `struck`: a wrong request was held
    against the source; `planted`: a text that stands wherever somebody outside chooses the words."""

    name: str
    act: Callable[[Ground], Awaitable[None]]
    counted: tuple[str, ...] = ()
    struck: bool = False
    planted: str = "plain"


ATTACKS: Final = (
    # -- by words
    Attack("scripts in fields", words.scripts, ("invalid",), planted=words.SCRIPT),
    Attack(
        "scripts in the API's answers",
        words.scripts_for_programs,
        ("not_found", "bad_request"),
        struck=True,
        planted=words.SCRIPT,
    ),
    Attack("SQL in fields, queries and paths", words.sql, ("invalid", "not_found", "bad_request")),
    Attack("line breaks in headers", words.line_breaks, ("invalid",), struck=True),
    # -- by pages and sessions
    Attack("forms of other sites", sessions.foreign_forms, ("foreign_form",)),
    Attack("forms in disguise", sessions.foreign_forms_in_disguise, ("foreign_form",)),
    Attack("reading from other sites", sessions.foreign_reading, ("unauthorized",), struck=True),
    Attack("planted sessions", sessions.planted_sessions),
    Attack("kept sessions", sessions.kept_sessions),
    Attack("open redirects", sessions.led_away, ("unknown_path",), struck=True),
    Attack("frames", sessions.framed, ("unknown_path",), struck=True),
    Attack("cookies", sessions.cookies),
    Attack("guessed passwords", sessions.guesses, ("unauthorized", "too_many")),
    Attack("widened rights", sessions.widened_rights, ("forbidden", "unknown_path"), struck=True),
    # -- by files
    Attack("paths that lead out", files.paths_out, ("unknown_path", "not_found"), struck=True),
    Attack("uploads that lie", files.lying_uploads, ("invalid",)),
    Attack("uploads without end", files.endless_uploads, ()),
    Attack("parts without end", files.many_parts, ("bad_request",)),
    Attack("packed bodies", files.packed_bodies, ("invalid",)),
    # -- by HTTP itself
    Attack("slow requests", wire.slow_requests, ("slow",)),
    Attack("large heads", wire.large_heads, ("malformed",), struck=True),
    Attack("large bodies", wire.large_bodies, ("too_large",)),
    Attack("smuggled requests", wire.smuggled_requests, ("malformed",), struck=True),
    Attack("what is no HTTP", wire.no_http, ("malformed",), struck=True),
    Attack("other methods", wire.other_methods, ("unknown_path",), struck=True),
    Attack("foreign names", wire.foreign_names, ("misdirected",)),
    Attack("scanned paths", wire.scanned_paths, ("unknown_path",), struck=True),
)
