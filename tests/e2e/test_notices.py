"""The appliance tells its administrator: a mail server in another namespace takes what the running office sends."""

import time

import pytest

from tests.lab.network import Lab, end
from tests.lab.product import Product

PATIENCE_S = 60.0


def listens(lab: Lab, namespace: str, address: str, port: int) -> bool:
    """Waits for a server: a test of notices is tried once."""
    until = time.monotonic() + PATIENCE_S
    while lab.run(namespace, ["bash", "-c", f"</dev/tcp/{address}/{port}"]).returncode:
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
        assert listens(lab, host.namespace, host.address, 2525)
        told = product.command("notices", "test", "--channel", "mail")
        assert told["told"] == [{"channel": "mail", "recipient": "noc@example.org"}]
        assert [(row["recipient"], row["status"]) for row in told["notices"]] == [("noc@example.org", "sent")]
    finally:
        product.command("settings", "set", "mailserver", "")
        end(server)
