"""Policy in the running service: changes that nobody confirms, lists that the gate lacks, and who is protected."""

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance import networks, wire
from appliance.config.settings import Settings
from appliance.wire import KeeperVerb, ListKind, WireError
from pysrv.service.changes import hold, snapshot
from pysrv.service.firewall import COUNTRIES, deciding
from pysrv.store import Store
from pysrv.store.firewall import Rule
from tests.service.bench import WALL, Bench, Time, opened

STATUS = wire.GateStatus(wire.PROTOCOL_VERSION, (), "kernel")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


def stored(store: Store, name: str, *pieces: list[str], kind: str = "ban") -> str:
    ident = store.list_begin(name, kind, "a test", 0)
    for piece in pieces:
        store.list_rows_add(ident, b"".join(map(networks.parsed, piece)))
    return store.list_commit(ident).digest


class Keeper:
    """Answers what the service asked about lists, as the gate does."""

    def __init__(self, bench: Bench, *held: wire.ListStatus) -> None:
        self.asked = bench.gate.asked
        self.held = {row.name: row for row in held}
        self.loaded: list[wire.ListChunk] = []

    def answer(self) -> list[KeeperVerb]:
        """Answers until nothing more is asked; the verbs in order."""
        verbs = []
        while self.asked:
            verb, args, done, _ = self.asked.pop(0)
            verbs.append(verb)
            done(self._result(verb, args))
        return verbs

    def _result(self, verb: KeeperVerb, args: Any) -> dict[str, Any]:
        match verb:
            case KeeperVerb.LISTS:
                return {"lists": [wire.to_dict(row) for row in self.held.values()]}
            case KeeperVerb.DROP_LIST:
                del self.held[args.name]
                return {}
            case _:
                self.loaded.append(args)
                status = wire.ListStatus(args.name, args.digest, 0, args.last)
                if args.last:
                    self.held[args.name] = status
                return wire.to_dict(status)


def test_a_change_that_nobody_confirms_is_taken_back_in_time(bench: Bench) -> None:
    store = bench.store
    undo = snapshot(store, ("maxlines",))
    store.set_setting("maxlines", "9")
    store.add_firewall_rule(Rule(0, "deny", "192.0.2.0/24", ""))
    store.set_report_only("listed", True)
    hold(store, WALL + bench.now, 60.0, "a test", undo)
    bench.service.operators.apply_settings(bench.service.operators.settings().with_changes({"maxlines": "9"}))
    bench.service.operators.policy_changed()
    bench.sleep(59.0)
    assert (bench.service.operators.settings().maxlines, len(bench.service.plan().firewall)) == (9, 1)
    assert bench.service.get_timer() is not None
    bench.sleep(2.0)
    plan = bench.service.plan()
    assert bench.service.operators.settings().maxlines == Settings().maxlines
    assert (plan.firewall, plan.report_only) == ((), ())
    assert store.pending_change() is None
    assert "change.not confirmed" in [row.action for row in store.audit()]


def test_a_change_that_was_confirmed_stays(bench: Bench) -> None:
    undo = snapshot(bench.store)
    bench.store.add_firewall_rule(Rule(0, "deny", "192.0.2.0/24", ""))
    hold(bench.store, WALL + bench.now, 60.0, "a test", undo)
    bench.service.operators.policy_changed()
    bench.store.drop_pending_change("confirmed")
    bench.service.operators.policy_changed()
    bench.sleep(61.0, step=5.0)
    assert len(bench.service.plan().firewall) == 1


