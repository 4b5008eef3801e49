"""The status page: one snapshot as HTML, every value escaped. Knows rows, not HTTP.

It works without scripts; page.js only fetches the page again and puts the new <main> in the place of the old one.
"""

from collections.abc import Iterable, Sequence
from html import escape

from appliance import wire
from pysrv.panel.status import CallRow, RegistrationRow, Snapshot

REFRESH_S = 2
MAX_ROWS = 200  # the page is made anew every REFRESH_S seconds; the JSON has all rows
_SHELL = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="/static/page.css">
<script src="/static/page.js" defer></script>
<noscript><meta http-equiv="refresh" content="10"></noscript>
</head>
<body>
<header><h1>Appliance</h1><p>{subtitle}</p><p id="freshness" role="status"></p></header>
{main}
</body>
</html>
"""


def render(snapshot: Snapshot) -> str:
    """The whole page."""
    up = duration(snapshot.now - snapshot.started_at)
    main = "\n".join(
        (
            f'<main data-refresh="{REFRESH_S}">',
            *(f'<p class="notice">{escape(notice)}</p>' for notice in _notices(snapshot)),
            _cards(snapshot),
            _section("Calls", "No call is running.", ("From", "To", "Account", "State", "For"), _calls(snapshot)),
            _section(
                "Registrations",
                "Nobody is registered.",
                ("Account", "Contact", "Source", "Device", "Expires in"),
                _registrations(snapshot),
            ),
            _section(
                "Interfaces", "The gate is attached to none.", ("Interface", "Mode", "Why"), _interfaces(snapshot)
            ),
            _section(
                "Verdicts of the gate",
                "The gate has counted nothing yet.",
                ("Verdict", "Action", "Packets", "Bytes", "Meaning"),
                _tallies(snapshot.tallies),
            ),
            "</main>",
        )
    )
    title = f"{counted(len(snapshot.calls), 'call')} - appliance"
    return _SHELL.format(title=escape(title), subtitle=escape(f"{snapshot.version}, up for {up}"), main=main)


def duration(seconds: float) -> str:
    """A length of time as people say it: `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def counted(number: int, noun: str) -> str:
    """`1 ban`, `2 bans`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _notices(snapshot: Snapshot) -> Iterable[str]:
    if snapshot.gate is None:
        yield f"The keeper is away: {snapshot.gate_problem or 'not connected yet'}. The kernel keeps its last plan."
    yield from snapshot.notices


def _cards(snapshot: Snapshot) -> str:
    gate = snapshot.gate
    answered = sum(1 for call in snapshot.calls if call.answered_at)
    dropped = sum(tally.packets for tally in snapshot.tallies if tally.action == "DROP")
    unused = snapshot.settings_total - snapshot.settings_in_force
    cards = [
        ("Calls", f"{len(snapshot.calls)}", f"{answered} answered"),
        (
            "Registrations",
            f"{len(snapshot.registrations)}",
            counted(len({row.account for row in snapshot.registrations}), "account"),
        ),
        ("Packets dropped", f"{dropped:,}", counted(gate.bans, "ban") if gate else ""),
        ("Relay", *_relay(gate)),
        (
            "Settings in force",
            f"{snapshot.settings_in_force} of {snapshot.settings_total}",
            f"generation {snapshot.generation}" + (f", {unused} not acted on yet" if unused else ""),
        ),
    ]
    items = (
        f"<li><span>{escape(name)}</span><strong>{escape(figure)}</strong><small>{escape(more)}</small></li>"
        for name, figure, more in cards
    )
    return f'<ul class="cards">{"".join(items)}</ul>'


def _relay(gate: wire.GateStatus | None) -> tuple[str, str]:
    if gate is None:
        return "unknown", "the keeper is away"
    if gate.relay == "kernel":
        return "kernel", counted(gate.sessions, "session")
    return "userspace", gate.relay_reason


def _section(title: str, empty: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return f"<section><h2>{escape(title)}</h2><p>{escape(empty)}</p></section>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(_row(heads, row) for row in rows[:MAX_ROWS])
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    if len(rows) > MAX_ROWS:
        table += f"<p>and {len(rows) - MAX_ROWS:,} more</p>"
    return f"<section><h2>{escape(title)}</h2>{table}</section>"


def _row(heads: Sequence[str], cells: Sequence[str]) -> str:
    # On a phone each row becomes a card, and the label stands before its value.
    labelled = (f'<td data-label="{escape(head)}">{escape(cell)}</td>' for head, cell in zip(heads, cells, strict=True))
    return f"<tr>{''.join(labelled)}</tr>"


def _calls(snapshot: Snapshot) -> list[tuple[str, ...]]:
    def row(call: CallRow) -> tuple[str, ...]:
        since = call.answered_at or call.setup_at
        return call.caller, call.callee, call.account, call.state, duration(snapshot.now - since)

    return [row(call) for call in snapshot.calls]


def _registrations(snapshot: Snapshot) -> list[tuple[str, ...]]:
    def row(binding: RegistrationRow) -> tuple[str, ...]:
        left = duration(binding.expires_at - snapshot.now)
        return binding.account, binding.contact, binding.source, binding.user_agent, left

    return [row(binding) for binding in snapshot.registrations]


def _interfaces(snapshot: Snapshot) -> list[tuple[str, ...]]:
    interfaces = snapshot.gate.interfaces if snapshot.gate else ()
    return [(interface.name, interface.mode, interface.reason) for interface in interfaces]


def _tallies(tallies: Iterable[wire.Tally]) -> list[tuple[str, ...]]:
    counted = sorted((tally for tally in tallies if tally.packets), key=lambda tally: -tally.packets)
    return [(t.verdict, t.action, f"{t.packets:,}", f"{t.bytes:,}", t.text) for t in counted]
