"""Pages as an attacker reads them: their links, their forms, and whether a script of his is in them."""

import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

from tests.web.attacks.ground import ROUTES, Ground
from tests.web.house import PASSWORD, Answer

PROBE = "xss-probe"
TYPED = ("text", "search", "email", "password", "number", "tel", "url", "textarea", "date", "time", "datetime-local")
OF_ONE_KIND = 3  # pages of one route that are looked at
ENDLESS = ("/panel/live",)
LAST = re.compile(r"remove|drop|clear|end$|sessions$|off$|logout|password|undo|enable|reject")


@dataclass
class Form:
    """Where it goes, how, and its fields: name to (kind, value)."""

    action: str
    method: str
    fields: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def typed(self) -> list[str]:
        """The fields that one writes into, hidden ones too: an attacker writes into those as well."""
        return [name for name, (kind, _) in self.fields.items() if kind in (*TYPED, "hidden") and name != "form_token"]

    def filled(self) -> dict[str, str]:
        """What a decent person would send."""
        return {
            name: value or SAMPLES.get(name, "1")
            for name, (kind, value) in self.fields.items()
            if kind not in ("file", "off") and name != "form_token"
        }


SAMPLES = {
    "name": "zed",
    "password": PASSWORD + "-9x",
    "email": "a@example.com",
    "prefix": "198.51.100.0/24",
    "host": "192.0.2.2",
    "label": "a program",
    "scopes": "*:read",
    "source": "198.51.100.3",
    "customer": "cleo",
    "month": "2026-11",
    "digits": "4990",
    "number": "4930123",
    "code": "EUR",
    "per_minute": "0.10",
    "reason": "a reason",
    "note": "a note",
}


class Page(HTMLParser):
    """One page taken apart. `scripts`: what would run, or lead to what runs."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self._form: Form | None = None
        self._select = self._area = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self._judge(tag, told)
        match tag:
            case "a":
                self.links.append(told.get("href", ""))
            case "form":
                self._form = Form(told.get("action", ""), told.get("method", "get").lower())
                self.forms.append(self._form)
            case "input" | "select" | "textarea" if self._form is not None and "name" in told:
                kind = told.get("type", "text") if tag == "input" else tag
                if kind in ("checkbox", "radio") and "checked" not in told:
                    kind = "off" if told["name"] not in self._form.fields else self._form.fields[told["name"]][0]
                self._form.fields[told["name"]] = kind, told.get("value", "")
                self._select = told["name"] if tag == "select" else self._select
            case "option" if self._form is not None and self._select:
                kind, value = self._form.fields[self._select]
                if not value or "selected" in told:
                    self._form.fields[self._select] = kind, told.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == "select":
            self._select = ""

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def _judge(self, tag: str, told: dict[str, str]) -> None:
        leads = [told.get(name, "") for name in ("href", "src", "action", "formaction", "srcdoc", "data", "content")]
        if tag == PROBE or any(name.startswith("on") for name in told):
            self.scripts.append(f"<{tag} {told}>")
        if tag in ("script", "iframe", "object", "embed", "base") and not told.get("src", "").startswith("/static/"):
            self.scripts.append(f"<{tag} {told}>")
        if any(re.sub(r"[\x00-\x20]", "", lead).lower().startswith(("javascript:", "vbscript:")) for lead in leads):
            self.scripts.append(f"<{tag} {told}>")


def kind_of(path: str) -> str:
    """The route that serves a path, as it stands in the table; empty: none."""
    for route in ROUTES:
        if re.fullmatch(re.sub(r"\\{[a-z_]+\\}", "[^/]+", re.escape(route.path)), path):
            return route.path
    return ""


@dataclass
class Walk:
    """What was seen: pages by address, and a form of each kind."""

    pages: dict[str, Answer] = field(default_factory=dict)
    forms: dict[tuple[str, ...], Form] = field(default_factory=dict)

    def addresses(self) -> list[str]:
        """Every address that answered with a page."""
        return list(self.pages)


async def walk(ground: Ground, room: str, more: tuple[str, ...] = ()) -> Walk:
    """Every page of a room that the one who is logged in gets to from its menu."""
    begin = [route.path for route in ROUTES if route.method == "GET" and route.path.startswith(f"/{room}/")]
    waiting = [path for path in begin if "{" not in path and path not in ENDLESS] + list(more)
    seen, found, of_kind = set(waiting), Walk(), Counter[str]()
    while waiting:
        address = waiting.pop(0)
        answer = await ground.browser.get(address)
        assert answer.status < 500, (address, answer.text[:400])
        found.pages[address] = answer
        if "html" not in answer.headers.get("Content-Type", ""):
            continue
        page = Page(answer.text)
        for form in page.forms:
            form.action = form.action or urlsplit(address).path
            found.forms.setdefault((form.method, kind_of(urlsplit(form.action).path), *sorted(form.fields)), form)
        for link in page.links:
            parts = urlsplit(link)
            kind = kind_of(parts.path) + "?" + "&".join(sorted(name for name, _ in parse_qsl(parts.query)))
            fresh = parts.path.startswith(f"/{room}/") and not parts.netloc and link not in seen
            if fresh and parts.path not in ENDLESS and of_kind[kind] < OF_ONE_KIND:
                of_kind[kind] += 1
                seen.add(link)
                waiting.append(link)
    return found


def in_order(forms: dict[tuple[str, ...], Form]) -> list[Form]:
    """What takes away comes last."""
    return sorted(forms.values(), key=lambda form: bool(LAST.search(urlsplit(form.action).path)))
