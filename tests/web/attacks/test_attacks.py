"""Every attack of the table is refused, counted where an operator sees it, and, where no browser sends it, held against
its source. The list in docs/attacks.md is the same."""

import re
from pathlib import Path

import pytest

from pysrv.web.refusals import ROWS
from tests.web.attacks.ground import ground
from tests.web.attacks.table import ATTACKS, Attack
from tests.web.attacks.walking import PROBE, Page

LIST = Path(__file__).resolve().parents[3] / "docs" / "attacks.md"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_an_attack_is_refused_and_counted(tmp_path: Path, attack: Attack) -> None:
    async with ground(tmp_path, attack.planted) as place:
        await attack.act(place)
        place.browser._jar.clear()
        told = (await place.browser.get("/metrics", headers=place.token("state:read"))).text
        for reason in attack.counted:
            figure = re.search(rf'appliance_service_web_refusals_total{{reason="{reason}"}} ([0-9.]+)', told)
            assert figure is not None and float(figure[1]) > 0, reason
        assert bool(place.house.wrongs) is attack.struck
        assert all(any(row.strikes and row.reason in words for row in ROWS) for _, words in place.house.wrongs)


def test_the_list_of_the_documents_is_this_table() -> None:
    rows = re.findall(r"^\| ([^|]+?) \|", LIST.read_text(), re.MULTILINE)
    assert [row for row in rows if "`" not in row and row not in ("attack", "reason")] == [
        each.name for each in ATTACKS
    ]
    reasons = [f"`{row.reason}`" + (" *" if row.strikes else "") for row in ROWS]
    assert [row for row in rows if row.startswith("`")] == reasons


@pytest.mark.parametrize(
    "text",
    [
        f"<{PROBE}>",
        "<p onclick=x>",
        "<a href=' JAVA\tscript:x'>",
        "<script>x</script>",
        "<iframe srcdoc=x>",
        "<base href=//x>",
    ],
)
def test_the_reader_of_pages_finds_what_would_run(text: str) -> None:
    assert Page(f"<html><p>fine</p>{text}").scripts
    assert not Page(
        '<p title="onclick=x">&lt;script&gt;<a href="/panel/">x</a><script src="/static/web/live.js"></script>'
    ).scripts
