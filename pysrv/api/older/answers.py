"""Answers of the older entry point: text, JSON, XML, and JSONP for pages that know nothing better. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from appliance.wire import WireError

Fields = Mapping[str, str]
LONGEST_NAME: Final = 64
_is_name = re.compile(r"[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*", re.ASCII).fullmatch
_LINES: Final = str.maketrans({"\r": " ", "\n": " "})
_UNSAFE: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_CONTROL: Final = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


class Format(StrEnum):
    """How an answer is written."""

    TEXT = "text"
    JSON = "json"
    XML = "xml"


@dataclass(frozen=True, slots=True)
class Written:
    """An answer's body and its type. `shared`: pages of other origins may load it."""

    body: str
    content_type: str
    shared: bool = False


def written(fields: Fields, wanted: Format, function: str = "", *, shared: bool = False) -> Written:
    """An answer; `function` is the one that a script of JSONP calls."""
    if function:
        # The comment keeps the answer from being the beginning of a file of another kind.
        return Written(f"/**/{function}({_script(fields)});", "application/javascript", shared)
    match wanted:
        case Format.JSON:
            return Written(json.dumps(dict(fields)), "application/json")
        case Format.XML:
            lines = "".join(f"<{name}>{escape(_CONTROL.sub('?', text))}</{name}>" for name, text in fields.items())
            return Written(f'<?xml version="1.0" encoding="UTF-8"?><response>{lines}</response>', "application/xml")
        case Format.TEXT:
            head, *rest = (f"{name}: {text.translate(_LINES)}" for name, text in fields.items())
            return Written("\n".join([head.partition(": ")[2].upper(), *rest]) + "\n", "text/plain")


def of_error(error: WireError) -> Fields:
    """A refusal as an answer's fields."""
    hint = {"hint": error.hint} if error.hint else {}
    return {"result": "error", "code": error.code, "message": error.message, **hint}


def format_of(text: str) -> Format:
    """Raises WireError("bad_args") for one that there is not."""
    try:
        return Format(text.lower() or Format.TEXT)
    except ValueError:
        raise WireError("bad_args", f"format is one of {', '.join(Format)}, not {text!r:.60}") from None


def check_function(name: str) -> str:
    """The name of a function that JSONP may call. Raises WireError("bad_args")."""
    if len(name) > LONGEST_NAME or not _is_name(name):
        raise WireError("bad_args", "jsonp must be the name of a function", f"at most {LONGEST_NAME} characters")
    return name


def is_same_origin(host: str, site: str | None, origin: str | None, referer: str | None) -> bool:
    """Whether a page of ours asks. `site` is Sec-Fetch-Site, which no script can set; without it the page's own address
    counts, and what tells nothing at all is not taken for ours."""
    if site is not None:
        return site == "same-origin"
    told = origin if origin is not None else referer
    if told is None:
        return False
    try:
        return urlsplit(told).netloc == host and urlsplit(told).scheme == "https"
    except ValueError:
        return False


def _script(fields: Fields) -> str:
    text = json.dumps(dict(fields))
    for unsafe, safe in _UNSAFE.items():
        text = text.replace(unsafe, safe)
    return text
