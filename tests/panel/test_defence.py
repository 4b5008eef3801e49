"""Bans, the allow list, the firewall, lists, rules and blacklists: seen, changed, refused in words."""

import html
import json

import pytest

from appliance.config.document import FORMAT, FORMAT_VERSION
from appliance.config.settings import Settings
from pysrv.limits.trusted import Known, is_vouched
from pysrv.store.rows import AllowRow, BanRow, NewTrunk, SavedBinding
from tests.panel.conftest import Panel

BAN = BanRow(
    "192.0.2.7", "maxfailedauthenabledip", "guesses passwords", 1_700_000_000.0, 0.0, "", 0, "address", True, True,
    25, 20, 60.0, 2, ("REGISTER sip:x SIP/2.0 <script>",), ("alice",),
)  # fmt: skip


def banned(panel: Panel, ban: BanRow = BAN) -> None:
    panel.store.add_ban(ban)
    panel.store.commit()


async def test_a_ban_is_shown_with_its_evidence(panel: Panel) -> None:
    banned(panel)
    device = SavedBinding(
        "alice", "sip:alice@192.0.2.7", "udp", "", 0, "192.0.2.7", 5060, 9e9, "c", 1, user_agent="Snom 1"
    )
    panel.store.save_binding(device)
    shown = (await panel.browser.get("/panel/bans/one?source=192.0.2.7")).text
    for words in (
        "maxfailedauthenabledip", "25 within 1 min 0 s, 20 are allowed", "guesses passwords", "2 times", "until lifted",
        "registered devices go on working", "REGISTER sip:x SIP/2.0 &lt;script&gt;", "Snom 1", "proven",
    ):  # fmt: skip
        assert words in shown, words
    assert 'href="/panel/accounts/alice"' in shown


async def test_a_ban_is_lifted_by_one_click_and_the_service_is_told(panel: Panel) -> None:
    banned(panel)
    page = (await panel.browser.get("/panel/bans")).text
    assert 'value="192.0.2.7"' in page
    assert (await panel.browser.post("/panel/bans/lift", {"source": "192.0.2.7"})).status == 303
    assert panel.store.ban_count() == 0 and ("unban", "192.0.2.7") in panel.service.told
    again = await panel.browser.post("/panel/bans/lift", {"source": "192.0.2.7"})
    assert again.status == 404 and "is not banned" in again.text


async def test_the_word_all_lifts_nothing_where_one_address_is_wanted(panel: Panel) -> None:
    banned(panel)
    assert (await panel.browser.post("/panel/bans/lift", {"source": "all"})).status == 422
    assert (await panel.browser.post("/panel/bans/clear", {"word": "no"})).status == 422
    assert panel.store.ban_count() == 1
    assert (await panel.browser.post("/panel/bans/clear", {"word": "all"})).status == 303
    assert panel.store.ban_count() == 0


async def test_a_ban_by_hand_lasts_as_long_as_was_chosen_and_a_bad_one_keeps_what_was_typed(panel: Panel) -> None:
    fields = {"prefix": "198.51.100.0/24", "reason": "scans", "for": "6h"}
    assert (await panel.browser.post("/panel/bans/add", fields)).status == 303
    (ban,) = panel.store.bans()
    assert (ban.prefix, ban.reason, round(ban.expires_at - ban.created_at)) == ("198.51.100.0/24", "scans", 21_600)
    shown = (await panel.browser.get("/panel/bans/one?source=198.51.100.0%2F24")).text
    assert "<td>network</td>" in shown and "may be forged" not in shown
    refused = await panel.browser.post("/panel/bans/add", {**fields, "prefix": "no address", "reason": "<b>"})
    assert refused.status == 422 and 'value="no address"' in refused.text and "&lt;b&gt;" in refused.text
    assert (await panel.browser.post("/panel/bans/add", {**fields, "for": "9y"})).status == 422


async def test_bans_are_searched_and_come_in_pages(panel: Panel) -> None:
    for number in range(60):
        panel.store.add_ban(BanRow(f"192.0.2.{number}", "operator", f"reason {number}", 1_700_000_000.0 + number))
    panel.store.commit()
    first = (await panel.browser.get("/panel/bans")).text
    assert "1 to 50 of 60" in first and "<code>192.0.2.59</code>" in first and "<code>192.0.2.9</code>" not in first
    second = (await panel.browser.get("/panel/bans?from=50")).text
    assert "51 to 60 of 60" in second and "<code>192.0.2.9</code>" in second
    assert "1 to 1 of 1" in (await panel.browser.get("/panel/bans?q=REASON+17")).text


