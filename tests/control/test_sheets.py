"""Accounts from a sheet: all or none, each error by line and column, and ten thousand of them."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.config.account import FIELDS
from appliance.wire import WireError
from pysrv.control.sheets import COLUMNS, MOST_BESIDE_CALLS
from pysrv.store import NewCall, Store
from tests.control.office import Operator, Service

GOOD = "mupfel-trakt-91"


def row(line: int, name: str, **cells: str) -> dict[str, Any]:
    return {"line": line, "cells": {"name": name, "password": GOOD, **cells}}


def bring(root: Operator, *rows: dict[str, Any], update: bool = False, dry_run: bool = False) -> dict[str, Any]:
    columns = list(dict.fromkeys(column for each in rows for column in each["cells"]))
    root.ask("sheets.begin", columns=columns, update=update)
    root.ask("sheets.rows", rows=list(rows))
    return root.ask("sheets.commit", dry_run=dry_run)


def test_accounts_come_with_money_numbers_and_every_field(root: Operator, store: Store) -> None:
    cells = {
        "numbers": "+49301 102",
        "credit": "5.50",
        "postpaid": "yes",
        "maxdailycredit": "3",
        "authip": "192.0.2.0/24",
    }
    done = bring(root, row(2, "alice", **cells), row(3, "bob", currency="USD"))
    assert (done["added"], done["updated"]) == (["alice", "bob"], [])
    alice, bob = store.account("alice"), store.account("bob")
    assert alice is not None
    assert bob is not None
    assert (alice.numbers, alice.balance) == (("49301", "102"), 5_500_000)
    assert (alice.postpaid, alice.maxdailycredit, alice.authip) == (True, 3_000_000, ("192.0.2.0/24",))
    assert (bob.currency, bob.maxlines) == ("USD", 5)
    assert [posting.amount for posting in store.postings("alice")] == [5_500_000]
    assert root.ask("accounts.verify", name="bob", password=GOOD)["right"]


def test_a_reseller_may_stand_behind_who_is_below_it(root: Operator, store: Store) -> None:
    bring(root, row(2, "alice", parent="shop"), row(3, "shop", type="reseller"))
    assert [each.name for each in store.accounts_below("shop")] == ["alice"]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"name": "al ice"}, "line 2, column name: 'al ice' cannot be"),
        ({"name": ""}, "line 2, column name"),
        ({"password": ""}, "line 2, column password: a new account needs one"),
        ({"password": "abc"}, "line 2, column password: the password is shorter than minpwdlength"),
        ({"numbers": "12x"}, "line 2, column numbers: '12x' is not a number"),
        ({"numbers": "777"}, "line 2, column numbers: 777 already belongs to taken"),
        ({"credit": "-1"}, "line 2, column credit"),
        ({"credit": "much"}, "line 2, column credit"),
        ({"currency": "euro"}, "line 2, column currency"),
        ({"maxlines": "many"}, "line 2, column maxlines: must be"),
        ({"type": "king"}, "line 2, column type: must be one of"),
        ({"deck": "gold"}, "line 2, column deck: there is no rate deck 'gold'"),
        ({"parent": "nobody"}, "line 2, column parent: there is no account 'nobody'"),
        ({"parent": "taken"}, "line 2, column parent: new: taken is no reseller"),
        ({"parent": "new"}, "line 2, column parent: no account is above itself"),
        ({"name": "taken"}, "line 2, column name: there is already an account 'taken'"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column_and_nothing_stays(
    root: Operator, store: Store, cells: dict[str, str], words: str
) -> None:
    root.ask("accounts.add", name="taken", password="secret", numbers=["777"])
    with pytest.raises(WireError) as refused:
        bring(root, row(2, **{"name": "new"} | cells), row(3, "fine"))
    assert words in refused.value.message
    assert (refused.value.code, refused.value.hint) == ("bad_sheet", "nothing was imported")
    assert [each.name for each in store.accounts()] == ["taken"]


def test_all_that_is_wrong_is_said_at_once(root: Operator) -> None:
    with pytest.raises(WireError) as refused:
        bring(root, row(2, "alice", numbers="1"), row(3, "alice"), row(4, "bob", numbers="1", maxlines="-1"))
    said = refused.value.message
    assert "line 3, column name: 'alice' stands in line 2 already" in said
    assert "line 4, column numbers: 1 stands in line 2 already" in said
    assert "line 4, column maxlines" in said


def test_a_dry_run_says_the_same_and_leaves_nothing(root: Operator, store: Store, service: Service) -> None:
    done = bring(root, row(2, "alice", credit="3"), dry_run=True)
    assert done == {"added": ["alice"], "updated": [], "credit_kept": 0, "dry_run": True}
    assert store.accounts() == []
    assert store.account("alice") is None
    assert service.told == []
    with pytest.raises(WireError, match="line 2, column parent"):
        bring(root, row(2, "alice", parent="nobody"), dry_run=True)


def test_an_account_that_exists_changes_only_where_a_cell_says_so_and_never_its_money(
    root: Operator, store: Store, service: Service
) -> None:
    bring(root, row(2, "alice", numbers="101", credit="5", maxlines="7"))
    before = store.account("alice")
    change = {"line": 2, "cells": {"name": "alice", "password": "", "credit": "99", "numbers": "", "locklevel": "1"}}
    done = bring(root, change, update=True)
    after = store.account("alice")
    assert before is not None
    assert after is not None
    assert (done["updated"], done["credit_kept"]) == (["alice"], 1)
    assert (after.locklevel, after.maxlines, after.numbers, after.balance) == (1, 7, ("101",), 5_000_000)
    assert after.ha1_md5 == before.ha1_md5
    assert service.told == [("account", "alice")]


def test_a_currency_is_not_changed(root: Operator) -> None:
    bring(root, row(2, "alice"))
    with pytest.raises(WireError, match="line 2, column currency: the account has EUR"):
        bring(root, row(2, "alice", currency="USD"), update=True)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["name", "colour"], "line 1, column 2: 'colour'"),
        (["name", "name"], "stands there twice"),
        (["password"], "no column name"),
        ([], "no column name"),
    ],
)
def test_a_wrong_header_is_refused(root: Operator, columns: list[str], words: str) -> None:
    with pytest.raises(WireError, match=words):
        root.ask("sheets.begin", columns=columns)
    with pytest.raises(WireError, match="no sheet was begun"):
        root.ask("sheets.commit")


def test_an_operator_who_goes_away_leaves_no_sheet(root: Operator) -> None:
    root.ask("sheets.begin", columns=["name", "password"])
    root.session.close()
    with pytest.raises(WireError, match="no sheet was begun"):
        root.ask("sheets.rows", rows=[])


def test_columns_are_an_account_s_fields_and_its_own_five() -> None:
    assert set(COLUMNS) == {"name", "password", "numbers", "credit", "currency", *FIELDS}


CELLS = st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=20) | st.sampled_from(["1", "yes", "a", "101"]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(CELLS, max_size=4), update=st.booleans())
def test_whatever_cells_hold_it_is_taken_whole_or_refused_by_line(
    root: Operator, store: Store, rows: list[dict[str, str]], update: bool
) -> None:
    before = [each.name for each in store.accounts()]
    lines = [{"line": number, "cells": cells} for number, cells in enumerate(rows, 2)]
    try:
        done = bring(
            root, {"line": 99, "cells": {"name": f"user{len(before)}", "password": GOOD}}, *lines, update=update
        )
    except WireError as error:
        assert error.code in ("bad_sheet", "invalid"), error  # invalid: validateinput
        assert "line " in error.message
        assert [each.name for each in store.accounts()] == before
    else:
        assert {each.name for each in store.accounts()} == {*before, *done["added"]}


def test_a_large_sheet_waits_for_running_calls_and_a_small_one_does_not(root: Operator, store: Store) -> None:
    alice = root.ask("accounts.add", name="alice", password=GOOD)["account"]
    store.open_call(NewCall("c1", alice["id"], "101", "102"))
    many = [row(n, f"user{n}") | {"generated": True} for n in range(2, MOST_BESIDE_CALLS + 3)]
    with pytest.raises(WireError, match="calls are running") as refused:
        bring(root, *many)
    assert "files of 500 rows" in refused.value.hint
    assert len(bring(root, *many[:-1])["added"]) == MOST_BESIDE_CALLS


def test_ten_thousand_accounts_come_in_one_sheet(root: Operator, store: Store) -> None:
    root.ask("sheets.begin", columns=["name", "password", "numbers", "credit", "maxlines"])
    for first in range(0, 10_000, 25):
        rows = [
            row(n + 2, f"user{n}", numbers=str(49_000_000 + n), credit="1.00", maxlines="2") | {"generated": True}
            for n in range(first, first + 25)
        ]
        root.ask("sheets.rows", rows=rows)
    assert len(root.ask("sheets.commit")["added"]) == 10_000
    assert len(store.accounts()) == 10_000
