"""The `appliance` command.

The commands stand beside this file by subject, all of them in the table of `book.py`; `table.py` makes click commands
of them, `link.py` talks to keeper and office. The command itself touches neither maps nor database.
"""

import sys


def main() -> None:
    """Run the command that the command line names, and exit with one of the codes of `exits.Exit`."""
    if sys.argv[1:2] == ["run"]:  # a machine that starts waits for this one, and has no use for the others
        from appliance.cli.service import BOOK
    else:
        from appliance.cli.book import BOOK
    BOOK.root(prog_name="appliance")