async def test_whoever_is_trusted_comes_and_goes(panel: Panel) -> None:
    fields = {"prefix": "198.51.100.9", "reason": "our office", "kind": "allow", "for": "ever"}
    assert (await panel.browser.post("/panel/allowed/add", fields)).status == 303
    assert "our office" in (await panel.browser.get("/panel/allowed")).text
    assert (await panel.browser.post("/panel/allowed/add", {**fields, "kind": "friend"})).status == 400
    assert (await panel.browser.post("/panel/allowed/remove", {"prefix": "198.51.100.9"})).status == 303
    assert panel.store.allows() == [] and ("disallow", "198.51.100.9") in panel.service.told


async def test_nobody_closes_the_panel_to_himself_by_the_allow_list(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, told = "192.168.7.5", {"reason": "", "kind": "allow", "for": "ever"}

    def administers(_: str, under: Settings | None = None) -> bool:
        listed = tuple(row.prefix for row in panel.store.allows())
        return not listed or is_vouched(here, under or panel.house.settings(), Known(listed))

    monkeypatch.setattr(panel.house, "administers", administers)
    refused = await panel.browser.post("/panel/allowed/add", told | {"prefix": "203.0.113.9"})
    assert refused.status == 409 and "then the panel would be closed to 127.0.0.1" in refused.text
    assert panel.store.allows() == [] and not panel.service.told
    for prefix in (here, "203.0.113.9"):
        assert (await panel.browser.post("/panel/allowed/add", told | {"prefix": prefix})).status == 303
    assert (await panel.browser.post("/panel/allowed/remove", {"prefix": here})).status == 409
    held = [{"prefix": "203.0.113.9"}]
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, "allowed": held}
    page = await panel.browser.upload("/panel/configuration", {}, json.dumps(document).encode(), "c.json")
    number = page.text.partition('name="number" value="')[2].partition('"')[0]
    refused = await panel.browser.post("/panel/configuration/confirm", {"number": number, "sure": "1"})
    assert refused.status == 409 and "then the panel would be closed" in refused.text
    assert [row.prefix for row in panel.store.allows()] == [here, "203.0.113.9"]
    assert (await panel.browser.post("/panel/allowed/remove", {"prefix": "203.0.113.9"})).status == 303
    assert (await panel.browser.post("/panel/allowed/remove", {"prefix": here})).status == 303


def honour(panel: Panel, value: str) -> None:
    panel.store.set_setting("allowtrustedip", value)
    panel.store.commit()
    panel.service.apply_settings(panel.house.settings())


async def test_the_allow_list_says_which_setting_keeps_it_from_opening_anything(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"prefix": "198.51.100.9", "reason": "", "kind": "allow", "for": "ever"}
    for value, words in (("1", "what is on the allow list"), ("2", "public addresses of the allow list")):
        honour(panel, value)
        for path in ("/panel/allowed", "/panel/setup?step=address"):
            page = (await panel.browser.get(path)).text
            assert f"on the image SSH, stays shut to {words}: allowtrustedip is {value}" in page
            assert "settings set allowtrustedip 3" in page
    honour(panel, "0")
    monkeypatch.setattr(panel.house, "administers", lambda *_: not panel.store.allows())
    refused = await panel.browser.post("/panel/allowed/add", fields)
    assert refused.status == 409 and "allowtrustedip lets the list open nothing" in refused.text
    honour(panel, "3")
    for path in ("/panel/allowed", "/panel/setup?step=address"):
        assert "settings set allowtrustedip" not in (await panel.browser.get(path)).text


