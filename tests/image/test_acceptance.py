"""The acceptance run, as far as it can be known without a machine: what it refuses, and the words that it relies on."""

from pathlib import Path

import pytest

from appliance.kernel import layout
from tests.image import acceptance, judge, story, yard


def test_it_refuses_what_it_cannot_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert acceptance.main(["colour=red"]) == 2
    assert "'colour' is none of image, base, firmware, lynis" in capsys.readouterr().err
    assert acceptance.main(["lynis=some"]) == 2
    assert "lynis=some is none of yes, all" in capsys.readouterr().err
    assert acceptance.main(["image=/nonexistent.qcow2", "base=none"]) == 2
    assert "there is no /nonexistent.qcow2: 'make image' first" in capsys.readouterr().err
    (tmp_path / "image").touch()
    assert acceptance.main([f"image={tmp_path / 'image'}", "firmware=coreboot"]) == 2


def test_the_open_ports_are_those_that_the_machine_itself_may_serve() -> None:
    assert {port for protocol, port in judge.SERVED if protocol == "tcp"} == story.OPEN  # and not SSH, for strangers


def test_the_verdicts_that_are_counted_exist() -> None:
    assert {story.RELAYED, story.SCANNER} <= {each.name for each in layout.verdicts()}


def test_a_step_that_fails_stops_the_day_and_is_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    told = acceptance.Told()
    with pytest.raises(story.Failed), told.step("a call"):
        raise yard.GuestError("no answer")
    with told.step("another"):
        pass
    assert [(row.what, row.good) for row in told.rows] == [("a call", False), ("another", True)]
    assert "GuestError: no answer" in capsys.readouterr().out
