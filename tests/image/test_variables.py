"""What may be chosen of a build, and what is refused."""

import pytest

from image.variables import BadVariable, Variables, read, table


def test_words_become_values_and_the_rest_stays_as_it_is() -> None:
    assert read(["disk_mib=8192", "formats=qcow2"]) == Variables(disk_mib=8192, formats="qcow2")
    assert read([]) == Variables()


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("colour=red", "'colour=red' is none of suite="),
        ("suite", "'suite' is none of"),
        ("disk_mib=big", "disk_mib=big must be a whole number"),
        ("disk_mib=0", "above 0"),
        ("formats=qcow2,floppy", "'floppy' is none of qcow2"),
    ],
)
def test_what_cannot_be_is_refused_by_name(word: str, why: str) -> None:
    with pytest.raises(BadVariable, match=why):
        read([word])


def test_every_variable_is_explained() -> None:
    lines = table().splitlines()
    assert len(lines) == len(Variables.__slots__)
    assert all(len(line.split()) > 3 for line in lines)
