"""Sentences that rooms without a catalogue say, and a page shows: refusals and what to do about them, what verdicts
mean, what a value may be. They stand in Python as texts with places to fill; here they are read out of it, each place
by a letter in order: `there is no {what} {name}` is `there is no %(a)s %(b)s`. What is put together out of parts stands
in PARTS, where the letters of pysrv.web.saying say what a place may hold.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pysrv.limits.notices import KINDS
from pysrv.web.rendering import PYSRV
from tests.web.audited import audited

ROOT = PYSRV.parent
ROOMS = (
    "pysrv/control", "pysrv/store", "pysrv/web", "pysrv/panel", "pysrv/portal", "pysrv/certificates", "pysrv/people",
    "pysrv/limits", "pysrv/service", "pysrv/office", "pysrv/ports.py", "pysrv/billing", "pysrv/payments/offer.py",
    "pysrv/payments/cashier.py",
    "pysrv/payments/units.py", "pysrv/calls/causes.py", "appliance/config/fields.py", "appliance/config/textual.py",
    "appliance/config/settings.py", "appliance/config/document.py",
    "appliance/config/scanners.py", "appliance/config/account.py",
    "appliance/errands.py", "appliance/tunnel", "appliance/kernel/wireguard.py", "appliance/kernel/nft.py",
    "appliance/backup",
)  # fmt: skip
# What no page shows: damage that ends the start, what a program alone is told, what belongs to a file on the machine.
UNSEEN = (
    "pysrv/store/errors.py", "pysrv/store/database.py", "pysrv/control/replaying.py", "pysrv/limits/replay",
    "pysrv/store/secrecy.py", "pysrv/web/protocol.py", "pysrv/billing/ledger.py", "pysrv/billing/lease.py",
    "pysrv/store/calls.py", "pysrv/control/backups.py", "pysrv/control/copies.py", "pysrv/store/copying.py",
)  # fmt: skip
RAISED = re.compile(
    r".*Error|Refuse|TooMany|TooFast|Bad[A-Z]\w*|Unknown[A-Z]\w*|_?not_found|_?refuse|_?invalid|PaymentRefused|Problem"
    r"|Form|Shortfall|_named|Row|_?[Ss]tep|of_q850|of_status|Grade|_fail|wrong"
)
PARTS = (
    "tls.pem: %(v)s; %(w)s serves: %(a)s", "the last good one", "the appliance's own certificate",
    "%(a)s refuses: %(b)s",
    "end user", "traffic sender", "reseller", "trunk", "calling card",
    "%(n)s to %(o)s", "%(n)s = %(w)s", "%(v)s, %(n)s = %(w)s", "one of %(w)s", "true or false",
    "true, false or auto (%(w)s)", "%(v)s, or empty", "%(v)s, separated by commas", "an https:// URL, or empty",
    "%(w)s earns %(a)s and pays %(b)s", "%(w)s earns %(a)s; no cost known: %(v)s", "give the trunk a rate deck",
    "the owner", "give %(a)s a price in the deck above it", "no interface is attached", "nftables does not relay",
    "asked for", "as it was attached before",
    "only root lets peers into the tunnel", "no audit can be started: %(a)s",
    "too many backups were asked for", "too many audits were asked for", "this keeper has nothing done by others",
    "this keeper holds no tunnel",
    "on the machine: 'appliance tunnel add NAME'; 'appliance tunnel on --by-panel' lets the panel do it",
    "%(a)s: %(w)s", "%(a)s; %(w)s", "and %(n)s more faults",
    "%(a)s must be text, not %(b)s", "%(a)s must be a whole number, not %(b)s", "%(a)s must be a number, not %(b)s",
    "%(a)s must be true or false, not %(b)s", "%(a)s must be one of %(b)s, not %(c)s", "%(a)s must be a list",
    "%(a)s must be an object", "%(a)s has no field %(b)s",
    "%(a)s is no number of JSON", "%(a)s stands twice in one object", "brackets are nested too deeply",
    "%(a)s would ban everyone", "expecting value", "extra data", "expecting ',' delimiter", "expecting ':' delimiter",
    "expecting property name enclosed in double quotes", "unterminated string starting at",
    "%(n)s or %(o)s", "%(v)s, above 0", "%(v)s, 0 = %(w)s",
    "a number above %(n)s", "%(n)s or more", "a number of at least %(n)s",
)  # fmt: skip
# Where functions return a sentence, and nothing else.
SAYING = (
    "limits/sentence.py", "limits/price.py", "limits/price_page.py", "limits/checklist.py", "limits/spend.py",
    "limits/exposure.py", "limits/patterns.py", "limits/blacklist.py", "limits/number_facts.py", "limits/windows.py",
    "billing/quote.py", "billing/tariff.py", "control/probe.py", "service/pricing.py", "service/spending.py",
    "service/fraud.py", "service/exposure.py", "limits/fraud.py", "limits/own.py", "limits/entrances.py",
    "control/quoting.py", "service/quotes.py", "service/trust.py", "limits/trusted.py", "calls/causes.py",
    "office/front.py", "certificates/renewer.py", "certificates/held.py",
)  # fmt: skip
NAMED = (
    "hint",
    "words",
    "sentence",
    "problem",
    "why",
    "told",
    "said",
    "text",
    "span",
    "what",
    "reason",
    "earned",
    "_VETH",
)
VERDICT = re.compile(r'^VERDICT\(\w+, \w+, "(.+)"\)', re.MULTILINE)
_FORMATTED = re.compile(r"\{(\w+)\}")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_CODES = frozenset({"bad_args"})


def sentences() -> dict[str, str]:
    """Every sentence, and where it stands."""
    found: dict[str, str] = {}
    for path in _files():
        place = str(path.relative_to(ROOT))
        for words in _of_file(path):
            found.setdefault(words, place)
    for words in PARTS:
        found.setdefault(words, "what a value may be")
    for words in audited():
        found.setdefault(words, "appliance/audit")
    for words in VERDICT.findall((ROOT / "bpf" / "verdicts.def").read_text()):
        found.setdefault(words, "bpf/verdicts.def")
    for kind in KINDS.values():
        for words in (kind.subject, kind.text, kind.remedy):
            if words:
                found.setdefault(_lettered(words), "pysrv/limits/notices.py")
    return found


def _files() -> Iterator[Path]:
    for room in ROOMS:
        place = ROOT / room
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if not str(path.relative_to(ROOT)).startswith(UNSEEN):
                yield path


def _of_file(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        values: list[ast.expr] = []
        called = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
        says = str(path).endswith(SAYING)
        if isinstance(node, ast.Call) and (RAISED.fullmatch(called) or (says and called == "append")):
            values = [*node.args, *(each.value for each in node.keywords)]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name = target.id if isinstance(target, ast.Name) else ""
            if isinstance(node.value, ast.Dict) and name.endswith("HINTS"):
                values = list(node.value.values)
            elif name in NAMED and node.value is not None:
                values = [node.value]
        elif isinstance(node, ast.Return) and node.value is not None and says:
            values = [node.value]
        for value in values:
            for words in _words(value):
                if len(_WORDS.findall(words.replace("%(", " "))) > 1 and " " in words:
                    yield words


def _words(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        places = iter("abcdefghijklmnop")
        yield "".join(
            each.value.replace("%", "%%") if isinstance(each, ast.Constant) else f"%({next(places)})s"
            for each in node.values
        )
    elif isinstance(node, ast.Tuple):
        for each in node.elts:
            yield from _words(each)
    elif isinstance(node, ast.IfExp):
        yield from (*_words(node.body), *_words(node.orelse))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        for left in _words(node.left):
            yield from (left + right for right in _words(node.right))


def _lettered(words: str) -> str:
    """A template of str.format with its places by letters."""
    places = iter("abcdefghijklmnop")
    return _FORMATTED.sub(lambda _: f"%({next(places)})s", words.replace("%", "%%"))
