from pysrv.store import Override, Store
from tests.store.conftest import Clock


def test_an_override_raises_the_generation_and_is_audited(store: Store, clock: Clock) -> None:
    assert store.generation() == 0
    assert store.set_setting("calltimeout", "1h", "root") == 1
    assert store.set_setting("calltimeout", "2h", "root") == 2
    assert store.overrides() == {"calltimeout": "2h"}
    assert store.override_rows() == [Override("calltimeout", "2h", 2, clock.now, "root")]
    assert [(row.before, row.after) for row in store.audit()] == [("1h", "2h"), ("(default)", "1h")]


def test_a_setting_goes_back_to_its_default_with_a_new_generation(store: Store) -> None:
    store.set_setting("calltimeout", "1h")
    assert store.set_setting("calltimeout", None) == 2
    assert store.overrides() == {}
    assert store.generation() == 2


def test_a_secret_setting_is_audited_without_its_value(store: Store) -> None:
    store.set_setting("httpapikey", "hush", "root", secret=True)
    (row,) = store.audit()
    assert (row.subject, row.before, row.after) == ("httpapikey", "", "")


def test_the_audit_is_read_by_subject(store: Store) -> None:
    store.set_setting("a", "1")
    store.set_setting("b", "1")
    assert [row.subject for row in store.audit(subject="a")] == ["a"]
