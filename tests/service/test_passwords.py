"""The sweep of weak passwords at work: warned of, replaced after a grace, and no registered telephone taken out by
surprise; secrets converted while calls go on; each setting off and on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pysrv.passwords.policy import GENERATED, Strength
from pysrv.service.passwords import GUESSES, Passwords
from pysrv.store import NewAccount
from pysrv.store.passwords import ha1
from tests.service import bench as lab
from tests.service.bench import Bench, Client, opened

CAROL = "192.0.2.30"
WEAK = "letmein"
DAY = 86_400.0
QUICK = {"passwordgrace": "300s", "passwordsweep": "60s"}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Alice's and bob's passwords are good ones, carol's is not."""
    with opened(tmp_path) as made:
        for name in ("alice", "bob"):
            made.store.set_account(name, password=lab.PASSWORD, strength=GENERATED)
        made.store.add_account(NewAccount("carol", WEAK, "appliance", ("103",), strength=Strength(0, 7)))
        monkeypatch.setattr(lab, "PASSWORD", WEAK)
        yield made


@pytest.fixture
def told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Kinds of notice and their accounts."""
    heard: list[tuple[str, str]] = []
    passwords = bench.service.parts.passwords
    monkeypatch.setattr(passwords, "_tell", lambda kind, account, _key, **_figures: heard.append((kind, account)))
    return heard


def use(bench: Bench, **settings: str) -> None:
    bench.service.operators.apply_settings(bench.service.operators.settings().with_changes(settings))


def registers(bench: Bench, port: int = 5060, expires: int = 3600) -> int:
    response = Client(bench, "carol", CAROL, port).register((b"Expires: %d" % expires,))
    assert response is not None
    return response.status


def is_weak(bench: Bench) -> bool:
    account = bench.store.account("carol")
    assert account is not None
    return account.ha1_md5 == ha1("carol", "appliance", WEAK, "md5")


@pytest.mark.setting("enforcestrongauth")
@pytest.mark.setting("passwordgrace")
def test_a_weak_password_is_warned_of_and_replaced_only_after_its_grace(
    bench: Bench, told: list[tuple[str, str]]
) -> None:
    use(bench, enforcestrongauth="false", **QUICK)
    bench.sleep(700, 5.0)
    assert told == []
    assert registers(bench) == 200
    use(bench, enforcestrongauth="true")
    bench.sleep(290, 5.0)
    assert told == [("password_weak", "carol")]
    assert is_weak(bench)
    bench.sleep(60, 5.0)
    assert told == [("password_weak", "carol"), ("password_replaced", "carol")]
    assert not is_weak(bench)
    assert registers(bench, port=6000) == 401
    bench.sleep(700, 5.0)
    assert len(told) == 2


def test_a_registered_telephone_goes_on_until_a_second_grace_is_over(bench: Bench, told: list[tuple[str, str]]) -> None:
    use(bench, passwordgrace="600s", passwordsweep="60s")
    assert registers(bench) == 200
    bench.sleep(630, 5.0)
    assert told[-1] == ("password_replaced", "carol")
    assert registers(bench) == 200
    assert registers(bench, port=6000) == 401
    assert Client(bench, "carol", "192.0.2.31").register() is not None
    calling = Client(bench, "carol", CAROL).invite("102")
    assert calling is None or calling.status != 407
    bench.sleep(630, 5.0)
    assert registers(bench) == 401


def test_a_telephone_whose_registration_ended_needs_the_new_password(bench: Bench) -> None:
    use(bench, **QUICK)
    assert registers(bench, expires=100) == 200
    bench.sleep(330, 5.0)
    assert not is_weak(bench)
    assert registers(bench) == 401


def test_an_owner_who_changes_the_password_in_time_keeps_it(bench: Bench, told: list[tuple[str, str]]) -> None:
    use(bench, **QUICK)
    bench.sleep(60, 5.0)
    bench.store.set_account("carol", password="mupfel-trakt-91", strength=Strength(4, 15))
    bench.sleep(700, 5.0)
    assert told == [("password_weak", "carol")]


def test_switched_off_and_on_again_it_warns_anew(bench: Bench, told: list[tuple[str, str]]) -> None:
    use(bench, **QUICK)
    bench.sleep(60, 5.0)
    use(bench, enforcestrongauth="false")
    bench.sleep(600, 5.0)
    use(bench, enforcestrongauth="true")
    bench.sleep(60, 5.0)
    assert told == [("password_weak", "carol")] * 2
    assert is_weak(bench)


@pytest.mark.setting("passwordsweep")
def test_a_password_is_checked_again_after_an_interval(bench: Bench, told: list[tuple[str, str]]) -> None:
    bench.store.set_account("carol", password="4930777", strength=Strength(2, 7))
    use(bench, passwordsweep="1h")
    bench.sleep(120, 5.0)
    assert told == []
    bench.store.set_account("carol", numbers=("4930777",))  # now the password is its number
    bench.sleep(1800, 5.0)
    assert told == []
    bench.sleep(2400, 5.0)
    assert told == [("password_weak", "carol")]


@pytest.mark.setting("minpwdlength")
def test_a_password_that_is_surely_too_short_is_weak(bench: Bench, told: list[tuple[str, str]]) -> None:
    bench.store.set_account("carol", password="x9#Kq", strength=Strength(2, 5))
    use(bench, minpwdlength="5")
    bench.sleep(60, 5.0)
    assert told == []
    use(bench, minpwdlength="8", passwordsweep="1s")
    bench.sleep(60, 5.0)
    assert told == [("password_weak", "carol")]


def test_a_password_of_which_nothing_is_known_is_guessed_at_in_bites(bench: Bench, told: list[tuple[str, str]]) -> None:
    bench.store.set_account("carol", password="90210")
    use(bench, **QUICK)
    bench.sleep(200, 0.25)
    assert told == [("password_weak", "carol")]
    assert GUESSES <= 2000  # a few milliseconds


def test_the_replacement_is_told_to_nobody(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    use(bench, **QUICK)
    made: list[str] = []
    replace = bench.store.replace_password
    bench.store.replace_password = lambda *args: (made.append(args[1]), replace(*args))[1]  # type: ignore[method-assign]
    bench.sleep(400, 5.0)
    assert len(made) == 1
    assert made[0] not in caplog.text
    assert not any(made[0] in row.before + row.after for row in bench.store.audit())


@pytest.mark.setting("securepasswords")
def test_telephones_log_in_whatever_the_level_and_while_it_changes(bench: Bench, tmp_path: Path) -> None:
    use(bench, enforcestrongauth="false")
    for level in ("2", "1", "0", "2"):
        use(bench, securepasswords=level)
        assert registers(bench) == 200
        bench.sleep(20, 0.25)
        assert bench.store.is_converted
        assert (tmp_path / "secrets.key").exists()
        assert registers(bench) == 200
        sealed = [each.ha1_md5.startswith("sealed:") for each in bench.store.accounts()]
        assert sealed == [level == "2"] * 3


def test_a_key_that_cannot_be_made_leaves_everything_as_it_is(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secrets.key").write_text("no key")
    use(bench, securepasswords="2")
    bench.sleep(20, 1.0)
    assert bench.store.secrecy == 1
    assert registers(bench) == 200


def test_a_start_takes_the_level_of_the_settings(bench: Bench) -> None:
    settings = bench.service.operators.settings().with_changes(
        {"securepasswords": "0", "localdomain": "sip.example.org"}
    )
    bench.store.protect(0)
    bench.store.set_account("carol", password=WEAK)
    Passwords(bench.store, settings, bench.service.parts.world.clock, lambda *_a, **_k: None, lambda _name: None)
    account = bench.store.account("carol")
    assert account is not None
    assert (account.realm, account.ha1_md5) == ("sip.example.org", ha1("carol", "sip.example.org", WEAK, "md5"))