async def test_after_a_change_of_the_allow_list_its_page_says_what_is_doubtful_in_the_readers_language(
    panel: Panel,
) -> None:
    fields = {"prefix": "198.51.100.9", "reason": "", "kind": "allow", "for": "1h"}
    lasting = {**fields, "prefix": "203.0.113.9", "for": "ever"}

    async def after(path: str, values: dict[str, str], language: str = "en") -> str:
        changed = await panel.browser.post(path, values)
        assert changed.status == 303
        return (await panel.browser.get(changed.headers["Location"], headers={"Accept-Language": language})).text

    assert "nobody opens panel and SSH without an end" in await after("/panel/allowed/add", fields)
    assert "without an end" not in await after("/panel/allowed/add", lasting)
    assert "nobody opens panel and SSH without an end" in await after("/panel/allowed/remove", lasting)
    assert "niemand öffnet Panel und SSH ohne Ende" in await after("/panel/allowed/add", fields, "de")
    honour(panel, "2")
    page = await after("/panel/allowed/add", lasting, "de")
    assert "SSH, bleibt für öffentliche Adressen der Erlaubnisliste zu: allowtrustedip ist 2" in page


async def test_allow_list_and_set_up_say_what_a_first_address_means_to_private_networks_before_and_after(
    panel: Panel,
) -> None:
    async def pages(language: str = "en") -> list[str]:
        headers = {"Accept-Language": language}
        paths = ("/panel/allowed", "/panel/setup?step=address")
        return [html.unescape((await panel.browser.get(path, headers=headers)).text) for path in paths]

    for page in await pages():
        assert "the first trusted address shuts the panel, and on the image SSH, to private networks" in page
    fields = {"prefix": "198.51.100.9", "reason": "", "kind": "allow", "for": "ever"}
    assert (await panel.browser.post("/panel/allowed/add", fields)).status == 303
    for page in await pages():
        assert "no longer answers private networks that are not on the allow list: 'appliance allow 10.0.0.0/8'" in page
    for page in await pages("de"):
        assert "antwortet privaten Netzen nicht mehr, die nicht auf der Erlaubnisliste stehen: 'appliance allow" in page
    assert (await panel.browser.post("/panel/allowed/add", fields | {"prefix": "10.0.0.0/8"})).status == 303
    for page in await pages():
        assert "no longer answers private networks" not in page


async def test_the_last_entry_that_has_ended_is_shown_and_can_be_removed(panel: Panel) -> None:
    now = panel.house.watch.now()
    panel.store.add_allow(AllowRow("198.51.100.9", created_at=now - 9, expires_at=now - 1))
    panel.store.commit()
    page = (await panel.browser.get("/panel/allowed")).text
    assert "The last entry, 198.51.100.9, has ended" in page
    assert (await panel.browser.post("/panel/allowed/remove", {"prefix": "198.51.100.9"})).status == 303
    assert "has ended" not in (await panel.browser.get("/panel/allowed")).text


async def test_protected_addresses_are_listed_and_cannot_be_banned(panel: Panel) -> None:
    panel.service.guarded = {"192.0.2.1/32": "the gateway"}
    assert "the gateway" in (await panel.browser.get("/panel/allowed")).text
    refused = await panel.browser.post("/panel/bans/add", {"prefix": "192.0.2.1", "for": "1h"})
    assert "the gateway" in refused.text and panel.store.ban_count() == 0


async def test_a_rule_waits_for_its_word_and_every_page_says_so(panel: Panel) -> None:
    fields = {"action": "deny", "prefix": "198.51.100.0/24", "protocol": "any", "confirm": "60"}
    assert (await panel.browser.post("/panel/firewall/add", fields)).status == 303
    for path in ("/panel/", "/panel/bans", "/panel/firewall"):
        page = (await panel.browser.get(path)).text
        assert "is taken back in" in page and "firewall: deny 198.51.100.0/24" in page, path
    another = await panel.browser.post("/panel/firewall/add", {**fields, "prefix": "203.0.113.0/24"})
    assert "waits for confirmation" in another.text and 'value="203.0.113.0/24"' in another.text
    answer = await panel.browser.post("/panel/changes/confirm", {"next": "/panel/bans"})
    assert answer.headers["Location"] == "/panel/bans"
    assert "is taken back in" not in (await panel.browser.get("/panel/")).text
    assert len(panel.store.firewall_rules()) == 1


async def test_a_change_is_taken_back_by_its_button_and_leads_nowhere_else(panel: Panel) -> None:
    fields = {"action": "deny", "prefix": "198.51.100.0/24", "protocol": "any", "confirm": "60"}
    await panel.browser.post("/panel/firewall/add", fields)
    answer = await panel.browser.post("/panel/changes/undo", {"next": "//evil.example/"})
    assert answer.headers["Location"] == "/panel/firewall"
    assert panel.store.firewall_rules() == [] and panel.store.pending_change() is None


