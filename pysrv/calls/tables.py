"""The tables of this room as one page of documentation: what is printed is what is executed."""

from collections.abc import Iterable

from pysrv.calls import causes, crossing, failover, ivr

_HEAD = """# Calls: causes, failover, headers, calling cards

Generated from the tables that the back-to-back user agent and the voice menu execute.
"""


def render() -> str:
    """The page as Markdown."""
    return "\n".join((_HEAD, *_causes(), "", *_failover(), "", *_crossing(), "", *_menu(), ""))


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


def _menu() -> Iterable[str]:
    yield "## The voice menu of an access number\n"
    yield "Keys are collected: `*` begins anew, `#` ends what was keyed in, and so does a pause of"
    yield f"{ivr.GAP_S:g} s. A question without any key within {ivr.SILENCE_S:g} s counts as nothing.\n"
    yield "| step | what happens | costs a try (`ivrtries`) | what is done | next step |"
    yield "|---|---|---|---|---|"
    for (step, what), rule in ivr.TABLE.items():
        cost = "yes" if rule.costs_try else ""
        yield f"| {step} | {what} | {cost} | {', then '.join(rule.actions)} | {rule.then} |"
    yield "\nThe last try of a step happens as *exhausted*. Whatever is not in the table changes nothing.\n"
    yield "| keyed in | `ivrvalidatedtmf` on | off |"
    yield "|---|---|---|"
    pin, number = (ivr.SHORTEST_PIN, ivr.LONGEST_PIN), (ivr.SHORTEST_NUMBER, ivr.LONGEST_NUMBER)
    yield f"| a PIN | {pin[0]} to {pin[1]} digits alone | other keys left out, cut off after {pin[1]} |"
    yield (
        f"| a number | {number[0]} to {number[1]} digits alone, or an emergency number | "
        f"other keys left out, cut off after {number[1]} |"
    )
