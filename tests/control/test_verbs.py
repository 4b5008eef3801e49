"""The operators' verbs over a real store: what they answer, store, refuse, and tell the running service."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance import wire
from appliance.wire import WireError
from pysrv.billing.cdr import Cdr
from pysrv.control.single import run_once
from pysrv.control.table import VERBS
from pysrv.people.permissions import Area
from pysrv.store import Store
from pysrv.store.rows import AllowRow, BanRow, NewCall, SavedBinding
from tests.control.office import NOW, Operator, Service

DECK = "prefix,per_minute,destination\n49,0.02,Germany\n4930,0.01,Berlin\n"


def test_an_account_gets_what_the_settings_say_and_its_password_is_not_kept(root: Operator, store: Store) -> None:
    root.ask("settings.set", changes={"maxlines": "3", "localdomain": "sip.example.com"})
    account = root.ask("accounts.add", name="alice", password="s3cret-words", numbers=["+49301"], credit="10.5")[
        "account"
    ]
    assert (account["maxlines"], account["realm"], account["balance"]) == (3, "sip.example.com", "10.50")
    assert account["numbers"] == ["49301"]
    assert "s3cret" not in json.dumps([account, root.ask("accounts.list")])
    assert "s3cret" not in repr(store.account("alice")) + repr(store.audit())


@pytest.mark.setting("minpwdlength")
def test_a_short_password_is_refused_by_the_setting_that_says_so(root: Operator) -> None:
    with pytest.raises(WireError, match=r"minpwdlength \(4 characters\)"):
        root.ask("accounts.add", name="alice", password="abc")
    root.ask("settings.set", changes={"minpwdlength": "12"})
    with pytest.raises(WireError, match="12 characters"):
        root.ask("accounts.add", name="alice", password="elevenchars")


@pytest.mark.setting("licensecfg")
def test_no_more_accounts_are_made_than_licensecfg_allows(root: Operator) -> None:
    root.ask("accounts.add", name="alice", password="secret")
    root.ask("settings.set", changes={"licensecfg": "accounts=1"})
    with pytest.raises(WireError, match="there are 1 accounts, licensecfg allows 1"):
        root.ask("accounts.add", name="bob", password="secret")
    root.ask("settings.set", changes={"licensecfg": "accounts=2"})
    root.ask("accounts.add", name="bob", password="secret")


@pytest.mark.setting("needauth")
def test_two_accounts_that_could_not_be_told_apart_are_refused_with_both_names(root: Operator) -> None:
    by_address = {"needauth": "3", "authip": "192.0.2.7", "techprefix": "99"}
    root.ask("accounts.add", name="alice", password="secret", fields=by_address)
    root.ask("accounts.add", name="bob", password="secret")
    with pytest.raises(WireError, match=r"bob \(192.0.2.7 with tech prefix 99\) and alice \(192.0.2.7 with tech"):
        root.ask("accounts.set", name="bob", changes={"fields": by_address})
    with pytest.raises(WireError, match="authip must name one"):
        root.ask("accounts.set", name="bob", changes={"fields": {"needauth": "1"}})
    assert root.ask("accounts.show", name="bob")["account"]["fields"]["needauth"] == "4"
    root.ask("accounts.set", name="bob", changes={"fields": by_address | {"techprefix": "88"}})


def test_the_user_name_is_no_password(root: Operator) -> None:
    with pytest.raises(WireError, match="user name"):
        root.ask("accounts.add", name="alice", password="alice")


def test_an_account_changes_only_where_it_is_told_to(root: Operator, service: Service) -> None:
    root.ask("accounts.add", name="alice", password="secret", credit="5")
    account = root.ask("accounts.set", name="alice", changes={"maxlines": 9, "credit": "7.25"})["account"]
    assert (account["maxlines"], account["balance"], account["locklevel"]) == (9, "7.25", 0)
    assert (
        root.ask("accounts.set", name="alice", changes={"top_up": "-0.25", "note": "typo"})["account"]["balance"]
        == "7.00"
    )
    ledger = root.ask("accounts.ledger", name="alice")["postings"]
    assert [row["amount"] for row in ledger] == ["-0.25", "2.25", "5.00"]
    assert ledger[0]["note"] == "typo"
    assert service.told.count(("account", "alice")) == 3


def test_half_of_a_refused_change_is_not_kept(root: Operator, service: Service) -> None:
    root.ask("accounts.add", name="alice", password="secret")
    service.told.clear()
    with pytest.raises(WireError, match="not an amount"):
        root.ask("accounts.set", name="alice", changes={"maxlines": 9, "credit": "much"})
    assert root.ask("accounts.show", name="alice")["account"]["maxlines"] == 5
    assert service.told == []


def test_a_refused_change_throws_away_nothing_that_the_service_has_written(root: Operator, store: Store) -> None:
    root.ask("accounts.add", name="alice", password="secret", credit="5")
    store.deposit("alice", 1_000_000)
    with pytest.raises(WireError, match="not an amount"):
        root.ask("accounts.set", name="alice", changes={"credit": "much"})
    assert root.ask("accounts.show", name="alice")["account"]["balance"] == "6.00"


def test_a_new_password_is_for_todays_realm(root: Operator) -> None:
    root.ask("accounts.add", name="alice", password="secret")
    warned = root.ask("settings.set", changes={"localdomain": "sip.example.com"})["warnings"]
    assert "set those of alice again" in warned[0]
    account = root.ask("accounts.set", name="alice", changes={"password": "another"})["account"]
    assert account["realm"] == "sip.example.com"


@pytest.mark.parametrize(
    "verb", ["accounts.show", "accounts.remove", "trunks.remove", "trunks.routes", "accounts.ledger"]
)
def test_what_is_not_there_is_not_found(root: Operator, verb: str) -> None:
    with pytest.raises(WireError) as refused:
        root.ask(verb, name="nobody")
    assert refused.value.code == "not_found"


def test_a_deck_that_does_not_exist_is_given_to_nobody(root: Operator) -> None:
    with pytest.raises(WireError, match="no rate deck"):
        root.ask("accounts.add", name="alice", password="secret", deck="retail")


def test_a_deck_comes_in_pieces_and_counts_when_it_is_whole(root: Operator) -> None:
    root.ask("rates.begin", deck="retail")
    assert root.ask("rates.rows", first_line=1, text=DECK)["rates"] == 2
    assert root.ask("rates.decks") == {"decks": []}
    assert root.ask("rates.commit") == {"deck": "retail", "rates": 2}
    assert [rate["prefix"] for rate in root.ask("rates.list", deck="retail")["rates"]] == ["49", "4930"]
    assert root.ask("rates.list", deck="retail", prefix="493")["rates"][0]["per_minute"] == "0.01"


def test_a_wrong_line_gives_the_whole_deck_up(root: Operator) -> None:
    root.ask("rates.begin", deck="retail")
    root.ask("rates.rows", first_line=1, text=DECK)
    with pytest.raises(WireError, match="line 5, column per_minute") as refused:
        root.ask("rates.rows", first_line=4, text="44,0.03,UK\n33,free,France\n")
    assert refused.value.code == "bad_rate"
    with pytest.raises(WireError, match="no import was begun"):
        root.ask("rates.commit")


def test_an_operator_who_goes_away_leaves_no_import(root: Operator, store: Store) -> None:
    root.ask("rates.begin", deck="retail")
    root.ask("rates.rows", first_line=1, text=DECK)
    root.session.close()
    while store.sweep():
        pass
    assert root.ask("rates.decks") == {"decks": []}


def test_a_deck_that_prices_calls_is_not_removed(root: Operator) -> None:
    root.ask("rates.begin", deck="retail")
    root.ask("rates.rows", first_line=1, text=DECK)
    root.ask("rates.commit")
    root.ask("accounts.add", name="alice", password="secret", deck="retail")
    with pytest.raises(WireError, match="alice"):
        root.ask("rates.remove", deck="retail")
    root.ask("accounts.set", name="alice", changes={"deck": ""})
    assert root.ask("rates.remove", deck="retail") == {"removed": "retail"}


def test_a_trunk_never_gives_its_password_out(root: Operator) -> None:
    trunk = root.ask("trunks.add", name="carrier", host="192.0.2.9", user="we", password="hunter2")["trunk"]
    assert trunk["has_password"] is True
    assert "hunter2" not in json.dumps([trunk, root.ask("trunks.list")])


def test_a_trunk_names_a_host_that_can_be_and_a_deck_that_is(root: Operator) -> None:
    with pytest.raises(WireError, match="no IPv4 address"):
        root.ask("trunks.add", name="carrier", host="999.1.1.1")
    with pytest.raises(WireError, match="no rate deck"):
        root.ask("trunks.add", name="carrier", host="192.0.2.9", deck="none")


def test_a_route_is_kept_as_numbers_are(root: Operator) -> None:
    root.ask("trunks.add", name="carrier", host="192.0.2.9", routes=[{"prefix": "+49"}, {"prefix": "0033"}])
    assert [route["prefix"] for route in root.ask("trunks.routes", name="carrier")["routes"]] == ["33", "49"]
    with pytest.raises(WireError, match="begins with 00"):
        root.ask("trunks.route", name="carrier", route={"prefix": "00"})


def test_routes_are_added_replaced_and_taken_away(root: Operator, service: Service) -> None:
    root.ask("trunks.add", name="carrier", host="192.0.2.9", routes=[{"prefix": "49"}])
    root.ask("trunks.route", name="carrier", route={"prefix": "44", "priority": 5, "strip": 2, "prepend": "00"})
    root.ask("trunks.route", name="carrier", route={"prefix": "49", "priority": 7})
    listed = {route["prefix"]: route["priority"] for route in root.ask("trunks.routes", name="carrier")["routes"]}
    assert listed == {"44": 5, "49": 7}
    root.ask("trunks.unroute", name="carrier", prefix="44")
    with pytest.raises(WireError, match="no route for 44"):
        root.ask("trunks.unroute", name="carrier", prefix="44")
    assert ("trunks",) in service.told


def test_a_setting_is_checked_stored_audited_and_put_in_force(root: Operator, store: Store, service: Service) -> None:
    result = root.ask("settings.set", changes={"CallTimeout": "90m", "maxlines": "2"})
    assert (result["generation"], result["live"]) == (2, True)
    assert store.overrides() == {"calltimeout": "1h30m", "maxlines": "2"}
    assert service.settings().calltimeout == 5400.0
    assert service.settings().generation == store.generation() == 2
    assert {row.who for row in store.audit()} == {"root"}
    assert service.told == [("settings", 2)]


def test_a_refused_setting_stores_nothing_of_its_kin(root: Operator, store: Store, service: Service) -> None:
    with pytest.raises(WireError, match="maxlines must be"):
        root.ask("settings.set", changes={"calltimeout": "1h", "maxlines": "-4"})
    assert store.overrides() == {}
    assert service.told == []


def test_taking_a_change_back_leaves_no_override(root: Operator, store: Store) -> None:
    root.ask("settings.set", changes={"maxlines": "2"})
    shown = root.ask("settings.set", changes={"maxlines": None})["settings"][0]
    assert (shown["value"], shown["source"]) == ("5", "default")
    assert store.overrides() == {}


def test_a_secret_setting_is_neither_shown_nor_audited(root: Operator, store: Store) -> None:
    result = root.ask("settings.set", changes={"sslcertpwd": "hunter2"})
    told = [result, root.ask("settings.get", name="sslcertpwd"), root.ask("settings.list")]
    assert "hunter2" not in json.dumps(told) + repr(store.audit())
    assert store.overrides() == {"sslcertpwd": "hunter2"}


def test_a_single_run_learns_the_settings_file_first(alone: Operator) -> None:
    alone.ask("context", file={"localdomain": "sip.example.com", "maxlines": "8"})
    account = alone.ask("accounts.add", name="alice", password="secret")["account"]
    assert (account["realm"], account["maxlines"]) == ("sip.example.com", 8)
    assert alone.ask("settings.get", name="maxlines")["source"] == "file"


def test_a_running_office_does_not_take_a_settings_file(root: Operator) -> None:
    with pytest.raises(WireError, match="already"):
        root.ask("context", file={})


def test_a_stored_change_that_no_longer_fits_is_listed_as_a_problem(alone: Operator, store: Store) -> None:
    store.set_setting("maxlines", "many")
    listed = alone.ask("settings.list")
    assert "maxlines must be" in listed["problems"][0]
    assert next(each for each in listed["settings"] if each["name"] == "maxlines")["value"] == "5"


def test_a_ban_is_stored_with_who_and_why_and_the_gate_is_told(root: Operator, service: Service) -> None:
    root.ask("bans.add", prefix="192.0.2.0/24", expires_at=NOW + 60, reason="noise")
    (ban,) = root.ask("bans.list")["bans"]
    assert (ban["prefix"], ban["rule"], ban["reason"], ban["who"]) == ("192.0.2.0/24", "operator", "noise", "root")
    assert root.ask("bans.remove", prefix="192.0.2.0/24")["lifted"] == ["192.0.2.0/24"]
    assert service.told == [("ban", "192.0.2.0/24", NOW + 60), ("unban", "192.0.2.0/24")]
    with pytest.raises(WireError, match="not banned"):
        root.ask("bans.remove", prefix="192.0.2.0/24")


@pytest.mark.parametrize("prefix", ["0.0.0.0/0", "::/0", "::ffff:0:0/96"])
def test_nobody_bans_or_lets_pass_the_whole_world(root: Operator, service: Service, prefix: str) -> None:
    for verb in ("bans.add", "allows.add"):
        with pytest.raises(WireError, match="everyone"):
            root.ask(verb, prefix=prefix)
    assert service.told == []


@pytest.mark.parametrize("prefix", ["fe80::1%eth0", "fe80::%eth0/64", "fe80::%x }\nflush ruleset\n{ fd00::/64"])
def test_no_address_has_a_zone(root: Operator, service: Service, prefix: str) -> None:
    for verb in ("bans.add", "allows.add"):
        with pytest.raises(WireError, match="has a zone"):
            root.ask(verb, prefix=prefix)
    assert service.told == []


@pytest.mark.parametrize("end", [-1.0, 2.0**33, 1_764_433_000_000.0, float("inf"), float("nan")])
def test_an_end_that_no_plan_could_hold_is_refused(root: Operator, service: Service, end: float) -> None:
    for verb in ("bans.add", "allows.add"):
        with pytest.raises(WireError):
            root.ask(verb, prefix="192.0.2.1", expires_at=end)
    assert service.told == []


def test_all_bans_are_lifted_and_the_service_forgives(root: Operator, service: Service) -> None:
    for prefix in ("192.0.2.1", "2001:db8::/32"):
        root.ask("bans.add", prefix=prefix)
    assert root.ask("bans.clear")["lifted"] == ["192.0.2.1", "2001:db8::/32"]
    assert service.told[-1] == ("forgive",)
    root.ask("bans.add", prefix="192.0.2.1")
    assert root.ask("bans.lift", source="all")["lifted"] == ["192.0.2.1"]
    assert root.ask("bans.list")["bans"] == []


def test_an_address_is_lifted_with_all_its_ports_and_a_port_alone(
    root: Operator, store: Store, service: Service
) -> None:
    for prefix, port in (("192.0.2.1", 0), ("192.0.2.1", 5070), ("192.0.2.1", 5071), ("2001:db8::1", 5070)):
        store.add_ban(BanRow(prefix, "maxfailedauthenabledipport", port=port))
    assert root.ask("bans.lift", source="192.0.2.1:5071")["lifted"] == ["192.0.2.1:5071"]
    assert root.ask("bans.lift", source="192.0.2.1")["lifted"] == ["192.0.2.1", "192.0.2.1:5070"]
    assert root.ask("bans.lift", source="[2001:DB8::1]:5070")["lifted"] == ["[2001:db8::1]:5070"]
    assert service.told[-3:] == [("unban", "192.0.2.1"), ("unban", "192.0.2.1", 5070), ("unban", "2001:db8::1", 5070)]
    assert root.ask("bans.list")["bans"] == []


def test_who_looks_up_an_address_is_told_of_the_network_that_covers_it(root: Operator, store: Store) -> None:
    store.add_ban(BanRow("192.0.2.0/24", "maxfailedauthenabledip", scope="network", samples=("REGISTER sip:x",)))
    (ban,) = root.ask("bans.show", source="192.0.2.7")["bans"]
    assert (ban["source"], ban["samples"]) == ("192.0.2.0/24", ["REGISTER sip:x"])
    with pytest.raises(WireError, match="not banned") as caught:
        root.ask("bans.lift", source="192.0.2.7")
    assert "bans lift 192.0.2.0/24" in caught.value.hint
    with pytest.raises(WireError, match="not banned"):
        root.ask("bans.show", source="198.51.100.7")


@pytest.mark.parametrize("source", ["nonsense", "192.0.2.1:0", "192.0.2.1:70000", "192.0.2.0/24:5060", "[::1", "a:1"])
def test_what_is_no_source_is_refused(root: Operator, source: str) -> None:
    with pytest.raises(WireError):
        root.ask("bans.lift", source=source)


def test_an_address_is_stored_in_one_writing_only(root: Operator) -> None:
    root.ask("bans.add", prefix="2001:DB8:0::1/128")
    assert root.ask("bans.list")["bans"][0]["prefix"] == "2001:db8::1"
    with pytest.raises(WireError, match="name an address or a network"):
        root.ask("bans.add", prefix="192.0.2.1/24")


def test_trust_is_given_and_taken(root: Operator, service: Service) -> None:
    root.ask("allows.add", prefix="192.0.2.1", reason="office")
    assert root.ask("allows.list")["allows"][0]["kind"] == "allow"
    root.ask("allows.remove", prefix="192.0.2.1")
    assert service.told == [("allow", "192.0.2.1"), ("disallow", "192.0.2.1")]


@pytest.mark.setting("allowtrustedip")
def test_whoever_trusts_an_address_is_told_which_setting_keeps_panel_and_ssh_shut_to_it(root: Operator) -> None:
    def warned(prefix: str, value: str, remote: str = "1") -> list[str]:
        root.ask("settings.set", changes={"allowtrustedip": value, "remoteadmin": remote})
        told: list[str] = root.ask("allows.add", prefix=prefix)["warnings"]
        return told

    root.ask("allows.add", prefix="203.0.113.9")
    for value in ("0", "1", "2"):
        [words] = warned("203.0.113.9", value)
        assert words == (
            f"the panel, and on the image SSH, stays shut to 203.0.113.9: allowtrustedip is {value}; "
            "'appliance settings set allowtrustedip 3' opens both"
        )
        span, whom = ("private", "public addresses of") if value == "2" else ("none", "what is on")
        listed = root.ask("allows.list")
        assert listed["opening"] == {"panel": span, "ssh": span}
        assert listed["warnings"] == [words.replace("203.0.113.9", f"{whom} the allow list")]
    assert warned("10.0.0.0/8", "1") and not warned("10.1.2.0/24", "2") and not warned("2001:db8::/32", "3")
    assert not warned("203.0.113.9", "3") and not warned("203.0.113.9", "4") and not warned("203.0.113.9", "1", "2")
    assert root.ask("allows.list")["opening"] == {"panel": "all", "ssh": "all"}
    assert root.ask("allows.list")["warnings"] == []


NEAR = "the panel, and on the image SSH, no longer answers private networks that are not on the allow list: "


@pytest.mark.setting("trustlanip")
def test_who_trusts_a_first_address_is_told_that_private_networks_are_shut_out_by_it(root: Operator) -> None:
    def first(prefix: str, kind: str = "allow", **settings: str) -> list[str]:
        root.ask("settings.set", changes=settings)
        told: list[str] = root.ask("allows.add", prefix=prefix, kind=kind)["warnings"]
        root.ask("allows.remove", prefix=prefix)
        root.ask("settings.set", changes=dict.fromkeys(settings))
        return [each for each in told if "private networks" in each]

    assert first("198.51.100.7") == [NEAR + "'appliance allow 10.0.0.0/8' opens both to one"]
    assert first("10.0.0.0/8") == [NEAR + "'appliance allow 172.16.0.0/12' opens both to one"]
    honoured = "'appliance settings set allowtrustedip 3 && appliance allow 10.0.0.0/8' opens both to one"
    assert first("198.51.100.7", allowtrustedip="1") == [NEAR + honoured]
    assert first("198.51.100.7", remoteadmin="2") == first("198.51.100.7", trustlanip="true") == []
    assert first("198.51.100.7", "known") == []


def test_the_allow_list_says_what_it_means_to_private_networks_before_and_after(root: Operator) -> None:
    def said() -> str:
        return str(root.ask("allows.list")["private_networks"])

    before = (
        "the first trusted address shuts the panel, and on the image SSH, to private networks that are not on the "
        "allow list: 'appliance allow 10.0.0.0/8' opens both to one"
    )
    assert said() == before
    root.ask("allows.add", prefix="198.51.100.7")
    assert said() == NEAR + "'appliance allow 10.0.0.0/8' opens both to one"
    assert root.ask("allows.add", prefix="198.51.100.8")["warnings"] == []  # it was no answer to private ones before
    root.ask("allows.add", prefix="10.1.0.0/16")
    assert said() == ""
    root.ask("allows.remove", prefix="10.1.0.0/16")
    root.ask("settings.set", changes={"remoteadmin": "2"})
    assert said() == ""


@pytest.mark.setting("remoteadmin")
def test_with_remoteadmin_0_trust_opens_ssh_and_not_the_panel_and_both_settings_are_named(root: Operator) -> None:
    panel = (
        "the panel stays shut to all but this machine: remoteadmin is 0; "
        "'appliance settings set remoteadmin 1' opens it to trusted addresses"
    )
    root.ask("settings.set", changes={"allowtrustedip": "3", "remoteadmin": "0"})
    first = root.ask("allows.list")["private_networks"]
    near = (
        "on the image SSH no longer answers private networks that are not on the allow list: "
        "'appliance allow 10.0.0.0/8' opens it to one"
    )
    assert first == (
        "the first trusted address shuts SSH, on the image, to private networks that are not on the allow list: "
        "'appliance allow 10.0.0.0/8' opens it to one"
    )
    assert root.ask("allows.add", prefix="203.0.113.9")["warnings"] == [panel, near]
    listed = root.ask("allows.list")
    assert (listed["opening"], listed["warnings"]) == ({"panel": "none", "ssh": "all"}, [panel])
    assert listed["administered_from"] == ["203.0.113.9/32"]
    root.ask("settings.set", changes={"allowtrustedip": "1"})
    ssh, again = root.ask("allows.add", prefix="203.0.113.9")["warnings"]
    assert again == panel and ssh == (
        "on the image SSH stays shut to 203.0.113.9: allowtrustedip is 1; "
        "'appliance settings set allowtrustedip 3' opens it"
    )
    root.ask("settings.set", changes={"allowtrustedip": "3"})
    timed, left = root.ask("allows.add", prefix="203.0.113.9", expires_at=NOW + 9)["warnings"]
    assert timed == panel and left == "nobody opens SSH without an end: after the last one it answers the tunnel alone"


def test_who_trusts_for_a_while_only_is_told_what_comes_after_and_sees_it_come(root: Operator, store: Store) -> None:
    warned = ["nobody opens panel and SSH without an end: after the last one both answer the tunnel alone"]
    assert root.ask("allows.add", prefix="192.0.2.1", expires_at=NOW + 9)["warnings"][1:] == warned
    assert root.ask("allows.list")["warnings"] == warned
    assert root.ask("allows.add", prefix="192.0.2.2")["warnings"] == []
    assert root.ask("allows.add", prefix="192.0.2.1", expires_at=NOW + 9)["warnings"] == []
    assert root.ask("allows.remove", prefix="192.0.2.2")["warnings"] == warned
    assert root.ask("allows.add", prefix="192.0.2.2")["warnings"] == []
    assert root.ask("allows.list")["ended"] is None
    root.ask("allows.remove", prefix="192.0.2.1")
    root.ask("allows.remove", prefix="192.0.2.2")
    store.add_allow(AllowRow("192.0.2.3", created_at=NOW - 9, expires_at=NOW - 1))
    told = root.ask("allows.list")
    assert (told["allows"], told["administered_from"], told["ended"]["prefix"]) == ([], [], "192.0.2.3")
    root.ask("allows.remove", prefix="192.0.2.3")
    assert "10.0.0.0/8" in root.ask("allows.list")["administered_from"]


def test_who_is_known_to_the_gate_is_listed_and_administers_nothing(root: Operator) -> None:
    root.ask("allows.add", prefix="192.0.2.2", kind="known")
    assert "10.0.0.0/8" in root.ask("allows.list")["administered_from"]  # nobody is trusted so far
    root.ask("allows.add", prefix="192.0.2.1", reason="office")
    listed = root.ask("allows.list")
    assert {each["prefix"]: each["kind"] for each in listed["allows"]} == {"192.0.2.1": "allow", "192.0.2.2": "known"}
    assert listed["administered_from"] == ["192.0.2.1/32"]


def test_an_entry_of_kind_known_is_no_trust_that_lasts_and_is_told_of_no_setting(root: Operator) -> None:
    root.ask("allows.add", prefix="192.0.2.2", kind="known")
    near, words = root.ask("allows.add", prefix="192.0.2.1", expires_at=NOW + 9)["warnings"]
    assert "no longer answers private networks" in near  # with this one, and not with the one before
    assert "nobody opens panel and SSH without an end" in words
    root.ask("settings.set", changes={"allowtrustedip": "1"})
    assert root.ask("allows.add", prefix="192.0.2.3", kind="known")["warnings"] == []
    assert "stays shut to 192.0.2.3" in root.ask("allows.add", prefix="192.0.2.3")["warnings"][0]


def test_running_calls_are_listed_and_hung_up(root: Operator, store: Store, service: Service) -> None:
    store.open_call(NewCall("call-1", None, "alice", "bob", setup_at=NOW - 5))
    store.answer_call("call-1", NOW - 3)
    (call,) = root.ask("calls.list")["calls"]
    assert (call["state"], call["talk_s"], call["reserved"]) == ("answered", 3.0, "0.00")
    service.calls.add("call-1")
    assert root.ask("calls.hangup", all=True) == {"calls": ["call-1"]}
    root.ask("accounts.add", name="carol", password="a long one")
    assert root.ask("calls.hangup", account="carol") == {"calls": []}
    with pytest.raises(WireError, match="no account 'dave'"):
        root.ask("calls.hangup", account="dave")
    with pytest.raises(WireError, match="no running call 'call-2'"):
        root.ask("calls.hangup", call_id="call-2")


def test_no_call_is_hung_up_where_none_can_run(alone: Operator) -> None:
    with pytest.raises(WireError) as refused:
        alone.ask("calls.hangup", all=True)
    assert refused.value.code == "not_running"


def test_call_records_are_filtered_and_paged(root: Operator, store: Store) -> None:
    for number in range(5):
        store.settle(Cdr(f"call-{number}", caller="1", callee=f"49{number}", setup_at=NOW + number, sip_status=486))
    newest = root.ask("cdrs.list", limit=2)["cdrs"]
    assert [cdr["call_id"] for cdr in newest] == ["call-4", "call-3"]
    older = root.ask("cdrs.list", limit=9, before_id=newest[-1]["id"])["cdrs"]
    assert [cdr["call_id"] for cdr in older] == ["call-2", "call-1", "call-0"]
    assert root.ask("cdrs.list", callee="493")["cdrs"][0]["charge"] == "0.00"


def test_registrations_say_from_where(root: Operator, store: Store) -> None:
    store.save_binding(
        SavedBinding("alice", "sip:alice@10.0.0.1", "udp", "::1", 5060, "2001:db8::7", 5070, NOW + 60, "c", 1)
    )
    (row,) = root.ask("registrations.list")["registrations"]
    assert row["source"] == "[2001:db8::7]:5070"


def test_status_counts_and_adds_what_the_service_knows(root: Operator, alone: Operator) -> None:
    root.ask("accounts.add", name="alice", password="secret")
    status = root.ask("status")
    assert (status["running"], status["accounts"], status["relay"]) == (True, 1, "kernel")
    assert alone.ask("status")["running"] is False


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", "bad_line"),
        (b"[]", "bad_line"),
        (b'{"verb": "nothing"}', "unknown_verb"),
        (b'{"verb": ["x"]}', "unknown_verb"),
        (b'{"verb": "accounts.add"}', "bad_args"),
        (b'{"verb": "accounts.add", "args": {"name": 1, "password": "x"}}', "bad_args"),
        (b'{"verb": "accounts.list", "args": {"x": 1}}', "bad_args"),
        (b'{"verb": "settings.set", "args": {"changes": {"maxlines": 3}}}', "bad_args"),
        (b'{"verb": "settings.set", "args": {"changes": {"nonsense": "3"}}}', "unknown_setting"),
        (b'{"verb": "settings.diff", "args": {"profile": "loose"}}', "bad_args"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused_with_a_code(root: Operator, line: bytes, code: str) -> None:
    reply = wire.decode(root.session.answer(line))
    assert reply["ok"] is False
    assert reply["error"]["code"] == code


def test_every_verb_that_takes_nothing_answers_on_an_empty_store(root: Operator) -> None:
    for verb in VERBS.values():
        if verb.args.__name__ == "Nothing" and not verb.writes and verb.area is not Area.OWN:
            try:
                root.ask(verb.name)
            except WireError as error:
                importing = verb.name == "lists.compare"  # of an import, and none is under way
                assert error.code == ("invalid" if importing else "not_running"), verb.name


def test_a_fault_of_our_own_is_refused_and_not_raised(root: Operator, store: Store) -> None:
    store.close()
    reply = wire.decode(root.session.answer(wire.request(7, "accounts.list")))
    assert (reply["id"], reply["ok"]) == (7, False)


def test_a_single_run_answers_all_lines_in_order(tmp_path: Path) -> None:
    replies: list[bytes] = []
    lines = [wire.request(0, "context", {"file": {}}), b"\n", wire.request(1, "status")]
    assert run_once(lambda: Store.open(tmp_path / "office.db"), "root", lines, replies.append) == 0
    assert [wire.decode(reply)["id"] for reply in replies] == [0, 1]


def test_a_single_run_beside_a_running_office_says_that_the_database_is_in_use(tmp_path: Path) -> None:
    replies: list[bytes] = []
    with Store.open(tmp_path / "office.db"):
        opened = run_once(
            lambda: Store.open(tmp_path / "office.db"), "root", [wire.request(4, "status")], replies.append, 0.0
        )
    assert opened == 1
    assert wire.decode(replies[0])["error"]["code"] == "locked"


def test_a_single_run_waits_for_another_one(tmp_path: Path) -> None:
    replies: list[bytes] = []
    holder = Store.open(tmp_path / "office.db")
    tries: list[int] = []

    def opened() -> Store:
        tries.append(1)
        if len(tries) == 3:
            holder.close()
        return Store.open(tmp_path / "office.db")

    assert run_once(opened, "root", [wire.request(4, "status")], replies.append) == 0
    assert wire.decode(replies[0])["ok"]


def test_a_single_run_whose_asker_has_gone_ends_without_a_word(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pysrv", "once"], input=wire.request(1, "status"), stdout=write_end,
        stderr=subprocess.PIPE, check=False,
        env=os.environ | {"APPLIANCE_STATE": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, b"")
