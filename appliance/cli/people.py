"""`appliance people`, `tokens` and `trail`: who runs the appliance, programs that act for them, and what was done."""

import click

from appliance.cli.accounts import said
from appliance.cli.passwords import GENERATED, password_of
from appliance.cli.show import Answer, Column, facts, joined, line, moment, table, yes_no
from appliance.cli.table import Command, Group, Session, argument, option

ROLES = ("owner", "admin", "operator", "support", "sales", "read-only")
PEOPLE = (
    Column("name", "name"),
    Column("role", "role"),
    Column("enabled", "enabled", yes_no),
    Column("email", "e-mail"),
    Column("has_totp", "codes", yes_no),
    Column("passkeys", "passkeys", right=True),
    Column("seen_at", "logged in", moment),
)
SESSIONS = (
    Column("id", "session"),
    Column("kind", "of an"),
    Column("name", "name"),
    Column("address", "from"),
    Column("created_at", "since", moment),
    Column("seen_at", "seen", moment),
    Column("agent", "program"),
)
TOKENS = (
    Column("id", "number", right=True),
    Column("name", "acts for"),
    Column("label", "label"),
    Column("scopes", "scopes", joined),
    Column("expires_at", "until", moment),
    Column("used_at", "used", moment),
)
TRAIL = (
    Column("id", "number", right=True),
    Column("at", "when", moment),
    Column("who", "who"),
    Column("action", "what"),
    Column("subject", "of"),
    Column("before", "before"),
    Column("after", "after"),
)


def _list(session: Session) -> Answer:
    result = session.link().office("people.list")
    return Answer(result, (table(PEOPLE, result["people"], "no administrators: start the appliance once"),))


def _add(session: Session, name: str, role: str, password: str, email: str | None) -> Answer:
    secret = password_of(password)
    args = {"name": name, "role": role, "password": secret.text, "email": email or ""}
    result = session.link().office("people.add", args)
    return Answer(result | secret.value(), (line(f"added {name}, {role}"), *secret.human()))


def _set(session: Session, name: str, password: str | None, forget_second_factor: bool, **given: str | None) -> Answer:
    secret = password_of(password) if password else None
    args = {"name": name, **said(given)} | ({"password": secret.text} if secret else {})
    args |= {"second_factor": False} if forget_second_factor else {}
    result = session.link().office("people.set", args)
    shown = line(f"{name}: {result['person']['role']}, {'enabled' if result['person']['enabled'] else 'kept out'}")
    return Answer(result | (secret.value() if secret else {}), (shown, *(secret.human() if secret else ())))


def _remove(session: Session, name: str) -> Answer:
    return Answer(session.link().office("people.remove", {"name": name}), (line(f"removed {name}"),))


def _sessions(session: Session) -> Answer:
    result = session.link().office("people.sessions")
    return Answer(result, (table(SESSIONS, result["sessions"], "nobody is logged in"),))


def _revoke(session: Session, ident: str) -> Answer:
    return Answer(session.link().office("people.revoke", {"id": ident}), (line("this session has ended"),))


def _tokens(session: Session) -> Answer:
    result = session.link().office("tokens.list")
    return Answer(result, (table(TOKENS, result["tokens"], "no tokens"),))


def _add_token(session: Session, name: str, label: str, scope: tuple[str, ...], days: float) -> Answer:
    args = {"name": name, "label": label, "scopes": list(scope), "days": days}
    result = session.link().office("tokens.add", args)
    shown = facts([("token", result["token"]), ("until", moment(result["expires_at"]))])
    return Answer(result, (shown, line("It is shown this once; it is kept as a digest.", "dim")))


def _remove_token(session: Session, number: int) -> Answer:
    return Answer(session.link().office("tokens.remove", {"id": number}), (line("this token opens nothing any more"),))


def _trail(session: Session, subject: str | None, who: str | None, limit: int) -> Answer:
    result = session.link().office("trail.list", {"subject": subject, "who": who, "limit": limit})
    return Answer(result, (table(TRAIL, result["trail"], "nothing was done"),))


def _verify(session: Session, head: str | None) -> Answer:
    result = session.link().office("trail.verify", {"head": head or ""})
    if result["broken_at"]:
        words = f"row {result['broken_at']} does not fit the rows before it: the file was changed from outside"
        return Answer(result, (line(words, "bold red"),))
    if head and not result["noted_at"]:
        words = "the head that you noted is not in it: rows were replaced or cut off"
        return Answer(result, (line(words, "bold red"),))
    shown = facts(
        [("rows", str(result["rows"])), ("before the chain", str(result["unchained"])), ("head", result["head"])]
    )
    return Answer(
        result, (shown, line("whole: every row fits the rows before it. Note the head down elsewhere.", "dim"))
    )


GROUPS = (
    Group("people", "Administrators: who may do what on panel, API and console."),
    Group("tokens", "Tokens of programs that use the API or read the metrics."),
    Group("trail", "What was changed, when and by whom; each row vouches for those before it."),
)
_ROLE = click.Choice(ROLES)
COMMANDS = (
    Command("people list", "List administrators with their roles and second factors.", _list),
    Command(
        "people add",
        "Add an administrator.",
        _add,
        (
            argument("name"),
            option("--role", type=_ROLE, default="read-only", help="What the table of permissions allows."),
            option("--password", default=GENERATED, metavar="-|generated", help="'-' reads it from standard input."),
            option("--email", help="Where he is written to."),
        ),
    ),
    Command(
        "people set",
        "Change an administrator; his sessions end when his rights or his password change.",
        _set,
        (
            argument("name"),
            option("--role", type=_ROLE, help="Another role."),
            option("--enabled/--locked", default=None, help="Let in, or keep out."),
            option("--password", metavar="-|generated", help="A new password; '-' reads it from standard input."),
            option("--email", help="Where he is written to."),
            option("--forget-second-factor", is_flag=True, help="Take codes and passkeys away: he lost them."),
        ),
    ),
    Command("people remove", "Remove an administrator, his sessions and his tokens.", _remove, (argument("name"),)),
    Command("people sessions", "List who is logged in on the web.", _sessions),
    Command("people revoke", "End a session.", _revoke, (argument("ident"),)),
    Command("tokens list", "List tokens.", _tokens),
    Command(
        "tokens add",
        "Make a token: it acts for an administrator, as far as its scopes reach.",
        _add_token,
        (
            argument("name"),
            option("--label", required=True, help="Which program has it."),
            option("--scope", multiple=True, required=True, help="AREA:read or AREA:write; * is every area."),
            option("--days", type=float, default=90.0, help="How long it lasts."),
        ),
    ),
    Command("tokens remove", "A token opens nothing any more.", _remove_token, (argument("number", type=int),)),
    Command(
        "trail list",
        "List what was changed, newest first.",
        _trail,
        (
            option("--subject", help="Only what was done to this."),
            option("--who", help="Only what this one did, by whatever way he came."),
            option("--limit", type=click.IntRange(1, 1000), default=50, help="At most so many."),
        ),
    ),
    Command(
        "trail verify",
        "Check that no row was changed or removed behind the appliance's back.",
        _verify,
        (option("--head", help="A head that you noted earlier: it has to stand in the trail still."),),
    ),
)
