"""Run options: read from the command line and the environment, checked, handed on as JSON."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance import keeper
from appliance.cli.book import BOOK
from appliance.options import BadOption, Mode, Relay, RunOptions


def started(monkeypatch: pytest.MonkeyPatch, *words: str, **environment: str) -> tuple[int, list[RunOptions], str]:
    taken: list[RunOptions] = []

    def run(options: RunOptions, *_: Any) -> int:
        taken.append(options)
        return 0

    monkeypatch.setattr(keeper, "run", run)
    result = CliRunner().invoke(BOOK.root, ["run", *words], env=environment, catch_exceptions=False)
    return result.exit_code, taken, result.stderr


def test_without_a_word_the_defaults_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code, (options,), _ = started(monkeypatch, "--state", str(tmp_path))
    assert code == 0
    assert options == RunOptions(state=str(tmp_path))


def test_every_option_reaches_the_keeper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("maxlines = 3\n")
    words = ["--iface", "eth0,eth1", "--interface", "eth2", "--listen", "192.0.2.1", "--listen", "2001:db8::1"]
    words += ["--sip-port", "5070", "--https-port", "9443", "--rtp-ports", "10000-10999", "--pin", "--relay", "user"]
    words += [
        "--mode",
        "generic",
        "--state",
        str(tmp_path),
        "--runtime",
        str(tmp_path),
        "--config",
        str(tmp_path / "s.toml"),
    ]
    _, (options,), _ = started(monkeypatch, *words)
    assert options.interfaces == ("eth0", "eth1", "eth2")
    assert options.listen == ("192.0.2.1", "2001:db8::1")
    assert (options.sip_port, options.https_port, options.rtp_first, options.rtp_last) == (5070, 9443, 10000, 10999)
    assert (options.pin, options.relay, options.mode) == (True, Relay.USER, Mode.GENERIC)
    assert options.settings == {"maxlines": "3"}


def test_the_environment_gives_what_the_command_line_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = {"APPLIANCE_INTERFACE": "eth0 eth1", "APPLIANCE_SIP_PORT": "5080", "APPLIANCE_PIN": "1"}
    _, (options,), _ = started(monkeypatch, "--state", str(tmp_path), APPLIANCE_RELAY="kernel", **environment)
    assert (options.interfaces, options.sip_port, options.pin) == (("eth0", "eth1"), 5080, True)
    assert options.relay is Relay.KERNEL


@pytest.mark.parametrize(
    "words",
    [
        ("--rtp-ports", "5"),
        ("--rtp-ports", "20001-29999"),
        ("--rtp-ports", "5000-5100"),
        ("--rtp-ports", "60000-70000"),
        ("--sip-port", "0"),
        ("--listen", "localhost"),
        ("--mode", "fast"),
    ],
)
def test_an_option_that_cannot_be_used_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    code, taken, said = started(monkeypatch, "--state", str(tmp_path), *words)
    assert (code, taken) == (2, [])
    assert words[0] in said


def test_options_survive_the_way_to_the_office() -> None:
    options = RunOptions(("eth0",), listen=("::1",), pin=True, relay=Relay.USER, settings={"maxlines": "3"})
    assert RunOptions.from_json(options.to_json()) == options


@pytest.mark.parametrize("text", ["", "[]", "{", '{"speed": 1}', '{"mode": "fast"}', '{"listen": ["x"]}'])
def test_what_is_no_options_is_refused(text: str) -> None:
    with pytest.raises(BadOption):
        RunOptions.from_json(text)
