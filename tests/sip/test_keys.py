"""What identifies a transaction (RFC 3261 17.1.3, 17.2.3, 8.2.2.2, and RFC 2543 peers)."""

import pytest

from pysrv.sip import keys
from pysrv.sip.message import Request, Response, response_to
from pysrv.sip.parser import parse_datagram
from tests.sip.playbook import request_bytes


def read(data: bytes) -> Request:
    message = parse_datagram(data)
    assert isinstance(message, Request)
    return message


def respond(request: Request, status: int = 200) -> Response:
    message = parse_datagram(response_to(request, status, to_tag=b"x").to_bytes())
    assert isinstance(message, Response)
    return message


def test_a_response_finds_its_request_by_branch_and_method() -> None:
    request = read(request_bytes(b"OPTIONS", b"z9hG4bKmine"))
    assert keys.response_key(respond(request)) == keys.client_key(b"z9hG4bKmine", b"OPTIONS")
    assert keys.client_key(b"z9hG4bKmine", b"CANCEL") != keys.client_key(b"z9hG4bKmine", b"INVITE")


def test_client_and_server_keys_never_meet() -> None:
    request = read(request_bytes())
    assert keys.server_key(request)[:1] == b"<"
    assert keys.client_key(b"z9hG4bKpeer1", b"INVITE")[:1] == b">"


def test_an_ack_has_the_key_of_its_invite_and_a_cancel_can_ask_for_it() -> None:
    invite = keys.server_key(read(request_bytes(b"INVITE")))
    assert keys.server_key(read(request_bytes(b"ACK", to_tag=b"x"))) == invite
    cancel = read(request_bytes(b"CANCEL"))
    assert keys.server_key(cancel) != invite
    assert keys.server_key(cancel, b"INVITE") == invite


@pytest.mark.parametrize(
    ("via", "same"),
    [(b"192.0.2.9:5070", True), (b"192.0.2.9", False), (b"192.0.2.8:5070", False)],
)
def test_sent_by_tells_apart_equal_branches_of_two_hosts(via: bytes, same: bool) -> None:
    assert (keys.server_key(read(request_bytes())) == keys.server_key(read(request_bytes(via=via)))) is same


def test_the_host_of_sent_by_is_compared_without_case_and_its_default_port_may_be_written() -> None:
    plain, spelt = read(request_bytes(via=b"phone.example.com")), read(request_bytes(via=b"Phone.Example.COM:5060"))
    assert keys.server_key(plain) == keys.server_key(spelt)


def test_another_call_with_the_same_branch_is_the_same_transaction() -> None:
    """17.2.3 looks at branch, sent-by and method alone."""
    assert keys.server_key(read(request_bytes(call_id=b"a"))) == keys.server_key(read(request_bytes(call_id=b"b")))


# RFC 2543: no magic cookie


def old(method: bytes = b"INVITE", **changes: bytes) -> bytes:
    return keys.server_key(read(request_bytes(method, b"1", **changes)))  # type: ignore[arg-type]


def test_an_old_peers_repetition_is_known_by_everything_it_repeats() -> None:
    assert old() == old()
    for change in (
        {"call_id": b"other"},
        {"from_tag": b"other"},
        {"uri": b"sip:other@192.0.2.1"},
        {"via": b"192.0.2.9:5071"},
    ):
        assert old(**change) != old()


def test_an_old_peers_ack_has_the_key_of_its_invite_although_it_has_a_to_tag() -> None:
    assert old(b"ACK", to_tag=b"ours") == old()
    assert keys.server_key(read(request_bytes(b"CANCEL", b"1")), b"INVITE") == old()


def test_an_old_peers_to_tag_tells_other_requests_apart() -> None:
    assert old(b"BYE", to_tag=b"one") != old(b"BYE", to_tag=b"two")


def test_old_and_new_keys_never_meet() -> None:
    assert len(old().split(b" ")) != len(keys.server_key(read(request_bytes())).split(b" "))


# Merged requests, ACKs, stateless tags


def test_one_request_on_two_paths_has_one_origin() -> None:
    origin = keys.origin_key(read(request_bytes(branch=b"z9hG4bKa")))
    assert keys.origin_key(read(request_bytes(branch=b"z9hG4bKb"))) == origin
    for other in (
        request_bytes(number=2),
        request_bytes(b"OPTIONS"),
        request_bytes(call_id=b"x"),
        request_bytes(from_tag=b"x"),
    ):
        assert keys.origin_key(read(other)) != origin


def test_a_stateless_ack_is_known_by_its_tag_alone() -> None:
    secret = b"secret"
    tag = keys.stateless_tag(secret, read(request_bytes()))
    assert keys.is_stateless_ack(secret, read(request_bytes(b"ACK", b"z9hG4bKany", to_tag=tag)))
    for other in (
        request_bytes(b"ACK"),
        request_bytes(b"ACK", to_tag=b"guess"),
        request_bytes(b"ACK", number=2, to_tag=tag),
        request_bytes(b"ACK", call_id=b"x", to_tag=tag),
    ):
        assert not keys.is_stateless_ack(secret, read(other))
    assert not keys.is_stateless_ack(b"another", read(request_bytes(b"ACK", to_tag=tag)))
