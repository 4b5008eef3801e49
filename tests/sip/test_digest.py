"""Digest: vectors of the RFCs, and everything that credentials can be (RFC 2617, 7616, 8760, 3261 section 22)."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.sip.digest import (
    Algorithm,
    Authenticator,
    AuthOutcome,
    NonceKeys,
    answer_challenge,
    credentials,
    ha1,
    response_of,
)
from pysrv.sip.errors import BadMessage
from pysrv.sip.grammar import quote
from pysrv.sip.message import Request
from pysrv.sip.nonces import NonceCounts
from pysrv.sip.uri import Uri

SECRET = bytes(range(32))
REALM, USER, PASSWORD = b"pbx.example.com", b"alice", b"s3cret"
SOURCE, NOW = "192.0.2.7", 1_800_000_000.0
URI = Uri.parse(b"sip:pbx.example.com")


def authenticator(**more: float) -> Authenticator:
    return Authenticator(REALM, NonceKeys(SECRET), **more)


def lookup(user: bytes, algorithm: Algorithm) -> bytes | None:
    return ha1(USER, REALM, PASSWORD, algorithm) if user == USER else None


def challenge_of(auth: Authenticator, algorithm: Algorithm = Algorithm.SHA256, now: float = NOW) -> bytes:
    challenges = auth.challenge(now, SOURCE, proxy=False)
    return next(value for _, value in challenges if b"algorithm=" + algorithm.encode() + b"," in value)


def register(value: bytes, uri: Uri = URI) -> Request:
    return Request.new(b"REGISTER", uri, [(b"Authorization", value)])


def answer(challenge: bytes, *, user: bytes = USER, password: bytes = PASSWORD, nc: int = 1) -> bytes:
    return answer_challenge(challenge, b"REGISTER", URI.to_bytes(), user, password, b"0a4f113b", nc)


def outcome(auth: Authenticator, value: bytes, now: float = NOW, source: str = SOURCE) -> AuthOutcome:
    return auth.verify(register(value), lookup, now, source, proxy=False).outcome


# -- vectors


def test_the_vector_of_rfc_2617_section_3_5() -> None:
    secret = ha1(b"Mufasa", b"testrealm@host.com", b"Circle Of Life", Algorithm.MD5)
    nonce, cnonce = b"dcd98b7102dd2f0e8b11d0f600bfb0c093", b"0a4f113b"
    response = response_of(secret, b"GET", b"/dir/index.html", nonce, b"00000001", cnonce, Algorithm.MD5)
    assert response == b"6629fae49393a05397450978507c4ef1"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        (Algorithm.MD5, b"8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm.SHA256, b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_vectors_of_rfc_7616_section_3_9_1(algorithm: Algorithm, response: bytes) -> None:
    challenge = (
        b'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=%b, '
        b'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    ) % algorithm.encode()
    cnonce = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    value = answer_challenge(challenge, b"GET", b"/dir/index.html", b"Mufasa", b"Circle of Life", cnonce)
    given_back = credentials(value)
    assert given_back[b"response"] == response
    assert given_back[b"opaque"] == b"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"


def test_a_challenge_without_qop_is_answered_as_rfc_2069_says() -> None:
    value = answer_challenge(
        b'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"',
        b"GET",
        b"/dir/index.html",
        b"Mufasa",
        b"CircleOfLife",
        b"unused",
    )
    assert credentials(value)[b"response"] == b"1949323746fe6a43ef61f9606e7febea"  # RFC 2069 with its erratum 749
    assert b"nc" not in credentials(value)


# -- challenge and answer


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_right_answer_is_accepted(algorithm: Algorithm) -> None:
    auth = authenticator()
    verdict = auth.verify(register(answer(challenge_of(auth, algorithm))), lookup, NOW, SOURCE, proxy=False)
    assert (verdict.outcome, verdict.user) == (AuthOutcome.OK, USER)


def test_sha_256_is_offered_before_md5_and_both_with_one_nonce() -> None:
    challenges = authenticator().challenge(NOW, SOURCE, proxy=False)
    assert [name for name, _ in challenges] == [b"www-authenticate"] * 2
    offers = [credentials(value) for _, value in challenges]
    assert [offer[b"algorithm"] for offer in offers] == [b"SHA-256", b"MD5"]
    assert offers[0][b"nonce"] == offers[1][b"nonce"]
    assert {offer[b"qop"] for offer in offers} == {b"auth"}


def test_a_proxy_challenge_has_its_own_headers() -> None:
    auth = authenticator()
    challenges = auth.challenge(NOW, SOURCE, proxy=True)
    assert {name for name, _ in challenges} == {b"proxy-authenticate"}
    request = Request.new(b"REGISTER", URI, [(b"Proxy-Authorization", answer(challenges[0][1]))])
    assert auth.verify(request, lookup, NOW, SOURCE, proxy=False).outcome is AuthOutcome.NO_CREDENTIALS
    assert auth.verify(request, lookup, NOW, SOURCE, proxy=True).outcome is AuthOutcome.OK


def test_credentials_for_another_realm_are_passed_over() -> None:
    auth = authenticator()
    other = b'Digest username="x", realm="elsewhere", nonce="n", uri="sip:a@b", response="r"'
    assert outcome(auth, other) is AuthOutcome.NO_CREDENTIALS
    request = Request.new(b"REGISTER", URI, [(b"Authorization", other), (b"Authorization", answer(challenge_of(auth)))])
    assert auth.verify(request, lookup, NOW, SOURCE, proxy=False).outcome is AuthOutcome.OK


def test_a_wrong_password_and_an_unknown_user_are_told_apart_for_us_alone() -> None:
    auth = authenticator()
    assert outcome(auth, answer(challenge_of(auth), password=b"guess")) is AuthOutcome.WRONG_PASSWORD
    assert outcome(auth, answer(challenge_of(auth), user=b"mallory")) is AuthOutcome.UNKNOWN_USER


def test_an_unknown_user_costs_as_many_hashes_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    auth, hashed = authenticator(), []
    plain: Callable[[Algorithm, bytes], bytes] = Algorithm.hexdigest
    right, wrong = answer(challenge_of(auth), password=b"guess"), answer(challenge_of(auth), user=b"mallory")
    secrets = {USER: ha1(USER, REALM, PASSWORD, Algorithm.SHA256)}
    monkeypatch.setattr(Algorithm, "hexdigest", lambda self, text: hashed.append(len(text)) or plain(self, text))
    costs = []
    for value in (right, wrong):
        hashed.clear()
        auth.verify(register(value), lambda user, _: secrets.get(user), NOW, SOURCE, proxy=False)
        costs.append(tuple(hashed))
    assert costs[0] == costs[1]
    assert costs[0]


@pytest.mark.parametrize("stored", [b"", b"0" * 32])
def test_an_account_without_a_hash_for_the_algorithm_cannot_be_entered(stored: bytes) -> None:
    auth = authenticator()
    offer = credentials(challenge_of(auth))
    response = response_of(stored, b"REGISTER", URI.to_bytes(), offer[b"nonce"], b"00000001", b"c", Algorithm.SHA256)
    value = b'Digest username="alice", realm="%b", nonce="%b", uri="%b", algorithm=SHA-256, qop=auth, ' % (
        REALM,
        offer[b"nonce"],
        URI.to_bytes(),
    )
    value += b'nc=00000001, cnonce="c", response="%b"' % response
    verdict = auth.verify(register(value), lambda *_: stored, NOW, SOURCE, proxy=False)
    assert verdict.outcome is AuthOutcome.UNKNOWN_USER


# -- freshness


def test_an_old_nonce_is_stale_only_for_those_who_know_the_password() -> None:
    auth = authenticator(nonce_ttl_s=60.0)
    value = answer(challenge_of(auth))
    assert outcome(auth, value, now=NOW + 61) is AuthOutcome.STALE
    assert outcome(auth, answer(challenge_of(auth), password=b"guess"), now=NOW + 61) is AuthOutcome.WRONG_PASSWORD
    assert b"stale=true" in auth.challenge(NOW, SOURCE, proxy=False, stale=True)[0][1]


def test_an_answer_cannot_be_sent_again() -> None:
    auth = authenticator()
    value = answer(challenge_of(auth))
    assert outcome(auth, value) is AuthOutcome.OK
    assert outcome(auth, value) is AuthOutcome.REPLAYED


def test_counts_may_overtake_each_other_but_none_counts_twice() -> None:
    auth = authenticator()
    challenge = challenge_of(auth)
    seen = [outcome(auth, answer(challenge, nc=count)) for count in (1, 3, 2, 2, 70, 5, 69)]
    ok, again = AuthOutcome.OK, AuthOutcome.REPLAYED
    assert seen == [ok, ok, ok, again, ok, again, ok]


def test_a_nonce_serves_the_address_that_it_was_given_to() -> None:
    auth = authenticator()
    assert outcome(auth, answer(challenge_of(auth)), source="192.0.2.8") is AuthOutcome.FORGED_NONCE


def test_an_invented_nonce_is_forged_and_nobody_is_looked_up_for_it() -> None:
    auth = authenticator()
    value = answer(b'Digest realm="%b", nonce="%b", algorithm=MD5, qop="auth"' % (REALM, b"0" * 48))
    asked: list[bytes] = []
    verdict = auth.verify(register(value), lambda user, _: asked.append(user), NOW, SOURCE, proxy=False)
    assert (verdict.outcome, asked) == (AuthOutcome.FORGED_NONCE, [])


def test_phones_behind_one_address_never_share_a_nonce() -> None:
    auth = authenticator()
    nonces = {credentials(challenge_of(auth))[b"nonce"] for _ in range(500)}
    assert len(nonces) == 500


def test_a_restart_with_the_same_secret_knows_the_nonces_from_before() -> None:
    value = answer(challenge_of(authenticator()))
    assert outcome(authenticator(), value) is AuthOutcome.OK
    assert outcome(Authenticator(REALM, NonceKeys(SECRET[::-1])), value) is AuthOutcome.FORGED_NONCE


def test_two_keys_are_good_at_a_time() -> None:
    keys = NonceKeys(SECRET, rotate_s=100.0)
    nonce = keys.make(NOW, SOURCE)
    assert keys.made_at(nonce, NOW + 100, SOURCE) == NOW
    assert keys.made_at(nonce, NOW + 200, SOURCE) is None
    assert keys.made_at(nonce, NOW, SOURCE) == NOW


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        NonceKeys(b"short")


def test_a_full_table_asks_again_and_never_believes_what_it_forgot() -> None:
    auth = Authenticator(REALM, NonceKeys(SECRET), 300.0, NonceCounts(300.0, most=8))
    first = answer(challenge_of(auth))
    assert outcome(auth, first) is AuthOutcome.OK
    for step in range(1, 20):
        assert outcome(auth, answer(challenge_of(auth, now=NOW + step)), now=NOW + step) is AuthOutcome.OK
    assert outcome(auth, first, now=NOW + 20) is AuthOutcome.STALE


def test_the_table_of_counts_stays_within_its_bound_and_empties_itself() -> None:
    counts = NonceCounts(300.0, most=100)
    for number in range(1000):
        counts.take(b"%d" % number, 1, NOW + number, NOW + number)
        assert len(counts) <= 100
    counts.take(b"x", 1, NOW + 2000, NOW + 2000)
    counts.take(b"y", 1, NOW + 3000, NOW + 3000)
    assert len(counts) == 2


# -- what credentials look like


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.replace(b"qop=auth, ", b""),
        lambda value: value.replace(b"qop=auth", b"qop=auth-int"),
        lambda value: value.replace(b"nc=00000001", b"nc=1"),
        lambda value: value.replace(b"nc=00000001, ", b""),
        lambda value: value.replace(b'cnonce="0a4f113b"', b'cnonce=""'),
        lambda value: value.replace(b"SHA-256", b"SHA-512"),
        lambda value: value.replace(b'uri="sip:pbx.example.com"', b'uri="sip:other.example.com"'),
        lambda value: value.replace(b'uri="sip:pbx.example.com"', b'uri="<>"'),
        lambda value: value.replace(b'username="alice", ', b""),
        lambda value: value + b", nc=00000002",
        lambda value: value + b', "',
        lambda value: b"Basic YWxpY2U6czNjcmV0",
        lambda value: b"Digest",
        lambda value: b"",
    ],
)
def test_incomplete_or_odd_credentials_are_malformed(change: Callable[[bytes], bytes]) -> None:
    auth = authenticator()
    assert outcome(auth, change(answer(challenge_of(auth)))) is AuthOutcome.MALFORMED


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.replace(b"qop=auth", b'qop="auth"'),
        lambda value: value.replace(b"nc=00000001", b'nc="00000001"'),
        lambda value: value.replace(b"algorithm=SHA-256", b'algorithm="sha-256"'),
        lambda value: value.replace(b'cnonce="0a4f113b"', b"cnonce=0a4f113b"),
        lambda value: value.replace(b", ", b","),
        lambda value: value.replace(b", ", b" ,\t").replace(b"Digest ", b"dIGEST   "),
        lambda value: value.replace(b"=", b" = "),
        lambda value: value + b",",
        lambda value: value + b', opaque=""',
    ],
)
def test_quotes_case_and_blanks_do_not_matter(change: Callable[[bytes], bytes]) -> None:
    auth = authenticator()
    assert outcome(auth, change(answer(challenge_of(auth)))) is AuthOutcome.OK


@pytest.mark.parametrize(
    ("claimed", "sent", "outcome_"),
    [
        (b"sip:bob@Example.com", b"sip:bob@example.com:5070;transport=udp", AuthOutcome.OK),
        (b"sip:b%6Fb@example.com;user=phone", b"sip:bob@example.com", AuthOutcome.OK),
        (b"sip:alice@example.com", b"sip:bob@example.com", AuthOutcome.MALFORMED),
        (b"sip:example.com", b"sip:bob@example.com", AuthOutcome.MALFORMED),
        (b"tel:+1-555", b"tel:+1555", AuthOutcome.OK),
    ],
)
def test_credentials_belong_to_one_user_and_host(claimed: bytes, sent: bytes, outcome_: AuthOutcome) -> None:
    auth = authenticator()
    value = answer_challenge(challenge_of(auth), b"REGISTER", claimed, USER, PASSWORD, b"c")
    request = register(value, Uri.parse(sent))
    assert auth.verify(request, lookup, NOW, SOURCE, proxy=False).outcome is outcome_


def test_a_user_name_may_hold_quotes_and_backslashes() -> None:
    user = b'ali"ce\\'
    auth = authenticator()
    verdict = auth.verify(
        register(answer(challenge_of(auth), user=user)),
        lambda name, algorithm: ha1(user, REALM, PASSWORD, algorithm) if name == user else None,
        NOW,
        SOURCE,
        proxy=False,
    )
    assert (verdict.outcome, verdict.user) == (AuthOutcome.OK, user)


@pytest.mark.parametrize(
    "challenge", [b"Basic realm=x", b'Digest realm="a", nonce="b", algorithm=MD4', b'Digest nonce="b", qop="auth-int"']
)
def test_a_challenge_that_cannot_be_answered_is_a_bad_message(challenge: bytes) -> None:
    with pytest.raises(BadMessage):
        answer(challenge)


@given(st.binary(max_size=200))
def test_no_credentials_make_verification_raise(noise: bytes) -> None:
    noise = noise.translate(None, b"\r\n\0")
    auth = authenticator()
    request = Request.new(b"REGISTER", URI, [(b"Authorization", b"Digest realm=%b, " % quote(REALM) + noise)])
    assert auth.verify(request, lookup, NOW, SOURCE, proxy=False).outcome is not AuthOutcome.OK
