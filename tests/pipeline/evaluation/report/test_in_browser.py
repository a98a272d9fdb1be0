"""The page as a reader meets it, in Debian's Chromium without a window."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.evaluation.report.page import write_report
from tests.browser import IN_BROWSER
from tests.pipeline.evaluation.toy_results import write_results

pytestmark = IN_BROWSER


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = write_results(tmp_path_factory.mktemp("evaluation"), items=9, missed=[1])
    return write_report(folder)


@pytest.fixture
def page(browser, report) -> Iterator:
    """The page, opened from disk; a test fails if it logs an error or requests anything."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    said, requests = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    yield page
    page.close()
    assert said == []
    assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()]


def numbers(page, table: str, column: int) -> list[float]:
    texts = page.locator(f"{table} >> tbody tr").evaluate_all(
        f"rows => rows.map(row => row.cells[{column}].innerText.split('\\n')[0])"
    )
    return [float(text.replace("−", "-").removesuffix("°")) for text in texts]


def test_the_headline_sorts_both_ways_by_a_click(page):
    table = "h2:text-is('Scores') ~ .wide >> nth=0"
    before = numbers(page, table, 1)
    page.click(f"{table} >> th:nth-child(2) button")
    assert numbers(page, table, 1) == sorted(before, reverse=True) != before
    assert page.get_attribute(f"{table} >> th:nth-child(2)", "aria-sort") == "descending"
    page.click(f"{table} >> th:nth-child(2) button")
    assert numbers(page, table, 1) == sorted(before)


def test_the_table_of_all_pictures_sorts_and_shows_the_rest_on_click(page):
    heads = page.locator("#images-table th").all_inner_texts()
    column = heads.index("PSNR ↑ (dB)")
    assert page.locator("#images-table tbody tr").count() == 20
    page.click("#more")
    assert page.locator("#images-table tbody tr").count() == 9 * 3
    page.click(f"#images-table th:nth-child({column + 1}) button")
    shown = numbers(page, "#images-table", column)
    assert shown == sorted(shown, reverse=True) and len(set(shown)) > 1
    page.select_option("select.method >> nth=0", "mean_planes")
    assert max(numbers(page, "#images-table", column)) < min(shown)


def test_only_the_missed_faces_can_be_listed(page):
    page.check("#missed")
    assert page.locator("#images-table tbody tr").count() == 3
    assert "no face was found" in page.locator("#images-table tbody tr").first.inner_text()


def test_the_slider_moves_the_cut_by_pointer_and_by_keyboard(page):
    def cut() -> float:
        return float(
            page.evaluate(
                "document.querySelector('#stage').style.getPropertyValue('--cut')"
            ).removesuffix("%")
        )

    assert cut() == 50
    page.locator("#stage").scroll_into_view_if_needed()
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 60)
    page.mouse.up()
    assert cut() == pytest.approx(25, abs=1)
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60)
    assert cut() == pytest.approx(25, abs=1), "a pointer that isn't down moves nothing"
    page.focus("#cut")
    page.keyboard.press("End")
    assert cut() == 100
    clip = page.evaluate("getComputedStyle(document.querySelector('#right-image')).clipPath")
    assert clip == "inset(0px 0px 0px 100%)"


def test_a_click_on_a_row_opens_its_pictures_on_the_slider(page):
    page.click("#images-table tbody tr:nth-child(5)")
    name = page.locator("#images-table tbody tr:nth-child(5) td").first.inner_text().split("\n")[0]
    assert page.locator("#case option:checked").inner_text() == name
    page.select_option("#left", "input")
    page.select_option("#right", "error:pti")
    assert (
        page.inner_text("#left-name") == "input"
        and page.inner_text("#right-name") == "error of PTI"
    )
    given, error = (page.get_attribute(f"#{side}-image", "src") for side in ("left", "right"))
    assert given != error and given.startswith("data:image/")
    assert page.evaluate("document.querySelector('#right-image').naturalWidth") == 24


def test_the_worst_are_worse_than_the_best(page):
    best, worst = (
        [float(text.split()[0]) for text in page.locator(f"#{kind} .caption b").all_inner_texts()]
        for kind in ("best", "worst")
    )
    assert len(best) == len(worst) == 6
    assert min(best) > max(worst)
    page.select_option("#metric", "depth")
    least, most = (
        float(page.locator(f"#{kind} .caption b").first.inner_text().split()[0])
        for kind in ("best", "worst")
    )
    assert least < most, "of an error the best is the smallest"


@pytest.mark.parametrize("width", [360, 1200])
def test_only_tables_scroll_sideways(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
