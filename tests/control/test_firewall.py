"""Lists, rules, report-only, protected addresses and changes that wait, as operators' verbs."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance import networks
from appliance.wire import WireError
from pysrv.control.session import Control, Licence
from pysrv.people.permissions import Powers, Role
from pysrv.service.changes import take_back
from pysrv.store import Store
from pysrv.store.rows import BanRow, NewTrunk, SavedBinding
from tests.control.office import Operator, Service


class Clock:
    """Unix seconds that only move when told."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store.open(tmp_path / "office.db", clock) as opened:
        yield opened


@pytest.fixture
def root(store: Store, service: Service, clock: Clock) -> Operator:
    return Operator(Control(store, service, clock=clock).session("root"))


@pytest.fixture
def alone(store: Store, clock: Clock) -> Operator:
    """A single run: no service."""
    return Operator(Control(store, clock=clock).session("root"))


def packed(*prefixes: str) -> str:
    return base64.b64encode(b"".join(networks.merged(map(networks.parsed, prefixes)))).decode()


def imported(root: Operator, name: str, *prefixes: str, kind: str = "ban") -> dict[str, Any]:
    root.ask("lists.begin", name=name, kind=kind, source="a file", skipped=1)
    root.ask("lists.rows", packed=packed(*prefixes))
    return root.ask("lists.commit")["list"]  # type: ignore[no-any-return]


def deny(root: Operator, prefix: str, confirm_s: float = 0.0, **more: Any) -> dict[str, Any]:
    return root.ask("firewall.add", rules=[{"action": "deny", "prefix": prefix, **more}], confirm_s=confirm_s)


def test_a_list_is_stored_in_pieces_and_told_when_it_is_whole(root: Operator, store: Store, service: Service) -> None:
    root.ask("lists.begin", name="feed", source="feed.txt", skipped=2)
    root.ask("lists.rows", packed=packed("198.51.100.7", "203.0.113.0/24"))
    root.ask("lists.rows", packed=packed("2001:db8::/32"))
    assert store.lists() == []
    row = root.ask("lists.commit")["list"]
    assert (row["entries"], row["skipped"], row["in_force"]) == (3, 2, False)
    assert service.told == [("lists",)]
    service.held["feed"] = row["digest"]
    assert root.ask("lists.list")["lists"][0]["in_force"]


def test_a_list_of_the_same_name_takes_the_others_place(root: Operator, store: Store) -> None:
    first = imported(root, "feed", "198.51.100.7")
    second = imported(root, "feed", "203.0.113.7")
    assert first["digest"] != second["digest"]
    assert [row.digest for row in store.lists()] == [second["digest"]]
    assert b"".join(store.list_rows(first["id"])) == b""


def test_a_list_is_compared_in_bites_with_the_one_in_use_which_stays(root: Operator, store: Store) -> None:
    held = imported(root, "feed", "198.51.100.7", "203.0.113.0/24", "2001:db8::/32")
    root.ask("lists.begin", name="feed")
    for piece in (("192.0.2.1", "198.51.100.7"), ("203.0.113.0/25", "2001:db8::/32")):
        root.ask("lists.rows", packed=packed(*piece))
    for _ in range(2):  # once at its end, it begins anew
        bites = [root.ask("lists.compare")]
        while not bites[-1]["done"]:
            bites.append(root.ask("lists.compare"))
        assert {(bite["name"], bite["held"], bite["new"]) for bite in bites} == {("feed", 3, 4)}
        assert [sum(bite[name] for bite in bites) for name in ("added", "removed")] == [2, 1]
    root.session.close()
    assert [row.digest for row in store.lists()] == [held["digest"]]
    assert store._one("SELECT count(*) FROM list_rows") == (1,)


@pytest.mark.parametrize(
    ("texts", "code"),
    [(["198.51.100.7", "198.51.100.6"], "bad_list"), (["10.0.0.0/24"], "protected"), (["10.0.0.1"], "protected")],
)
def test_a_piece_that_cannot_be_taken_gives_the_import_up_and_keeps_the_old_list(
    root: Operator, store: Store, service: Service, texts: list[str], code: str
) -> None:
    old = imported(root, "feed", "203.0.113.7")
    service.guarded["10.0.0.1"] = "your own SSH session"
    root.ask("lists.begin", name="feed")
    with pytest.raises(WireError) as refused:
        for text in texts:
            root.ask("lists.rows", packed=packed(text))
    assert refused.value.code == code
    with pytest.raises(WireError, match="no list is being imported"):
        root.ask("lists.commit")
    assert [row.digest for row in store.lists()] == [old["digest"]]
    assert store._one("SELECT count(*) FROM list_rows") == (1,)


