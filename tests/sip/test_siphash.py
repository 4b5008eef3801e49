"""SipHash-2-4 against the vectors of its authors, and against the C library that the service uses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.net.keyed_hash import keyed_hash
from pysrv.sip.siphash import siphash_24

KEY = bytes(range(16))
VECTORS = (
    0x726FDB47DD0E0E31, 0x74F839C593DC67FD, 0x0D6C8009D9A94F5A, 0x85676696D7FB7E2D, 0xCF2794E0277187B7,
    0x18765564CD99A68D, 0xCBC9466E58FEE3CE, 0xAB0200F58B01D137, 0x93F5F5799A932462, 0x9E0082DF0BA9E4B0,
    0x7A5DBBC594DDB9F3, 0xF4B32F46226BADA7, 0x751E8FBC860EE5FB, 0x14EA5627C0843D90, 0xF723CA908E7AF2EE,
    0xA129CA6149BE45E5,
)  # fmt: skip
"""Of the first sixteen messages 00, 00 01, ... (the authors' vectors.h; the last one is also in the paper)."""


@pytest.mark.parametrize("length", range(len(VECTORS)))
def test_a_vector_of_the_authors(length: int) -> None:
    assert siphash_24(KEY, bytes(range(length))) == VECTORS[length]


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=200))
def test_the_reference_and_the_c_library_agree(key: bytes, message: bytes) -> None:
    assert keyed_hash(key, message) == siphash_24(key, message)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        siphash_24(b"short", b"")
