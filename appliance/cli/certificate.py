"""`appliance certificate`: what SIP over TLS and HTTPS show, and the operator's own."""

import sys
import time
from pathlib import Path
from typing import Any

from appliance.cli.exits import Exit, Failure
from appliance.cli.show import Answer, facts, joined, line, moment
from appliance.cli.table import Command, Group, Session, argument, option

MOST_BYTES = 256 * 1024
ORDER_S, LOOK_S = 120.0, 1.0  # how long an order is waited for, and how often it is looked at


def _answer(result: dict[str, object], *words: str) -> Answer:
    shown = result["certificate"]
    assert isinstance(shown, dict)
    pairs = [
        ("serves", _which(shown, result["order"])),
        ("names", joined(shown["names"])),
        ("issuer", shown["issuer"]),
        ("from", moment(shown["begins_at"])),
        ("until", moment(shown["ends_at"])),
        ("SHA-256", shown["fingerprint"]),
        ("chain", str(shown["chain"])),
    ]
    pairs += _order_lines(result["order"])
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


def _which(shown: dict[str, Any], order: Any) -> str:
    if not shown["own"]:
        return "the appliance's own, which no client trusts by itself"
    return "the one that was ordered" if order and order["in_use"] else "your own"


def _order_lines(order: Any) -> list[tuple[str, str]]:
    """The order that stands with an authority."""
    if not order:
        return []
    again = "at once" if not order["due_at"] else moment(order["due_at"])
    if order["running"]:
        again = "now"
    elif order["issued"] and not order["in_use"]:
        again = "not: another certificate is in use"
    pairs = [("ordered at", str(order["directory"])), ("for", joined(order["names"])), ("asked again", again)]
    if order["failures"]:
        pairs += [
            ("failed", f"{order['failures']} times, last {moment(order['failed_at'])}: {order['problem']}"),
            ("to do", str(order["hint"])),
        ]
    return pairs


def _order(session: Session, directory: str, names: tuple[str, ...], email: str, agree: bool, wait: bool) -> Answer:
    told = {"directory": directory, "names": list(names), "email": email, "agreed": agree}
    result = session.link().running_office("certificate.order", told)
    until = time.monotonic() + ORDER_S
    while wait and result["order"] and result["order"]["running"] and time.monotonic() < until:
        time.sleep(LOOK_S)
        result = session.link().running_office("certificate.show")
    order = result["order"]
    if not order or order["running"]:
        return _answer(result, "it is being ordered: 'appliance certificate show' tells what becomes of it")
    if order["problem"]:
        raise Failure(Exit.REFUSED, order["problem"], order["hint"])
    return _answer(result, "it serves from the next connection on, and is renewed by itself")


def _forget(session: Session) -> Answer:
    return _answer(session.link().running_office("certificate.forget"), "nothing is ordered any more")


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
    Command(
        "certificate order",
        "Order one at an authority by ACME (RFC 8555), and have it renewed by itself.",
        _order,
        (
            argument("directory", metavar="DIRECTORY"),
            argument("names", nargs=-1),
            option("--email", default="", help="Where the authority may write to."),
            option("--agree", is_flag=True, help="You agree to the authority's terms."),
            option("--wait/--no-wait", default=True, help="Wait until it is issued or refused. [default: wait]"),
        ),
        more="DIRECTORY is the address of the authority's ACME directory, such as "
        "https://acme-v02.api.letsencrypt.org/directory. Without names it is for localdomain. The authority asks for a "
        "proof at port 80 of every name: set localhttpport to 80, or lead port 80 to it. A try that fails is repeated "
        "after an hour, then ever more seldom.",
    ),
    Command("certificate forget", "Order no more; what was issued serves until it ends.", _forget),
    Command("certificate reload", "Read the files again now; it happens by itself within half a minute.", _reload),
)
