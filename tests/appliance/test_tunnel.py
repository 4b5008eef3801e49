"""The keeper's tunnel: its book, its interface and its rules, with a real WireGuard in a namespace of its own."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance import wire
from appliance.config.options import RunOptions
from appliance.kernel import wireguard
from appliance.kernel.fake import FakeGate
from appliance.tunnel import book, keys
from appliance.tunnel.keeping import LOOK_EVERY, Tunnel, place_of
from appliance.verbs import Caller, answer
from appliance.wire import WireError
from tests.lab.network import entered

ON, OFF, HEARD = wire.TunnelSwitch(True), wire.TunnelSwitch(False), wire.TunnelQuery(True)


class House:
    """What a keeper has: a place, a gate that is told the port, and lines that it says."""

    def __init__(self, options: RunOptions) -> None:
        self.place = place_of(options)
        self.guarded: list[int] = []
        self.said: list[str] = []

    def tunnel(self) -> Tunnel:
        made = Tunnel(self.place, self.guarded.append, self.said.append, lambda: 1e9)
        made.start()
        return made


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"tunnel{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(RunOptions(state=str(tmp_path), runtime=str(tmp_path / "run"), listen=("127.0.0.1", "192.0.2.1")))


def shown(namespace: str, *words: str) -> str:
    return subprocess.run(
        ["nsenter", f"--net=/run/netns/{namespace}", *words], capture_output=True, text=True, check=True
    ).stdout


def things(namespace: str) -> tuple[bool, bool]:
    """Whether there are an interface and a table of ours."""
    return "appl-t-" in shown(namespace, "ip", "link"), "tunnel" in shown(namespace, "nft", "list", "tables")


def test_it_comes_and_goes_without_a_trace_and_its_book_is_roots_alone(namespace: str, house: House) -> None:
    with entered(namespace):
        tunnel = house.tunnel()
        assert not tunnel.status(HEARD).on and not house.place.directory.exists()
        made = tunnel.switch(ON)
        assert (made.on, made.port, made.endpoint, made.problem) == (True, 51820, "192.0.2.1", "")
        assert house.guarded[-1] == 51820 and len(made.networks) == len(made.addresses) == 2
        text = tunnel.add(wire.NewPeer("laptop", by="olga")).text
        tunnel.add(wire.NewPeer("desk", keys.public_key(keys.private_key())))
        assert [(peer.name, peer.added_by, peer.handshake_at) for peer in tunnel.status(HEARD).peers] == [
            ("laptop", "olga", 0.0), ("desk", "", 0.0),
        ]  # fmt: skip
        kept = house.place.directory / "tunnel.json"
        assert [stat.S_IMODE(each.stat().st_mode) for each in (kept.parent, kept)] == [0o700, 0o600]
        secret = next(line for line in text.splitlines() if line.startswith("PrivateKey")).partition(" = ")[2]
        assert secret not in kept.read_text() and secret not in "".join(house.said)
        assert things(namespace) == (True, True)
        tunnel.close()
        assert things(namespace) == (False, False) and house.guarded[-1] == 0
        again = house.tunnel()
        assert [peer.name for peer in again.status(HEARD).peers] == ["laptop", "desk"]
        assert things(namespace) == (True, True)
        assert again.switch(OFF).networks == ()
        assert things(namespace) == (False, False)
        assert [peer.name for peer in house.tunnel().status(HEARD).peers] == ["laptop", "desk"]


def test_what_somebody_takes_away_comes_back(namespace: str, house: House) -> None:
    with entered(namespace):
        tunnel = house.tunnel()
        tunnel.switch(ON)
        for word in (("ip", "link", "del", house.place.interface), ("nft", "flush", "ruleset")):
            shown(namespace, *word)
            assert things(namespace) != (True, True)
            for _ in range(LOOK_EVERY):
                tunnel.tick()
            assert things(namespace) == (True, True)
        tunnel.close()


def test_one_that_is_pinned_outlives_its_keeper_and_the_next_one_takes_it_over(namespace: str, house: House) -> None:
    house.place = replace(house.place, survive=True)
    with entered(namespace):
        first = house.tunnel()
        first.switch(ON)
        before = shown(namespace, "ip", "link")
        first.close()
        second = house.tunnel()
        assert shown(namespace, "ip", "link") == before and second.status(HEARD).problem == ""
        second.switch(OFF)
        assert things(namespace) == (False, False)


def test_a_change_that_fails_leaves_everything_as_it_was(
    namespace: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with entered(namespace):
        tunnel = house.tunnel()
        tunnel.switch(ON)
        monkeypatch.setattr(house.place.directory.__class__, "replace", _full)
        with pytest.raises(WireError, match="cannot be written"):
            tunnel.add(wire.NewPeer("laptop"))
        monkeypatch.undo()
        assert tunnel.status(HEARD).peers == ()
        tunnel.add(wire.NewPeer("laptop"))
        tunnel.close()
        assert [peer.name for peer in house.tunnel().status(HEARD).peers] == ["laptop"]
        shown(namespace, "ip", "link", "del", house.place.interface)


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_machine_whose_filter_drops_by_default_lets_the_port_in(namespace: str, house: House) -> None:
    rules = Path(__file__).parents[2] / "image/files/etc/nftables.conf"
    shown(namespace, "ip", "link", "set", "lo", "up")
    shown(namespace, "nft", "-f", str(rules))
    with entered(namespace):
        tunnel = house.tunnel()
        tunnel.switch(wire.TunnelSwitch(True, port=40001))
        assert "elements = { 40001 }" in shown(namespace, "nft", "list", "set", "inet", "machine", "tunnel")
        tunnel.switch(OFF)
        assert "elements" not in shown(namespace, "nft", "list", "set", "inet", "machine", "tunnel")


def test_without_wireguard_it_says_so_and_the_keeper_goes_on(
    namespace: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(wireguard, "_made", lambda _name: False)
    with entered(namespace):
        tunnel = house.tunnel()
        with pytest.raises(WireError, match="no WireGuard") as refused:
            tunnel.switch(ON)
        assert "wireguard-go" in refused.value.hint
        assert not tunnel.status(HEARD).on
    monkeypatch.undo()
    assert things(namespace) == (False, False)


def test_a_book_that_cannot_be_read_is_said_and_not_written_over(namespace: str, house: House) -> None:
    house.place.directory.mkdir()
    kept = house.place.directory / "tunnel.json"
    for text in ("", "[]", "{}", '{"on": true}', book.fresh().to_json().replace("/24", "/99")):
        kept.write_text(text)
        with entered(namespace):
            tunnel = house.tunnel()
            assert "cannot be read" in house.said[-2]
            with pytest.raises(WireError, match="cannot be read"):
                tunnel.switch(ON)
        assert kept.read_text() == text


def test_a_book_that_cannot_be_read_lets_nobody_in_by_what_stands_still(namespace: str, tmp_path: Path) -> None:
    survivor = House(RunOptions(state=str(tmp_path), runtime=str(tmp_path / "run"), listen=("192.0.2.1",), pin=True))
    with entered(namespace):
        first = survivor.tunnel()
        first.switch(ON)
        first.add(wire.NewPeer("laptop"))
        first.close()
        assert things(namespace) == (True, True)
        kept = survivor.place.directory / "tunnel.json"
        kept.write_text(kept.read_text().replace('"by_panel": false', '"by_panel": "no"'))
        again = survivor.tunnel()
        assert things(namespace) == (False, False)
        assert "by_panel must be true or false" in survivor.said[-2]
        assert survivor.said[-1] == "whatever there was of the tunnel is taken down"
        assert again.status(HEARD).problem
        again.close()


def test_the_office_lets_peers_in_as_root_chose_and_cannot_open_the_tunnel(namespace: str, house: House) -> None:
    with entered(namespace):
        tunnel = house.tunnel()

        def asked(caller: Caller, verb: str, args: object = None) -> dict[str, Any]:
            line = wire.request(1, verb, args)
            reply: dict[str, Any] = json.loads(answer(FakeGate(), caller, line, house.said.append, tunnel=tunnel))
            return reply

        assert asked(Caller.OFFICE, "tunnel_switch", ON)["error"]["code"] == "forbidden"
        assert asked(Caller.ROOT, "tunnel_switch", ON)["result"]["on"]
        refused = asked(Caller.OFFICE, "tunnel_add", wire.NewPeer("x", by="olga"))["error"]
        assert (refused["code"], refused["message"]) == ("forbidden", "only root lets peers into the tunnel")
        assert asked(Caller.ROOT, "tunnel_add", wire.NewPeer("r"))["ok"]
        assert asked(Caller.OFFICE, "tunnel_remove", wire.PeerRef("r"))["ok"]
        by_panel = wire.TunnelSwitch(True, by_panel=True)
        assert asked(Caller.OFFICE, "tunnel_switch", by_panel)["error"]["code"] == "forbidden"
        assert asked(Caller.ROOT, "tunnel_switch", by_panel)["result"]["by_panel"]
        assert asked(Caller.ROOT, "tunnel_switch", ON)["result"]["by_panel"]  # as it was
        assert "PrivateKey" in asked(Caller.OFFICE, "tunnel_add", wire.NewPeer("x", by="olga"))["result"]["text"]
        (row,) = asked(Caller.OFFICE, "tunnel")["result"]["peers"]
        assert row["name"] == "x" and "private" not in json.dumps(row)
        for who in ("olga\nkeeper: tunnel off", "\x1b[2J", "o" * 121):  # a line of the journal, or root's terminal
            assert asked(Caller.OFFICE, "tunnel_add", wire.NewPeer("y", by=who))["error"]["code"] == "invalid"
            assert asked(Caller.OFFICE, "tunnel_remove", wire.PeerRef("x", who))["error"]["code"] == "invalid"
        assert asked(Caller.OFFICE, "tunnel_remove", wire.PeerRef("x", "olga"))["ok"]
        assert house.said[-2:] == ["tunnel: peer x added by olga", "tunnel: peer x removed by olga"]
        assert asked(Caller.OFFICE, "tunnel_remove", wire.PeerRef("x"))["error"]["code"] == "not_found"
        assert not asked(Caller.ROOT, "tunnel_switch", wire.TunnelSwitch(True, by_panel=False))["result"]["by_panel"]
        assert asked(Caller.OFFICE, "tunnel_add", wire.NewPeer("x"))["error"]["code"] == "forbidden"
        tunnel.close()
    none = json.loads(answer(FakeGate(), Caller.ROOT, wire.request(1, "tunnel"), house.said.append))
    assert none["error"]["code"] == "no_tunnel"


def refusal(act: object, *args: object) -> str:
    with pytest.raises(WireError) as refused:
        act(*args)  # type: ignore[operator]
    return refused.value.message


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (wire.TunnelSwitch(True, port=5060), "udp port 5060 is for SIP or media here"),
        (wire.TunnelSwitch(True, port=20001), "udp port 20001 is for SIP or media here"),
        (wire.TunnelSwitch(True, port=65536), "65536 is no port"),
        (wire.TunnelSwitch(True, network="8.8.8.0/24"), "8.8.8.0/24 cannot be the network inside the tunnel"),
        (wire.TunnelSwitch(True, network="10.0.0.0/8"), "10.0.0.0/8 cannot be the network inside the tunnel"),
        (wire.TunnelSwitch(True, endpoint="no place"), "'no place' is no place that peers could be told"),
        (wire.TunnelSwitch(True, endpoint="a;b"), "'a;b' is no place that peers could be told"),
        (wire.TunnelSwitch(True, endpoint="a:99999"), "99999 is no port"),
    ],
)
def test_a_switch_that_cannot_be_is_refused_by_name(house: House, wanted: wire.TunnelSwitch, says: str) -> None:
    assert refusal(house.tunnel().switch, wanted) == says
    assert not house.place.directory.exists()


@pytest.mark.parametrize(
    ("listen", "named"),
    [(("127.0.0.1", "::1"), "127.0.0.1, ::1"), (("fe80::1",), "fe80::1"), (("0.0.0.0",), "0.0.0.0"), ((), "nothing")],
)
def test_without_an_address_for_others_it_asks_what_peers_are_to_be_told(
    namespace: str, house: House, listen: tuple[str, ...], named: str
) -> None:
    house.place = replace(house.place, listen=listen)
    told = f"there is no address that peers could be told: the appliance listens on {named}"
    with entered(namespace):
        tunnel = house.tunnel()
        for act, args in ((tunnel.switch, ON), (tunnel.add, wire.NewPeer("laptop"))):
            assert refusal(act, args) == told
        assert not house.place.directory.exists() and tunnel.status(HEARD).endpoint == ""
        assert tunnel.switch(wire.TunnelSwitch(True, endpoint="pbx.example.org")).on
        assert "Endpoint = pbx.example.org:51820" in tunnel.add(wire.NewPeer("laptop")).text
        assert tunnel.switch(OFF).endpoint == "pbx.example.org"
        tunnel.close()


def test_a_peer_that_cannot_be_is_refused_by_name() -> None:
    kept = book.fresh().with_peer("desk", keys.public_key(keys.private_key()), "", 1.0)
    good = keys.public_key(keys.private_key())
    assert refusal(kept.with_peer, "../x", good, "", 1.0) == "'../x' cannot be a peer's name"
    assert refusal(kept.with_peer, "a\nb", good, "", 1.0) == "'a\\nb' cannot be a peer's name"
    assert refusal(kept.with_peer, "desk", good, "", 1.0) == "there is a peer 'desk' already"
    assert refusal(kept.with_peer, "x", kept.peers[0].public_key, "", 1.0) == "this key is that of 'desk'"
    assert refusal(kept.with_peer, "x", keys.public_key(kept.private_key), "", 1.0) == "that is the appliance's own key"
    assert refusal(kept.with_peer, "x", "AAAA", "", 1.0) == "that is no key of WireGuard"
    assert refusal(kept.with_peer, "x", "A" * 43 + "=", "", 1.0) == "that key would keep no secret"
    assert refusal(kept.without_peer, "nobody") == "the tunnel has no peer 'nobody'"


def test_numbers_are_given_again_and_end() -> None:
    kept = book.fresh(taken=("10.0.0.0/9", "10.128.0.0/10"))
    assert kept.network4.split(".")[1] >= "192"
    assert kept.network6.startswith("fd") and book.read(kept.to_json()) == kept
    for index in range(book.MOST_PEERS):
        kept = kept.with_peer(f"p{index}", keys.public_key(keys.private_key()), "", 1.0)
    assert len({address for peer in kept.peers for address in kept.addresses(peer.number)}) == 2 * book.MOST_PEERS
    another = keys.public_key(keys.private_key())
    assert refusal(kept.with_peer, "x", another, "", 1.0) == "the tunnel has 64 peers at most"
    again = kept.without_peer("p3").with_peer("x", keys.public_key(keys.private_key()), "", 1.0)
    assert again.peer("x").number == kept.peer("p3").number


@pytest.mark.parametrize(
    ("told", "written"),
    [("pbx.example.org", "pbx.example.org"), ("pbx.example.org:1194", "pbx.example.org:1194"),
     ("2001:db8::1", "[2001:db8::1]"), ("[2001:db8::1]:99", "[2001:db8::1]:99"), ("192.0.2.1", "192.0.2.1")],
)  # fmt: skip
def test_an_endpoint_is_written_as_peers_read_it(told: str, written: str) -> None:
    assert book.host(told) == written
