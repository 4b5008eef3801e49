"""Passkeys against an authenticator in software: right answers, every lie, and whatever bytes."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.people import passkeys
from pysrv.people.passkeys import Party, PasskeyError
from tests.people.authenticator import Authenticator

PARTY = Party("pbx.example.com", "https://pbx.example.com:8443")
CHALLENGE, OTHER = b"c" * 32, b"o" * 32
HANDLE = b"h" * 32


def made() -> Authenticator:
    return Authenticator(PARTY.origin, PARTY.rp_id)


def asked(challenge: bytes = CHALLENGE) -> str:
    return passkeys.asked_to_register(PARTY, challenge, "olga", HANDLE, [])


def enrolled(key: Authenticator) -> passkeys.Registered:
    return passkeys.registered(PARTY, CHALLENGE, key.create(asked()))


def test_a_passkey_is_registered_and_proves_itself_with_a_counter_that_grows() -> None:
    key = made()
    new = enrolled(key)
    assert (new.id, new.sign_count) == (key.id, 0)
    answer = key.get(passkeys.asked_to_prove(PARTY, OTHER, [new.id]))
    assert passkeys.credential_of(answer) == key.id
    assert passkeys.proven(PARTY, OTHER, answer, new.public_key, 0) == 1


def test_what_the_browser_is_asked_names_the_party_and_the_passkeys_that_there_are() -> None:
    told = json.loads(passkeys.asked_to_register(PARTY, CHALLENGE, "olga", HANDLE, [b"one"]))
    assert told["rp"]["id"] == PARTY.rp_id and len(told["excludeCredentials"]) == 1
    assert len(json.loads(passkeys.asked_to_prove(PARTY, CHALLENGE, [b"one", b"two"]))["allowCredentials"]) == 2


@pytest.mark.parametrize(
    "lie", [{"origin": "https://evil.example"}, {"rp_id": "evil.example"}, {"present": False}], ids=str
)
def test_a_lie_in_a_registration_or_a_proof_is_refused(lie: dict[str, object]) -> None:
    key = made()
    new = enrolled(key)
    liar = replace(key, **lie)  # type: ignore[arg-type]
    with pytest.raises(PasskeyError):
        passkeys.registered(PARTY, CHALLENGE, liar.create(asked()))
    answer = liar.get(passkeys.asked_to_prove(PARTY, OTHER, [new.id]))
    with pytest.raises(PasskeyError):
        passkeys.proven(PARTY, OTHER, answer, new.public_key, 0)


def test_an_answer_to_another_challenge_proves_nothing() -> None:
    key = made()
    with pytest.raises(PasskeyError):
        passkeys.registered(PARTY, CHALLENGE, key.create(asked(OTHER)))
    new = enrolled(key)
    with pytest.raises(PasskeyError):
        passkeys.proven(PARTY, CHALLENGE, key.get(asked(OTHER)), new.public_key, 0)


def test_a_counter_that_stands_still_or_goes_back_is_a_copied_key() -> None:
    key = made()
    new = enrolled(key)
    answer = key.get(asked(OTHER))
    for counted in (1, 2, 1000):
        with pytest.raises(PasskeyError):
            passkeys.proven(PARTY, OTHER, answer, new.public_key, counted)


def test_anothers_key_and_a_changed_signature_are_refused() -> None:
    key, other = made(), made()
    new, foreign = enrolled(key), enrolled(other)
    answer = json.loads(key.get(asked(OTHER)))
    with pytest.raises(PasskeyError):
        passkeys.proven(PARTY, OTHER, json.dumps(answer), foreign.public_key, 0)
    answer["response"]["signature"] = answer["response"]["signature"][:-4] + "AAAA"
    with pytest.raises(PasskeyError):
        passkeys.proven(PARTY, OTHER, json.dumps(answer), new.public_key, 0)


@given(st.text(max_size=200) | st.recursive(st.none() | st.text(), lambda x: st.dictionaries(
    st.sampled_from(["id", "rawId", "type", "response", "clientDataJSON", "attestationObject", "signature"]), x
)).map(json.dumps))  # fmt: skip
def test_whatever_somebody_sends_is_refused_in_words(answer: str) -> None:
    for ask in (
        lambda: passkeys.registered(PARTY, CHALLENGE, answer),
        lambda: passkeys.credential_of(answer),
        lambda: passkeys.proven(PARTY, CHALLENGE, answer, b"\x04" + bytes(64), 0),
    ):
        with pytest.raises(PasskeyError):
            ask()


@given(st.binary(max_size=120))
def test_whatever_an_attestation_holds_is_refused_in_words(rubbish: bytes) -> None:
    key = made()
    answer = json.loads(key.create(asked()))
    answer["response"]["attestationObject"] = rubbish.hex()
    with pytest.raises(PasskeyError):
        passkeys.registered(PARTY, CHALLENGE, json.dumps(answer))


@pytest.mark.parametrize(
    ("host", "rp_id", "origin"),
    [
        ("pbx.example.com", "pbx.example.com", "https://pbx.example.com"),
        ("PBX.example.com:8443", "pbx.example.com", "https://pbx.example.com:8443"),
        ("localhost:443", "localhost", "https://localhost:443"),
    ],
)
def test_a_passkey_belongs_to_the_name_in_the_address_bar(host: str, rp_id: str, origin: str) -> None:
    assert passkeys.party_of(host) == Party(rp_id, origin)


@pytest.mark.parametrize("host", ["192.0.2.1", "192.0.2.1:8443", "[2001:db8::1]", "[2001:db8::1]:8443", "", ":8443"])
def test_a_bare_address_can_have_none(host: str) -> None:
    with pytest.raises(PasskeyError, match="name"):
        passkeys.party_of(host)
