"""What a browser fetches before an operator sees his first page: the page, and every file that it names."""

import re
from pathlib import Path

from pysrv.panel import ROUTES
from tests.web.house import Browser, living

MOST_BYTES = 100_000
FILES = re.compile(r'<(?:link|script|img)[^>]*(?:href|src)="(/[^"]+)"')


async def weight(browser: Browser, path: str) -> tuple[int, list[str]]:
    """Bytes without compression, and the files that the page names."""
    page = await browser.get(path)
    assert page.status == 200
    files = sorted(set(FILES.findall(page.text)))
    answers = [await browser.get(file) for file in files]
    assert [answer.status for answer in answers] == [200] * len(files)
    return sum(len(answer.text.encode()) for answer in (page, *answers)), files


async def test_the_login_and_the_dashboard_weigh_less_than_a_hundred_kilobytes(tmp_path: Path) -> None:
    async with living(tmp_path, ROUTES) as (_, browser):
        login, files = await weight(browser, "/panel/login")
        assert any(".css" in file for file in files) and any(".js" in file for file in files)
        await browser.log_in("olga")
        dashboard, more = await weight(browser, "/panel/")
        assert set(files) <= set(more)
        assert login < MOST_BYTES
        assert dashboard < MOST_BYTES
