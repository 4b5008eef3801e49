"""Verbs about passwords: what a new one must be by each setting, whether one is right, what a change of level does."""

from pathlib import Path

import pytest

from appliance.wire import WireError
from pysrv.control.session import Control
from pysrv.store import Store
from tests.control.office import NOW, Operator, Service

GOOD = "mupfel-trakt-91-zwirn"


@pytest.fixture
def root(store: Store) -> Operator:
    """With a running service."""
    return Operator(Control(store, Service(), clock=lambda: NOW).session("root"))


@pytest.fixture
def alone(store: Store) -> Operator:
    """A single run."""
    return Operator(Control(store, clock=lambda: NOW).session("root"))


def use(root: Operator, **settings: str) -> None:
    root.ask("settings.set", changes=settings)


@pytest.mark.setting("validatepassword")
@pytest.mark.parametrize("password", ["letmein", "xK9-alice-mPq2", "1984-05-17", "ornithologist7"])
def test_a_weak_password_is_taken_until_strength_is_asked_for(root: Operator, password: str) -> None:
    root.ask("accounts.add", name="alice", password=password)
    use(root, validatepassword="2")
    with pytest.raises(WireError, match=r"the password is weak: it .*\(validatepassword\)") as refused:
        root.ask("accounts.set", name="alice", changes={"password": password})
    assert "generated" in refused.value.hint
    root.ask("accounts.set", name="alice", changes={"password": GOOD})


@pytest.mark.setting("validatepassword")
def test_without_a_check_even_the_length_does_not_matter(root: Operator) -> None:
    with pytest.raises(WireError, match="minpwdlength"):
        root.ask("accounts.add", name="alice", password="x")
    use(root, validatepassword="0")
    root.ask("accounts.add", name="alice", password="x")


def test_a_generated_password_is_not_estimated_but_its_length_counts(root: Operator, store: Store) -> None:
    use(root, validatepassword="2", minpwdlength="20")
    with pytest.raises(WireError, match="minpwdlength"):
        root.ask("accounts.add", name="alice", password="1" * 16, generated=True)
    root.ask("accounts.add", name="alice", password="1" * 20, generated=True)
    assert store.passwords()[0].strength.score == 4


@pytest.mark.setting("uauthverifypwd")
def test_a_password_is_verified_exactly_or_leniently(root: Operator) -> None:
    root.ask("accounts.add", name="alice", password="Some-words-9")
    assert root.ask("accounts.verify", name="alice", password="Some-words-9")["right"]
    assert not root.ask("accounts.verify", name="alice", password="some-words-9 ")["right"]
    use(root, uauthverifypwd="true")
    assert root.ask("accounts.verify", name="alice", password="some-words-9 ")["right"]
    assert not root.ask("accounts.verify", name="alice", password="other-words-9")["right"]
    with pytest.raises(WireError, match="no account"):
        root.ask("accounts.verify", name="bob", password="x")


def test_the_web_gets_the_same_password_or_one_of_its_own(root: Operator) -> None:
    root.ask("accounts.add", name="alice", password="Some-words-9", web_password="words-for-web")
    assert root.ask("accounts.verify", name="alice", password="words-for-web")["right"]
    root.ask("accounts.set", name="alice", changes={"password": "other-words-9"})
    assert root.ask("accounts.verify", name="alice", password="words-for-web")["right"]
    with pytest.raises(WireError, match="minpwdlength"):
        root.ask("accounts.set", name="alice", changes={"web_password": "abc"})


@pytest.mark.setting("securepasswords")
def test_a_single_run_converts_at_once_and_a_service_in_bites(alone: Operator, root: Operator, store: Store) -> None:
    alone.ask("accounts.add", name="alice", password=GOOD)
    use(alone, securepasswords="2")
    assert store.is_converted
    assert store.accounts()[0].ha1_md5.startswith("sealed:")
    use(alone, securepasswords="1")
    assert len(store.accounts()[0].ha1_md5) == 32
    use(root, securepasswords="2")
    assert not store.is_converted


@pytest.mark.setting("securepasswords")
def test_as_entered_a_password_can_be_shown_and_follows_the_domain(alone: Operator) -> None:
    alone.ask("accounts.add", name="alice", password=GOOD)
    with pytest.raises(WireError, match="not kept in clear"):
        alone.ask("accounts.reveal", name="alice")
    warned = alone.ask("settings.set", changes={"securepasswords": "0"})["warnings"]
    assert "can read every password" in warned[0]
    alone.ask("accounts.add", name="bob", password=GOOD)
    assert alone.ask("accounts.reveal", name="bob")["password"] == GOOD
    warned = alone.ask("settings.set", changes={"localdomain": "sip.example.com"})["warnings"]
    assert "set those of alice again for sip.example.com" in warned[0]
    assert alone.ask("accounts.show", name="bob")["account"]["realm"] == "sip.example.com"


def test_a_key_that_cannot_be_made_refuses_the_change(alone: Operator, tmp_path: Path) -> None:
    (tmp_path / "secrets.key").write_text("no key")
    with pytest.raises(WireError, match=r"secrets\.key"):
        use(alone, securepasswords="2")
    assert alone.ask("settings.get", name="securepasswords")["value"] == "1"


def test_what_is_known_of_passwords_holds_none(root: Operator, store: Store) -> None:
    account = root.ask("accounts.add", name="alice", password="letmein")["account"]
    root.ask("accounts.add", name="bob", password=GOOD)
    store.note_password_weak(account["id"], "is one of the most used passwords")
    (weak,) = root.ask("accounts.passwords", weak=True)["passwords"]
    assert (weak["name"], weak["score"], weak["replaced_at"]) == ("alice", 0, NOW + 7 * 86_400)
    both = root.ask("accounts.passwords")["passwords"]
    assert [row["name"] for row in both] == ["alice", "bob"]
    assert "letmein" not in str(both)
    assert store.account("alice").ha1_md5 not in str(both)  # type: ignore[union-attr]