def test_a_list_that_would_cut_somebody_off_names_the_address_and_the_reason(root: Operator, service: Service) -> None:
    service.guarded["198.51.100.7"] = "your own SSH session"
    root.ask("lists.begin", name="feed")
    with pytest.raises(WireError, match=r"198\.51\.100\.0/24 would cut off 198\.51\.100\.7: your own SSH session"):
        root.ask("lists.rows", packed=packed("198.51.100.0/24"))


def test_an_operator_who_leaves_takes_his_unfinished_list_along(root: Operator, store: Store) -> None:
    root.ask("lists.begin", name="feed")
    root.ask("lists.rows", packed=packed("198.51.100.7"))
    root.session.close()
    assert store._one("SELECT count(*) FROM lists") == (0,)
    assert store._one("SELECT count(*) FROM list_rows") == (0,)


def test_a_list_is_removed(root: Operator, store: Store) -> None:
    imported(root, "feed", "198.51.100.7")
    root.ask("lists.remove", name="feed")
    assert store.lists() == []
    with pytest.raises(WireError, match="no list"):
        root.ask("lists.remove", name="feed")


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "drop", "prefix": "192.0.2.0/24"},
        {"action": "deny"},
        {"action": "deny", "prefix": "192.0.2.0/24", "country": "CN"},
        {"action": "deny", "prefix": "192.0.2.0/24", "protocol": "udp"},
        {"action": "deny", "prefix": "192.0.2.0/24", "port": 70000},
        {"action": "deny", "prefix": "192.0.2.7/24"},
        {"action": "deny", "country": "China"},
        {"action": "deny", "country": "CN", "port": 5060},
    ],
)
def test_what_is_no_rule_is_refused(root: Operator, store: Store, rule: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        root.ask("firewall.add", rules=[{"action": "deny", "prefix": "203.0.113.0/24"}, rule])
    assert store.firewall_rules() == []


def test_rules_are_stored_told_and_removed(root: Operator, store: Store, service: Service) -> None:
    (rule,) = deny(root, "192.0.2.0/24", port=5060, protocol="udp", note="why")["rules"]
    assert (rule["match"], rule["note"]) == ("192.0.2.0/24 port 5060/udp", "why")
    assert service.told == [("policy",)]
    root.ask("firewall.add", rules=[{"action": "allow", "prefix": "192.0.2.0/24", "protocol": "udp", "port": 5060}])
    assert [(each.id, each.action) for each in store.firewall_rules()] == [(rule["id"], "allow")]
    root.ask("firewall.remove", ids=[rule["id"]])
    assert root.ask("firewall.list")["rules"] == []
    with pytest.raises(WireError, match="no firewall rule"):
        root.ask("firewall.remove", ids=[rule["id"]])


def test_a_deny_or_a_ban_of_a_protected_address_is_refused_with_address_and_reason(
    root: Operator, service: Service, store: Store
) -> None:
    service.guarded["192.0.2.7"] = "the default gateway"
    for verb, args in (
        ("firewall.add", {"rules": [{"action": "deny", "prefix": "192.0.2.7"}]}),
        ("bans.add", {"prefix": "192.0.2.7"}),
        ("bans.add", {"prefix": "192.0.2.0/24"}),
    ):
        with pytest.raises(WireError, match=r"would cut off 192\.0\.2\.7: the default gateway") as refused:
            root.ask(verb, **args)
        assert refused.value.code == "protected"
    deny(root, "192.0.2.0/24")  # the gate lets protected addresses inside pass
    assert len(store.firewall_rules()) == 1


def test_where_the_appliance_is_managed_from_is_protected_for_a_day(
    alone: Operator, store: Store, clock: Clock
) -> None:
    alone.ask("protected.here", addresses=[["192.0.2.7", "your own SSH session"]])
    assert alone.ask("protected.list")["protected"] == [{"prefix": "192.0.2.7", "why": "your own SSH session"}]
    with pytest.raises(WireError, match="your own SSH session"):
        alone.ask("bans.add", prefix="192.0.2.0/24")
    clock.now += 86_401
    assert alone.ask("protected.list")["protected"] == []
    alone.ask("bans.add", prefix="192.0.2.0/24")


def test_the_allow_list_is_protected(alone: Operator) -> None:
    alone.ask("allows.add", prefix="192.0.2.0/24")
    with pytest.raises(WireError, match="on the allow list"):
        alone.ask("bans.add", prefix="192.0.2.9")


def test_a_country_needs_its_networks_and_they_go_with_its_last_rule(root: Operator, store: Store) -> None:
    country = [{"action": "deny", "country": "CN"}]
    with pytest.raises(WireError) as refused:
        root.ask("firewall.add", rules=country)
    assert refused.value.code == "no_networks"
    imported(root, "CN", "198.51.100.0/24", kind="country")
    (rule,) = root.ask("firewall.add", rules=country)["rules"]
    assert store.lists("country")
    root.ask("firewall.remove", ids=[rule["id"]])
    assert store.lists("country") == []


@pytest.mark.parametrize(
    ("address", "port", "verdict", "words"),
    [
        ("192.0.2.7", 5060, "firewall_denied", "deny 192.0.2.0/24"),
        ("192.0.2.7", 8443, "", "allow 192.0.2.0/24 port 8443/tcp"),
        ("192.0.2.9", 5060, "source_allowed", "allow 192.0.2.9"),
        ("198.51.100.7", 5060, "banned", "198.51.100.7 is banned"),
        ("198.51.100.8", 5060, "listed", "list feed holds 198.51.100.8"),
        ("203.0.113.5", 5060, "country_denied", "country CN is denied"),
        ("203.0.113.1", 5060, "", "the default gateway"),
        ("2001:db8::1", 5060, "source_allowed", "on the allow list"),
        ("100.64.0.1", 5060, "", ""),
    ],
)
def test_a_probe_names_the_rule_that_decides(
    root: Operator, service: Service, address: str, port: int, verdict: str, words: str
) -> None:
    deny(root, "192.0.2.0/24")
    root.ask("firewall.add", rules=[{"action": "allow", "prefix": "192.0.2.0/24", "protocol": "tcp", "port": 8443}])
    root.ask("firewall.add", rules=[{"action": "allow", "prefix": "192.0.2.9"}])
    root.ask("bans.add", prefix="198.51.100.7")
    imported(root, "feed", "198.51.100.7", "198.51.100.8")
    imported(root, "CN", "203.0.113.0/24", kind="country")
    root.ask("firewall.add", rules=[{"action": "deny", "country": "CN"}])
    root.ask("allows.add", prefix="2001:db8::/32")
    service.guarded["203.0.113.1"] = "the default gateway"
    found = root.ask("firewall.test", address=address, port=port, protocol="tcp")
    assert found["verdict"] == verdict
    assert words in " ".join(step["words"] for step in found["steps"])


def test_a_probe_knows_trunks_devices_and_their_ports(root: Operator, store: Store, clock: Clock) -> None:
    imported(root, "feed", "198.51.100.0/24")
    root.ask("trunks.add", name="carrier", host="198.51.100.9", inbound=["198.51.100.7"])
    for address in ("198.51.100.7", "198.51.100.9"):
        found = root.ask("firewall.test", address=address)
        assert (found["verdict"], found["spared"]) == ("", [])
        assert [step["stage"] for step in found["steps"]] == ["trunk", "list"]
    device = SavedBinding(
        "alice@appliance", "sip:alice@a", "udp", "192.0.2.1", 5060, "198.51.100.8", 5070, clock.now + 60, "c", 1
    )
    store.save_binding(device)
    found = root.ask("firewall.test", address="198.51.100.8")
    assert (found["verdict"], found["spared"]) == ("listed", ["alice at port 5070"])
    store.add_ban(BanRow("203.0.113.8", "maxfailedauthenabledipport", "", clock.now, 0.0, "", port=5071))
    found = root.ask("firewall.test", address="203.0.113.8")
    assert found["verdict"] == ""
    assert "203.0.113.8:5071 is banned by maxfailedauthenabledipport" in found["steps"][0]["words"]


def test_a_rule_that_only_reports_decides_nothing_in_a_probe(root: Operator) -> None:
    root.ask("bans.add", prefix="198.51.100.7")
    imported(root, "feed", "198.51.100.7")
    root.ask("rules.report_only", verdicts=["banned"], on=True)
    found = root.ask("firewall.test", address="198.51.100.7")
    assert found["verdict"] == "listed"
    assert found["steps"][0]["words"].endswith("the rule only reports")


def test_who_is_kept_out_without_a_ban_learns_by_what(root: Operator) -> None:
    deny(root, "192.0.2.0/24")
    for verb in ("bans.show", "bans.lift"):
        with pytest.raises(WireError, match=r"192\.0\.2\.7 is not banned, but kept out: rule 1: deny 192\.0\.2\.0/24"):
            root.ask(verb, source="192.0.2.7")
    with pytest.raises(WireError) as refused:
        root.ask("bans.show", source="203.0.113.7")
    assert "appliance firewall test" in refused.value.hint


def test_with_countries_let_in_others_are_out(root: Operator) -> None:
    imported(root, "DE", "203.0.113.0/24", kind="country")
    root.ask("firewall.add", rules=[{"action": "allow", "country": "DE"}])
    assert root.ask("firewall.test", address="203.0.113.9")["verdict"] == ""
    assert root.ask("firewall.test", address="198.51.100.9")["verdict"] == "country_denied"


def test_report_only_is_stored_by_verdict(root: Operator, store: Store, service: Service) -> None:
    root.ask("rules.report_only", verdicts=["listed", "banned"], on=True)
    root.ask("rules.report_only", verdicts=["banned"], on=False)
    assert root.ask("rules.list")["report_only"] == store.report_only() == ["listed"]
    assert service.told == [("policy",), ("policy",)]
    with pytest.raises(WireError, match="no verdict"):
        root.ask("rules.report_only", verdicts=["x y"], on=True)


def test_a_change_that_waits_is_live_and_shows_the_seconds_left(root: Operator, clock: Clock, service: Service) -> None:
    result = root.ask("settings.set", changes={"maxlines": "3"}, confirm_s=60.0)
    assert service.settings().maxlines == 3
    clock.now += 20
    assert root.ask("changes.show")["pending"] == result["pending"] | {"left_s": 40.0}
    assert root.ask("status")["unconfirmed"] == "settings: maxlines (taken back in 40 s)"


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("settings.set", {"changes": {"maxlines": "4"}}),
        ("firewall.add", {"rules": [{"action": "deny", "prefix": "192.0.2.0/24"}]}),
        ("firewall.remove", {"ids": [1]}),
        ("rules.report_only", {"verdicts": ["listed"], "on": True}),
    ],
)
def test_while_a_change_waits_no_other_is_made(root: Operator, verb: str, args: dict[str, Any]) -> None:
    deny(root, "203.0.113.0/24", confirm_s=60.0)
    with pytest.raises(WireError, match="a change waits for confirmation") as refused:
        root.ask(verb, **args)
    assert refused.value.code == "pending"


