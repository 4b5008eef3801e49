from dataclasses import replace

from pysrv.store import SavedBinding, Store
from tests.store.conftest import Clock

BINDING = SavedBinding(
    "alice",
    "sip:alice@192.0.2.9",
    "udp",
    "192.0.2.1",
    5060,
    "192.0.2.9",
    40000,
    2e9,
    "id@phone",
    7,
    user_agent="Phone/1",
)


def test_a_binding_survives_as_it_was(store: Store) -> None:
    store.save_binding(BINDING)
    assert store.bindings() == [BINDING] == store.bindings("alice")
    assert store.bindings("bob") == []


def test_a_refreshed_binding_replaces_the_old_one(store: Store) -> None:
    store.save_binding(BINDING)
    store.save_binding(replace(BINDING, cseq=8))
    store.save_binding(replace(BINDING, contact="sip:alice@192.0.2.10"))
    assert [(row.contact, row.cseq) for row in store.bindings("alice")] == [
        ("sip:alice@192.0.2.10", 7),
        ("sip:alice@192.0.2.9", 8),
    ]


def test_a_removed_or_expired_binding_is_gone(store: Store, clock: Clock) -> None:
    store.save_binding(replace(BINDING, expires_at=clock.now + 10))
    store.save_binding(replace(BINDING, aor="bob", expires_at=clock.now + 20))
    store.remove_binding("bob", BINDING.contact)
    store.remove_binding("carol", BINDING.contact)
    assert len(store.bindings()) == 1
    clock.now += 10
    assert store.bindings() == []
    assert store.expire_bindings() == 1
