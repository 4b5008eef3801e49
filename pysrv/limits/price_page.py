"""Prices as one page of documentation, drawn from the tables that rate, choose and refuse."""

from collections.abc import Iterable, Sequence

from pysrv.billing import money
from pysrv.billing.deck import COLUMNS
from pysrv.billing.examples import EXAMPLES
from pysrv.billing.tariff import Rate, charge, percent
from pysrv.billing.timeclass import ALWAYS, FALLBACK
from pysrv.limits.price import BILLED, EXACT_MATCH, NOT_BILLED, PROFIT, Rule

_HEAD = """# Prices: decks, examples, and what is refused

Generated from the tables that are executed; [billing.md](billing.md) tells how a price comes about.
"""


def render() -> str:
    """The page as Markdown."""
    parts = (_columns(), _classes(), _examples(), _refusals(), _exact(), _loudness())
    return "\n".join((_HEAD, *(line for part in parts for line in (*part, ""))))


def _columns() -> Iterable[str]:
    yield "## Columns of a rate deck\n"
    yield "| column | also | needed | meaning |"
    yield "|---|---|---|---|"
    for column in COLUMNS:
        also = ", ".join(f"`{name}`" for name in column.names[1:])
        yield f"| `{column.names[0]}` | {also} | {'yes' if column.required else ''} | {column.words} |"


def _classes() -> Iterable[str]:
    yield "## Time classes\n"
    yield "At the class of a call's setup, the first of these rows that a prefix has prices it.\n"
    yield "| class | rows |"
    yield "|---|---|"
    for kind, classes in FALLBACK.items():
        yield f"| {kind} | {', '.join(each or 'without a class' for each in classes)} |"
    assert ALWAYS == "", "a row without a class is written as one"


def _examples() -> Iterable[str]:
    yield "## Worked examples\n"
    yield "| | rate | talk, s | billed, s | lines | total | by hand |"
    yield "|---|---|---|---|---|---|---|"
    for each in EXAMPLES:
        due = charge(each.rate, each.seconds)
        lines = "; ".join(f"{line.text}: {money.format(line.amount)}" for line in due.lines)
        total = money.format(due.total)
        row = each.name, _terms(each.rate), each.seconds, due.billable_seconds, lines, total, each.by_hand
        yield f"| {' | '.join(map(str, row))} |"


def _terms(rate: Rate) -> str:
    terms = [f"{money.format(rate.per_minute)} {rate.currency}".strip() + "/min"]
    terms.append(f"{rate.initial_increment_s}/{rate.next_increment_s}")
    optional: Sequence[tuple[int, str]] = (
        (rate.connect_fee, f"fee {money.format(rate.connect_fee)}"),
        (rate.minimum_s, f"at least {rate.minimum_s} s"),
        (rate.free_seconds, f"{rate.free_seconds} s free"),
        (rate.places < money.PLACES, f"{rate.rounding} to {rate.places} places"),
        (rate.tax_ppm, f"{rate.tax} {percent(rate.tax_ppm)}"),
    )
    return ", ".join((*terms, *(words for wanted, words in optional if wanted)))


def _refusals() -> Iterable[str]:
    for setting, rules in (("blocknotbilledcalls", BILLED), ("blocknotprofitablecalls", PROFIT)):
        yield f"## {setting}\n"
        yield "Each value refuses what the values before it refuse, and this. An emergency passes all of them.\n"
        yield "| value | refused | example |"
        yield "|---|---|---|"
        yield "| 0 | nothing | |"
        yield from (_refusal(rule) for rule in rules)
        yield ""


def _refusal(rule: Rule) -> str:
    return f"| {rule.since} | {rule.refuses} | {rule.example} |"


def _exact() -> Iterable[str]:
    yield "## vgetpriceexactmatch\n"
    yield "A prefix is exact where no deck in force knows a longer one of the number. In the example decks know 49,"
    yield "and a carrier's deck 49171 too.\n"
    yield "| value | resellers | others | a call to 49171555 |"
    yield "|---|---|---|---|"
    for value, row in EXACT_MATCH.items():
        resellers, others = ("exact only" if each else "best match" for each in (row.resellers, row.others))
        yield f"| {value} | {resellers} | {others} | {row.example} |"


def _loudness() -> Iterable[str]:
    yield "## notbilledcallerr\n"
    yield "| value | severity of a call without a price | priority |"
    yield "|---|---|---|"
    for value, loud in NOT_BILLED.items():
        yield f"| {value} | {loud.severity} | {loud.priority} |"