def test_confirming_keeps_the_change(root: Operator, store: Store) -> None:
    deny(root, "203.0.113.0/24", confirm_s=60.0)
    assert root.ask("changes.confirm")["confirmed"] == "firewall: deny 203.0.113.0/24"
    assert (store.pending_change(), len(store.firewall_rules())) == (None, 1)
    with pytest.raises(WireError, match="no change waits"):
        root.ask("changes.confirm")


@pytest.mark.parametrize("word", ["changes.confirm", "changes.undo"])
def test_a_change_of_settings_is_confirmed_by_those_who_may_change_settings(
    root: Operator, store: Store, service: Service, word: str
) -> None:
    def say(role: Role) -> str:
        try:
            Control(store, service).session(f"web:{role}", Licence(Powers.of(role), proven=True)).do(word)
        except WireError as error:
            return error.code
        return ""

    root.ask("settings.set", changes={"maxlines": "9"}, confirm_s=60.0)
    assert root.ask("changes.show")["pending"]["areas"] == ["settings"]
    assert [say(role) for role in (Role.SUPPORT, Role.OPERATOR, Role.SALES)] == ["forbidden"] * 3
    assert say(Role.ADMIN) == "" and store.pending_change() is None
    deny(root, "203.0.113.0/24", confirm_s=60.0)
    assert [say(role) for role in (Role.SALES, Role.SUPPORT)] == ["forbidden", ""]


