"""Who calls without an account, who hides, which addresses are trusted and what that opens: settings on and off."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config.private import PRIVATE
from appliance.config.settings import Settings
from pysrv.service.surroundings import THIS_MACHINE
from pysrv.sip.message import Response
from pysrv.store.rows import AllowRow
from tests.service.bench import TRUNK, Bench, Client, opened
from tests.service.test_service import NUMBER

TRUSTED, LAN, STRANGER, BOB = "203.0.113.7", "10.20.30.40", "192.0.2.66", "192.0.2.12"
ANONYMOUS = b'"Anonymous" <sip:anonymous@anonymous.invalid>'


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        made.store.add_allow(AllowRow(TRUSTED))
        Client(made, "bob", BOB).register()
        made.take(BOB)
        yield made


def use(bench: Bench, **values: str) -> None:
    bench.service.operators.apply_settings(bench.service.operators.settings().with_changes(values))


def bare(bench: Bench, address: str, number: str = "102", from_: bytes = b"<sip:visitor@example.org>") -> int:
    """The status of a call without credentials; 100 for one that is on its way."""
    client = Client(bench, "visitor", address)
    bench.receive(client.message("INVITE", number, from_=from_), client.flow)
    answers = client.responses()
    return answers[-1].status if answers else 100


def rang(bench: Bench) -> bool:
    return any(getattr(message, "method", b"") == b"INVITE" for message in bench.take(BOB))


# -- allownoauthcalls ---------------------------------------------------------------------------------------------


@pytest.mark.setting("allownoauthcalls")
def test_a_call_that_proves_nothing_is_taken_only_when_it_is_allowed(bench: Bench) -> None:
    assert bare(bench, TRUSTED) == 407 and not rang(bench)
    use(bench, allownoauthcalls="true")
    assert bare(bench, TRUSTED) < 200 and rang(bench)
    assert bare(bench, STRANGER) == 407 and not rang(bench)


@pytest.mark.setting("allownoauthcalls")
def test_it_reaches_users_of_this_server_and_nothing_that_costs_money(bench: Bench) -> None:
    use(bench, allownoauthcalls="true")
    assert bare(bench, TRUSTED, NUMBER) == 403
    assert not bench.take(TRUNK)
    assert bench.store.cdrs()[0].account == ""


@pytest.mark.parametrize("name", [b"alice", b"101", b"+101"])
def test_nobody_calls_so_on_the_name_or_number_of_an_account(bench: Bench, name: bytes) -> None:
    use(bench, allownoauthcalls="true")
    assert bare(bench, TRUSTED, from_=b"<sip:%b@example.org>" % name) == 407
    assert not rang(bench)


@pytest.mark.setting("needauth")
def test_an_account_that_shows_nothing_calls_only_where_that_is_allowed_and_never_under_enforcestrongauth(
    bench: Bench,
) -> None:
    bench.store.set_account("alice", needauth=0)
    as_alice = b"<sip:alice@example.org>"
    for allowed, strong, address, taken in (
        ("false", "false", TRUSTED, False),
        ("true", "true", TRUSTED, False),
        ("true", "false", STRANGER, False),
        ("true", "false", TRUSTED, True),
    ):
        use(bench, allownoauthcalls=allowed, enforcestrongauth=strong)
        status = bare(bench, address, from_=as_alice)
        assert (status < 200) is rang(bench) is taken
        assert taken or status == 407
    assert bench.store.open_calls()[0].account == "alice"


# -- trusted addresses --------------------------------------------------------------------------------------------


@pytest.mark.setting("allowtrustedip")
@pytest.mark.setting("trustlanip")
@pytest.mark.setting("trustsubnet")
@pytest.mark.parametrize(
    ("address", "off", "on"),
    [
        (TRUSTED, {"allowtrustedip": "2"}, {"allowtrustedip": "3"}),
        (TRUSTED, {"allowtrustedip": "0"}, {"allowtrustedip": "4"}),
        (LAN, {}, {"trustlanip": "true"}),
        ("203.0.113.99", {}, {"trustsubnet": "true"}),
    ],
)
def test_an_address_is_trusted_by_its_setting(
    bench: Bench, address: str, off: dict[str, str], on: dict[str, str]
) -> None:
    use(bench, allownoauthcalls="true", **off)
    assert bare(bench, address) == 407 and not rang(bench)
    use(bench, allownoauthcalls="true", **on)
    assert bare(bench, address) < 200 and rang(bench)


@pytest.mark.setting("allowtrustedip")
def test_only_an_address_that_somebody_wrote_down_is_vouched_for(bench: Bench) -> None:
    trusted = bench.service.parts.trusted
    use(bench, trustlanip="true", trustsubnet="true", trustauthip="true")
    trusted.authenticated("203.0.113.99")
    for near in (LAN, "127.0.0.1", "::1", "203.0.113.99"):
        assert trusted.why(near) and not trusted.vouches(near), near
    assert trusted.vouches(TRUSTED) and not trusted.vouches(STRANGER) and not trusted.vouches("nonsense")
    bench.store.add_allow(AllowRow("127.0.0.0/8"))
    bench.store.add_allow(AllowRow("10.0.0.0/8"))
    assert not trusted.vouches("127.0.0.1") and trusted.vouches("10.1.2.3")
    use(bench, allowtrustedip="2")
    assert trusted.vouches("10.1.2.3") and not trusted.vouches(TRUSTED)
    use(bench, allowtrustedip="1")
    assert not trusted.vouches("10.1.2.3")


@pytest.mark.setting("trustauthip")
def test_an_address_from_which_somebody_authenticated_is_trusted_for_an_hour(bench: Bench) -> None:
    use(bench, allownoauthcalls="true")
    Client(bench, "alice", STRANGER).register()
    assert bare(bench, STRANGER) == 407
    use(bench, trustauthip="true")
    assert bare(bench, STRANGER) < 200
    bench.now += 3601
    assert bare(bench, STRANGER) == 407


@pytest.mark.setting("trustauthip")
def test_who_has_a_telephone_administers_nothing_by_it(bench: Bench) -> None:
    trusted = bench.service.parts.trusted
    use(bench, trustauthip="true", allowtrustedip="4")
    Client(bench, "alice", STRANGER).register()
    assert trusted.why(STRANGER) and not trusted.administers(STRANGER)
    assert not trusted.opens_console(STRANGER) and not trusted.opens_tcp_console(STRANGER)
    assert trusted.administers(TRUSTED) and trusted.opens_tcp_console(TRUSTED)


@pytest.mark.setting("remoteadmin")
def test_an_entry_of_kind_known_has_a_bucket_and_no_trust(bench: Bench) -> None:
    trusted, store = bench.service.parts.trusted, bench.store
    bench.service.operators.apply_settings(Settings(stored={"allowtrustedip": 4}))
    store.add_allow(AllowRow(STRANGER, "known"))
    assert STRANGER in {row.prefix for row in store.allows()}
    assert not trusted.why(STRANGER) and not trusted.vouches(STRANGER)
    assert not trusted.administers(STRANGER) and not trusted.opens_tcp_console(STRANGER)
    plan = bench.service.plan()
    assert [each.prefix for each in plan.administrators] == [f"{TRUSTED}/32"]
    assert (STRANGER, "known") in {(each.prefix, each.kind) for each in plan.sources}
    assert TRUSTED in plan.protected and STRANGER not in plan.protected  # a ban by hand may hit it
    assert not trusted.administers(LAN)
    store.remove_allow(TRUSTED)  # nobody is trusted so far: private networks administer
    assert trusted.administers(LAN) and not trusted.administers(STRANGER)
    assert [each.prefix for each in bench.service.plan().administrators] == [str(each) for each in PRIVATE]


@pytest.mark.setting("allowtrustedip")
def test_with_4_the_console_honours_trusted_addresses_too(bench: Bench) -> None:
    trusted = bench.service.parts.trusted
    assert trusted.why(TRUSTED) and not trusted.opens_console(TRUSTED)
    use(bench, allowtrustedip="4")
    assert trusted.opens_console(TRUSTED) and not trusted.opens_console(STRANGER)


@pytest.mark.setting("allowtrustedip")
def test_this_host_is_its_own_addresses_and_not_its_gateway(bench: Bench) -> None:
    bench.own = {"198.51.100.1": THIS_MACHINE, "198.51.100.254": "the default gateway"}
    use(bench, allowtrustedip="1")
    trusted = bench.service.parts.trusted
    assert [bool(trusted.why(each)) for each in ("198.51.100.1", "198.51.100.254", TRUSTED)] == [True, False, False]


# -- fs_restrictsiptolocal ----------------------------------------------------------------------------------------


@pytest.mark.setting("fs_restrictsiptolocal")
def test_calls_without_an_account_come_from_where_it_says(bench: Bench) -> None:
    use(bench, allownoauthcalls="true")
    for level, visitor, trunk in (("0", True, True), ("1", False, True), ("2", False, False), ("3", False, False)):
        use(bench, fs_restrictsiptolocal=level)
        for address, taken in ((TRUSTED, visitor), (TRUNK, trunk)):
            status = bare(bench, address)
            assert (status < 200) is rang(bench) is taken
            if not taken:
                record = bench.store.cdrs()[0]
                assert (status, record.refused_by, record.source) == (403, "fs_restrictsiptolocal", address)


@pytest.mark.setting("fs_restrictsiptolocal")
def test_with_2_a_trunk_calls_while_a_device_behind_its_address_is_registered(bench: Bench) -> None:
    use(bench, fs_restrictsiptolocal="2")
    assert bare(bench, TRUNK) == 403
    Client(bench, "alice", TRUNK, 5070).register()
    assert bare(bench, TRUNK) < 200


@pytest.mark.setting("fs_restrictsiptolocal")
def test_with_3_only_this_host_calls_without_an_account_and_accounts_call_as_before(bench: Bench) -> None:
    use(bench, fs_restrictsiptolocal="3")
    assert bare(bench, TRUNK) == 403
    bench.own = {TRUNK: THIS_MACHINE}
    assert bare(bench, TRUNK) < 200
    Client(bench, "alice", STRANGER).invite("102")
    assert rang(bench)


# -- allowanonymouscaller -----------------------------------------------------------------------------------------


def over_trunk(bench: Bench, from_: bytes, *extra: bytes) -> Response | None:
    return Client(bench, "carrier", TRUNK).ask("INVITE", "102", from_=from_, extra=extra)


HIDDEN = [
    (ANONYMOUS, ()),
    (b"<sip:example.org>", ()),
    (b"<sip:Anonymous@example.org>", ()),
    (b"<sip:4930@example.org>", (b"Privacy: id",)),
    (b"<sip:4930@example.org>", (b"Privacy: none;user",)),
    (ANONYMOUS, (b"P-Asserted-Identity: <sip:anonymous@anonymous.invalid>",)),
]


@pytest.mark.setting("allowanonymouscaller")
@pytest.mark.parametrize(("from_", "extra"), HIDDEN)
def test_a_caller_who_hides_is_refused_unless_it_is_allowed(
    bench: Bench, from_: bytes, extra: tuple[bytes, ...]
) -> None:
    answer = over_trunk(bench, from_, *extra)
    assert answer is not None and (answer.status, answer.reason) == (433, b"Anonymity Disallowed")
    assert bench.store.cdrs()[0].refused_by == "allowanonymouscaller"
    assert not rang(bench)
    use(bench, allowanonymouscaller="true")
    over_trunk(bench, from_, *extra)
    assert rang(bench)


@pytest.mark.parametrize(
    ("from_", "extra"),
    [
        (b"<sip:4930@example.org>", ()),
        (b"<sip:4930@example.org>", (b"Privacy: none",)),
        (ANONYMOUS, (b"Privacy: id", b"P-Asserted-Identity: <sip:+4930@carrier.example>")),
    ],
)
def test_who_is_named_by_from_or_by_what_the_trunk_asserts_does_not_hide(
    bench: Bench, from_: bytes, extra: tuple[bytes, ...]
) -> None:
    over_trunk(bench, from_, *extra)
    assert rang(bench)


@pytest.mark.setting("allowanonymouscaller")
def test_an_account_that_proves_who_it_is_may_ask_not_to_be_shown(bench: Bench) -> None:
    Client(bench, "alice", STRANGER).ask("INVITE", "102", from_=ANONYMOUS, extra=(b"Privacy: id",))
    (invite,) = Client(bench, "bob", BOB).requests()
    assert invite.from_.uri.user == b"anonymous"


@pytest.mark.setting("allowanonymouscaller")
def test_an_account_that_shows_a_tech_prefix_alone_must_say_who_it_is(bench: Bench) -> None:
    bench.store.set_account("alice", needauth=2, techprefix="99")
    assert bare(bench, STRANGER, "99102", ANONYMOUS) == 433
    assert bench.store.cdrs()[0].refused_by == "allowanonymouscaller"
    assert bare(bench, STRANGER, "99102") < 200


# -- autocreatereguserstrict --------------------------------------------------------------------------------------


def registers(bench: Bench, name: str, address: str) -> int:
    client = Client(bench, name, address)
    bench.receive(client.message("REGISTER", ""), client.flow)
    (answer,) = client.responses()
    return answer.status


@pytest.mark.setting("autocreatereguserstrict")
def test_a_register_of_an_unknown_user_makes_an_account_only_when_that_is_not_forbidden(bench: Bench) -> None:
    assert registers(bench, "newphone", TRUSTED) == 401
    assert bench.store.account("newphone") is None
    use(bench, autocreatereguserstrict="false")
    assert registers(bench, "newphone", STRANGER) == 401
    assert registers(bench, "newphone", TRUSTED) == 200
    made = bench.store.account("newphone")
    assert made is not None
    assert (made.balance, made.onlylocalaccess, made.needauth, made.authip) == (0, True, 7, (TRUSTED,))
    assert "account.add" in [row.action for row in bench.store.audit() if row.who == "autocreatereguserstrict"]
    Client(bench, "newphone", TRUSTED).invite("102")
    assert rang(bench)
    assert registers(bench, "newphone", STRANGER) == 401  # it belongs to its address


@pytest.mark.setting("autocreatereguserstrict")
def test_no_account_is_made_for_a_decoy_a_known_name_or_beyond_the_ceilings(bench: Bench) -> None:
    use(bench, autocreatereguserstrict="false", decoyextensions="9999", licensecfg="accounts=4")
    for name in ("9999", "alice", "101", "no%20name"):
        assert registers(bench, name, TRUSTED) == 401
    assert [registers(bench, f"phone{n}", TRUSTED) for n in range(4)] == [200, 200, 401, 401]
    use(bench, licensecfg="")
    made = [registers(bench, f"flood{n}", TRUSTED) for n in range(120)]
    assert made.count(200) == 98
    bench.now += 3601
    assert registers(bench, "later", TRUSTED) == 200


def test_the_default_settings_are_closed() -> None:
    settings = Settings()
    assert settings.autocreatereguserstrict and not settings.allownoauthcalls and not settings.allowanonymouscaller
