"""Every line of the guide has one test, and docs/guide-coverage.md says which."""

from __future__ import annotations

from tools import guide_coverage
from tools.guide_coverage import PAGE, REQUIREMENTS, requirements


def test_every_line_of_the_guide_has_one_test() -> None:
    assert [one.number for one in requirements()] == list(REQUIREMENTS)


def test_every_test_says_what_the_guide_asks_for() -> None:
    assert [one.test for one in requirements() if not one.text or not one.section] == []


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == guide_coverage.page(), "run `make docs`"
