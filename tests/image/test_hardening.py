"""lynis' points out of its log, and the index with and without what is answered."""

import re

from tests.image.hardening import ANSWERS, answered, index, judge, points

LOG = """2026-11-29 11:16:54 Performing test ID DEB-0880 (Checking for fail2ban)
2026-11-29 11:16:54 Hardening: assigned partial number of hardening points (0 of 2). Currently having 0 points
2026-11-29 11:16:55 Performing test ID FILE-6374 (Linux mount options)
2026-11-29 11:16:55 Hardening: assigned maximum number of hardening points for this item (5). Currently having 5 points
2026-11-29 11:16:56 Hardening: assigned partial number of hardening points (4 of 5). Currently having 9 points
"""


def test_points_are_those_of_the_test_that_runs() -> None:
    assert points(LOG) == {"DEB-0880": (0, 2), "FILE-6374": (9, 10)}
    assert index(points(LOG)) == 75
    assert index({}) == 0


def test_the_goal_is_held_against_what_is_not_answered() -> None:
    given = points(LOG)
    assert not judge(given, ()).good
    assert judge(given, {"DEB-0880"}).good
    assert not judge(given | {"DEB-0880": (2, 2)}, {"DEB-0880"}).good
    assert not judge({}, ()).good


def test_every_answer_is_one_of_lynis_own_tests_and_has_its_reason() -> None:
    assert answered()
    assert all(re.fullmatch(r"[A-Z]{3,4}-\d{4}", test) for test in answered())
    groups = re.findall(r"((?:^#.*\n)+)((?:^skip-test=.*\n)+)", ANSWERS.read_text().partition("\n\n")[2], re.M)
    assert sum(tests.count("skip-test=") for _, tests in groups) == len(answered())
    assert all(len(reason) > 30 for reason, _ in groups)
