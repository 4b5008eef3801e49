"""Verbs about the certificate: what an operator sees and brings; the key never comes back."""

import json
from pathlib import Path

import pytest

from appliance.wire import WireError
from pysrv.certificates.held import Certificates
from pysrv.control.session import Control
from pysrv.store import Store
from tests.certificates.authority import key_pem, new_key, pem_of, root
from tests.control.office import NOW, Operator, Service

ROOT = root(NOW)


@pytest.fixture
def operator(store: Store, tmp_path: Path) -> Operator:
    held = Certificates(tmp_path, ["127.0.0.1"], lambda: "pbx.example", lambda: "", lambda: NOW)
    return Operator(Control(store, Service(), clock=lambda: NOW, certificates=held).session("root"))


def brought(name: str = "pbx.example") -> str:
    key = new_key()
    return (key_pem(key) + pem_of(ROOT.sign(name, (name,), key, NOW), ROOT.certificate)).decode()


def test_one_is_brought_shown_and_taken_away_and_the_trail_tells(store: Store, operator: Operator) -> None:
    before = operator.ask("certificate.show")["certificate"]
    assert not before["own"] and before["names"] == ["pbx.example", "127.0.0.1"]
    after = operator.ask("certificate.set", pem=brought())
    assert after["certificate"]["own"] and after["notices"] == []
    assert "PRIVATE" not in json.dumps(after)
    operator.ask("certificate.remove")
    with pytest.raises(WireError, match="the appliance's own serves"):
        operator.ask("certificate.remove")
    told = [(row.action, row.before, row.after) for row in store.audit(10, "certificate")]
    first, second = before["fingerprint"], after["certificate"]["fingerprint"]
    assert told == [("certificate.remove", second, first), ("certificate.set", first, second)]


def test_what_is_wrong_is_said_with_what_to_do_and_changes_nothing(store: Store, operator: Operator) -> None:
    with pytest.raises(WireError, match="does not fit") as error:
        operator.ask("certificate.set", pem=key_pem(new_key()).decode() + brought().partition("KEY-----\n")[2])
    assert error.value.hint
    assert operator.ask("certificate.show")["certificate"]["own"] is False
    assert store.audit(10, "certificate") == []


def test_a_request_is_for_the_names_that_are_told(operator: Operator) -> None:
    made = operator.ask("certificate.csr", names=["pbx.example", "*.example"])
    assert made["csr"].startswith("-----BEGIN CERTIFICATE REQUEST-----")
    with pytest.raises(WireError, match="no DNS name"):
        operator.ask("certificate.csr", names=["not a name"])
    with pytest.raises(WireError, match="needs a name"):
        operator.ask("certificate.csr")


def test_a_file_that_was_laid_down_is_read_at_once_when_told(operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "tls.pem").write_text(brought("other.example"))
    told = operator.ask("certificate.reload")
    assert told["certificate"]["own"] and "not for pbx.example" in told["notices"][0]


@pytest.mark.parametrize("verb", ["show", "remove", "csr", "reload"])
def test_without_an_office_there_is_nothing_to_show(store: Store, verb: str) -> None:
    asked = {"names": ["pbx.example"]} if verb == "csr" else {}
    with pytest.raises(WireError, match="not running"):
        Operator(Control(store, clock=lambda: NOW).session("root")).ask(f"certificate.{verb}", **asked)