async def test_an_operator_who_may_make_a_rule_may_confirm_it_and_a_reader_only_sees_it(panel: Panel) -> None:
    fields = {"action": "deny", "prefix": "198.51.100.0/24", "protocol": "any", "confirm": "60"}
    await panel.browser.post("/panel/firewall/add", fields)
    panel.administrator("operator")
    panel.administrator("read-only")
    await panel.browser.log_in("read-only")
    page = (await panel.browser.get("/panel/")).text
    assert "is taken back in" in page and "/panel/changes/confirm" not in page
    assert (await panel.browser.post("/panel/changes/confirm")).status == 403
    await panel.browser.log_in("operator")
    await panel.browser.get("/panel/")
    assert (await panel.browser.post("/panel/changes/confirm")).status == 303
    assert panel.store.pending_change() is None


async def test_the_firewall_says_which_rule_decides_about_an_address(panel: Panel) -> None:
    banned(panel)
    kept_out = (await panel.browser.get("/panel/firewall?address=192.0.2.7")).text
    assert "192.0.2.7 is kept out." in kept_out and "maxfailedauthenabledip" in kept_out
    assert "gets through" in (await panel.browser.get("/panel/firewall?address=192.0.2.8")).text
    wrong = await panel.browser.get("/panel/firewall?address=nonsense")
    assert wrong.status == 422 and 'value="nonsense"' in wrong.text


async def test_a_rule_is_removed_by_its_number(panel: Panel) -> None:
    fields = {"action": "allow", "prefix": "198.51.100.0/24", "protocol": "udp", "port": "5060", "confirm": "0"}
    assert (await panel.browser.post("/panel/firewall/add", fields)).status == 303
    (rule,) = panel.store.firewall_rules()
    assert (rule.port, rule.protocol) == (5060, "udp")
    assert (await panel.browser.post("/panel/firewall/remove", {"id": str(rule.id), "confirm": "0"})).status == 303
    assert panel.store.firewall_rules() == []
    assert (await panel.browser.post("/panel/firewall/remove", {"id": "77", "confirm": "0"})).status == 404


async def test_a_rule_only_reports_and_acts_again(panel: Panel) -> None:
    fields = {"rule": "maxlines", "on": "1", "confirm": "0"}
    assert (await panel.browser.post("/panel/rules/switch", fields)).status == 303
    assert panel.store.report_only() == ["maxlines"]
    shown = (await panel.browser.get("/panel/rules")).text
    assert "only reports" in shown and "BANNED" in shown and "42" in shown
    assert (await panel.browser.post("/panel/rules/switch", {**fields, "on": "0"})).status == 303
    assert panel.store.report_only() == []
    fixed = await panel.browser.post("/panel/rules/switch", {**fields, "rule": "credit"})
    assert fixed.status == 422 and "credit always acts" in fixed.text


async def test_a_number_is_blacklisted_tested_and_freed(panel: Panel) -> None:
    fields = {"digits": "252", "side": "destination", "reason": "IRSF"}
    assert (await panel.browser.post("/panel/blacklists/add", fields)).status == 303
    tested = (await panel.browser.get("/panel/blacklists?number=%2B252612345678")).text
    assert "1 entry holds this number." in tested and "SO" in tested and "IRSF" in tested
    (row,) = panel.store.blacklist()
    assert (await panel.browser.post("/panel/blacklists/remove", {"id": str(row.id)})).status == 303
    assert "0 entries hold" in (await panel.browser.get("/panel/blacklists?number=%2B252612345678")).text
    refused = await panel.browser.post("/panel/blacklists/add", {**fields, "account": "nobody"})
    assert refused.status == 404 and 'value="252"' in refused.text


async def test_an_imported_list_is_shown_and_removed(panel: Panel) -> None:
    made = panel.store.list_begin("drop", "ban", "drop.txt", 3, "olga")
    panel.store.list_commit(made)
    panel.store.commit()
    shown = (await panel.browser.get("/panel/lists")).text
    assert "drop.txt" in shown and "Remove the list drop" in shown
    assert (await panel.browser.post("/panel/lists/remove", {"name": "drop"})).status == 303
    assert panel.store.lists() == [] and ("lists",) in panel.service.told


