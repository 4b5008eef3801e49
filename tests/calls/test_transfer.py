"""Transfers: blind, attended, refused, failed; and a newcomer that replaces a party (RFC 3515, 5589, 3891)."""

import pytest

from pysrv.calls import events as tell
from pysrv.calls.causes import NORMAL
from tests.calls.playbook import Phone, Table, media_port, sdp, talking


def refer(phone: Phone, to: str = "carol", headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    phone.request(b"REFER", headers=((b"Refer-To", b"<sip:%b@example.org>" % to.encode()), *headers))


def fragments(phone: Phone) -> list[bytes]:
    """What the phone was told about its transfer; every NOTIFY is answered."""
    found = []
    for event in list(phone.requests):
        if event.request.method == b"NOTIFY":
            found.append(event.request.body.strip())
            phone.respond(200, method=b"NOTIFY")
    return found


@pytest.mark.parametrize(("asker", "kept"), [("bob", "alice"), ("alice", "bob")])
def test_a_blind_transfer_connects_the_kept_party_to_the_new_one(asker: str, kept: str) -> None:
    table = Table("alice", "bob", "carol")
    call_id = talking(table)
    table.service.clear()
    start = len(table.ladder)
    refer(table[asker])
    asked = table.take(tell.TransferRequested)
    assert (asked.call_id, asked.refer_to.user, asked.replaces) == (call_id, b"carol", None)
    table.b2bua.transfer(call_id, asked.transfer_id, [table.target("carol")], table.now)
    table.settle()
    assert table["carol"].last_request(b"INVITE").from_.uri.user == kept.encode()
    table["carol"].respond(180)
    table["carol"].respond(200, sdp(table["carol"].address[0], 14_000))
    table[kept].respond(200, sdp(table[kept].address[0], 16_000, version=2))
    table[asker].respond(200, method=b"BYE")
    assert table.steps(start) == [
        f"{asker} -> REFER",
        f"{asker} <- 202 REFER",
        f"{asker} <- NOTIFY",
        "carol <- INVITE sdp",
        "carol -> 180 INVITE",
        f"{asker} <- NOTIFY",
        "carol -> 200 INVITE sdp",
        "carol <- ACK",
        f"{asker} <- NOTIFY",
        f"{asker} <- BYE",
        f"{kept} <- INVITE sdp",
        f"{kept} -> 200 INVITE sdp",
        f"{kept} <- ACK",
        f"{asker} -> 200 BYE",
    ]
    done = table.take(tell.TransferEnded)
    assert (done.cause, done.target.uri.user) == (None, b"carol")
    rows = table.all(tell.MediaChanged)[-1].session.streams
    assert {("198.51.100.12", 14_000), (table[kept].address[0], 16_000)} <= {row.remote for row in rows}
    table["carol"].bye()
    table[kept].respond(200, method=b"BYE")
    assert table.take(tell.CallEnded).call_id == call_id
    fragments(table[asker])
    table.assert_clean()


def test_the_asking_party_hears_how_it_goes() -> None:
    table = Table("alice", "bob", "carol")
    call_id = talking(table)
    refer(table["bob"])
    asked = table.take(tell.TransferRequested)
    table.b2bua.transfer(call_id, asked.transfer_id, [table.target("carol")], table.now)
    table.settle()
    table["carol"].respond(180)
    table["carol"].respond(486)
    assert fragments(table["bob"]) == [b"SIP/2.0 100 Trying", b"SIP/2.0 180 Ringing", b"SIP/2.0 486 Busy Here"]
    assert table.take(tell.TransferEnded).cause.status == 486
    assert not table.all(tell.CallEnded)  # bob and alice still talk
    table["alice"].bye()
    table["bob"].respond(200, method=b"BYE")
    table.assert_clean()


def test_the_asking_party_may_leave_at_once_and_the_kept_one_waits() -> None:
    table = Table("alice", "bob", "carol")
    call_id = talking(table)
    refer(table["bob"], headers=((b"Refer-Sub", b"false"),))
    asked = table.take(tell.TransferRequested)
    table.b2bua.transfer(call_id, asked.transfer_id, [table.target("carol")], table.now)
    table.settle()
    table["bob"].bye()
    assert not table.all(tell.CallEnded)
    table["carol"].respond(200, sdp(table["carol"].address[0], 14_000))
    table["alice"].respond(200, sdp(table["alice"].address[0], 10_000, version=2))
    assert table["bob"].methods() == []
    table["alice"].bye()
    table["carol"].respond(200, method=b"BYE")
    assert table.take(tell.CallEnded).ended_by is tell.EndedBy.CALLER
    table.assert_clean()


def test_a_transfer_that_fails_after_the_asking_party_left_ends_the_call() -> None:
    table = Table("alice", "bob", "carol")
    call_id = talking(table)
    refer(table["bob"])
    asked = table.take(tell.TransferRequested)
    table.b2bua.transfer(call_id, asked.transfer_id, [table.target("carol")], table.now)
    table.settle()
    table["bob"].bye()
    table["carol"].respond(404)
    table["alice"].respond(200, method=b"BYE")
    assert table.take(tell.CallEnded).cause.q850 == 1
    fragments(table["bob"])
    table.assert_clean()


def test_the_service_may_refuse_a_transfer() -> None:
    table = Table()
    call_id = talking(table)
    refer(table["bob"])
    asked = table.take(tell.TransferRequested)
    table.b2bua.refuse_transfer(call_id, asked.transfer_id, 403, table.now)
    table.settle()
    assert table["bob"].last_response(b"REFER").status == 403
    table["bob"].bye()
    table["alice"].respond(200, method=b"BYE")
    table.assert_clean()


def test_the_kept_party_hangs_up_while_the_new_place_rings() -> None:
    table = Table("alice", "bob", "carol")
    call_id = talking(table)
    refer(table["bob"])
    asked = table.take(tell.TransferRequested)
    table.b2bua.transfer(call_id, asked.transfer_id, [table.target("carol")], table.now)
    table.settle()
    table["carol"].respond(180)
    table["alice"].bye()
    table["bob"].respond(200, method=b"BYE")
    table["carol"].respond(487)
    assert table.take(tell.CallEnded).ended_by is tell.EndedBy.CALLER
    fragments(table["bob"])
    table.assert_clean()


def test_a_transfer_that_takes_too_long_is_given_up() -> None:
    table = Table("alice", "bob", "carol")
    call_id = talking(table)
    refer(table["bob"])
    asked = table.take(tell.TransferRequested)
    table.b2bua.transfer(call_id, asked.transfer_id, [table.target("carol")], table.now)
    table.settle()
    table["carol"].respond(180)
    fragments(table["bob"])
    table.run(91)
    table["carol"].respond(487)
    assert fragments(table["bob"])[-1].startswith(b"SIP/2.0 4")
    table["alice"].bye()
    table["bob"].respond(200, method=b"BYE")
    table.assert_clean()


def test_the_kept_partys_glare_is_waited_out() -> None:
    table = Table("alice", "bob", "carol")
    call_id = talking(table)
    refer(table["bob"])
    asked = table.take(tell.TransferRequested)
    table.b2bua.transfer(call_id, asked.transfer_id, [table.target("carol")], table.now)
    table.settle()
    table["carol"].respond(200, sdp(table["carol"].address[0], 14_000))
    table["bob"].respond(200, method=b"BYE")
    table["alice"].respond(491)
    table.run(2.1)
    assert table["alice"].methods() == [b"INVITE"]
    table["alice"].respond(200, sdp(table["alice"].address[0], 10_000, version=2))
    assert table.take(tell.TransferEnded).cause is None
    table["alice"].bye()
    table["carol"].respond(200, method=b"BYE")
    fragments(table["bob"])
    table.assert_clean()


def consultation(table: Table) -> tuple[str, str]:
    """Alice talks to bob, who has put her on hold and talks to carol."""
    first = talking(table, "alice", "bob")
    bob = table["bob"]
    bob.request(b"INVITE", sdp(bob.address[0], 12_000, direction="sendonly", version=2))
    table["alice"].respond(200, sdp(table["alice"].address[0], 10_000, direction="recvonly", version=2))
    bob.ack(bob.last_response(b"INVITE"))
    held = bob.dialog
    second = talking(table, "bob", "carol")
    bob.other, bob.dialog = bob.dialog, held  # type: ignore[attr-defined]
    return first, second


def attended(table: Table) -> tuple[str, str]:
    """As above, and bob asks to connect the two."""
    first, second = consultation(table)
    call_id, ours, theirs = table["bob"].other.id  # type: ignore[attr-defined]
    replaces = b"%b%%3Bto-tag%%3D%b%%3Bfrom-tag%%3D%b" % (call_id, theirs, ours)
    table["bob"].request(b"REFER", headers=((b"Refer-To", b"<sip:carol@example.org?Replaces=%b>" % replaces),))
    asked = table.take(tell.TransferRequested)
    assert (asked.call_id, asked.replaces) == (first, second)
    table.b2bua.transfer(first, asked.transfer_id, (), table.now)
    table.settle()
    return first, second


def test_an_attended_transfer_joins_two_calls() -> None:
    table = Table("alice", "bob", "carol")
    first, second = attended(table)
    alice, bob, carol = table["alice"], table["bob"], table["carol"]
    offer = carol.last_request(b"INVITE")
    assert b"a=sendrecv" in offer.body  # alice was held by bob, not by carol
    carol.respond(200, sdp(carol.address[0], 12_000, version=2))
    assert media_port(alice.last_request(b"INVITE")) >= 20_000
    alice.respond(200, sdp(alice.address[0], 10_000, version=3))
    assert [event.request.method for event in bob.requests].count(b"BYE") == 2
    bob.respond(200, method=b"BYE")
    bob.respond(200, method=b"BYE")
    joined = table.take(tell.CallsJoined)
    assert (joined.call_id, joined.absorbed_id) == (first, second)
    assert not table.all(tell.CallEnded)
    fragments(bob)
    carol.bye()
    alice.respond(200, method=b"BYE")
    assert sorted(event.call_id for event in table.all(tell.CallEnded)) == sorted((first, second))
    table.assert_clean()


def test_the_origin_that_the_other_calls_party_knows_goes_on() -> None:
    table = Table("alice", "bob", "carol")
    consultation(table)
    before = table["carol"].dialog
    assert before is not None
    first_offer = next(line for line in table_offer(table, "carol").split(b"\r\n") if line.startswith(b"o="))
    call_id, ours, theirs = table["bob"].other.id  # type: ignore[attr-defined]
    replaces = b"%b%%3Bto-tag%%3D%b%%3Bfrom-tag%%3D%b" % (call_id, theirs, ours)
    table["bob"].request(b"REFER", headers=((b"Refer-To", b"<sip:carol@example.org?Replaces=%b>" % replaces),))
    asked = table.take(tell.TransferRequested)
    table.b2bua.transfer(asked.call_id, asked.transfer_id, (), table.now)
    table.settle()
    again = next(line for line in table["carol"].last_request(b"INVITE").body.split(b"\r\n") if line.startswith(b"o="))
    assert again.split()[1] == first_offer.split()[1]
    assert int(again.split()[2]) == int(first_offer.split()[2]) + 1


def table_offer(table: Table, name: str) -> bytes:
    """The description that a phone was invited with."""
    from pysrv.sip import events as sip

    invites = [e.request for e in table[name].events if isinstance(e, sip.RequestReceived)]
    return next(request.body for request in invites if request.method == b"INVITE")


def test_an_attended_transfer_that_the_third_party_refuses_changes_nothing() -> None:
    table = Table("alice", "bob", "carol")
    first, second = attended(table)
    bob = table["bob"]
    table["carol"].respond(488)
    assert fragments(bob)[-1] == b"SIP/2.0 488 Not Acceptable Here"
    assert table.take(tell.TransferEnded).cause.status == 488
    assert not table.all(tell.CallEnded)
    bob.bye()
    table["alice"].respond(200, method=b"BYE")
    bob.dialog = bob.other  # type: ignore[attr-defined]
    bob.bye()
    table["carol"].respond(200, method=b"BYE")
    assert {event.call_id for event in table.all(tell.CallEnded)} == {first, second}
    table.assert_clean()


def test_hanging_up_an_absorbed_call_ends_both() -> None:
    table = Table("alice", "bob", "carol")
    first, second = attended(table)
    table["carol"].respond(200, sdp(table["carol"].address[0], 12_000, version=2))
    table["alice"].respond(200, sdp(table["alice"].address[0], 10_000, version=3))
    table["bob"].respond(200, method=b"BYE")
    table["bob"].respond(200, method=b"BYE")
    table.b2bua.hangup(second, NORMAL, table.now)
    table.settle()
    for name in ("alice", "carol"):
        table[name].respond(200, method=b"BYE")
    assert {event.call_id for event in table.all(tell.CallEnded)} == {first, second}
    fragments(table["bob"])
    table.assert_clean()


def test_a_transfer_to_a_dialog_that_we_do_not_know_becomes_a_blind_one() -> None:
    table = Table("alice", "bob", "carol")
    talking(table)
    table["bob"].request(
        b"REFER", headers=((b"Refer-To", b"<sip:carol@h?Replaces=nobody%3Bto-tag%3D1%3Bfrom-tag%3D2>"),)
    )
    assert table.take(tell.TransferRequested).replaces is None


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), 400),
        (((b"Refer-To", b"<sip:a@b>"), (b"Refer-To", b"<sip:c@d>")), 400),
        (((b"Refer-To", b"<http://a.example>"),), 416),
        (((b"Refer-To", b"<sip:a@b;method=BYE>"),), 603),
        (((b"Refer-To", b"<<<"),), 400),
    ],
)
def test_a_refer_that_makes_no_sense_is_refused(lines: tuple[tuple[bytes, bytes], ...], status: int) -> None:
    table = Table()
    talking(table)
    table["bob"].request(b"REFER", headers=lines)
    assert table["bob"].last_response(b"REFER").status == status
    assert not table.all(tell.TransferRequested)


def test_a_newcomer_takes_the_place_of_a_party() -> None:
    table = Table("alice", "bob", "carol")
    first = talking(table)
    alice, bob, carol = table["alice"], table["bob"], table["carol"]
    call_id, ours, theirs = bob.dialog.id
    carol.invite(headers=((b"Replaces", b"%b;to-tag=%b;from-tag=%b" % (call_id, theirs, ours)),))
    asked = next(event for event in table.all(tell.CallRequested) if event.replaces is not None)
    assert asked.replaces == first
    table.b2bua.replace(asked.call_id, table.now)
    table.settle()
    alice.respond(200, sdp(alice.address[0], 10_000, version=2))
    carol.established()
    assert bob.methods() == [b"BYE"]
    bob.respond(200, method=b"BYE")
    carol.bye()
    alice.respond(200, method=b"BYE")
    assert {event.call_id for event in table.all(tell.CallEnded)} == {first, asked.call_id}
    table.assert_clean()


def test_replacing_a_dialog_that_does_not_exist_is_refused() -> None:
    table = Table()
    table["alice"].invite(headers=((b"Replaces", b"nobody;to-tag=1;from-tag=2"),))
    assert table["alice"].statuses() == [481]
    assert not table.all(tell.CallRequested)
