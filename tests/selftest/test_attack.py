"""The appliance attacks itself: what an operator runs, in short."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.selftest.attacks import ATTACKS

pytestmark = pytest.mark.load

ROOT = Path(__file__).resolve().parents[2]
SECONDS = "0.3"


def appliance(directory: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-P", "-m", "appliance", "--state", str(directory), *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=280, cwd=directory, env={"PYTHONPATH": str(ROOT)}
    )


def test_every_attack_is_held_and_the_report_says_so_under_a_signature(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = appliance(tmp_path, "--json", "selftest", "attack", "--seconds", SECONDS, "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    body = json.loads(done.stdout)["report"]
    assert [result["attack"] for result in body["results"]] == [attack.name for attack in ATTACKS]
    for result in body["results"]:
        ended = sum(packets for verdict, packets in result["verdicts"].items() if not verdict.startswith("rtp_relayed"))
        assert result["packets"] > 1000, result
        assert result["media_kept"] <= result["media_sent"], result  # none of the attack before is counted here
        assert ended >= result["packets"], result  # every packet was judged and counted
        assert 0 < result["ns"] < 100_000, result

    assert appliance(tmp_path, "selftest", "verify", str(report)).returncode == 0
    report.write_text(report.read_text().replace('"through": 0', '"through": 1', 1))
    changed = appliance(tmp_path, "selftest", "verify", str(report))
    assert changed.returncode == 1
    assert "does not fit" in changed.stderr


def test_a_report_that_is_not_there_or_is_none_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in appliance(tmp_path, "selftest", "verify", str(tmp_path / "none")).stderr
    (tmp_path / "text").write_text("no JSON")
    assert "is not JSON" in appliance(tmp_path, "selftest", "verify", str(tmp_path / "text")).stderr
    (tmp_path / "text").write_text("[" * 100_000)
    assert "is not JSON" in appliance(tmp_path, "selftest", "verify", str(tmp_path / "text")).stderr


def test_a_report_that_cannot_be_written_is_refused_before_any_attack(tmp_path: Path) -> None:
    done = appliance(tmp_path, "selftest", "attack", "--report", str(tmp_path / "none" / "report.json"))
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert not (tmp_path / "selftest.key").exists()  # made when a report is signed