def test_undoing_puts_everything_back_as_it_was(root: Operator, store: Store, service: Service) -> None:
    kept = deny(root, "203.0.113.0/24")["rules"][0]["id"]
    root.ask("settings.set", changes={"maxlines": "3"})
    before = store.firewall_rules(), store.overrides(), store.report_only()
    for verb, args in (
        ("firewall.remove", {"ids": [kept]}),
        ("firewall.add", {"rules": [{"action": "allow", "prefix": "203.0.113.0/24"}]}),
        ("settings.set", {"changes": {"maxlines": "9", "mediatimeout": "77"}}),
        ("rules.report_only", {"verdicts": ["listed"], "on": True}),
    ):
        root.ask(verb, **args, confirm_s=60.0)
        assert before != (store.firewall_rules(), store.overrides(), store.report_only())
        root.ask("changes.undo")
        assert before == (store.firewall_rules(), store.overrides(), store.report_only())
    assert service.settings().maxlines == 3
    assert [row.action for row in store.audit() if row.action == "change.undone"] == ["change.undone"] * 4


@pytest.mark.parametrize("seconds", [1.0, 4000.0, -1.0])
def test_a_change_waits_for_seconds_to_an_hour(root: Operator, store: Store, seconds: float) -> None:
    with pytest.raises(WireError, match="5 s to 3600 s"):
        deny(root, "203.0.113.0/24", confirm_s=seconds)
    assert store.firewall_rules() == []


