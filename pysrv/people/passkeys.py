"""Passkeys (Web Authentication Level 3) by the library `webauthn`: what a browser is asked, whether its answer is good.

Pure: challenges are handed in. A passkey is a second factor here, after the password: presence is demanded, the
authenticator's own verification of the user is not. `host` is the name in the browser's address bar: a passkey belongs
to it, so there are none where the appliance is reached by a bare address. The library is taken in when a passkey is
first asked for: it would be a twelfth of the office's start.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

CHALLENGE_BYTES = 32
NAME = "Appliance"


class PasskeyError(Exception):
    """An answer that proves nothing. Its text may be shown."""


@dataclass(frozen=True, slots=True)
class Party:
    """For whom a passkey is good: the relying party's id, and the origin that the browser has to name."""

    rp_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Registered:
    """A new credential. `public_key` is a COSE key."""

    id: bytes
    public_key: bytes
    sign_count: int


def party_of(host: str) -> Party:
    """Of a request's Host (name, port if any). Raises PasskeyError for a bare address, which can have no passkeys."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        if name:
            return Party(name.lower(), f"https://{host.lower()}")
    raise PasskeyError("passkeys belong to a name: open the appliance by its name, not by its address")


def asked_to_register(party: Party, challenge: bytes, name: str, handle: bytes, known: Iterable[bytes]) -> str:
    """JSON for navigator.credentials.create. `handle` is the user's random id, `known` the passkeys he has already."""
    import webauthn
    from webauthn.helpers import structs

    options = webauthn.generate_registration_options(
        rp_id=party.rp_id,
        rp_name=NAME,
        user_name=name,
        user_id=handle,
        challenge=challenge,
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=each) for each in known],
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.DISCOURAGED,
            user_verification=structs.UserVerificationRequirement.PREFERRED,
        ),
    )
    return webauthn.options_to_json(options)


def registered(party: Party, challenge: bytes, answer: str) -> Registered:
    """The credential that the browser's answer makes. Raises PasskeyError."""
    import webauthn

    try:
        found = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
        )
    except Exception as error:  # whatever the parsers of a hostile answer stumble over
        raise PasskeyError("this is not an answer of a passkey to what was asked") from error
    return Registered(found.credential_id, found.credential_public_key, found.sign_count)


def asked_to_prove(party: Party, challenge: bytes, known: Iterable[bytes]) -> str:
    """JSON for navigator.credentials.get."""
    import webauthn
    from webauthn.helpers import structs

    options = webauthn.generate_authentication_options(
        rp_id=party.rp_id,
        challenge=challenge,
        allow_credentials=[structs.PublicKeyCredentialDescriptor(id=each) for each in known],
        user_verification=structs.UserVerificationRequirement.PREFERRED,
    )
    return webauthn.options_to_json(options)


def credential_of(answer: str) -> bytes:
    """The id of the passkey that answers. Raises PasskeyError."""
    from webauthn.helpers import parse_authentication_credential_json

    try:
        return parse_authentication_credential_json(answer).raw_id
    except Exception as error:  # whatever the parsers of a hostile answer stumble over
        raise PasskeyError("this is not an answer of a passkey") from error


def proven(party: Party, challenge: bytes, answer: str, public_key: bytes, sign_count: int) -> int:
    """The passkey's new counter. Raises PasskeyError; also when the counter went back, as a copied key shows."""
    import webauthn

    try:
        found = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
        )
    except Exception as error:  # whatever the parsers of a hostile answer stumble over
        raise PasskeyError("this passkey's answer is not right") from error
    return found.new_sign_count
