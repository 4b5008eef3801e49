"""The report's page: everything that was measured is on it, and nothing that it shows can be more than text."""

import json
from pathlib import Path

from lxml import html

from image import page

TOLD = {
    "variables": {"version": "1.2.3", "signing_key": "SHA256:abc"},
    "system": "Debian GNU/Linux 13", "kernel": "6.12", "packages": {"debian": 229, "python": 51},
    "installed_bytes": 785_000_000, "largest": [["linux-image", 120_000_000]],
    "files": {"appliance-1.2.3.qcow2": 307_000_000}, "seconds": [["packer", 301.24]],
    "provisioners": ["packages: all <b>there</b>"],
}  # fmt: skip
ROWS = [{"what": "the gate is native", "good": True, "found": "eth0"}, {"what": "SSH", "good": False, "found": "<i>"}]
CHECK = {
    "rows": ROWS,
    "times": "Startup finished in 20 s", "at": 1.0,
    "listens": ['udp UNCONN 0 0 0.0.0.0:5060 0.0.0.0:* users:(("python",pid=1,fd=9))'],
    "scores": [{"unit": "appliance.service", "exposure": "2.6"}, {"unit": "ssh.service", "exposure": "9.6"}],
}  # fmt: skip


def test_it_shows_files_steps_ports_scores_and_checks(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(TOLD))
    (tmp_path / "check-bios.json").write_text(json.dumps(CHECK))
    (tmp_path / "acceptance.json").write_text(json.dumps({"rows": [], "figures": {"seconds to SIP": 21.5}}))
    (tmp_path / "SHA256SUMS").write_text(f"{'0f' * 32}  appliance-1.2.3.qcow2\n")
    written = page.write(tmp_path)
    assert written is not None
    text = " ".join(" ".join(map(str, html.fromstring(written.read_text()).itertext())).split())
    for words in (
        "appliance-1.2.3.qcow2 307.0 MB " + "0f" * 32, "packer 301.2", "229 Debian packages", "Signed by SHA256:abc",
        "1 passed, 1 failed", "seconds to SIP 21.5",
        'udp 0.0.0.0:5060 users:(("python",pid=1,fd=9))', "ssh.service 9.6",
        "Startup finished in 20 s", "all <b>there</b>",
    ):  # fmt: skip
        assert words in text, words


def test_text_of_a_machine_is_never_markup_and_nothing_is_fetched() -> None:
    drawn = page.drawn(TOLD, {}, {"bios": CHECK})
    tree = html.fromstring(drawn)
    assert not tree.xpath("//b | //i | //script | //@src | //@href")
    assert [each.get("class") for each in tree.xpath("//td[contains(@class, 'n ')]")] == ["n middling", "n bad"]


def test_without_a_report_there_is_no_page(tmp_path: Path) -> None:
    assert page.write(tmp_path) is None
