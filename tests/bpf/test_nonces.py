"""What a nonce is worth at the gate: whose it is, how old, how fast its sources, and that the office reads it too."""

import time
from dataclasses import replace

import pytest

from appliance import wire
from pysrv.sip.digest import Algorithm, AuthOutcome, ha1
from pysrv.sip.parser import parse_datagram
from tests.bpf.asking import (
    EPOCH_S,
    INVITE,
    REALM,
    SECRET,
    STRANGER,
    STRANGER6,
    Ask,
    answered,
    authenticator,
    changed,
    check_answer,
    is_stale,
    keys,
    nonce_of,
    switch_on,
    with_nonce,
)
from tests.bpf.rig import Rig, frame

# -- what a nonce is worth


def test_a_valid_nonce_passes(on: Rig) -> None:
    nonce = nonce_of(answered(on, Ask(), "challenge_401", 401))
    assert on.send(with_nonce(Ask(), nonce).packet()).verdict == "nonce_valid"
    assert on.send(with_nonce(INVITE, nonce, proxy=True).packet()).verdict == "nonce_valid"


def test_a_valid_nonce_passes_over_ipv6(on: Rig) -> None:
    ask = Ask(source=STRANGER6)
    nonce = nonce_of(answered(on, ask, "challenge_401", 401))
    assert on.send(with_nonce(ask, nonce).packet()).verdict == "nonce_valid"
    elsewhere = Ask(source="2001:db8:7::8")
    assert on.send(with_nonce(elsewhere, nonce).packet()).verdict == "challenge_401"


def test_a_valid_nonce_does_not_draw_on_the_strangers_budget(rig: Rig) -> None:
    switch_on(
        rig,
        limits=wire.Limits({"guard_burst": 1, "guard_window": 10**12, "budget_burst": 1, "budget_interval": 10**12}),
    )
    nonce = nonce_of(answered(rig, Ask(), "challenge_401", 401))
    assert [rig.send(with_nonce(Ask(), nonce).packet()).verdict for _ in range(5)] == ["nonce_valid"] * 5


def test_a_valid_nonce_has_a_rate_of_its_own_for_each_source(rig: Rig) -> None:
    switch_on(rig, limits=wire.Limits({"pass_burst": 2, "pass_interval": 10**12}))
    nonce = nonce_of(answered(rig, Ask(), "challenge_401", 401))
    verdicts = [rig.send(with_nonce(Ask(), nonce).packet()).verdict for _ in range(3)]
    assert verdicts == ["nonce_valid", "nonce_valid", "nonce_over_rate"]
    other = Ask(source="198.51.100.8")
    nonce = nonce_of(answered(rig, other, "challenge_401", 401))
    assert rig.send(with_nonce(other, nonce).packet()).verdict == "nonce_valid"


@pytest.mark.parametrize(("delay_ms", "passed"), [(10.0, 6), (51.0, 2)])
def test_while_the_service_is_behind_valid_nonces_of_all_sources_share_a_budget(
    rig: Rig, delay_ms: float, passed: int
) -> None:
    switch_on(rig, limits=wire.Limits({"proven_burst": 2, "proven_interval": 10**12, "pulse_patience": 10**12}))
    asks = [Ask(source=f"203.0.113.{last}") for last in range(6)]
    verdicts = []
    for ask in asks:
        nonce = nonce_of(answered(rig, ask, "challenge_401", 401))
        rig.gate.tables.pulse(time.monotonic_ns(), int(delay_ms * 1e6))
        verdicts.append(rig.send(with_nonce(ask, nonce).packet()).verdict)
    rig.gate.tables.pulse(0, 0)
    assert verdicts == ["nonce_valid"] * passed + ["nonce_over_budget"] * (6 - passed)


def test_a_ban_whose_reason_may_be_forged_leaves_the_way_in_that_proves_the_address(rig: Rig) -> None:
    """Anybody can get it for somebody else: the phones there still answer challenges, and call over TCP."""
    ban = wire.Ban(STRANGER, spares_known=True, spares_proven=True)
    switch_on(rig, bans=(ban,))
    nonce = nonce_of(answered(rig, Ask(), "challenge_401", 401))
    assert rig.send(with_nonce(Ask(), nonce).packet()).verdict == "nonce_valid"
    kept_out = [Ask("OPTIONS"), changed(INVITE, to="<sip:2000@pbx.example.net>;tag=x"), Ask(names={"Via": "Via "})]
    assert [rig.send(ask.packet()).verdict for ask in kept_out] == ["banned"] * 3
    assert rig.send(frame(b"\r\n\r\n", src=STRANGER)).verdict == "banned"
    switch_on(rig, bans=(replace(ban, spares_proven=False),))
    assert rig.send(Ask().packet()).verdict == "banned"
    switch_on(rig, bans=(ban, wire.Ban("198.51.100.0/24", spares_known=True)))
    assert rig.send(Ask().packet()).verdict == "banned", "what spares less decides"
    rig.sync(bans=(ban,))
    assert rig.send(Ask().packet()).verdict == "banned", "nobody is challenged: there is no other way to tell"


