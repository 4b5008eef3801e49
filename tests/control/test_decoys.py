"""A decoy is nobody: the settings refuse one that is, and nobody can become one."""

import pytest

from appliance.wire import WireError
from pysrv.store import Store
from tests.control.office import Operator


@pytest.mark.parametrize("decoy", ["alice", "Alice", "+49301", "49301"])
def test_an_account_can_be_no_decoy(root: Operator, decoy: str) -> None:
    root.ask("accounts.add", name="alice", password="s3cret-words", numbers=["+49301"])
    with pytest.raises(WireError, match="belongs to an account"):
        root.ask("settings.set", changes={"decoyextensions": f"9999,{decoy}"})
    root.ask("settings.set", changes={"decoyextensions": "9999"})


def test_a_decoy_can_become_no_account(root: Operator, store: Store) -> None:
    root.ask("settings.set", changes={"decoyextensions": "9999,admin"})
    for name, numbers in (("admin", []), ("bert", ["9999"])):
        with pytest.raises(WireError, match="is a decoy"):
            root.ask("accounts.add", name=name, password="s3cret-words", numbers=numbers)
    root.ask("accounts.add", name="bert", password="s3cret-words", numbers=["102"])
    with pytest.raises(WireError, match="is a decoy"):
        root.ask("accounts.set", name="bert", changes={"numbers": ["9999"]})
    assert [account.name for account in store.accounts()] == ["bert"]


def test_a_list_of_scanners_that_the_gate_cannot_hold_is_refused_by_its_limit(root: Operator) -> None:
    with pytest.raises(WireError, match="3 to 64"):
        root.ask("settings.set", changes={"blockua": "ab"})
    with pytest.raises(WireError, match="1022"):
        root.ask("settings.set", changes={"blockua": ",".join(f"{i:03}{'x' * 30}" for i in range(60))})
