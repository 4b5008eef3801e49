"""The page of backups: what there is, one more, and who may."""

from appliance.wire import BackupWanted, BackupWork
from tests.control.test_backups import MADE
from tests.panel.conftest import Panel

AT = "/panel/backups"


async def test_one_is_asked_for_seen_at_work_and_listed(panel: Panel) -> None:
    browser, root = panel.browser, panel.house.control.session("root")
    first = (await browser.get(AT)).text
    assert "There is no backup yet." in first and "appliance restore" in first
    assert (await browser.post(AT, {"work": "now"})).status == 303
    assert panel.service.told[-1][:2] == ("backup", BackupWanted(BackupWork.NOW))
    root.do("backups.report", {"event": "progress", "step": "save", "done": 1, "total": 2})
    page = (await browser.get(AT)).text
    assert "50 %" in page and 'data-refresh="2"' in page and "Back up now" not in page
    root.do("backups.report", MADE | {"local": True})
    page = (await browser.get(AT)).text
    assert "a1b2c3d4" in page and "They lie on this machine" in page and "data-refresh" not in page
    panel.store.backup_failed("root", "<b>full</b>")
    panel.store.commit()
    assert "&lt;b&gt;full" in (await browser.get(AT)).text
    assert (await browser.post(AT, {"work": "rm"})).status == 422


async def test_who_may_only_look_has_no_button_and_who_may_not_sees_nothing(panel: Panel) -> None:
    for role, status in (("operator", 200), ("support", 403)):
        panel.administrator(role)
        await panel.browser.log_in(role)
        answer = await panel.browser.get(AT)
        assert answer.status == status
        assert "Back up now" not in answer.text
