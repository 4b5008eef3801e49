"""`appliance payments` against an office that runs, with a gateway on loopback."""

import asyncio
import csv
import io
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.exits import Exit
from appliance.cli.payments import _plain
from appliance.config.settings import Settings
from pysrv.billing.payment import Fact, FactKind
from pysrv.payments.cashier import Cashier
from pysrv.store import NewAccount, Store
from tests.appliance.shell import Shell
from tests.control.office import NOW, Service, office
from tests.notify.servers import trusted
from tests.payments.servers import KEY, StripeServer, refuse, running


@contextmanager
def stripe_at_work(context: ssl.SSLContext) -> Iterator[StripeServer]:
    """A server in a thread of its own."""
    loop, ready, ended, server = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), StripeServer()

    async def serve() -> None:
        async with running(server, context):
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(5)
        yield server
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(5)
        loop.close()


class Paying(Service):
    """A service whose cashier is at work."""

    def serve(self, store: Store) -> Callable[[], Any]:
        """What runs beside the office."""
        tell = lambda kind, account, key, **figures: store.add_notice(kind, account, figures, key)  # noqa: E731
        cashier = Cashier(store, self.settings, lambda: NOW, store.commit, tell, self.account_changed)
        self.on_payments = cashier.wake
        return cashier.run


@pytest.fixture
def stripe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeServer]:
    with stripe_at_work(trusted(tmp_path, monkeypatch)) as server:
        yield server


@pytest.fixture
def shell(tmp_path: Path, stripe: StripeServer) -> Iterator[Shell]:
    made = Shell(tmp_path)
    texts = {"paymentgateway": "stripe", "paymentapiurl": stripe.url, "stripekey": KEY}
    with Store.open(made.database, lambda: NOW) as store:
        account = store.add_account(NewAccount("alice", "s3cret-word", "pbx"))
        for number, why in ((1, ("it is the account's first payment (paymentfirstmanual)",)), (2, ())):
            intent, charge = f"pi_{number}", {"id": f"ch_{number}", "payment_intent": f"pi_{number}"}
            reference, session = f"apl-{number}", f"cs_{number}"
            made_one = store.add_payment(reference, "stripe", account, 20_000_000, "EUR", Fraction(1), NOW + 300)
            store.note_order(made_one.id, session)
            stripe.sessions[session] = {
                "id": session, "mode": "payment", "client_reference_id": reference, "status": "complete",
                "payment_status": "paid", "payment_intent": intent, "amount_total": 2000, "currency": "eur",
            }  # fmt: skip
            fact = Fact(FactKind.CAPTURED, intent, intent, 20_000_000, "EUR", NOW - 3600 * number, f"apl-{number}")
            store.take_fact("stripe", fact, lambda *_, why=why: why, lock=False)  # type: ignore[misc]
            charge |= {"amount": 2000, "amount_captured": 2000, "amount_refunded": 0, "currency": "eur", "paid": True,
                       "captured": True, "created": int(NOW) - 3600 * number,
                       "metadata": {"reference": f"apl-{number}"}}  # type: ignore[dict-item]  # fmt: skip
            stripe.charges.append(charge)
            stripe.intents[intent] = {"id": intent, "latest_charge": charge}
        store.commit()
    service = Paying(Settings().with_changes(texts, 1))
    with office(made.runtime, made.database, service, beside=service.serve):
        yield made


def test_what_waits_is_listed_shown_and_approved(shell: Shell) -> None:
    listed = shell.run("payments", "list", "--status", "waiting")
    assert "it is the account's first payment" in listed.stdout
    assert "captured" in shell.run("payments", "show", "1").stdout
    approved = shell.run("payments", "approve", "1", "--note", "he rang")
    assert (approved.exit_code, "payment 1 is credited to alice" in approved.stdout) == (Exit.OK, True)
    assert shell.json("payments", "show", "1")["payment"]["credited"] == "20.00"
    again = shell.run("payments", "approve", "1")
    assert (again.exit_code, "does not wait" in again.stderr) == (Exit.REFUSED, True)
    assert shell.run("payments", "show", "9").exit_code == Exit.NOT_FOUND


def test_a_refund_waits_for_what_the_gateway_says(shell: Shell, stripe: StripeServer) -> None:
    done = shell.run("payments", "refund", "2", "--amount", "5.00")
    assert (done.exit_code, "5.00 go back to the payer" in done.stdout) == (Exit.OK, True)
    assert stripe.charges[1]["amount_refunded"] == 500
    stripe.charges[1]["amount"] = 500  # so that the gateway refuses
    refused = shell.run("payments", "refund", "2")
    assert refused.exit_code == Exit.REFUSED
    assert "charge_already_refunded" in refused.stdout
    assert shell.json("payments", "show", "2")["payment"]["credited"] == "15.00"


def test_a_rejected_payment_goes_back(shell: Shell, stripe: StripeServer) -> None:
    assert "20.00 go back" in shell.run("payments", "reject", "1").stdout
    assert stripe.charges[0]["amount_refunded"] == 2000


def test_a_comparison_answers_for_people_in_json_and_in_csv(shell: Shell, stripe: StripeServer) -> None:
    span = ("--since", "2023-11-13", "--until", "2023-11-16")
    same = shell.run("payments", "reconcile", *span)
    assert (same.exit_code, "2 agree, 0 differ" in same.stdout) == (Exit.OK, True)
    stripe.charges[0] |= {"payment_intent": "pi_9"}
    stripe.charges[1]["amount_captured"] = 100
    differs = shell.run("payments", "reconcile", *span)
    assert differs.exit_code == Exit.REFUSED
    assert all(words in differs.stdout for words in ("missing here", "missing there", "amount differs"))
    rows = list(csv.DictReader(io.StringIO(shell.run("payments", "reconcile", *span, "--csv").stdout)))
    assert {row["difference"] for row in rows} == {"missing_here", "missing_there", "amount_differs"}
    assert next(row for row in rows if row["difference"] == "missing_here")["theirs"] == "20.00"
    told = json.loads(shell.run("payments", "reconcile", *span, "--json").stdout)
    assert len(told["lines"]) == 3
    stripe.fault = lambda _request: refuse(403, {"error": {"code": "no"}})
    broken = shell.run("payments", "reconcile", *span)
    assert (broken.exit_code, "403 (no)" in broken.stderr) == (Exit.REFUSED, True)


def test_a_comparison_needs_a_running_office(tmp_path: Path) -> None:
    assert Shell(tmp_path).run("payments", "reconcile", "--since", "7d").exit_code == Exit.NOT_RUNNING


@pytest.mark.parametrize(("text", "cell"), [("=cmd()", "'=cmd()"), ("-5.00", "-5.00"), ("pi_1", "pi_1"), (3, 3)])
def test_no_cell_is_a_formula(text: Any, cell: Any) -> None:
    assert _plain(text) == cell
