"""The appliance under load: the product itself in the lab, filled beforehand and pinned to one processor.

The generator's address goes on the allow list, as a trusted carrier's would: the buckets that the gate keeps for
strangers are there to stop exactly this.
"""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance import launch
from pysrv.store import NewAccount, NewTrunk, Route, Store
from tests.bench.kamailio import REALM
from tests.bench.processes import family, pin
from tests.lab.network import Lab
from tests.lab.product import Product

USERS = 1000
DECK = "prefix,per_minute,connect_fee,initial_increment,next_increment\n49,0.60,0.05,1,1\n"
MEDIA = "--rtp-ports=9000-31999"  # a port rests for some seconds after a call: thousands of calls need this many


def users() -> list[tuple[str, str]]:
    """Accounts as (name, password)."""
    return [(f"u{index:05}", f"secret{index:05}") for index in range(USERS)]


@contextmanager
def appliance(lab: Lab, directory: Path, cpu: int, carrier: str = "") -> Iterator[Product]:
    """The product, running: every user has money and a deck; numbers under 49 go to the carrier."""
    product = Product(lab, directory, MEDIA)
    launch.prepare(product.state, product.runtime)
    _fill(product.state / "office" / "appliance.db", carrier)
    with product:
        for host in lab.hosts.values():
            product.command("allow", host.address)
        pin(pids(product), cpu)
        yield product


def pids(product: Product) -> list[int]:
    """Keeper and office."""
    return family(product.pid)


def _fill(database: Path, carrier: str) -> None:
    with Store.open(database) as store:
        for index, (name, password) in enumerate(users()):
            number = f"1{index:05}"
            account = NewAccount(name, password, REALM, (number,), deck="bench", balance=10**12, maxlines=1000)
            store.add_account(account)
        deck = store.import_begin("bench")
        store.import_rows(deck, 1, DECK)
        store.import_commit(deck)
        if carrier:
            store.add_trunk(NewTrunk("carrier", carrier, routes=(Route("49"),)))
        store.commit()
    owner = pwd.getpwnam(launch.USER)
    for path in database.parent.iterdir():
        os.chown(path, owner.pw_uid, owner.pw_gid)
