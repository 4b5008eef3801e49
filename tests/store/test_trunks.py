import pytest

from pysrv.store import NewTrunk, Route, Store, StoreCode, StoreError

CARRIER = NewTrunk(
    "carrier", "sip.carrier.example", user="u", password="trunk-word", routes=(Route("49", 10),), inbound=("192.0.2.7",)
)


def invalid(store: Store, new: NewTrunk) -> str:
    with pytest.raises(StoreError) as caught:
        store.add_trunk(new)
    assert caught.value.code in (StoreCode.INVALID, StoreCode.CONFLICT)
    return caught.value.message


def test_a_trunk_is_stored_with_its_routes_and_addresses(store: Store) -> None:
    carrier = store.add_trunk(CARRIER)
    assert (carrier.host, carrier.port, carrier.routes, carrier.inbound, carrier.password) == (
        "sip.carrier.example",
        5060,
        (Route("49", 10),),
        ("192.0.2.7",),
        "trunk-word",
    )
    assert store.trunk("carrier") == carrier
    assert store.trunks() == [carrier]


def test_a_trunks_password_is_never_printed(store: Store) -> None:
    assert "trunk-word" not in repr(CARRIER) + repr(store.add_trunk(CARRIER))
    store.set_trunk("carrier", password="next-word")
    assert not any("-word" in row.before + row.after for row in store.audit())


def test_routes_come_with_the_longest_prefix_first_and_then_by_priority(store: Store) -> None:
    store.add_trunk(NewTrunk("a", "a.example", routes=(Route("", 1), Route("49", 20))))
    store.add_trunk(NewTrunk("b", "b.example", routes=(Route("49", 10), Route("4930", 99))))
    store.add_trunk(NewTrunk("off", "c.example", routes=(Route("49", 1),), enabled=False))
    found = [(trunk.name, route.prefix) for trunk, route in store.routes_for("49301")]
    assert found == [("b", "4930"), ("b", "49"), ("a", "49"), ("a", "")]
    assert [trunk.name for trunk, _ in store.routes_for("1")] == ["a"]


def test_a_number_without_a_route_has_none(store: Store) -> None:
    store.add_trunk(CARRIER)
    assert store.routes_for("331") == []


def test_a_route_rewrites_the_number() -> None:
    assert Route("49", strip=2, prepend="0").rewrite("49301") == "0301"


def test_a_changed_route_is_used_at_once(store: Store) -> None:
    store.add_trunk(CARRIER)
    assert store.routes_for("49301")
    store.set_trunk("carrier", routes=(Route("33"),), host="198.51.100.1")
    assert store.routes_for("49301") == []
    assert store.routes_for("331")[0][0].host == "198.51.100.1"
    store.set_trunk("carrier", enabled=False)
    assert store.routes_for("331") == []


def test_an_inbound_call_belongs_to_the_narrowest_network(store: Store) -> None:
    store.add_trunk(NewTrunk("wide", "a.example", inbound=("192.0.2.0/24", "2001:db8::/32")))
    store.add_trunk(NewTrunk("narrow", "b.example", inbound=("192.0.2.7",)))
    names = {address: getattr(store.trunk_by_address(address), "name", None) for address in _ADDRESSES}
    assert names == {"192.0.2.7": "narrow", "192.0.2.8": "wide", "2001:db8::1": "wide", "198.51.100.1": None}
    store.remove_trunk("narrow")
    found = store.trunk_by_address("192.0.2.7")
    assert found is not None
    assert found.name == "wide"


_ADDRESSES = ("192.0.2.7", "192.0.2.8", "2001:db8::1", "198.51.100.1")


def test_a_disabled_trunk_calls_nobody(store: Store) -> None:
    store.add_trunk(CARRIER)
    store.set_trunk("carrier", enabled=False)
    assert store.trunk_by_address("192.0.2.7") is None


@pytest.mark.parametrize(
    ("new", "word"),
    [
        (NewTrunk("a b", "h"), "name"),
        (NewTrunk("a", "h h"), "host"),
        (NewTrunk("a", "h", port=0), "port"),
        (NewTrunk("a", "h", transport="sctp"), "transport"),
        (NewTrunk("a", "h", max_channels=-1), "max_channels"),
        (NewTrunk("a", "h", routes=(Route("x"),)), "route"),
        (NewTrunk("a", "h", routes=(Route("1", strip=-1),)), "strip"),
        (NewTrunk("a", "h", inbound=("192.0.2.1/24",)), "inbound"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(store: Store, new: NewTrunk, word: str) -> None:
    assert word in invalid(store, new)
    assert store.trunks() == []


def test_a_taken_name_or_address_is_a_conflict(store: Store) -> None:
    store.add_trunk(CARRIER)
    assert invalid(store, CARRIER) == "there is already a trunk 'carrier'"
    assert invalid(store, NewTrunk("b", "h", inbound=("192.0.2.7",))) == "192.0.2.7 already belongs to trunk carrier"


def test_an_unknown_trunk_is_named(store: Store) -> None:
    with pytest.raises(StoreError, match="there is no trunk 'x'"):
        store.remove_trunk("x")
