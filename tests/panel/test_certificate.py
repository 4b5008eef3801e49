"""The page of the certificate: what serves is shown, one is brought, taken away and made anew; no key comes out."""

import time
from pathlib import Path

import pytest

from pysrv.certificates.held import Certificates
from pysrv.certificates.renewer import Renewer
from pysrv.control.session import Control
from tests.certificates.authority import key_pem, new_key, pem_of, root
from tests.panel.conftest import Panel

AT = "/panel/certificate"


@pytest.fixture
def held(panel: Panel, tmp_path: Path) -> Certificates:
    directory = tmp_path / "certificates"
    directory.mkdir()
    watch = panel.house.watch
    made = Certificates(directory, ["127.0.0.1"], lambda: "pbx.example", lambda: "", watch.now)
    renewer = Renewer(directory, made, watch.now)
    panel.house.control = Control(
        panel.store, panel.service, {}, watch.now, panel.memory, certificates=made, renewer=renewer
    )
    return made


def brought() -> bytes:
    now, key = time.time(), new_key()
    authority = root(now)
    return key_pem(key) + pem_of(authority.sign("pbx.example", ("pbx.example",), key, now), authority.certificate)


async def test_one_is_brought_and_taken_away_and_its_key_never_comes_out(panel: Panel, held: Certificates) -> None:
    browser = panel.browser
    first = (await browser.get(AT)).text
    assert held.fingerprint in first and "browsers warn of" in first and "pbx.example" in first
    pem = brought()
    assert (await browser.upload(AT, {}, pem, "mine.pem")).status == 303
    page = (await browser.get(AT)).text
    assert held.shown().own and "one of yours" in page and held.fingerprint in page
    assert "PRIVATE" not in page and pem.decode().splitlines()[1] not in page
    assert (await browser.post(f"{AT}/renew")).status == 422
    assert (await browser.post(f"{AT}/drop")).status == 303
    assert not held.shown().own


async def test_what_is_no_certificate_is_refused_on_the_page_and_changes_nothing(
    panel: Panel, held: Certificates
) -> None:
    before = held.fingerprint
    await panel.browser.get(AT)
    for file in (b"hello", b"", None, key_pem(new_key())):
        answer = await panel.browser.upload(AT, {}, file, "mine.pem")
        assert 400 <= answer.status < 500 and 'role="alert"' in answer.text
        assert "PRIVATE" not in answer.text
    assert held.fingerprint == before


async def test_the_appliances_own_is_made_anew(panel: Panel, held: Certificates) -> None:
    before = held.fingerprint
    await panel.browser.get(AT)
    assert (await panel.browser.post(f"{AT}/renew")).status == 303
    assert held.fingerprint != before and held.fingerprint in (await panel.browser.get(AT)).text
    assert panel.store.audit(1, "certificate")[0].action == "certificate.renew"


async def test_a_request_is_made_for_the_names_that_are_told(panel: Panel, held: Certificates) -> None:
    del held
    await panel.browser.get(AT)
    assert "BEGIN CERTIFICATE REQUEST" in (await panel.browser.post(f"{AT}/request", {"names": "pbx.example"})).text
    assert "no DNS name" in (await panel.browser.post(f"{AT}/request", {"names": "-"})).text


async def test_one_is_ordered_at_an_authority_and_no_more(panel: Panel, held: Certificates) -> None:
    del held
    browser, told = panel.browser, {"directory": "https://ca.example/dir", "names": "pbx.example", "agreed": "1"}
    assert "first set localhttpport to 80" in (await browser.get(AT)).text
    answer = await browser.post(f"{AT}/order", told)
    assert (
        answer.status == 422
        and "no plain port is open" in answer.text
        and 'value="https://ca.example/dir"' in answer.text
    )
    panel.service.apply_settings(panel.service.settings().with_changes({"localhttpport": "80"}, 1))
    assert "terms must be agreed to" in (await browser.post(f"{AT}/order", told | {"agreed": ""})).text
    assert (await browser.post(f"{AT}/order", told)).status == 303
    page = (await browser.get(AT)).text
    assert "It is being ordered" in page and "https://ca.example/dir" in page and 'data-refresh="2"' in page
    assert (await browser.post(f"{AT}/forget")).status == 303
    assert "What is ordered" not in (await browser.get(AT)).text


async def test_who_may_only_read_sees_it_and_changes_nothing(panel: Panel, held: Certificates) -> None:
    panel.administrator("read-only")
    await panel.browser.log_in("read-only")
    page = await panel.browser.get(AT)
    assert page.status == 200 and held.fingerprint in page.text and "PEM file" not in page.text
    assert (await panel.browser.post(f"{AT}/renew")).status == 403
    assert f'href="{AT}"' in page.text


async def test_the_set_up_leads_to_it(panel: Panel) -> None:
    assert f'href="{AT}"' in (await panel.browser.get("/panel/setup?step=certificate")).text
