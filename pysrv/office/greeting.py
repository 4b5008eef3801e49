"""What the first lines of a run say: where it listens, a first password, accounts to try."""

import secrets
from collections.abc import Iterator, Mapping, Sequence

from pysrv.passwords.policy import GENERATED
from pysrv.store import Store
from pysrv.store.rows import NewAccount

DEMO_ACCOUNTS = 2


def demo_accounts(store: Store, realm: str) -> dict[str, tuple[str, str]]:
    """Accounts to try the service with, if there are none yet: name to (number, password)."""
    if store.account_count():
        return {}
    made = {f"demo{digit}": (f"100{digit}", secrets.token_urlsafe(12)) for digit in range(1, DEMO_ACCOUNTS + 1)}
    for name, (number, password) in made.items():
        store.add_account(
            NewAccount(name, password, realm, (number,), onlylocalaccess=True, strength=GENERATED), "set-up"
        )
    return made


def lines(
    listen: Sequence[str],
    ports: tuple[int, int, int],
    fingerprint: str,
    password: str | None,
    demo: Mapping[str, tuple[str, str]],
) -> Iterator[str]:
    """What is printed; `ports`: SIP, SIP over TLS (0: closed) and HTTPS. Passwords are said this once."""
    sip, tls, https = ports
    yield f"SIP on UDP and TCP {', '.join(f'{_host(address)}:{sip}' for address in listen)}"
    if tls:
        yield f"SIP over TLS on port {tls}"
    server = _host(next(iter(listen), "localhost"))
    page = f"https://{server}:{https}"
    yield f"panel on {page}/panel/, portal on {page}/portal/ (certificate SHA-256 {fingerprint})"
    if password is not None:
        yield f"administrator: user 'admin', password '{password}' (printed this once; keep it)"
    for name, (number, secret) in demo.items():
        yield f"softphone: user '{name}', password '{secret}', server {server}, number {number} (printed this once)"


def _host(address: str) -> str:
    """An address as it stands before a port (RFC 3986, 3.2.2)."""
    return f"[{address}]" if ":" in address else address
