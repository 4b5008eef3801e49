"""The page of the tunnel: who may come is shown, one is let in and shut out; a private key is shown once."""

import re
from pathlib import Path

import pytest

from pysrv.control.session import Control
from tests.lab.tunnel import KeeperHere
from tests.panel.conftest import Panel

AT = "/panel/tunnel"


@pytest.fixture
def keeper(panel: Panel, tmp_path: Path) -> KeeperHere:
    made = KeeperHere(tmp_path)
    panel.house.control = Control(panel.store, panel.service, {}, panel.house.watch.now, panel.memory, keeper=made)
    return made


async def test_somebody_is_let_in_and_his_key_is_shown_once(panel: Panel, keeper: KeeperHere) -> None:
    page = (await panel.browser.get(AT)).text
    assert "The tunnel is closed" in page
    assert "appliance tunnel add laptop-olga" in page and 'name="public_key"' not in page
    refused = await panel.browser.post(AT, {"name": "laptop"})
    assert refused.status == 403 and "only root lets peers into the tunnel" in refused.text
    keeper.by_panel()
    assert 'name="public_key"' in (await panel.browser.get(AT)).text
    shown = await panel.browser.post(AT, {"name": "laptop"})
    secret = re.search(r"PrivateKey = (\S+)", shown.text)
    assert secret is not None and "data:image/svg+xml" in shown.text
    again = (await panel.browser.get(AT)).text
    assert "laptop" in again and "web:olga" in again and secret[1] not in again
    assert secret[1] not in "".join(keeper.said)
    (row,) = panel.store.audit(1, "peer laptop")
    assert (row.action, row.before) == ("tunnel.add", "") and secret[1] not in row.after
    twice = await panel.browser.post(AT, {"name": "laptop"})
    assert twice.status == 409 and "there is a peer" in twice.text
    assert (await panel.browser.post(f"{AT}/remove", {"name": "laptop"})).status == 303
    assert "Nobody yet" in (await panel.browser.get(AT)).text
    assert panel.store.audit(1, "peer laptop")[0].action == "tunnel.remove"


async def test_what_cannot_be_is_said_on_the_page_and_nothing_is_noted(panel: Panel, keeper: KeeperHere) -> None:
    keeper.by_panel()
    for name, key, says in (("../x", "", "cannot be a peer"), ("x", "AAAA", "no key of WireGuard")):
        refused = await panel.browser.post(AT, {"name": name, "public_key": key})
        assert says in refused.text and refused.status >= 400
    assert "no peer" in (await panel.browser.post(f"{AT}/remove", {"name": "nobody"})).text
    assert not [row for row in panel.store.audit(50) if row.action.startswith("tunnel")]


async def test_while_the_keeper_is_away_the_page_says_so(panel: Panel) -> None:
    assert "the appliance is not running" in (await panel.browser.get(AT)).text
