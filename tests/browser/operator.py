"""What an operator does with a browser: logs in, goes to pages, fills forms; and what axe-core finds on a page."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import ConsoleMessage, Page, ViewportSize

from tests.lab.product import Product

CHROMIUM = "/usr/bin/chromium"
DESK: ViewportSize = {"width": 1280, "height": 900}
TELEPHONE: ViewportSize = {"width": 360, "height": 740}
SERIOUS = frozenset({"serious", "critical"})
_AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")


@dataclass
class Operator:
    """One browser's page at the panel."""

    page: Page
    origin: str
    password: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(60_000)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "status of 4" not in message.text:  # refusals are shown on the page
            self.complaints.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.origin, "data:")):
            self.complaints.append(f"asked for {request.url}")

    def go(self, path: str) -> Page:
        """To a page."""
        self.page.goto(self.origin + path)
        return self.page

    def log_in(self, name: str = "admin", password: str = "", room: str = "panel") -> None:
        """In by the form."""
        self.go(f"/{room}/login")
        self.page.get_by_label(re.compile("^(Name|User)")).fill(name)
        self.page.get_by_label("Password").fill(password or self.password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(re.compile(f"/{room}/(?!login)"), wait_until="commit")

    def faults(self, *rules: str) -> list[str]:
        """Serious accessibility faults that axe-core finds on the page, one line each; by these rules, or by all."""
        # The page's own policy forbids foreign scripts; the tool's world is outside of it.
        self.page.evaluate(_AXE)
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        found = self.page.evaluate("async (options) => await axe.run(document, options)", options)
        return [
            f"{each['id']}: {each['help']}: {node['html'][:160]}"
            for each in found["violations"]
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]

    def too_wide(self) -> int:
        """By how many pixels the page would scroll sideways."""
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(wide))


def administrator(product: Product) -> str:
    """The first administrator's password, as it was printed."""
    found = re.search(r"administrator: user 'admin', password '([^']+)'", product.log())
    assert found, product.log()[-2000:]
    return found.group(1)
