"""The pages of trunks: made, changed, given routes, and removed."""

from pysrv.panel.pages.trunks import answered_of
from pysrv.service.trunk_watch import TrunkHealth
from pysrv.store.rows import NewCall
from tests.panel.conftest import Panel

NEW = {"name": "carrier", "host": "sip.carrier.example", "port": "5060", "transport": "udp", "enabled": "1"}


async def test_a_trunk_is_made_with_its_first_route_changed_and_removed(panel: Panel) -> None:
    house, browser = panel
    assert "There is no trunk" in (await browser.get("/panel/trunks")).text
    told = NEW | {"user": "me", "password": "s3cret-word", "prefix": "all", "inbound": "192.0.2.1 192.0.2.2"}
    assert (await browser.post("/panel/trunks-new", told)).status == 303
    trunk = house.store.trunk("carrier")
    assert trunk is not None
    assert ([route.prefix for route in trunk.routes], trunk.inbound) == ([""], ("192.0.2.1", "192.0.2.2"))
    page = (await browser.get("/panel/trunks/carrier")).text
    assert "s3cret-word" not in page and "192.0.2.1 192.0.2.2" in page
    assert (await browser.post("/panel/trunks/carrier/set", NEW | {"max_channels": "5", "enabled": ""})).status == 303
    trunk = house.store.trunk("carrier")
    assert trunk is not None
    assert (trunk.max_channels, trunk.enabled, trunk.password) == (5, False, "s3cret-word")
    assert "switched off" in (await browser.get("/panel/trunks")).text
    assert (await browser.post("/panel/trunks/carrier/remove", {"name": "other"})).status == 422
    assert (await browser.post("/panel/trunks/carrier/remove", {"name": "carrier"})).status == 303
    assert house.store.trunk("carrier") is None
    assert (await browser.get("/panel/trunks/carrier")).status == 404


async def test_the_share_of_answered_calls_weighs_each_prefix_by_its_calls(panel: Panel) -> None:
    house, browser = panel
    await browser.post("/panel/trunks-new", NEW)
    for number in range(100):
        house.store.count_attempt("carrier", "49", house.watch.now(), 60 if number else 0)
    house.store.count_attempt("carrier", "43", house.watch.now())
    house.store.commit()
    page = (await browser.get("/panel/trunks")).text
    assert "ASR 98 % of 101 calls" in page and "of the last 1 d 0 h" in page
    assert answered_of([{"trunk": "new", "calls": 0, "asr_percent": 50.0}]) == {}


async def test_a_trunk_shows_how_many_calls_it_carries(panel: Panel) -> None:
    house, browser = panel
    await browser.post("/panel/trunks-new", NEW | {"max_channels": "5"})
    for name in ("c1", "c2"):
        house.store.open_call(NewCall(name, None, "101", "4930", "192.0.2.7", trunk="carrier"))
    house.store.commit()
    assert "2 of 5" in (await browser.get("/panel/trunks")).text


async def test_a_trunk_shows_when_it_last_took_a_call_and_what_it_answered_to_the_one_that_failed(panel: Panel) -> None:
    browser = panel.browser
    await browser.post("/panel/trunks-new", NEW)
    assert "SIP 503" not in (await browser.get("/panel/trunks")).text
    panel.service.health["carrier"] = TrunkHealth(1_700_000_000.0, 1_700_000_060.0, 503, 4)
    for path in ("/panel/trunks", "/panel/"):
        page = (await browser.get(path)).text
        assert "2023-11-14 22:13:20" in page and "2023-11-14 22:14:20 <small>SIP 503</small>" in page, path
        assert '<strong class="wrong">4</strong>' in page, path


async def test_routes_come_and_go(panel: Panel) -> None:
    house, browser = panel
    await browser.post("/panel/trunks-new", NEW)
    assert (await browser.post("/panel/trunks/carrier/route", {"prefix": "49", "priority": "10"})).status == 303
    assert (await browser.post("/panel/trunks/carrier/route", {"prefix": "43", "strip": "2"})).status == 303
    trunk = house.store.trunk("carrier")
    assert trunk is not None
    assert sorted((route.prefix, route.priority, route.strip) for route in trunk.routes) == [
        ("43", 100, 2), ("49", 10, 0),
    ]  # fmt: skip
    assert (await browser.post("/panel/trunks/carrier/unroute", {"prefix": "49"})).status == 303
    answer = await browser.post("/panel/trunks/carrier/unroute", {"prefix": "49"})
    assert answer.status == 404 and "has no route" in answer.text
    answer = await browser.post("/panel/trunks/carrier/route", {"prefix": "49", "priority": "first"})
    assert answer.status == 422 and "must be a whole number" in answer.text


async def test_a_refused_trunk_keeps_what_was_typed_but_not_its_password(panel: Panel) -> None:
    house, browser = panel
    for wrong in ({"host": "300.1.2.3"}, {"port": "many"}, {"deck": "none-such"}, {"name": ""}):
        answer = await browser.post("/panel/trunks-new", NEW | {"password": "s3cret-word"} | wrong)
        assert answer.status in (404, 422), wrong
        assert 'role="alert"' in answer.text and "s3cret-word" not in answer.text
    assert house.store.trunks() == []
