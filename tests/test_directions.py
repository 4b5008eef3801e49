"""Who may import whom: the table of directions, held against the imports of every module.

A module's row is the longest name in ROOMS that begins its own. Everything may import its own room. The pure rooms
take the standard library, less what would give them a clock, a socket, a file or chance.
"""

import ast
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
# fmt: off
IMPURE = (
    "asyncio", "concurrent", "ctypes", "http", "logging", "multiprocessing", "os", "pathlib", "random", "secrets",
    "select", "selectors", "shutil", "signal", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "tempfile",
    "threading", "time", "urllib.request", "uuid",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Room:
    """What a room may import beside itself and the standard library."""

    may: tuple[str, ...] = ()
    pure: bool = False


SHARED = ("appliance.config", "appliance.wire", "appliance.networks", "appliance.metrics", "appliance.release")
PURE_OFFICE = ("pysrv.sip", "pysrv.calls", "pysrv.limits", "pysrv.billing", "pysrv.media")
ROOMS = {
    # The shared leaves.
    "appliance.config": Room(pure=True),
    "appliance.config.load": Room(("appliance.config",)),  # reads the settings file
    "appliance.wire": Room(pure=True),
    "appliance.networks": Room(pure=True),
    "appliance.metrics": Room(("appliance.wire", "prometheus_client"), pure=True),
    "appliance.capture": Room(("appliance.wire", "pcapng")),
    # The keeper.
    "appliance.kernel": Room(SHARED),
    "appliance.kernel.compiler": Room((*SHARED, "appliance.kernel", "bcc")),
    "appliance.kernel.program": Room((*SHARED, "appliance.kernel", "bcc")),
    "appliance.kernel.link": Room((*SHARED, "appliance.kernel", "pyroute2")),
    "appliance.kernel.wireguard": Room((*SHARED, "appliance.kernel", "pyroute2")),
    "appliance.kernel.nft": Room((*SHARED, "appliance.kernel", "nftables")),
    "appliance.kernel.range": Room((*SHARED, "appliance.kernel", "pyroute2")),
    "appliance.selftest": Room(("appliance.wire", "appliance.kernel", "cryptography")),
    "appliance.cli.codes": Room(("segno",)),
    "appliance.backup.keys": Room(("cryptography",)),
    "appliance.tunnel.keys": Room(("appliance.wire", "cryptography")),
    "appliance.launch": Room(),
    "appliance.release": Room(),
    "appliance.support": Room(("appliance.support",)),
    "appliance.support.secrecy": Room(pure=True),
    "appliance.support.masking": Room(pure=True),
    "appliance.countries": Room(("appliance.networks", "maxminddb")),
    "appliance": Room(("appliance", "click", "rich")),
    # The office's pure rooms.
    "pysrv.sip": Room(pure=True),
    "pysrv.billing": Room(pure=True),
    "pysrv.calls": Room(("pysrv.sip", "pysrv.media", "appliance.wire"), pure=True),
    "pysrv.media": Room(("pysrv.sip", "appliance.wire"), pure=True),
    "pysrv.limits": Room(("pysrv.billing", "appliance.config"), pure=True),
    # Passwords: pure, but for one module for each library.
    "pysrv.passwords": Room(pure=True),
    "pysrv.passwords.estimator": Room(("pysrv.passwords", "zxcvbn")),
    "pysrv.passwords.made": Room(),  # chance is no pure function
    "pysrv.passwords.nobody": Room(("argon2",)),  # chance
    "pysrv.passwords.people": Room(("argon2", "pysrv.passwords.nobody")),
    "pysrv.passwords.pins": Room(("argon2", "pysrv.passwords.nobody")),
    "pysrv.passwords.vault": Room(("cryptography",)),
    # The office's shell.
    # The store refuses two accounts that no call could tell apart: the rule is policy's.
    "pysrv.store": Room(
        (
            "pysrv.billing",
            "pysrv.calls",
            "pysrv.sip",
            "pysrv.limits.entrances",
            "pysrv.limits.forwards",
            "pysrv.limits.own",
            "pysrv.passwords",
            "pysrv.people",
            "sqlite_utils",
        )
    ),
    "pysrv.net": Room(("pysrv.sip", "pysrv.media", "appliance.wire")),
    "pysrv.net.keyed_hash": Room(("siphash24",)),
    "pysrv.service": Room((*PURE_OFFICE, "pysrv.passwords", "pysrv.store", *SHARED)),
    "pysrv.service.numbering": Room(("pysrv.service", "pysrv.limits", "phonenumbers")),
    "pysrv.service.digit_patterns": Room(),
    "pysrv.notify": Room(("pysrv.limits", "pysrv.store", "appliance.config", "aiosmtplib", "aiohttp", "yarl")),
    # Payments: what decides is pure, each gateway and the cashier are shell.
    "pysrv.payments.gateway": Room(("pysrv.billing",), pure=True),
    "pysrv.payments.units": Room(("pysrv.billing",), pure=True),
    "pysrv.payments.judge": Room(("pysrv.billing",), pure=True),
    "pysrv.payments.offer": Room(("pysrv.billing", "pysrv.payments"), pure=True),
    "pysrv.payments.schedule": Room(("pysrv.billing",), pure=True),
    "pysrv.payments.compare": Room(("pysrv.payments",), pure=True),
    "pysrv.payments.stripe_events": Room(("pysrv.billing", "pysrv.payments"), pure=True),
    "pysrv.payments.paypal_events": Room(("pysrv.billing", "pysrv.payments"), pure=True),
    "pysrv.payments": Room(("pysrv.billing", "pysrv.store", "appliance.config", "aiohttp", "yarl")),
    # People: who may do what; one module for each library.
    "pysrv.people": Room(pure=True),
    "pysrv.people.codes": Room(("pyotp",)),
    "pysrv.people.passkeys": Room(("webauthn",)),
    "pysrv.people.pictures": Room(("segno",)),
    # The one certificate of SIP and web.
    "pysrv.certificates": Room(("cryptography",)),
    "pysrv.certificates.authority": Room(("pysrv.certificates", "acme", "cryptography", "josepy", "requests")),
    "pysrv.certificates.renewal": Room(pure=True),
    # The web: what panel, portal and API share; they know each other not.
    "pysrv.web": Room(
        (
            "pysrv.control",
            "pysrv.people",
            "pysrv.payments.cashier",
            "pysrv.service",
            "pysrv.store",
            "pysrv.net.doors",
            *SHARED,
            "aiohttp",
        )
    ),
    "pysrv.web.rendering": Room(("pysrv.web", "babel", "jinja2")),
    # The console: lines into verbs; its sockets are in net.
    "pysrv.console": Room(("pysrv.control", "pysrv.people", "pysrv.store", "appliance.wire")),
    "pysrv.console.commands": Room(("appliance.wire",), pure=True),
    # The panel: pages over the verbs. It holds what waits for a word, and reads amounts as people type them.
    "pysrv.panel": Room(
        (
            "pysrv.web",
            "pysrv.control",
            "pysrv.billing.money",
            "pysrv.passwords.made",
            "pysrv.people",
            "pysrv.store",
            *SHARED,
            "aiohttp",
        )
    ),
    # The API: endpoints as rows over the same verbs.
    "pysrv.api": Room(
        (
            "pysrv.web",
            "pysrv.control",
            "pysrv.billing.money",
            "pysrv.service.feed",
            "pysrv.people",
            "pysrv.store",
            *SHARED,
            "aiohttp",
            "msgspec",
        )
    ),
    "pysrv.portal": Room(("pysrv.web", "pysrv.store", "pysrv.billing", "pysrv.payments.offer", *SHARED, "aiohttp")),
    "pysrv.control": Room(("pysrv", *SHARED)),
    "pysrv.control.answer": Room(("msgspec",)),
    "pysrv": Room(("pysrv", *SHARED, "uvloop")),
}
ONLY_IN = {
    "prometheus_client": ("appliance.metrics",),
    "pcapng": ("appliance.capture",),
    "bcc": ("appliance.kernel.compiler", "appliance.kernel.program"),
    "pyroute2": (
        "appliance.kernel.link",
        "appliance.kernel.neighbour",
        "appliance.kernel.range",
        "appliance.kernel.wireguard",
    ),
    "sqlite3": ("pysrv.store",),
    "sqlite_utils": ("pysrv.store",),
    "acme": ("pysrv.certificates.authority",),
    "josepy": ("pysrv.certificates.authority",),
    "requests": ("pysrv.certificates.authority",),
    "argon2": ("pysrv.passwords.nobody", "pysrv.passwords.people", "pysrv.passwords.pins"),
    "cryptography": (
        "pysrv.passwords.vault",
        "pysrv.certificates",
        "appliance.selftest",
        "appliance.tunnel.keys",
        "appliance.backup.keys",
    ),
    "zxcvbn": ("pysrv.passwords.estimator",),
    "msgspec": ("pysrv.api", "pysrv.control.answer"),
    "aiohttp": (
        "pysrv.api",
        "pysrv.panel",
        "pysrv.portal",
        "pysrv.web",
        "pysrv.notify.web",
        "pysrv.notify.reach",
        "pysrv.payments.http",
    ),
    "aiosmtplib": ("pysrv.notify.mail",),
    "yarl": ("pysrv.notify.web", "pysrv.payments.http"),
    "pyotp": ("pysrv.people.codes",),
    "webauthn": ("pysrv.people.passkeys",),
    "segno": ("pysrv.people.pictures", "appliance.cli.codes"),
    "jinja2": ("pysrv.web.rendering",),
    "babel": ("pysrv.web.rendering",),
    "siphash24": ("pysrv.net.keyed_hash",),
    "phonenumbers": ("pysrv.service.numbering",),
}


def modules() -> list[str]:
    """Every module of the product."""
    found = []
    for package in ("appliance", "pysrv"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def path_of(module: str) -> Path:
    base = REPOSITORY.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@cache
def imports(module: str) -> set[str]:
    """Every name that the module imports, wherever in it; `from a import b` counts as a.b when that is a module."""
    path = path_of(module)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            ancestors = package.split(".")[: len(package.split(".")) - (node.level - 1)] if node.level else []
            base = ".".join([*ancestors, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found.add(whole if path_of(whole).exists() else base)
    return found


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def room_of(module: str) -> str:
    return max((room for room in ROOMS if within(module, room)), key=len)


def complaints(module: str) -> list[str]:
    """Every import of the module that the table does not allow."""
    ours = room_of(module)
    room = ROOMS[ours]
    wrong = []
    for imported in sorted(imports(module)):
        top = imported.partition(".")[0]
        if top in sys.stdlib_module_names:
            if room.pure and any(within(imported, name) for name in IMPURE):
                wrong.append(f"{module} is pure and imports {imported}")
        elif not within(imported, ours) and not any(within(imported, may) for may in room.may):
            wrong.append(f"{module} imports {imported}")
    return wrong


@pytest.mark.parametrize("module", modules())
def test_every_module_imports_only_what_its_room_may(module: str) -> None:
    assert complaints(module) == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_with_one_home_is_imported_nowhere_else(library: str) -> None:
    homes = ONLY_IN[library]
    users = [module for module in modules() if any(within(name, library) for name in imports(module))]
    assert [module for module in users if not any(within(module, home) for home in homes)] == []


def test_the_two_halves_meet_only_in_the_shared_leaves() -> None:
    for module in modules():
        other = "pysrv" if module.startswith("appliance") else "appliance"
        crossing = {name for name in imports(module) if within(name, other)}
        if other == "pysrv":
            assert not crossing, f"{module} imports {crossing}"
        else:
            assert all(any(within(name, leaf) for leaf in SHARED) for name in crossing), f"{module} imports {crossing}"


def test_a_forbidden_import_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "imports", lambda _module: {"time", "aiohttp.web", "pysrv.store", "pysrv.sip.uri"})
    assert complaints("pysrv.sip.parser") == [
        "pysrv.sip.parser imports aiohttp.web",
        "pysrv.sip.parser imports pysrv.store",
        "pysrv.sip.parser is pure and imports time",
    ]
