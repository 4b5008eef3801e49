"""A shell whose commands go to one appliance of a test, over real sockets."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from appliance.cli.book import BOOK
from appliance.cli.exits import Exit

DECK = "prefix;per_minute;destination\n49;0,02;Germany\n4930;0,01;Berlin\n"


class Shell:
    """Runs commands against one appliance."""

    def __init__(self, directory: Path) -> None:
        self.state, self.runtime = directory / "state", directory / "run"
        (self.state / "office").mkdir(parents=True)
        self.runtime.mkdir()
        self.database = self.state / "office" / "office.db"

    def run(self, *words: str, stdin: str | None = None, **environment: str) -> Result:
        places = {"APPLIANCE_STATE": str(self.state), "APPLIANCE_RUNTIME": str(self.runtime)}
        return CliRunner().invoke(BOOK.root, list(words), input=stdin, env=places | environment, catch_exceptions=False)

    def json(self, *words: str, stdin: str | None = None) -> Any:
        result = self.run(*words, "--json", stdin=stdin)
        assert result.exit_code == Exit.OK, result.output
        return json.loads(result.stdout)
