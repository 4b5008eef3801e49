"""The administrators' tunnel for real: WireGuard from another namespace, and the panel over HTTPS through it."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from appliance.cli.link import Link
from appliance.tunnel import keys
from tests.lab.network import Lab, entered
from tests.lab.product import Product
from tests.lab.tunnel import TunnelPeer, page, read
from tests.lab.waiting import until


@pytest.fixture()
def admin(product: Product) -> Iterator[str]:
    """Whose host the administrator sits at, while somebody is trusted: then nobody comes in for being near."""
    product.command("allow", "192.0.2.7")
    yield "carol"
    product.command("tunnel", "off")
    product.command("disallow", "192.0.2.7")


def answer(lab: Lab, host: str, address: str, patience_s: float = 10.0) -> int:
    """What the panel says to somebody there: 303 to the login, 403, or 0 for nothing."""
    try:
        return page(lab.hosts[host], address, 8443, "/panel/", patience_s)[0]
    except OSError:
        return 0


def subjects(office: Link) -> list[str]:
    """What the operator was told."""
    return [each["subject"] for each in office.running_office("notices.list")["notices"]]


def dropped(lab: Lab) -> int:
    """Packets that the tunnel's rules kept out."""
    tables = json.loads(lab.run(lab.appliance, ["nft", "-j", "list", "ruleset"]).stdout)["nftables"]
    rules = [each["rule"] for each in tables if "rule" in each and "tunnel" in each["rule"]["table"]]
    return sum(part["counter"]["packets"] for rule in rules for part in rule["expr"] if "counter" in part)


def test_a_peer_loads_the_panel_through_the_tunnel_and_an_outsider_does_not(
    lab: Lab, product: Product, admin: str
) -> None:
    gateway, outside = lab.hosts[admin].gateway, lab.hosts["bob"].gateway
    product.command("settings", "set", "adminemails", "noc@example.org")
    shown = product.command("tunnel", "on", "--endpoint", gateway, "--by-panel")
    four, six = shown["addresses"]
    office = Link(product.state, product.runtime)  # as the panel asks, and the keeper by the office
    told = read(office.running_office("tunnel.add", {"name": "laptop"})["text"])
    with TunnelPeer(lab, lab.hosts[admin], told) as peer:
        until(lambda: answer(lab, admin, four) == 303, product.log)
        assert peer.heard().handshake_at > 0
        assert answer(lab, admin, six) == 303
        assert office.running_office("tunnel.show")["tunnel"]["peers"][0]["handshake_at"] > 0
        counted = {each["verdict"]: each["packets"] for each in product.command("status")["keeper"]["tallies"]}
        assert counted["tunnel_message"] > 5 and counted["tunnel_malformed"] == 0
        # The office looks at the keeper's word from time to time, so both come with its next look.
        until(lambda: office.running_office("figures")["tunnel_peers"] == 1, product.log)
        assert "laptop may come through the tunnel" in subjects(office)
        row = product.command("tunnel", "peer", "laptop")
        assert row["handshake_at"] > 0 and row["endpoint"].startswith(lab.hosts[admin].address)
        # Outside it the panel is shut, to the same machine as well.
        assert answer(lab, admin, gateway) == 403
        # Who writes to the tunnel's network from elsewhere is dropped, and who has no key never gets in.
        before = dropped(lab)
        assert answer(lab, "bob", four, 1.0) == 0
        assert dropped(lab) > before
        pretends = replace(told, private_key=keys.private_key(), endpoint=(outside, told.endpoint[1]))
        with TunnelPeer(lab, lab.hosts["bob"], pretends) as stranger:
            assert answer(lab, "bob", four, 1.0) == 0
            assert stranger.heard().sent_bytes >= 148 and stranger.heard().handshake_at == 0
        assert answer(lab, admin, four) == 303
        # Phones have no business there.
        with pytest.raises(OSError), entered(lab.hosts[admin].namespace):
            socket.create_connection((four, 5060), 1.0)
        product.command("tunnel", "remove", "laptop")
        assert answer(lab, admin, four, 1.0) == 0
    assert product.command("tunnel")["peers"] == []
