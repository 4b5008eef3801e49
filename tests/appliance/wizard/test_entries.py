"""What people type at the screen: names, addresses, keys; and the files that they become."""

import base64
import struct
import subprocess
from pathlib import Path

import pytest

from appliance.wizard.entries import BadEntry, Static, host_name, network_file, public_key, static, usable_keys


def made(place: Path, *kind: str) -> str:
    file = place / "-".join(kind)
    subprocess.run(["ssh-keygen", "-q", "-t", *kind, "-N", "", "-C", "a b", "-f", str(file)], check=True)
    return file.with_suffix(".pub").read_text()


@pytest.mark.parametrize(
    ("typed", "name"), [(" SIP1 ", "sip1"), ("sip1.example.org.", "sip1.example.org"), ("a-1", "a-1"), ("3com", "3com")]
)
def test_a_name_is_taken_in_small_letters(typed: str, name: str) -> None:
    assert host_name(typed) == name


@pytest.mark.parametrize(
    "typed", ["", "a b", "-a", "a-", "a..b", "ä", "a_b", "a" * 64, "x." * 33 + "x", "10.0.0.1", "$(id)"]
)
def test_what_is_no_name_is_refused(typed: str) -> None:
    with pytest.raises(BadEntry):
        host_name(typed)


def test_an_address_has_its_network_gateway_and_servers() -> None:
    assert static(" 192.0.2.10/24 ", "192.0.2.1", "192.0.2.53, 2001:db8::53") == Static(
        "192.0.2.10/24", "192.0.2.1", ("192.0.2.53", "2001:db8::53")
    )
    assert static("2001:db8::1/64", "fe80::1", "") == Static("2001:db8::1/64", "fe80::1")
    assert static("192.0.2.0/31", "", "") == Static("192.0.2.0/31")


@pytest.mark.parametrize(
    ("address", "gateway", "servers", "says"),
    [
        ("192.0.2.10", "", "", "its network's length"),
        ("192.0.2.300/24", "", "", "its network's length"),
        ("127.0.0.1/8", "", "", "its network's length"),
        ("224.0.0.1/8", "", "", "its network's length"),
        ("0.0.0.0/0", "", "", "its network's length"),
        ("192.0.2.0/24", "", "", "broadcast"),
        ("192.0.2.255/24", "", "", "broadcast"),
        ("192.0.2.10/24", "198.51.100.1", "", "nothing would reach it"),
        ("192.0.2.10/24", "2001:db8::1", "", "nothing would reach it"),
        ("192.0.2.10/24", "192.0.2.10", "", "own address"),
        ("192.0.2.10/24", "router", "", "the gateway must be"),
        ("192.0.2.10/24", "", "one", "server of names must be"),
        ("192.0.2.10/24", "", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4", "at most 3"),
        ("192.0.2.10/24\nDNS=x", "", "", "its network's length"),
    ],
)
def test_an_address_that_would_not_work_is_refused(address: str, gateway: str, servers: str, says: str) -> None:
    with pytest.raises(BadEntry, match=says):
        static(address, gateway, servers)


def test_the_file_of_the_network_says_the_one_or_the_other() -> None:
    assert "\nDHCP=yes\n" in network_file("eth0", None)
    text = network_file("eth0", Static("192.0.2.10/24", "192.0.2.1", ("192.0.2.53", "192.0.2.54")))
    assert [line for line in text.splitlines() if "=" in line] == [
        "Name=eth0", "DHCP=no", "Address=192.0.2.10/24", "Gateway=192.0.2.1", "DNS=192.0.2.53", "DNS=192.0.2.54",
        "LLMNR=no",
    ]  # fmt: skip
    assert "Gateway" not in network_file("eth0", Static("192.0.2.10/24"))


@pytest.mark.parametrize("kind", [("ed25519",), ("ecdsa", "-b", "384"), ("rsa", "-b", "2048")])
def test_a_key_that_ssh_made_is_taken(tmp_path: Path, kind: tuple[str, ...]) -> None:
    text = made(tmp_path, *kind)
    assert public_key(f"  {text}\n") == text.strip()


def test_a_private_key_is_refused_with_a_warning() -> None:
    with pytest.raises(BadEntry, match="nobody may ever see it"):
        public_key("-----BEGIN OPENSSH PRIVATE KEY-----")


def test_a_weak_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadEntry, match="2048 bits"):
        public_key(made(tmp_path, "rsa", "-b", "1024"))


def test_a_key_with_options_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadEntry, match="one line such as"):
        public_key(f'command="sh" {made(tmp_path, "ed25519")}')


def test_a_key_that_is_cut_short_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    kind, blob, _ = made(tmp_path, "ed25519").split(None, 2)
    other = base64.b64encode(struct.pack(">I", 7) + b"ssh-rsa").decode()
    for text in (
        f"{kind} {blob[:-8]}",
        f"{kind} {other}",
        f"{kind} {blob}!",
        f"{kind} AAAA",
        kind,
        f"{kind} ",
        "x" * 20_000,
    ):
        with pytest.raises(BadEntry):
            public_key(text)


def test_the_usable_keys_of_many_are_taken_once(tmp_path: Path) -> None:
    key = made(tmp_path, "ed25519").strip()
    good, bad = usable_keys([key, "nonsense", key])
    assert good == [key]
    assert len(bad) == 1