@pytest.mark.parametrize(
    "path",
    [
        "/panel/bans/add", "/panel/bans/lift", "/panel/bans/clear", "/panel/allowed/add", "/panel/allowed/remove",
        "/panel/firewall/add", "/panel/firewall/remove", "/panel/lists/remove", "/panel/rules/switch",
        "/panel/blacklists/add", "/panel/blacklists/remove", "/panel/calls/hangup", "/panel/calls/hangup-all",
        "/panel/notices/test", "/panel/notices/retry",
    ],
)  # fmt: skip
async def test_a_reader_changes_nothing_and_sees_no_buttons(panel: Panel, path: str) -> None:
    panel.administrator("read-only")
    await panel.browser.log_in("read-only")
    await panel.browser.get("/panel/")
    assert (await panel.browser.post(path, {"source": "x"})).status == 403
    assert json.dumps(panel.service.told) == "[]"


def known_peers(panel: Panel) -> None:
    """A trunk whose host is a name, one with a network, and three telephones behind one address."""
    panel.store.add_trunk(NewTrunk("c1", "carrier.example"))
    panel.store.add_trunk(NewTrunk("c2", "203.0.113.9", inbound=("203.0.113.0/28",)))
    panel.service.names["carrier.example"] = "198.51.100.7"
    for name in ("alice", "bob", "carol"):
        row = SavedBinding(name, f"sip:{name}@192.0.2.7", "udp", "", 0, "192.0.2.7", 5060, 9e9, name, 1)
        panel.store.save_binding(row)
    panel.store.commit()


async def test_a_deny_says_whom_it_shuts_out_a_trunk_known_by_its_hosts_name_too(panel: Panel) -> None:
    known_peers(panel)
    fields = {"action": "deny", "prefix": "198.51.100.0/24", "confirm": "0", "protocol": "any"}
    done = await panel.browser.post("/panel/firewall/add", fields)
    page = (await panel.browser.get(done.headers["Location"])).text
    assert "This shuts out" in page and "trunk c1" in page and "c1 (198.51.100.7)" in page
    assert "registered telephone" not in page and "c2 (" not in page
    harmless = await panel.browser.post("/panel/firewall/add", {**fields, "prefix": "192.0.2.99"})
    assert harmless.headers["Location"] == "/panel/firewall"


async def test_the_change_that_waits_says_on_every_page_whom_it_shuts_out(panel: Panel) -> None:
    known_peers(panel)
    fields = {"action": "deny", "prefix": "192.0.2.7", "confirm": "60", "protocol": "any"}
    assert (await panel.browser.post("/panel/firewall/add", fields)).status == 303
    page = (await panel.browser.get("/panel/bans")).text
    assert "3 registered telephones" in page and "alice (192.0.2.7)" in page
    await panel.browser.post("/panel/changes/confirm", {})
    assert "registered telephones" not in (await panel.browser.get("/panel/bans")).text


async def test_a_ban_that_shuts_a_trunk_or_telephones_out_wants_a_second_word(panel: Panel) -> None:
    known_peers(panel)
    for prefix, words in (
        ("198.51.100.7", "trunk c1"),
        ("203.0.113.3", "c2 (203.0.113.0/28)"),
        ("192.0.2.0/24", "3 registered telephones"),
    ):
        fields = {"prefix": prefix, "reason": "no <5", "for": "6h"}
        asked = await panel.browser.post("/panel/bans/add", fields)
        assert asked.status == 200 and words in asked.text and f"Ban {prefix} anyway" in asked.text, prefix
        assert "no &lt;5" in asked.text and panel.store.ban_count() == 0
        other = await panel.browser.post("/panel/bans/add", {**fields, "sure": "192.0.2.99"})
        assert other.status == 200 and panel.store.ban_count() == 0
        assert (await panel.browser.post("/panel/bans/add", {**fields, "sure": prefix})).status == 303
        assert [ban.prefix for ban in panel.store.bans()] == [prefix]
        await panel.browser.post("/panel/bans/clear", {"word": "all"})
    assert (await panel.browser.post("/panel/bans/add", {**fields, "prefix": "192.0.3.1"})).status == 303
