"""The appliance tells its administrator: a mail server in another namespace takes what the running office sends."""

import time
from collections.abc import Callable

import pytest

from tests.lab.network import Lab, end
from tests.lab.product import Product

PATIENCE_S = 20.0


def eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.setting("mailserver")
def test_a_test_of_notices_arrives_as_mail(lab: Lab, product: Product) -> None:
    host = lab.hosts["trunk"]
    server = lab.start(
        host.namespace,
        [".venv/bin/python", "-m", "aiosmtpd", "-n", "-l", f"{host.address}:2525", "-c", "aiosmtpd.handlers.Sink"],
    )
    settings = {
        "mailserver": host.address, "mailport": "2525", "mailsecurity": "none", "mailfrom": "pbx@example.org",
        "adminemails": "noc@example.org",
    }  # fmt: skip
    try:
        for name, text in settings.items():
            product.command("settings", "set", name, text)
        told = product.command("notices", "test")["told"]
        assert told == [{"channel": "mail", "recipient": "noc@example.org"}]
        rows: list[dict[str, object]] = []

        def was_sent() -> bool:
            rows[:] = product.command("notices", "list")["notices"]
            return bool(rows) and rows[0]["status"] == "sent"

        sent = eventually(was_sent)
        assert sent, rows
    finally:
        product.command("settings", "set", "mailserver", "")
        end(server)
