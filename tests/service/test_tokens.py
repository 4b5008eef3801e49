"""Tokens: as long as asked, drawn in bulk, never twice."""

from pysrv.service.tokens import token_source


def test_tokens_have_the_length_asked_for_and_do_not_repeat() -> None:
    token = token_source(12)
    drawn = [token() for _ in range(2000)]
    assert {len(each) for each in drawn} == {24}
    assert len(set(drawn)) == len(drawn)


def test_every_byte_drawn_is_used_once() -> None:
    given: list[bytes] = []

    def draw(size: int) -> bytes:
        given.append(bytes((len(given) + at) % 256 for at in range(size)))
        return given[-1]

    token = token_source(12, draw)
    count = 2 * 6000 // 12
    drawn = b"".join(sorted(token() for _ in range(count)))
    assert len(given) == 2
    assert len(drawn) == 2 * sum(map(len, given))