def test_the_best_of_several_credentials_counts(on: Rig) -> None:
    nonce = nonce_of(answered(on, Ask(), "challenge_401", 401))
    forged = 'Authorization: Digest username="x", realm="elsewhere", nonce="abc", uri="sip:a", response="b"'
    assert on.send(with_nonce(Ask(lines=(forged,)), nonce).packet()).verdict == "nonce_valid"


@pytest.mark.parametrize("form", ['Digest nonce="{}"', "Digest nonce={}", 'Digest username="x",NONCE="{}",realm="y"'])
def test_a_nonce_is_found_in_any_spelling_of_the_parameter(on: Rig, form: str) -> None:
    nonce = nonce_of(answered(on, Ask(), "challenge_401", 401)).decode()
    assert on.send(Ask(lines=("Authorization: " + form.format(nonce),)).packet()).verdict == "nonce_valid"


def test_a_cnonce_is_no_nonce(on: Rig) -> None:
    nonce = nonce_of(answered(on, Ask(), "challenge_401", 401)).decode()
    out = on.send(Ask(lines=(f'Authorization: Digest username="x",cnonce="{nonce}",nonce="zz"',)).packet())
    assert out.verdict == "challenge_401"


@pytest.mark.parametrize(
    "change",
    [
        lambda nonce: nonce[:-1] + (b"0" if nonce[-1:] != b"0" else b"1"),
        lambda nonce: b"f" + nonce[1:],
        lambda nonce: nonce.upper() if nonce.upper() != nonce else b"x" * 32,
        lambda nonce: nonce[:-1],
        lambda _: b"",
    ],
)
def test_a_forged_nonce_gets_a_new_challenge_and_is_counted(on: Rig, change: object) -> None:
    nonce = nonce_of(answered(on, Ask(), "challenge_401", 401))
    ask = with_nonce(Ask(), change(nonce))  # type: ignore[operator]
    out = on.send(ask.packet())
    assert (out.verdict, out.notes) == ("challenge_401", ("nonce_forged",))
    assert not is_stale(check_answer(ask.to_bytes(), out, 401, STRANGER, 5062))


def test_another_address_s_nonce_is_forged(on: Rig) -> None:
    nonce = keys().make(time.time(), "198.51.100.8")
    assert on.send(with_nonce(Ask(), nonce).packet()).notes == ("nonce_forged",)


def test_an_old_nonce_of_ours_is_stale(on: Rig) -> None:
    ask = with_nonce(Ask(), keys().make(time.time() - 301, STRANGER))
    assert is_stale(answered(on, ask, "challenge_stale", 401))
    ask = with_nonce(INVITE, keys().make(time.time() - 301, STRANGER), proxy=True)
    assert is_stale(answered(on, ask, "challenge_stale", 407))


def test_a_nonce_from_before_the_clock_was_set_back_is_stale(on: Rig) -> None:
    ask = with_nonce(Ask(), keys().make(time.time() + 60, STRANGER))
    assert is_stale(answered(on, ask, "challenge_stale", 401))


def test_the_keys_of_four_epochs_are_known(on: Rig) -> None:
    for step in (-1, 0, 1, 2):
        made = (time.time() // EPOCH_S + step) * EPOCH_S + 1
        ask = with_nonce(Ask(), keys().make(made, STRANGER))
        assert on.send(ask.packet()).notes == ()


def test_a_nonce_of_the_kernel_is_good_at_the_service(on: Rig) -> None:
    nonce = nonce_of(answered(on, Ask(), "challenge_401", 401))
    request = parse_datagram(with_nonce(Ask(), nonce).to_bytes())
    found = authenticator().verify(request, lookup, time.time(), STRANGER, proxy=False)  # type: ignore[arg-type]
    assert found.outcome is AuthOutcome.OK


def test_a_nonce_of_the_service_is_good_at_the_kernel(on: Rig) -> None:
    for source in (STRANGER, STRANGER6):
        nonce = keys().make(time.time(), source)
        assert on.send(with_nonce(Ask(source=source), nonce).packet()).verdict == "nonce_valid"


def lookup(user: bytes, algorithm: Algorithm) -> bytes | None:
    return ha1(user, REALM.encode(), b"secret", algorithm)


def test_the_clock_of_nonces_follows_the_wall_clock(on: Rig) -> None:
    surface = on.gate
    before = surface._unix_ns
    try:
        surface._unix_ns = lambda: time.time_ns() + 7_200_000_000_000
        surface.tick()
        made = int(nonce_of(answered(on, Ask(), "challenge_401", 401))[:8], 16)
        assert abs(made - time.time() - 7200) < 5
    finally:
        surface._unix_ns = before
        surface.tick()


def test_the_secret_is_the_only_secret(on: Rig) -> None:
    """Another installation's nonces are worth nothing here."""
    from pysrv.sip.nonces import NonceKeys

    foreign = NonceKeys(SECRET[::-1], EPOCH_S).make(time.time(), STRANGER)
    assert on.send(with_nonce(Ask(), foreign).packet()).verdict == "challenge_401"
