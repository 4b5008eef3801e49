"""The product itself, started in the middle of a laboratory and driven by its own command."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.cli.exits import Failure
from appliance.cli.link import Link, Request
from tests.lab.network import Lab, end

ROOT = Path(__file__).resolve().parents[2]
READY_S = 240.0  # a busy machine compiles the gate for half a minute, and starts the office for as long


class ProductError(Exception):
    """The appliance did not start, or a command of it failed."""


class Product:
    """`appliance run` inside the appliance's namespace, with a state directory of its own."""

    def __init__(self, lab: Lab, directory: Path, *options: str, interfaces: list[str] | None = None) -> None:
        self.lab, self.directory = lab, directory
        self.state, self.runtime = directory / "state", directory / "run"
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)  # the office's user walks through it
        self._options = [f"--iface={name}" for name in interfaces or lab.interfaces]
        self._options += ["--state", str(self.state), "--runtime", str(self.runtime), *options]
        if interfaces != ["lo"] and "--mode" not in options:  # the other ends of the lab's wires carry a program
            self._options += ["--mode", "native"]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = (directory / "appliance.log").open("ab")

    def __enter__(self) -> "Product":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._log.close()

    def start(self) -> None:
        """Start it and wait until the office answers. Raises ProductError with the end of its log."""
        command = [sys.executable, "-P", "-m", "appliance", "run", *self._options]
        self._process = self.lab.start(
            self.lab.appliance, command, stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL,
            env=self._environment(), cwd=str(self.directory),
        )  # fmt: skip
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise ProductError(f"the appliance ended: {self.log()[-1500:]}")
            if self._serves():
                return
            time.sleep(0.05)
        raise ProductError(f"the appliance is not ready after {READY_S:g} s: {self.log()[-1500:]}")

    def stop(self) -> int:
        """Stop it as Ctrl-C does; returns its exit status."""
        return end(self._process, 10.0) if self._process is not None else 0

    @property
    def pid(self) -> int:
        """The keeper's process."""
        assert self._process is not None
        return self._process.pid

    def office_pid(self) -> int:
        """The office's process: the keeper's child that runs pysrv. Raises ProductError."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for child in children:
            if b"pysrv" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        raise ProductError("the office is not running")

    def command(self, *arguments: str, stdin: str | None = None) -> Any:
        """One command of the appliance; its JSON answer. Raises ProductError with what it said."""
        done = self._call("--json", *arguments, stdin=stdin)
        if done.returncode:
            raise ProductError(f"appliance {' '.join(arguments)}: {done.stdout.strip()} {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def account(self, name: str, number: str, *options: str, password: str = "correct-horse-42") -> str:
        """Add an account; returns its password."""
        self.command("accounts", "add", name, "--password", "-", "--number", number, *options, stdin=password + "\n")
        return password

    def accounts(self, numbers: Mapping[str, str], password: str = "correct-horse-42", **given: str) -> None:
        """Add many accounts over one connection: a command for each would take longer than the test."""
        more: list[Request] = [
            ("accounts.add", {"name": name, "password": password, "numbers": [number], **given})
            for name, number in numbers.items()
        ]
        Link(self.state, self.runtime).office_all(more)

    def log(self) -> str:
        """What the appliance printed."""
        return (self.directory / "appliance.log").read_text(errors="replace")

    def _serves(self) -> bool:
        """Asked over the sockets: a command for each time would cost the machine more than the start."""
        link = Link(self.state, self.runtime)
        try:
            link.keeper("status")
            link.running_office("status")
        except Failure:
            return False
        return True

    def _call(self, *arguments: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        places = ["--state", str(self.state), "--runtime", str(self.runtime)]
        command = [sys.executable, "-P", "-m", "appliance", *places, *arguments]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=120, check=False, env=self._environment()
        )

    def _environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
