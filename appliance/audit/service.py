"""What the running office finds about itself, and what its listeners answer to somebody from outside.

The office judges what only it knows (pysrv/limits/checklist.py); each of its findings has its row here, so that one
list holds all but those about single settings, which settings.py has. A test compares the two.
"""

import socket
import ssl
from typing import Any, Final

from appliance.audit.machine import Machine
from appliance.audit.row import Check, Grade, Judge, Reading, Unreadable, passed, verdict
from appliance.audit.units import office
from appliance.config.options import OPTIONS_VARIABLE, RunOptions

SOON_DAYS, LATE_DAYS = 30, 7
PATIENCE_S: Final = 3.0
# Findings of the office by name: what, why, weight.
FINDINGS: Final = {
    "weak_passwords": ("No account has a weak password", "An account with one is found by every scanner.", 3),
    "lax_accounts": ("Every account shows a secret", "A name, a prefix or an address anybody can say.", 3),
    "second_factor": ("Administrators have a second factor", "One password that leaks opens everything.", 3),
    "remoteadmin": ("The panel is not for everybody", "What everybody can reach, everybody tries.", 2),
    "httpapikey": ("The older API has a key", "Without one an address or a password alone moves money.", 3),
    "open_trunks": ("No trunk takes calls from wide networks", "Whoever has an address there calls as the carrier.", 3),
    "decks": ("What is called has a price", "What has no price has no limit.", 2),
    "notices": ("Administrators are told", "A fraud at night is stopped by the one who hears of it.", 2),
    "certificate": ("The certificate is an authority's", "People learn to click warnings away.", 1),
    "backup": ("There is a fresh backup", "A disk fails on a day of its own choice.", 2),
    "localdomain": ("The domain is set", "Passwords are kept for it, and phones are sent to it.", 1),
}


def _found(name: str) -> Judge:
    def judge(machine: Machine) -> Reading:
        for each in machine.office("checklist.show")["findings"]:
            if each["name"] == name:
                return Reading(Grade(each["grade"]), str(each["value"]))
        raise Unreadable("this office does not judge it")

    return judge


def _days(machine: Machine) -> Reading:
    shown = machine.office("certificate.show")["certificate"]
    days = (float(shown["ends_at"]) - machine.now) / 86_400
    grade = Grade.FAIL if days < LATE_DAYS else Grade.WARN if days < SOON_DAYS else Grade.PASS
    return Reading(grade, f"{days:.0f} days left" if days > 0 else "it has ended")


def _begun(machine: Machine) -> Reading:
    shown = machine.office("certificate.show")["certificate"]
    return verdict(
        float(shown["begins_at"]) <= machine.now, "valid now" if float(shown["begins_at"]) <= machine.now else "not yet"
    )


def _used(machine: Machine) -> Reading:
    problem = machine.office("certificate.show")["certificate"]["problem"]
    return verdict(not problem, problem or "in use")


def _runs(machine: Machine) -> Reading:
    try:
        said = machine.office("status")
    except Unreadable:
        if machine.live:
            return Reading(Grade.FAIL, "it does not run")
        raise
    return verdict(bool(said.get("running")), f"{said.get('accounts', 0)} accounts, {said.get('calls', 0)} calls"
                   if said.get("running") else "it does not run")  # fmt: skip


def _stored(machine: Machine) -> Reading:
    problems = machine.office("settings.list")["problems"]
    return verdict(not problems, "; ".join(map(str, problems[:3])) or "every stored setting can be used")


def addresses(machine: Machine) -> list[tuple[str, int]]:
    """Where the office takes HTTPS, by the options that its process was started with. Raises Unreadable.

    Options may hold secrets: nothing of them but addresses and a port leaves here.
    """
    for each in machine.text(f"/proc/{office(machine).pid}/environ").split("\0"):
        name, _, value = each.partition("=")
        if name == OPTIONS_VARIABLE:
            options = RunOptions.from_json(value)
            return [(address, options.https_port) for address in options.listen] or [("127.0.0.1", options.https_port)]
    raise Unreadable("the office does not say where it takes HTTPS")