_CHANGED = """
import sys, time
from pysrv.service.changes import hold, snapshot
from pysrv.store import Store
from pysrv.store.firewall import Rule

store = Store.open(sys.argv[1], lambda: float(sys.argv[2]))
undo = snapshot(store, ("maxlines",))
store.set_setting("maxlines", "9")
store.add_firewall_rule(Rule(0, "deny", "192.0.2.0/24", ""))
hold(store, float(sys.argv[2]), 60.0, "a test", undo)
store.commit()
print("changed", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("away_s", "rules"), [(30.0, 1), (90.0, 0)])
def test_an_office_that_is_killed_while_a_change_waits_takes_it_back_when_its_time_is_over(
    tmp_path: Path, away_s: float, rules: int
) -> None:
    path = tmp_path / "appliance.db"
    command = [sys.executable, "-c", _CHANGED, path, str(WALL)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as office:
        assert office.stdout is not None
        assert office.stdout.readline() == "changed\n"
        os.kill(office.pid, signal.SIGKILL)
    with Store.open(path, lambda: WALL) as store:
        settings = Settings().with_changes(store.overrides())
        again = Bench(store, settings, Time(away_s))
        assert len(again.service.plan().firewall) == rules
        assert again.service.operators.settings().maxlines == (9 if rules else Settings().maxlines)
        again.sleep(61.0, step=1.0)
        assert again.service.plan().firewall == ()
        assert again.service.operators.settings().maxlines == Settings().maxlines


def test_lists_that_the_gate_lacks_are_loaded_and_others_dropped(bench: Bench) -> None:
    same = stored(bench.store, "same", ["198.51.100.1"])
    new = stored(bench.store, "new", ["198.51.100.2", "198.51.100.3"], ["203.0.113.0/24"])
    keeper = Keeper(bench, wire.ListStatus("same", same, 1), wire.ListStatus("gone", "x", 1))
    bench.service.on_connected(STATUS)
    verbs = keeper.answer()
    assert verbs == [KeeperVerb.LISTS, KeeperVerb.DROP_LIST, *[KeeperVerb.LOAD_LIST] * 3]
    assert [(c.name, c.first, c.last, c.entries) for c in keeper.loaded] == [
        ("new", True, False, 3),
        ("new", False, False, 3),
        ("new", False, True, 3),
    ]
    rows = b"".join(base64.b64decode(chunk.packed) for chunk in keeper.loaded)
    assert [networks.text(row) for row in networks.rows(rows)] == ["198.51.100.2", "198.51.100.3", "203.0.113.0/24"]
    assert bench.service.operators.lists_held() == {"same": same, "new": new}


def test_a_list_that_is_replaced_while_it_is_loaded_is_loaded_anew(bench: Bench) -> None:
    stored(bench.store, "feed", ["198.51.100.1"], ["198.51.100.2"])
    keeper = Keeper(bench)
    bench.service.on_connected(STATUS)
    verb, _, done, _ = bench.gate.asked.pop(0)
    done({"lists": []})
    new = stored(bench.store, "feed", ["203.0.113.1"])
    bench.service.operators.lists_changed()
    keeper.answer()
    assert verb is KeeperVerb.LISTS
    assert bench.service.operators.lists_held() == {"feed": new}
    assert not [chunk for chunk in keeper.loaded if chunk.digest != new and chunk.last]


def test_a_list_that_the_gate_refuses_does_not_hold_up_the_others(bench: Bench) -> None:
    stored(bench.store, "a bad one", ["198.51.100.1"])
    good = stored(bench.store, "good", ["198.51.100.2"])
    keeper = Keeper(bench)
    bench.service.on_connected(STATUS)
    _, _, done, _ = bench.gate.asked.pop(0)
    done({"lists": []})
    _, _, _, refused = bench.gate.asked.pop(0)
    refused(WireError("gate_full", "the gate is full"))
    keeper.answer()
    assert bench.service.operators.lists_held() == {"good": good}


def test_countries_of_rules_travel_as_one_list_for_each_action(bench: Bench) -> None:
    store = bench.store
    for country, prefix in (("CN", "198.51.100.0/24"), ("RU", "203.0.113.0/24"), ("DE", "192.0.2.0/24")):
        stored(store, country, [prefix], kind="country")
    for country, action in (("CN", "deny"), ("RU", "deny"), ("DE", "allow")):
        store.add_firewall_rule(Rule(0, action, "", country))
    keeper = Keeper(bench)
    bench.service.on_connected(STATUS)
    keeper.answer()
    texts: dict[ListKind, set[str]] = {}
    for chunk in keeper.loaded:
        found = networks.rows(base64.b64decode(chunk.packed))
        texts.setdefault(chunk.kind, set()).update(map(networks.text, found))
    assert texts[ListKind.COUNTRY_DENY] == {"198.51.100.0/24", "203.0.113.0/24"}
    assert {"192.0.2.0/24", "10.0.0.0/8", "fe80::/10"} <= texts[ListKind.COUNTRY_ALLOW]
    assert set(bench.service.operators.lists_held()) == set(COUNTRIES.values())


def test_the_plan_names_rules_report_only_and_the_protected(bench: Bench) -> None:
    bench.store.add_firewall_rule(Rule(0, "deny", "192.0.2.0/24", "", "udp", 5060))
    bench.store.set_report_only("listed", True)
    assert bench.service.operators.managed_from("203.0.113.7", "an administrator")
    assert not bench.service.operators.managed_from("203.0.113.7", "an administrator"), "known already"
    plan = bench.service.plan()
    assert plan.firewall == (wire.FirewallRule("192.0.2.0/24", wire.FirewallAction.DENY, "udp", 5060),)
    assert plan.report_only == ("listed",)
    assert plan.protected == ("203.0.113.7",)
    assert bench.service.operators.protected() == {"203.0.113.7": "an administrator"}


@pytest.mark.parametrize(
    ("address", "protocol", "port", "expected"),
    [
        ("198.51.100.7", "udp", 5060, 2),
        ("198.51.100.7", "udp", 5061, 1),
        ("198.51.100.7", "tcp", 5060, 1),
        ("198.51.100.9", "udp", 5060, 3),
        ("203.0.113.1", "udp", 5060, None),
        ("2001:db8::1", "tcp", 22, 4),
    ],
)
def test_the_rule_that_decides_is_the_gates_own(address: str, protocol: str, port: int, expected: int | None) -> None:
    rules = [
        Rule(1, "deny", "198.51.100.0/24", ""),
        Rule(2, "allow", "198.51.100.0/24", "", "udp", 5060),
        Rule(3, "deny", "198.51.100.9", ""),
        Rule(4, "deny", "2001:db8::/32", "", "any", 22),
    ]
    found = deciding(rules, address, protocol, port)
    assert (found.id if found else None) == expected
