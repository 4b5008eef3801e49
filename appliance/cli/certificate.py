"""`appliance certificate`: what SIP over TLS and HTTPS show, and the operator's own."""

import sys
from pathlib import Path

from appliance.cli.exits import Exit, Failure
from appliance.cli.show import Answer, facts, joined, line, moment
from appliance.cli.table import Command, Group, Session, argument

MOST_BYTES = 256 * 1024


def _answer(result: dict[str, object], *words: str) -> Answer:
    shown = result["certificate"]
    assert isinstance(shown, dict)
    pairs = [
        ("serves", "your own" if shown["own"] else "the appliance's own, which no client trusts by itself"),
        ("names", joined(shown["names"])),
        ("issuer", shown["issuer"]),
        ("from", moment(shown["begins_at"])),
        ("until", moment(shown["ends_at"])),
        ("SHA-256", shown["fingerprint"]),
        ("chain", str(shown["chain"])),
    ]
    notices = result["notices"]
    assert isinstance(notices, list)
    parts = (*(line(each) for each in words), facts(pairs), *(line(each, "yellow") for each in notices))
    return Answer(result, parts, Exit.REFUSED if shown["problem"] else Exit.OK)


def _show(session: Session) -> Answer:
    return _answer(session.link().running_office("certificate.show"))


def _set(session: Session, file: str) -> Answer:
    result = session.link().running_office("certificate.set", {"pem": _read(file)})
    return _answer(result, "it serves from the next connection on")


def _read(file: str) -> str:
    """A PEM file's text; '-' is standard input. Raises Failure."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(MOST_BYTES + 1).decode("ascii")
        with Path(file).open("rb") as opened:
            return opened.read(MOST_BYTES + 1).decode("ascii")
    except OSError as error:
        raise Failure(Exit.NOT_FOUND, f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        hint = "openssl pkcs12 -in FILE -out new.pem makes PEM of a .pfx or .p12"
        raise Failure(Exit.REFUSED, f"{file} is not PEM text", hint) from None


def _remove(session: Session) -> Answer:
    return _answer(session.link().running_office("certificate.remove"), "the appliance's own serves again")


def _csr(session: Session, names: tuple[str, ...]) -> Answer:
    result = session.link().running_office("certificate.csr", {"names": list(names)})
    return Answer(result, (line(str(result["csr"]).rstrip()),))


def _reload(session: Session) -> Answer:
    return _answer(session.link().running_office("certificate.reload"))


def _renew(session: Session) -> Answer:
    return _answer(session.link().running_office("certificate.renew"), "a new one serves")


GROUP = Group("certificate", "The certificate of SIP over TLS and HTTPS.")
COMMANDS = (
    Command("certificate show", "Show which certificate serves, until when, and what is wrong with yours.", _show),
    Command(
        "certificate set",
        "Bring your own: a PEM file with private key, certificate and chain; no restart.",
        _set,
        (argument("file", metavar="FILE|-"),),
        more="An encrypted key takes its passphrase from the setting sslcertpwd. After 'certificate csr' the key is "
        "here already, and the file holds the certificate and its chain.",
    ),
    Command("certificate remove", "Go back to the appliance's own certificate.", _remove),
    Command("certificate renew", "Make the appliance's own certificate anew, for the domain as it is now.", _renew),
    Command(
        "certificate csr",
        "Make a request for an authority; its key stays on the appliance.",
        _csr,
        (argument("names", nargs=-1),),
    ),
    Command("certificate reload", "Read the files again now; it happens by itself within half a minute.", _reload),
)
