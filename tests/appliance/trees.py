"""A code tree for process tests: the real keeper beside a pysrv of the test's own, all below a 0700 directory."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from tests.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
KEEPER = """
import sys
from appliance.config.options import RunOptions
from appliance.kernel.fake import FakeGate
from appliance.keeper import run
sys.exit(run(RunOptions.from_json(sys.argv[1]), lambda pins: FakeGate()))
"""


class Tree:
    """One such tree, with state and runtime directories beside the code."""

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        root.chmod(0o700)
        self.code, self.state, self.runtime = root / "code", root / "state", root / "run"
        ignore = shutil.ignore_patterns("__pycache__")
        for part in ("appliance", "bpf"):
            shutil.copytree(REPOSITORY / part, self.code / part, ignore=ignore)
        (self.code / "pysrv").mkdir()
        (self.code / "pysrv" / "__init__.py").touch()
        venv = ["/usr/bin/python3", "-m", "venv", "--without-pip", str(self.code / ".venv")]
        subprocess.run(venv, check=True)
        self.ports = {"sip_port": free_port(), "https_port": free_port()}

    def office(self, script: str) -> None:
        """What `python -m pysrv` does in this tree."""
        (self.code / "pysrv" / "__main__.py").write_text(script)

    def launch_module(self) -> ModuleType:
        """The tree's own launch.py: it binds the tree's code."""
        specification = importlib.util.spec_from_file_location("tree_launch", self.code / "appliance" / "launch.py")
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules["tree_launch"] = module
        specification.loader.exec_module(module)
        return module

    def keeper(self, prefix: tuple[str, ...] = (), *, script: str = KEEPER, **options: Any) -> "KeeperProcess":
        """A keeper with a gate in memory, as a process of its own; or by another script, which is given its options."""
        from appliance.config.options import RunOptions

        chosen: Mapping[str, Any] = {"listen": ("127.0.0.1",), **self.ports, **options}
        wish = RunOptions(state=str(self.state), runtime=str(self.runtime), **chosen)
        return KeeperProcess([*prefix, sys.executable, "-c", script, wish.to_json()], self.code)


class KeeperProcess:
    """A running keeper; what it and its office print comes line by line."""

    def __init__(self, command: list[str], code: Path) -> None:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen(command, cwd=code, text=True, **streams)  # type: ignore[call-overload]
        self.output: IO[str] = self.process.stdout
        self.seen: list[str] = []

    def line(self, beginning: str) -> str:
        """The next line that begins so; fails with all lines when the output ends before."""
        for line in self.output:
            self.seen.append(line)
            print(line, end="")  # shown when a test fails, as one does that waits for ever
            if line.startswith(beginning):
                return line.removeprefix(beginning).strip()
        raise AssertionError(f"no line {beginning!r} in:\n{''.join(self.seen)}")

    def rest(self) -> list[str]:
        """Every line until all processes that could print have ended."""
        return self.output.read().splitlines()

    def status(self) -> int:
        """The exit status, once it has ended."""
        return self.process.wait(60)

    def ended_within(self, seconds: float) -> None:
        """Raises TimeoutError when it has not."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None

    def __enter__(self) -> "KeeperProcess":
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        self.output.close()
