"""The page as its user meets it, in Debian's Chromium."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser import IN_BROWSER

pytestmark = IN_BROWSER


@pytest.fixture
def page(browser, served):
    """The opened page; a test fails if it logs anything or asks another machine."""
    for photograph in served.viewer.photographs:
        served.viewer.photographs.remove(photograph.number)
    page = browser.new_page(viewport={"width": 1300, "height": 900}, reduced_motion="reduce")
    said, foreign = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request",
        lambda request: (
            request.url.startswith((served.base, "data:", "blob:")) or foreign.append(request.url)
        ),
    )
    page.goto(served.address)
    page.wait_for_selector(".head", state="attached")
    yield page
    page.close()
    said = [text for text in said if "status of 422" not in text]  # Chromium logs each refusal
    assert (said, foreign) == ([], [])


def photograph(colour: tuple[int, int, int] = (220, 40, 40)) -> dict:
    pixels = np.zeros((60, 60, 3), np.uint8)
    pixels[:, :30] = colour
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return {"name": "anna.png", "mimeType": "image/png", "buffer": buffer.getvalue()}


def drawn(page) -> str:
    return page.locator(".head canvas").first.evaluate("canvas => canvas.toDataURL()")


def wait_for_another(page, before: str) -> None:
    page.wait_for_function(
        "before => document.querySelector('.head canvas').toDataURL() != before", arg=before
    )


def test_upload_turn_by_mouse_and_keys_download(page):
    blank = drawn(page)
    page.set_input_files("#file", photograph())
    wait_for_another(page, blank)
    page.wait_for_selector(".downloads a")
    front = drawn(page)
    stage = page.locator(".stage").first
    box = stage.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 60, steps=4)
    page.mouse.up()
    wait_for_another(page, front)
    dragged = page.evaluate("view.yaw_deg")
    assert dragged < -5
    stage.focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("view.yaw_deg") == pytest.approx(dragged + 3)
    with page.expect_download() as download:
        page.click(".downloads a:text('picture')")
    assert download.value.suggested_filename == "anna_image.png"
    with page.expect_download() as download:
        page.click(".downloads a:text('mesh')")
    assert download.value.suggested_filename == "anna_head.glb"
    assert Path(download.value.path()).read_bytes()[:4] == b"glTF"


def test_a_file_that_is_no_picture_gets_one_sentence_on_the_page(page):
    page.set_input_files(
        "#file", {"name": "notes.txt", "mimeType": "image/png", "buffer": b"no picture"}
    )
    page.wait_for_selector("#said.error")
    assert "notes.txt: not a picture" in page.inner_text("#said")


def test_the_square_moves_by_keys_and_the_head_is_lifted_again(page):
    page.set_input_files("#file", photograph())
    page.wait_for_selector(".downloads a")
    before = drawn(page)
    page.locator("#crop").focus()
    for _ in range(6):
        page.keyboard.press("-")
    wait_for_another(page, before)
    assert "by hand" in page.inner_text("#note")


def test_nothing_is_wider_than_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.set_input_files("#file", photograph())
    page.wait_for_selector(".downloads a")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_sliders_and_the_kind_of_picture_change_what_is_drawn(page):
    page.set_input_files("#file", photograph())
    page.wait_for_selector(".downloads a")
    assert page.is_hidden("#sway")  # reduced motion is asked for
    for name in ("fov_deg", "distance"):
        before = drawn(page)
        page.locator(f"#{name}").focus()
        for _ in range(12):
            page.keyboard.press("ArrowRight")
        wait_for_another(page, before)
    assert page.evaluate("view.distance") == pytest.approx(1.12)
    assert page.locator("#shown").bounding_box()["width"] > 90  # "normals" is not cut
    for kind in ("depth", "normals"):
        before = drawn(page)
        page.select_option("#shown", kind)
        wait_for_another(page, before)
    page.emulate_media(reduced_motion="no-preference")
    page.click("#sway")
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_selector("#sway", state="hidden")
    assert page.evaluate("swaying") is None


def test_several_photographs_stay_in_the_strip_and_can_be_removed(page):
    page.set_input_files("#file", [photograph(), photograph((20, 200, 40))])
    page.wait_for_function("() => document.querySelectorAll('#strip li').length == 2")
    page.wait_for_selector("#strip li:last-child button[aria-current=true]")
    # its links come when it has been drawn
    page.wait_for_function(
        "() => document.querySelector('.downloads a')?.href.includes(`photographs/${chosen}/`)"
    )
    before = drawn(page)
    page.locator("#strip button.thumb").first.focus()
    page.keyboard.press("Enter")
    wait_for_another(page, before)
    page.locator("#strip button.off").first.click()
    page.wait_for_function("() => document.querySelectorAll('#strip li').length == 1")


def test_a_slow_method_shows_how_far_it_is(page):
    page.set_input_files("#file", photograph())
    page.wait_for_selector(".downloads a")
    page.check("#methods label:has-text('patient') input")
    page.click("button:text('Start patient')")
    page.wait_for_selector(".head progress")
    page.wait_for_function("() => document.querySelectorAll('.downloads a').length == 8")
