"""Scanners at the gate: known by name, known by shape when the name is changed; telephones and monitors are not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import wire
from appliance.config.scanners import AGENTS
from tests.bpf.rig import Rig, frame
from tests.bpf.scanning import NAMES, SIPVICIOUS, STRANGER, TAG, agent, request
from tests.lab.captured import sent_by, sent_by_baresip


@pytest.fixture
def guarded(rig: Rig) -> Rig:
    rig.sync(scanners=AGENTS)
    return rig


def verdict(rig: Rig, payload: bytes, **parts: object) -> str:
    return rig.send(frame(payload, **{"src": STRANGER, **parts})).verdict  # type: ignore[arg-type]


@pytest.mark.parametrize("name", AGENTS)
def test_every_listed_scanner_is_dropped_by_its_name(guarded: Rig, name: str) -> None:
    assert verdict(guarded, agent(f"Foo {name.upper()}/1.2")) == "scanner_agent"


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE"])
def test_every_request_of_a_stranger_is_asked(guarded: Rig, method: str) -> None:
    assert verdict(guarded, request(method=method, agent="User-Agent: friendly-scanner\r\n")) == "scanner_agent"


@pytest.mark.parametrize("src", ["2001:db8:7::7", STRANGER])
def test_both_ip_versions_are_asked(guarded: Rig, src: str) -> None:
    dst = "fd77:1::1" if ":" in src else "10.77.1.1"
    assert verdict(guarded, agent("sipvicious"), src=src, dst=dst) == "scanner_agent"


@pytest.mark.parametrize(
    "name",
    ["friendly-scanne", "sipcl", "sipvicsipvicios", "x" * 300, "Telephone", "\xff" * 20, "friendly-\r\nscanner: 1"],
)
def test_what_only_resembles_a_name_passes(guarded: Rig, name: str) -> None:
    assert verdict(guarded, agent(name)) == "sip_request"


def test_a_name_at_the_end_of_a_long_user_agent_is_found(guarded: Rig) -> None:
    assert verdict(guarded, agent("x" * 150 + "sundayddr")) == "scanner_agent"


def test_a_name_in_another_header_is_not_a_user_agent(guarded: Rig) -> None:
    assert verdict(guarded, request(agent="Subject: friendly-scanner\r\nUser-Agent: x\r\n")) == "sip_request"
    assert verdict(guarded, request(agent="User-Agent: x\r\nVia-Friendly-Scanner: sipcli\r\n")) == "sip_request"


def test_without_a_list_nobody_is_dropped(rig: Rig) -> None:
    assert verdict(rig, agent("friendly-scanner")) == "sip_request"
    assert verdict(rig, request(**SIPVICIOUS)) == "sip_request"


def test_a_new_list_is_in_force_with_the_next_packet(guarded: Rig) -> None:
    guarded.sync(scanners=("Telephone",))
    assert verdict(guarded, agent("friendly-scanner")) == "sip_request"
    assert verdict(guarded, agent("telephone 1.6")) == "scanner_agent"
    guarded.sync(scanners=())
    assert verdict(guarded, agent("telephone 1.6")) == "sip_request"


def test_in_report_only_scanners_are_counted_and_pass(guarded: Rig) -> None:
    guarded.sync(scanners=AGENTS, report_only=("scanner_agent", "scanner_shape"))
    before = {tally.verdict: tally.reported for tally in guarded.gate.tallies()}
    assert verdict(guarded, agent("friendly-scanner")) == "sip_request"
    assert verdict(guarded, request(**SIPVICIOUS)) == "sip_request"
    after = {tally.verdict: tally.reported for tally in guarded.gate.tallies()}
    assert after["scanner_agent"] == before["scanner_agent"] + 1
    assert after["scanner_shape"] == before["scanner_shape"] + 1


def test_a_known_device_may_call_itself_what_it_likes(guarded: Rig) -> None:
    guarded.sync(scanners=AGENTS, known_pairs=(wire.KnownPair(STRANGER, 5060, 2.0**32),))
    assert verdict(guarded, agent("sipcli")) == "sip_request"
    assert verdict(guarded, agent("sipcli"), sport=5061) == "scanner_agent"


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        (SIPVICIOUS, True),
        ({**SIPVICIOUS, "branch": "z9hG4bK-32117572a5"}, False),
        ({**SIPVICIOUS, "branch": "z9hG4bK3211757225"}, False),
        ({**SIPVICIOUS, "call_id": "5754593668@10.0.0.1"}, False),
        ({**SIPVICIOUS, "contact": "<sip:100@127.0.0.1:5060>"}, False),
        ({**SIPVICIOUS, "contact": "Anna <sip:100@127.0.0.1:5060>"}, False),
        ({"tag": TAG, "contact": "sip:100@127.0.0.1"}, True),
        ({"tag": TAG}, False),
        ({"tag": TAG[:-1] + "a", "contact": "sip:100@127.0.0.1"}, False),
        ({"tag": TAG[:-1], "contact": "sip:100@127.0.0.1"}, False),
        ({"contact": "sip:100@127.0.0.1"}, False),
        ({"call_id": "575459366826"}, False),
    ],
)
def test_a_shape_needs_all_its_marks(guarded: Rig, parts: dict[str, str], found: bool) -> None:
    assert verdict(guarded, request(**parts)) == ("scanner_shape" if found else "sip_request")


# -- real tools ---------------------------------------------------------------------------------------------------


def scanners(rig: Rig) -> dict[str, list[bytes]]:
    target = rig.phone.gateway
    return {
        "svmap": sent_by(rig.lab, rig.phone, ["svmap", target], 1),
        "svmap -m INVITE": sent_by(rig.lab, rig.phone, ["svmap", "-m", "INVITE", target], 1),
        "svmap -m REGISTER": sent_by(rig.lab, rig.phone, ["svmap", "-m", "REGISTER", target], 1),
        "svmap -c": sent_by(rig.lab, rig.phone, ["svmap", "-c", target], 1),
        "svwar": sent_by(rig.lab, rig.phone, ["svwar", "--force", "-e", "100-103", target]),
        "svwar -m INVITE": sent_by(rig.lab, rig.phone, ["svwar", "--force", "-m", "INVITE", "-e", "100-103", target]),
        "svwar -c": sent_by(rig.lab, rig.phone, ["svwar", "-c", "--force", "-e", "100-103", target]),
        "svcrack": sent_by(rig.lab, rig.phone, ["svcrack", "-u", "100", "-r", "1-3", target]),
    }


@pytest.fixture(scope="module")
def attacks(loaded: Rig) -> Iterator[dict[str, list[bytes]]]:
    loaded.sync()
    yield scanners(loaded)


@pytest.mark.parametrize(
    "tool",
    ["svmap", "svmap -m INVITE", "svmap -m REGISTER", "svmap -c", "svwar", "svwar -m INVITE", "svwar -c", "svcrack"],
)
@pytest.mark.parametrize("name", NAMES)
def test_sipvicious_is_known_under_another_name_and_under_none(
    guarded: Rig, attacks: dict[str, list[bytes]], tool: str, name: str
) -> None:
    assert attacks[tool]
    for sent in attacks[tool]:
        if "-c" not in tool:
            assert verdict(guarded, sent) == "scanner_agent"
        changed = sent.replace(b"friendly-scanner", name.encode())
        if not name:
            changed = changed.replace(b"User-Agent: \r\n", b"")
        assert verdict(guarded, changed) == "scanner_shape"


def test_telephones_and_monitors_are_let_through(guarded: Rig, tmp_path: Path) -> None:
    guarded.sync()
    lab, host = guarded.lab, guarded.phone
    tools = {
        "baresip": sent_by_baresip(lab, host, tmp_path / "baresip"),
        "sipp": sent_by(lab, host, ["sipp", "-sn", "uac", host.gateway, "-i", host.address, "-m", "2", "-nostdin"], 2),
        "sipsak": sent_by(lab, host, ["sipsak", "-s", f"sip:100@{host.gateway}"], 1),
        "sipsak -U": sent_by(
            lab,
            host,
            ["sipsak", "-U", "-u", "anna", "-a", "x", "-C", f"sip:a@{host.address}", "-s", f"sip:a@{host.gateway}"],
        ),
    }
    are_let_through(guarded, tools)


def test_a_library_of_programs_is_let_through(guarded: Rig) -> None:
    guarded.sync()
    lab, host = guarded.lab, guarded.phone
    shim = [sys.executable, "-P", "-W", "ignore", "-m", "tests.lab.aiosip_shim"]
    sent = sent_by(lab, host, [*shim, host.gateway, host.address, "anna", "secret", "100"], 2)
    are_let_through(guarded, {"asyncsip": sent})


def are_let_through(guarded: Rig, tools: dict[str, list[bytes]]) -> None:
    guarded.sync(scanners=AGENTS)
    for tool, sent in tools.items():
        assert sent, tool
        for each in sent:
            assert verdict(guarded, each) == "sip_request", (tool, each)
