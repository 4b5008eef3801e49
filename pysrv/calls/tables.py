"""The tables of this room as one page of documentation: what is printed is what is executed."""

from collections.abc import Iterable

from pysrv.calls import causes, crossing, failover

_HEAD = """# Calls: causes, failover, headers

Generated from the tables that the back-to-back user agent executes.
"""


def render() -> str:
    """The page as Markdown."""
    return "\n".join((_HEAD, *_causes(), "", *_failover(), "", *_crossing(), ""))


def _causes() -> Iterable[str]:
    yield "## Causes (Q.850, RFC 3398)\n"
    yield "| cause | text | told to a party as | SIP statuses that arrive as this cause |"
    yield "|---|---|---|---|"
    for row in causes.TABLE:
        yield f"| {row.q850} | {row.text} | {row.status} | {', '.join(map(str, row.means)) or '-'} |"


def _failover() -> Iterable[str]:
    yield "## Which failures try the next target\n"
    yield "Of several failures the one with the lowest rank is reported. A single digit is a whole class.\n"
    yield "| status | binding | trunk | rank | told to the caller as |"
    yield "|---|---|---|---|---|"
    for rule in failover.TABLE:
        status = f"{rule.status}xx" if rule.status < 10 else str(rule.status)
        binding, trunk = ("next" if tried else "end" for tried in (rule.binding, rule.trunk))
        yield f"| {status} | {binding} | {trunk} | {rule.rank} | {rule.told or 'the same'} |"


def _crossing() -> Iterable[str]:
    yield "## Headers that cross from one leg to the other\n"
    yield "Everything else is written anew or stays behind.\n"
    yield "| header | in | why |"
    yield "|---|---|---|"
    for row in crossing.TABLE:
        where = ", ".join(str(part.name).lower().replace("_", " ") for part in crossing.Where if part in row.where)
        yield f"| {row.name.decode()} | {where} | {row.why} |"
