"""The page of the security checklist: what it gathers from the store, and that one click mends a setting."""

import html
import re

from pysrv.people.permissions import Role
from pysrv.store import NewAccount
from pysrv.store.machine_audits import MachineAudit
from tests.panel.conftest import Panel as Opened
from tests.web.house import PASSWORD, Browser, House

Panel = tuple[House, Browser]


def row(page: str, title: str) -> str:
    """The cells of a check."""
    found = re.search(rf'<tr><td data-label="State">([^<]*)</td><td data-label="What">{title}</td>.*?</tr>', page)
    assert found is not None, title
    return html.unescape(re.sub(r"<[^>]+>", "|", found[0]))


async def test_what_is_wrong_in_the_store_is_named(panel: Panel) -> None:
    house, browser = panel
    house.store.add_account(NewAccount("lax-lucy", "secret-word", "appliance", needauth=5))
    page = (await browser.get("/panel/checklist")).text
    assert "lax-lucy" in row(page, "Accounts that show no secret")
    assert "olga" in row(page, "Administrators with a password only")
    assert "there is no rate deck" in row(page, "Prices")
    assert "nobody is told of anything" in row(page, "Notices to administrators")
    assert "made by the appliance itself" in row(page, "Certificate")
    assert "none" in row(page, "Weak passwords")
    house.store.set_account("lax-lucy", needauth=4)
    assert "lax-lucy" not in row((await browser.get("/panel/checklist")).text, "Accounts that show no secret")


async def test_one_click_sets_the_strict_value_and_raises_the_score(panel: Panel) -> None:
    house, browser = panel
    before = score((await browser.get("/panel/checklist")).text)
    assert (await browser.post("/panel/checklist/fix", {"name": "blocknotbilledcalls"})).status == 303
    assert house.settings().text("blocknotbilledcalls") == "1"
    page = (await browser.get("/panel/checklist")).text
    assert score(page) > before
    assert "in order" in row(page, "blocknotbilledcalls")
    generation = house.store.generation()
    for name in ("weak_passwords", "blocknotbilledcalls", "nothing"):
        assert (await browser.post("/panel/checklist/fix", {"name": name})).status == 303
    assert house.store.generation() == generation


async def test_whoever_may_not_change_settings_sees_the_list_and_mends_nothing(panel: Panel) -> None:
    house, browser = panel
    house.store.add_administrator("otto", Role.OPERATOR, PASSWORD)
    house.store.commit()
    await browser.log_in("otto")
    assert "/panel/checklist/fix" not in (await browser.get("/panel/checklist")).text
    assert (await browser.post("/panel/checklist/fix", {"name": "blocknotbilledcalls"})).status == 403
    assert house.store.generation() == 0


async def test_the_audit_of_the_machine_is_shown_with_what_is_open_in_it(panel: Panel) -> None:
    house, browser = panel
    assert "The machine was not audited yet." in (await browser.get("/panel/checklist")).text
    rest = {"area": "kernel", "what": "w", "why": "y", "weight": 1, "fix": "f", "mendable": False}
    swap = rest | {"name": "kernel.swap", "grade": "fail", "value": "/dev/<b>vda3"}
    findings = (swap, rest | {"name": "kernel.x", "grade": "pass", "value": ""})
    house.store.add_machine_audit("root", MachineAudit(1_700_000_000.0, "pbx", 71, 1, 0, findings, ("kernel.swap",)))
    page = (await browser.get("/panel/checklist")).text
    assert "<strong>71 / 100</strong>" in page
    assert "<code>/dev/&lt;b&gt;vda3</code>" in page
    assert "In order the time before, and open now:" in page
    assert "kernel.x" not in page


async def test_the_machine_is_audited_when_somebody_wants_it(panel: Opened) -> None:
    at, button = "/panel/checklist", "Audit the machine now"
    assert button in (await panel.browser.get(at)).text
    assert (await panel.browser.post(f"{at}/audit", {})).status == 303
    assert panel.service.told[-1][0] == "audit"
    page = (await panel.browser.get(at)).text
    assert "The machine is being audited, since" in page and 'data-refresh="2"' in page and button not in page
    assert (await panel.browser.post(f"{at}/audit", {})).status == 409
    panel.service.told[-1][2]("<b>full</b>")
    page = (await panel.browser.get(at)).text
    assert "&lt;b&gt;full" in page and button in page
    panel.administrator("read-only")
    await panel.browser.log_in("read-only")
    assert button not in (await panel.browser.get(at)).text
    assert (await panel.browser.post(f"{at}/audit", {})).status == 403


def score(page: str) -> int:
    found = re.search(r"<strong>(\d+) / 100</strong>", page)
    assert found is not None
    return int(found[1])
