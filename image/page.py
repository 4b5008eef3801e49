"""The report as a page for people: report.html, out of report.json and of what the checks have left beside it.

One file without anything to fetch: it opens from a disk, an archive of builds or a mail.
"""

import json
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

REPORT: Final = "report.html"
_LEVELS: Final = ((2.0, "well"), (5.0, "middling"))  # of systemd-analyze security, of 10

TEMPLATE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>appliance {{ told.variables.version }}: the image</title><style>
body { font: 16px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1b1f24 }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; width: 100% }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #d4d9de; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.bad { color: #a4161a; font-weight: 600 } .well { color: #18632f } code { overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) { body { background: #14171a; color: #e4e7ea } th, td { border-color: #3a4148 }
.bad { color: #ff8a80 } .well { color: #7fd99a } }
</style></head><body>
<h1>appliance {{ told.variables.version }}</h1>
<p>{{ told.system }}, Linux {{ told.kernel }}; {{ told.packages.debian }} Debian packages and
{{ told.packages.python }} of Python, {{ mb(told.installed_bytes) }} installed.
Signed by <code>{{ told.variables.signing_key | default("nobody") }}</code>.</p>

<h2>Files</h2><table><tr><th>file</th><th>size</th><th>SHA-256</th></tr>
{% for name, size in told.files.items() -%}
<tr><td>{{ name }}</td><td class="n">{{ mb(size) }}</td><td><code>{{ digests[name] }}</code></td></tr>
{% endfor %}</table>

<h2>Steps of the build</h2><table><tr><th>step</th><th>seconds</th></tr>
{% for name, seconds in told.seconds -%}
<tr><td>{{ name }}</td><td class="n">{{ "%.1f" | format(seconds) }}</td></tr>
{% endfor %}</table>
<ul>{% for line in told.provisioners %}<li>{{ line }}</li>{% endfor %}</ul>

<h2>Largest packages</h2><table><tr><th>package</th><th>size</th></tr>
{% for name, size in told.largest %}<tr><td>{{ name }}</td><td class="n">{{ mb(size) }}</td></tr>
{% endfor %}</table>

{% for name, check in checks.items() %}
<h2>Checked: {{ name }}</h2>
{% if check.rows %}<p>{{ check.rows | selectattr("good") | list | length }} passed,
{{ check.rows | rejectattr("good") | list | length }} failed.</p>{% endif %}
{% if check.times %}<p>{{ check.times }}</p>{% endif %}
{% if check.figures %}<table><tr><th>figure</th><th></th></tr>
{% for what, value in check.figures.items() %}<tr><td>{{ what }}</td><td class="n">{{ value }}</td></tr>
{% endfor %}</table>{% endif %}
{% if check.listens %}<h3>What listens</h3><ul>
{% for line in check.listens %}<li><code>{{ socket(line) }}</code></li>{% endfor %}</ul>{% endif %}
{% if check.scores %}<h3>systemd-analyze security</h3><table><tr><th>unit</th><th>exposure, of 10</th></tr>
{% for row in check.scores | sort(attribute="unit") %}<tr><td>{{ row.unit }}</td>
<td class="n {{ level(row.exposure) }}">{{ row.exposure }}</td></tr>{% endfor %}</table>{% endif %}
{% if check.rows %}<h3>Checks</h3><table><tr><th></th><th>what</th><th>found</th></tr>
{% for row in check.rows %}<tr><td class="{{ "well" if row.good else "bad" }}">{{ "ok" if row.good else "FAILED" }}</td>
<td>{{ row.what }}</td><td>{{ row.found }}</td></tr>
{% endfor %}</table>{% endif %}
{% endfor %}
</body></html>
"""


def write(out: Path) -> Path | None:
    """Draw the page anew; None where no build has left a report."""
    source = out / "report.json"
    if not source.is_file():
        return None
    checks = {
        path.stem.removeprefix("check-"): json.loads(path.read_text()) for path in sorted(out.glob("check-*.json"))
    }
    if (lived := out / "acceptance.json").is_file():
        checks["acceptance"] = json.loads(lived.read_text())
    sums = out / "SHA256SUMS"
    lines = [line.split(None, 1) for line in sums.read_text().splitlines()] if sums.is_file() else []
    path = out / REPORT
    path.write_text(drawn(json.loads(source.read_text()), {name: digest for digest, name in lines}, checks))
    return path


def drawn(told: dict[str, Any], digests: dict[str, str], checks: dict[str, dict[str, Any]]) -> str:
    """The page: `told` is report.json, `digests` SHA-256 by file, `checks` what machines said of themselves. Raises
    jinja2.UndefinedError when the report lacks what the page shows."""
    surroundings = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    surroundings.globals |= {"mb": _mb, "socket": _socket, "level": _level}
    known = {name: {"rows": [], "figures": {}, "times": "", "listens": [], "scores": []} | each
             for name, each in checks.items()}  # fmt: skip
    return surroundings.from_string(TEMPLATE).render(told=told, digests={**dict.fromkeys(told["files"], ""), **digests},
                                                     checks=known)  # fmt: skip


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _socket(line: str) -> str:
    """Protocol, address and program of a line of `ss -H -l -t -u -n -p`."""
    words = line.split()
    return " ".join((words[0], words[4], *words[6:]))


def _level(exposure: str) -> str:
    return next((name for most, name in _LEVELS if float(exposure) < most), "bad") if exposure else ""
