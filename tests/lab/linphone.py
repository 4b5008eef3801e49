"""Another softphone, Belledonne's linphonec: driven by what a person would type, watched by what it prints.

It plays and hears files instead of a sound card, and is left as it comes otherwise.
"""

import os
import subprocess
import threading
import time
from pathlib import Path

from tests.lab.network import Host, Lab, end

_CONFIG = """\
[sip]
sip_port=5060
sip_tcp_port=0
sip_tls_port=0
use_ipv6=0
default_proxy=0

[proxy_0]
reg_proxy=<sip:{gateway};transport=udp>
reg_identity=<sip:{user}@{gateway}>
reg_expires=600
reg_sendregister={registers:d}

[auth_info_0]
username={user}
passwd={password}
"""


class LinphoneError(Exception):
    """It did not print what was waited for."""


class Linphone:
    """One linphonec in one namespace of the lab, with a home of its own. It registers at once, or never."""

    def __init__(self, lab: Lab, host: Host, directory: Path, user: str, password: str, *, registers: bool) -> None:
        home = directory / "home"
        (home / ".local/share/linphone").mkdir(parents=True)
        config = directory / "linphonerc"
        config.write_text(_CONFIG.format(gateway=host.gateway, user=user, password=password, registers=registers))
        self._printed = b""
        command = ["linphonec", "-c", str(config), "-d", "6", "-l", str(directory / "log.txt")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self._process: subprocess.Popen[bytes] = lab.start(
            host.namespace,
            command,
            **pipes,
            env=os.environ | {"HOME": str(home), "PULSE_RUNTIME_PATH": str(home)},
            cwd=str(directory),
        )
        threading.Thread(target=self._listen, daemon=True).start()
        self.ask("soundcard use files", "Using wav files")

    def ask(self, command: str, expected: str, timeout: float = 15.0) -> None:
        """Type a command, and wait until something is printed after it. Raises LinphoneError."""
        start = len(self._printed)
        self._type(command)
        self._wait(start, expected, timeout)

    def registered(self, timeout: float = 15.0) -> None:
        """Wait until the registrar has accepted it."""
        until = time.monotonic() + timeout
        while True:
            start = len(self._printed)
            self._type("status register")
            self._wait(start, "registered", timeout)
            if b"registered, identity=" in self._printed[start:]:
                return
            if time.monotonic() > until:
                raise LinphoneError(f"not registered within {timeout:g} s: {self.said()}")
            threading.Event().wait(0.1)

    def play(self, recording: Path) -> None:
        """Speak into the call that it is in: a WAV file."""
        self._type(f"play {recording}")

    def said(self) -> str:
        """The end of what it printed."""
        return self._printed[-400:].decode("utf-8", "replace")

    def close(self) -> None:
        """Hang up and end it, as its user would."""
        if self._process.poll() is None:
            self._type("quit")
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                end(self._process)

    def _type(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()

    def _wait(self, start: int, expected: str, timeout: float) -> None:
        until = time.monotonic() + timeout
        while expected.encode() not in self._printed[start:]:
            if time.monotonic() > until or self._process.poll() is not None:
                raise LinphoneError(f"no {expected!r} within {timeout:g} s: {self.said()}")
            threading.Event().wait(0.02)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            self._printed += chunk
