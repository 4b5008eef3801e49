"""A code tree for launch tests: the real launch.py beside a pysrv that does what the test says, below a 0700 directory."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from appliance import launch


class Tree:
    """One such tree, with state and runtime directories beside the code."""

    def __init__(self, root: Path) -> None:
        root.chmod(0o700)
        self.code, self.state, self.runtime = root / "code", root / "state", root / "run"
        (self.code / "appliance").mkdir(parents=True)
        (self.code / "pysrv").mkdir()
        (self.code / "pysrv" / "__init__.py").touch()
        shutil.copy(launch.__file__, self.code / "appliance" / "launch.py")
        venv = ["/usr/bin/python3", "-m", "venv", "--without-pip", str(self.code / ".venv")]
        subprocess.run(venv, check=True)

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
