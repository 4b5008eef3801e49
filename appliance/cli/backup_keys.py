"""`appliance backup key` and `appliance backup trust`: who may come in at the other side, and whether that is the right
one. Both are for places behind `sftp:`."""

import click

from appliance.backup.place import BackupError
from appliance.backup.ssh import HOW, Client, Target, chosen, target_of
from appliance.cli.backups import backups_of, refusals
from appliance.cli.show import Answer, facts, line, say
from appliance.cli.table import Command, Session, argument, option

WHERE_TO = (
    "A line for the authorized_keys of the account there. Write 'restrict ' before it, and give the account SFTP "
    "alone: docs/operations.md shows how."
)
COMPARE = "Compare the fingerprint with what whoever runs it reads there: 'ssh-keygen -l -f {}'."


def _key(session: Session) -> Answer:
    with refusals():
        found = Client(backups_of(session).place).public_key()
    return Answer({"key": found}, (found, line(WHERE_TO, "dim")))


def _trust(session: Session, repository: str | None, fingerprint: str, changed: bool) -> Answer:
    with refusals():
        place = backups_of(session).place
        named = repository or place.options().repository
        if not named.startswith("sftp:"):
            raise BackupError(f"{place.options().shown} has no key of SSH", HOW)
        target, client = target_of(named), Client(place)
        known, key = client.known(target), chosen(client.offered(target), fingerprint, target)
        if key in known:
            return _trusted(target, key.shown, "is known already")
        if known and not changed:
            raise client.stranger(target)
        if not fingerprint:
            if session.json:
                raise click.UsageError("with --json, 'trust' needs --fingerprint")
            shown = [("host", target.shown), ("key", key.shown)]
            shown += [("known so far", known[0].shown)] if known else []
            say(Answer({}, (facts(shown), line(COMPARE.format(key.public_file), "yellow"))), as_json=False)
            click.confirm("Is it the same?", default=False, abort=True)
        client.vouch(target, key)
    return _trusted(target, key.shown, "is known from now on")


def _trusted(target: Target, shown: str, words: str) -> Answer:
    return Answer({"host": target.shown, "key": shown}, (line(f"{target.shown} with {shown} {words}"),))


COMMANDS = (
    Command(
        "backup key",
        "Show the key with which the appliance comes to places behind sftp:, for the account there.",
        _key,
    ),
    Command(
        "backup trust",
        "Vouch for the key of a host behind sftp:; nothing is sent to one that nobody vouched for.",
        _trust,
        (
            argument("repository", required=False),
            option("--fingerprint", default="", metavar="SHA256:...", help="As its owner told it; none: it asks."),
            option("--changed", is_flag=True, default=False, help="In the place of the key that is known so far."),
        ),
        "Without REPOSITORY it is the chosen one. The host is asked for its key, whose fingerprint has to be compared "
        "with what whoever runs it reads there.",
    ),
)
