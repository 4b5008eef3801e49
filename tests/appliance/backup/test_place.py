"""What an operator may choose, and what no text in it can make root do."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.backup.place import BackupError, NotPermitted, Options, Place

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": 'quo"te\\'}


def test_what_was_chosen_is_read_back_and_is_roots_alone(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.options() == Options(repository=str(place.local))
    chosen = Options("s3:https://s3.example.com/pbx", 12, 4, 1, 2, 3, 4, KEYS)
    place.choose(chosen)
    place.make_password()
    assert place.options() == chosen
    for path in (place.options_file, place.password_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.directory.stat().st_mode) == 0o700


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_any_printable_credential_is_kept_as_it_is(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    place = Place(tmp_path_factory.getbasetemp() / "credential")
    if not text.isprintable():
        with pytest.raises(BackupError, match="one line"):
            Options(environment={"B2_ACCOUNT_KEY": text})
        return
    place.choose(Options(environment={"B2_ACCOUNT_KEY": text}))
    assert place.options().environment == {"B2_ACCOUNT_KEY": text}


@pytest.mark.parametrize(
    "repository",
    [
        "relative/place",
        "sftp:-oProxyCommand=id:/x",
        "sftp://-oProxyCommand=id/x",
        "sftp:me@-oX:/x",
        "-r",
        "ftp:x",
        "/a\nb",
    ],
)
def test_a_place_that_is_none_is_refused(repository: str) -> None:
    with pytest.raises(BackupError, match=r"is no repository|names no host"):
        Options(repository)


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PATH", "RESTIC_PASSWORD_COMMAND", "PYTHONPATH", "lower", "A=B", ""])
def test_a_variable_that_is_no_credential_is_refused(name: str) -> None:
    with pytest.raises(BackupError, match="no variable"):
        Options(environment={name: "x"})


@pytest.mark.parametrize(
    "text",
    ["every_h = -1", 'at_h = "3"', "keep_last = true", "no_such = 1", "repository = 3", "environment = 3", "= broken",
     "keep_last = 0\nkeep_daily = 0\nkeep_weekly = 0\nkeep_monthly = 0"],
)  # fmt: skip
def test_a_file_that_was_spoilt_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    place = Place(tmp_path)
    place.write(place.options_file, text + "\n")
    with pytest.raises(BackupError) as caught:
        place.options()
    assert "\n" not in caught.value.message


@contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    "do", [lambda place: place.is_set_up, lambda place: place.options(), lambda place: place.make()]
)
def test_who_is_not_root_is_told_so(tmp_path: Path, do: Callable[[Place], object]) -> None:
    place = Place(tmp_path)
    place.choose(Options())
    place.directory.chmod(0)
    with as_nobody(), pytest.raises(NotPermitted, match="is not yours to "):
        do(place)
