"""`appliance tunnel` in a session of SSH: nobody cuts himself off without knowing."""

from typing import Any

from appliance.cli.exits import Exit
from tests.appliance.shell import Shell
from tests.control.office import keeper

LAPTOP = {
    "name": "laptop", "public_key": "k", "addresses": ["10.99.7.2", "fd00:99::2"], "added_at": 1.0, "added_by": "",
    "endpoint": "", "handshake_at": 0.0, "received_bytes": 0, "sent_bytes": 0,
}  # fmt: skip
ON: dict[str, Any] = {
    "on": True, "port": 51820, "endpoint": "pbx", "public_key": "p", "interface": "appl-tunnel", "kind": "kernel",
    "problem": "", "addresses": ["10.99.7.1/24"], "networks": ["10.99.7.0/24", "fd00:99::/64"], "by_panel": False,
    "peers": [LAPTOP, LAPTOP | {"name": "desk", "addresses": ["10.99.7.3", "fd00:99::3"]}],
}  # fmt: skip
OFF = ON | {"on": False, "networks": []}
GUARDED = {"ssh_guarded": True, "ssh": []}
OFTEN = ("tunnel_switch", "tunnel_remove")


def test_whoever_comes_through_the_tunnel_is_not_cut_off_by_closing_it_unless_he_says_so(up: Shell) -> None:
    with keeper(up.runtime, {"status": GUARDED, "tunnel": ON, "tunnel_switch": OFF, "tunnel_remove": {}}) as asked:

        def run(*words: str, client: str) -> tuple[int, str]:
            result = up.run("tunnel", *words, SSH_CONNECTION=f"{client} 40000 192.0.2.1 22")
            return result.exit_code, " ".join(result.output.split())

        for client in ("10.99.7.2", "fd00:99::2", "::ffff:10.99.7.2"):
            for words, told in ((("off",), "which closes"), (("remove", "laptop"), "as laptop")):
                status, said = run(*words, client=client)
                assert status == Exit.REFUSED and f"through the tunnel from {client}, {told}" in said, said
                assert "--yes does it all the same" in said
        assert not [verb for verb, _ in asked if verb in OFTEN]
        for words, client in (
            (("off", "--yes"), "10.99.7.2"), (("remove", "laptop", "--yes"), "10.99.7.2"),
            (("remove", "desk"), "10.99.7.2"), (("remove", "laptop"), "203.0.113.9"), (("off",), "203.0.113.9"),
        ):  # fmt: skip
            assert run(*words, client=client)[0] == Exit.OK, words
        assert [verb for verb, _ in asked if verb in OFTEN] == [
            "tunnel_switch",
            *["tunnel_remove"] * 3,
            "tunnel_switch",
        ]


def test_what_closes_the_tunnel_says_whom_ssh_answers_and_warns_whoever_would_not_come_again(up: Shell) -> None:
    with keeper(up.runtime, {"status": GUARDED, "tunnel": OFF, "tunnel_switch": OFF, "tunnel_remove": {}}):
        for words in (("off",), ("remove", "laptop")):
            for client, warns in (("203.0.113.9", True), ("10.1.2.3", False)):
                result = up.run("tunnel", *words, SSH_CONNECTION=f"{client} 40000 192.0.2.1 22")
                assert "SSH answers the tunnel and 10.0.0.0/8" in result.stdout
                assert (f"warning: SSH is closed to {client}, where you come from" in result.stdout) is warns