def test_without_a_service_nothing_could_be_taken_back(alone: Operator, store: Store) -> None:
    with pytest.raises(WireError, match="only a running appliance"):
        deny(alone, "203.0.113.0/24", confirm_s=60.0)
    assert (store.pending_change(), store.firewall_rules()) == (None, [])


def test_taking_back_nothing_changes_nothing(store: Store) -> None:
    assert take_back(store, "undone") == {}


def shut_out(root: Operator, prefix: str, **more: Any) -> list[str]:
    return [f"{each['name']} {each['address']}" for each in deny(root, prefix, **more)["keeps_out"]]


def test_a_deny_names_trunks_by_host_and_inbound_and_registered_devices(
    root: Operator, store: Store, service: Service
) -> None:
    store.add_trunk(NewTrunk("named", "carrier.example"))
    store.add_trunk(NewTrunk("wide", "192.0.2.200", inbound=("198.51.100.0/25",)))
    store.add_trunk(NewTrunk("off", "203.0.113.50", enabled=False))
    store.save_binding(SavedBinding("alice", "sip:a@192.0.2.7", "udp", "", 0, "192.0.2.7", 5060, 9e9, "c", 1))
    service.names["carrier.example"] = "203.0.113.7"
    assert shut_out(root, "203.0.113.0/24") == ["named 203.0.113.7"]
    assert shut_out(root, "198.51.100.9") == ["wide 198.51.100.0/25"]
    assert shut_out(root, "192.0.2.0/24") == ["wide 192.0.2.200", "alice 192.0.2.7"]


def test_whom_an_allow_lets_in_is_shut_out_by_neither_a_deny_nor_a_ban(root: Operator, store: Store) -> None:
    store.add_trunk(NewTrunk("carrier", "192.0.2.7"))
    assert [each["name"] for each in root.ask("bans.whom", prefix="192.0.2.0/24")["keeps_out"]] == ["carrier"]
    assert shut_out(root, "192.0.2.0/24", protocol="tcp", port=443) == []
    root.ask("firewall.add", rules=[{"action": "allow", "prefix": "192.0.2.7"}])
    assert shut_out(root, "192.0.2.0/24") == []
    assert root.ask("bans.whom", prefix="192.0.2.0/24")["keeps_out"] == []


def test_a_country_that_is_denied_names_whom_it_shuts_out(root: Operator, store: Store) -> None:
    store.add_trunk(NewTrunk("carrier", "192.0.2.7"))
    imported(root, "CN", "192.0.2.0/24", kind="country")
    told = root.ask("firewall.add", rules=[{"action": "deny", "country": "CN"}])
    assert told["trunks"] == ["carrier"] and told["devices"] == 0
    root.ask("rules.report_only", verdicts=["country_denied"], on=True)
    assert root.ask("firewall.whom")["keeps_out"] == []
