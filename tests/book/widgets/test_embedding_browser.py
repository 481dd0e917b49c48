"""An explorer inside another page: the frame is as high as what is in it."""

import re

from cnnlib.book.widgets import ConvolutionExplorer

INSIDE = "document.body.getBoundingClientRect().height"


def test_the_code_that_is_copied_makes_a_frame_of_the_right_height(open_page, browser, tmp_path):
    page = open_page(ConvolutionExplorer(), address="#stride=2")
    page.get_by_role("button", name="Copy the embedding code").click()
    code = page.locator("pre", has_text="<iframe").text_content()
    assert re.search(r'src="explorers/page1.html#stride=2"', code)
    (tmp_path / "explorers").mkdir()
    (tmp_path / "page1.html").rename(tmp_path / "explorers" / "page1.html")
    around = tmp_path / "course.html"
    around.write_text(f"<!DOCTYPE html><title>c</title><p>Look:</p>{code}", encoding="utf-8")
    context = browser.new_context(viewport={"width": 500, "height": 700})
    course = context.new_page()
    course.goto(around.as_uri())
    frame = course.frames[1]
    frame.wait_for_selector(".mounted")
    assert not frame.get_by_role("button", name="Copy the embedding code").count()
    fits = "(high) => Math.abs(document.querySelector('iframe').height - high - 16) <= 1"
    course.wait_for_function(fits, arg=frame.evaluate(INSIDE))
    before = frame.evaluate(INSIDE)
    frame.locator("summary", has_text="Set up").click()
    frame.wait_for_function(f"{INSIDE} > {before} + 20")
    course.wait_for_function(fits, arg=frame.evaluate(INSIDE))
    scrolls = "document.documentElement.scrollHeight > document.documentElement.clientHeight"
    assert not frame.evaluate(scrolls)
    context.close()
