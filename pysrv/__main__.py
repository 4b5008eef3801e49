"""The office's entry: the only place where its parts are put together.

python -m pysrv          the service; options come from the keeper in the environment
python -m pysrv once     control verbs from standard input, without a service
python -m pysrv replay   calls of the past under other settings, from standard input, beside a service that runs
python -m pysrv copies   a copy of the database for a backup, or the verdict on one, beside a service that runs
python -m pysrv check    a walk through the whole database, beside a service that runs
python -m pysrv docs     the generated pages about SIP and fraud, to standard output
"""

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from appliance.config.options import CANNOT_RUN, KEEPER_VARIABLE, OPTIONS_VARIABLE, BadOption, RunOptions

ASKER_GONE = 1
UNHURRIED = 10
COLLECT_AFTER = (20_000, 20, 20)  # new objects, then passes over the young before one over the older


def main() -> int:
    """Run what the arguments say; returns the exit status."""
    match sys.argv[1:]:
        case ["docs"]:
            return _docs()
        case ["once"]:
            return _once(_options())
        case ["replay"]:
            return _replay(_options())
        case ["copies"]:
            return _copies(_options())
        case ["check"]:
            return _check(_options())
        case []:
            return _serve(_options())
        case _:
            words = "'... once', '... replay', '... copies', '... check' or '... docs'"
            print(f"pysrv: use 'python -m pysrv', {words}", file=sys.stderr)
            return 64


def _options() -> RunOptions:
    try:
        return RunOptions.from_json(os.environ.get(OPTIONS_VARIABLE, "{}"))
    except BadOption as error:
        print(f"pysrv: {error}", file=sys.stderr)
        raise SystemExit(CANNOT_RUN) from None


def _docs() -> int:
    from pysrv.api import openapi
    from pysrv.calls import tables as calls
    from pysrv.control import permissions_page as people
    from pysrv.limits import access_page as access
    from pysrv.limits import cards
    from pysrv.limits import fraud_page as fraud
    from pysrv.limits import limits_page as limits
    from pysrv.limits import notice_routes as notices
    from pysrv.limits import price_page as prices
    from pysrv.service import journal as logs
    from pysrv.sip import tables as sip

    rooms = {
        "state-machines.md": sip,
        "calls.md": calls,
        "limits.md": limits,
        "prices.md": prices,
        "fraud.md": fraud,
        "authentication.md": access,
        "notices.md": notices,
        "people.md": people,
        "logs.md": logs,
    }
    pages = {name: room.render() for name, room in rooms.items()}
    pages["calls.md"] += "\n" + cards.render()
    pages["openapi.json"] = openapi.text()
    print(json.dumps(pages))
    return 0


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _database(options: RunOptions) -> Path:
    from pysrv.store import DATABASE

    return Path(os.environ.get("APPLIANCE_STATE", options.state)) / DATABASE  # the launcher says where it mounted it


def _answering(answer: Callable[[], int]) -> int:
    """The exit status of an answer; whoever asked may have gone meanwhile, and says why."""
    try:
        return answer()
    except (BrokenPipeError, KeyboardInterrupt):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ASKER_GONE


def _once(options: RunOptions) -> int:
    from pysrv.control.single import run_once
    from pysrv.store import Store

    return _answering(lambda: run_once(lambda: Store.open(_database(options)), "root", list(sys.stdin.buffer), _write))


def _replay(options: RunOptions) -> int:
    from pysrv.control.replaying import run_replay
    from pysrv.store import Reader

    os.nice(UNHURRIED)  # calls of now go before calls of the past
    _collect_rarely()
    lines = list(sys.stdin.buffer)
    return _answering(lambda: run_replay(lambda: Reader.open(_database(options)), time.time(), lines, _write))


def _copies(options: RunOptions) -> int:
    from pysrv.control.copies import run_copies

    os.nice(UNHURRIED)
    lines = list(sys.stdin.buffer)
    return _answering(lambda: run_copies(_database(options).parent, lines, _write))


def _check(options: RunOptions) -> int:
    from pysrv.control.walk import run_check
    from pysrv.store import Reader

    os.nice(UNHURRIED)
    return _answering(lambda: run_check(lambda: Reader.open(_database(options)), _write))


def _serve(options: RunOptions) -> int:
    gc.disable()  # what a thousand modules are made of stays: no walk over it would find anything
    from pysrv.office import run

    return run(options, os.environ.get(KEEPER_VARIABLE, str(Path(options.runtime) / "keeper.sock")), _collect_rarely)


def _collect_rarely() -> None:
    """A busy office makes thousands of objects a second that live as long as a call: the collector would walk them over
    and over (a tenth of all its time). Most go by their reference counts; what is left waits a little longer.
    """
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()


if __name__ == "__main__":
    sys.exit(main())