def _handshake(place: tuple[str, int], oldest: ssl.TLSVersion, newest: ssl.TLSVersion, ciphers: str) -> str | None:
    """The version that is agreed on; None: refused. Raises Unreadable when nobody listens."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.set_ciphers(ciphers)
        context.minimum_version, context.maximum_version = oldest, newest
    except (ssl.SSLError, ValueError):
        raise Unreadable("this machine's own TLS cannot ask for it") from None
    try:
        with socket.create_connection(place, PATIENCE_S) as plain, context.wrap_socket(plain) as secure:
            return secure.version()
    except ssl.SSLError as error:
        if "NO_PROTOCOLS" in str(error) or "NO_CIPHERS" in str(error):
            raise Unreadable("this machine's own TLS cannot ask for it") from None
        return None
    except ConnectionResetError:
        return None
    except OSError as error:
        raise Unreadable(f"{place[0]} port {place[1]}: {error.strerror or error}") from None


def _old_tls(machine: Machine) -> Reading:
    agreed = _handshake(addresses(machine)[0], ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0")
    return verdict(agreed is None, "1.2 at least" if agreed is None else f"takes {agreed}")


def _new_tls(machine: Machine) -> Reading:
    agreed = _handshake(addresses(machine)[0], ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, "DEFAULT")
    return verdict(agreed == "TLSv1.3", agreed or "refused", Grade.WARN)


def _weak_ciphers(machine: Machine) -> Reading:
    place = addresses(machine)[0]
    agreed = _handshake(place, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "3DES:RC4:NULL:aNULL:@SECLEVEL=0")
    return verdict(agreed is None, "refused" if agreed is None else "takes one")


def _office_word(name: str, what: str, why: str, weight: int) -> Check:
    return Check(
        f"service.{name}", what, why, "the office's verb checklist.show", weight, _found(name),
        "the panel's page Security checklist says it, and leads there",
    )  # fmt: skip


def _headers(machine: Machine) -> Reading:
    """Whether the page says to browsers what it allows."""
    from http.client import HTTPSConnection

    host, port = addresses(machine)[0]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        connection = HTTPSConnection(host, port, timeout=PATIENCE_S, context=context)
        connection.request("GET", "/panel/login")
        headers: Any = connection.getresponse().headers
        connection.close()
    except OSError as error:
        raise Unreadable(f"{host} port {port}: {error.strerror or error}") from None
    wanted = ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy")
    missing = [name for name in wanted if not headers.get(name)]
    return passed("all there") if not missing else Reading(Grade.WARN, f"without {', '.join(missing)}")


CHECKS: Final = (
    *(_office_word(name, *row) for name, row in FINDINGS.items()),
    Check(
        "service.runs", "The office runs", "Without it there is no call.", "the office's verb status", 3, _runs,
        "systemctl status appliance-office; its journal says why not",
    ),
    Check(
        "service.certificate_days", "The certificate lasts a while",
        "When it ends, telephones and browsers stay away.", "the office's verb certificate.show", 2, _days,
        "'appliance certificate set' or 'appliance certificate renew'",
    ),
    Check(
        "service.certificate_begun", "And has begun", "Before its first day nobody believes it.",
        "the office's verb certificate.show", 1, _begun, "look at the machine's clock",
    ),
    Check(
        "service.certificate_used", "Your own certificate is in use",
        "One that cannot be used is replaced by the appliance's own.", "the office's verb certificate.show", 2, _used,
        "'appliance certificate show' says what is wrong",
    ),
    Check(
        "service.stored_settings", "Every stored setting can be used", "One that cannot falls back to the default.",
        "the office's verb settings.list", 2, _stored, "'appliance check' names them; set them anew",
    ),
    Check(
        "service.tls_old", "TLS 1.0 and 1.1 are refused", "They can be read by those who record.",
        "a handshake with HTTPS", 2, _old_tls, "restart the office of this version, which takes 1.2 at least",
    ),
    Check(
        "service.tls_new", "TLS 1.3 is spoken", "It is the one without known holes.", "a handshake with HTTPS", 1,
        _new_tls, "a newer OpenSSL",
    ),
    Check(
        "service.tls_weak", "Weak ciphers are refused", "RC4 and 3DES have been read.", "a handshake with HTTPS", 2,
        _weak_ciphers, "restart the office of this version",
    ),
    Check(
        "service.headers", "Pages say what browsers may do with them",
        "Foreign scripts and frames would steal a session.", "headers of /panel/login", 1, _headers,
        "restart the office of this version",
    ),
)  # fmt: skip
