"""The page of the security checklist: what it gathers from the store, and that one click mends a setting."""

import html
import re
from typing import Any

from appliance.audit.table import CHECKS
from pysrv.people.permissions import Role
from pysrv.store import NewAccount
from pysrv.store.machine_audits import MachineAudit
from tests.panel.conftest import Panel as Opened
from tests.web.house import PASSWORD, Browser, House

Panel = tuple[House, Browser]
ENGLISH = re.compile(r"\b(the|and|is|are|with|nobody|whoever|anew|look|of)\b")


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


def everything_open() -> tuple[dict[str, Any], ...]:
    """The audit of a machine on which nothing is in order."""
    return tuple(
        {"name": each.name, "area": str(each.area), "what": each.what, "why": each.why, "grade": "fail", "value": "v",
         "weight": each.weight, "fix": each.fix, "mendable": each.mend is not None}
        for each in CHECKS
    )  # fmt: skip


def cells(page: str) -> dict[str, list[str]]:
    """The table of the machine: the other cells of a row by the name of its check."""
    rows = re.findall(r"<tr>(.+?)</tr>", page.partition('id="machine"')[2], re.DOTALL)
    found = [
        [" ".join(html.unescape(re.sub(r"<[^>]+>", "", cell)).split()) for cell in re.findall(r"<td.*?</td>", row)]
        for row in rows
    ]
    return {cell[1].rpartition(" ")[2]: [cell[1].rpartition(" ")[0], *cell[2:]] for cell in found if cell}


async def test_each_check_of_the_machine_says_what_it_is_about_why_and_what_mends_it(panel: Panel) -> None:
    house, browser = panel
    house.store.add_machine_audit("root", MachineAudit(1_700_000_000.0, "pbx", 0, 3, 0, everything_open(), ()))
    house.store.commit()
    english = cells((await browser.get("/panel/checklist")).text)
    assert list(english) == [each.name for each in CHECKS]
    for each in CHECKS:
        what, value, why, fix = english[each.name]
        expected = each.what.replace(" is ", " should be ", 1) if each.area == "settings" else each.what
        assert (what, value, why) == (" ".join(expected.split()), "v", " ".join(each.why.split()))
        assert fix.startswith(" ".join(each.fix.split()))
        assert ("appliance audit --fix" in fix.removeprefix(each.fix)) is (each.mend is not None)
    assert 'href="/panel/settings/usetls">usetls</a>' in (await browser.get("/panel/checklist")).text


async def test_a_german_reads_each_check_of_the_machine_in_german(panel: Panel) -> None:
    house, browser = panel
    house.store.add_machine_audit("root", MachineAudit(1_700_000_000.0, "pbx", 0, 3, 0, everything_open(), ()))
    house.store.commit()
    german = cells((await browser.get("/panel/checklist", headers={"Accept-Language": "de"})).text)
    for each in CHECKS:
        what, _, why, fix = german[each.name]
        assert what != each.what and why != each.why, each.name
        assert not ENGLISH.search(re.sub(r"'[^']*'", "", f"{what} {why} {fix}")), (each.name, what, why, fix)


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
