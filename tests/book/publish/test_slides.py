"""The plan by the hour, and the slides of each: whole, offline, alive."""

import re
from pathlib import Path

import pytest

pytest.importorskip("nbconvert")
pytest.importorskip("anywidget")

from cnnlib.book.exercises import all_exercises, solution
from cnnlib.book.publish.build import committed
from cnnlib.book.publish.plan import MINUTES, read_plan
from cnnlib.book.publish.slides import slides

ROOT = Path(__file__).parents[3]
LOCAL = ("file:", "data:", "blob:", "about:")
BOOK = committed(ROOT / "notebooks")
HOURS, COURSES = read_plan(BOOK.notebooks)
MOST = 70  # slides of an hour: many have one sentence
PATIENCE = 900_000  # milliseconds: ends a wait that would never end
ON_TOP = "(n) => Math.abs(document.querySelectorAll('.slide')[n].getBoundingClientRect().top) < 5"


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    slides(ROOT / "notebooks", BOOK, folder)
    return folder


each_hour = pytest.mark.parametrize("hour", HOURS, ids=lambda hour: str(hour.number))


def shown(deck):
    return re.findall(r'<section class="slide[^>]*>(.*?)</section>', deck, re.DOTALL)


def test_an_hour_needs_hours_before_it_and_a_course_is_made_of_hours():
    assert len(HOURS) >= 20 and set(COURSES) == {2, 6, 12}
    for hour in HOURS:
        assert all(need < hour.number for need in hour.needs)
    for length, chosen in COURSES.items():
        assert len(chosen) == length and chosen == sorted(set(chosen))
        assert set(chosen) <= {hour.number for hour in HOURS}


def test_the_homework_of_all_hours_is_different_and_of_its_sections():
    given = [one for hour in HOURS for one in hour.homework]
    ids = [one.exercise.id for one in given]
    assert len(ids) == len(set(ids)) >= 50
    assert all(one.minutes == MINUTES[one.exercise.level] and one.title for one in given)
    tenth = next(hour for hour in HOURS if hour.title.startswith("Deltas of a convolution"))
    assert [one.exercise.id for one in tenth.homework] == ["3.4"]


@each_hour
def test_the_slides_of_an_hour_have_its_sections_and_no_solution(decks, hour):
    deck = (decks / hour.file).read_text(encoding="utf-8")
    slides = shown(deck)
    headings = re.findall(r"<h2>(\d+\.\d+) ", deck)
    assert headings == [number for number, _, _ in hour.sections]
    assert 12 <= len(slides) <= MOST
    assert all(one.exercise.id in slides[-1] for one in hour.homework)
    text = re.sub(r"\s|<[^>]*>", "", "".join(slides))
    for exercise in all_exercises():
        if exercise.level > 1:
            assert re.sub(r"\s", "", solution(exercise.id).text) not in text


@each_hour
def test_the_slides_of_an_hour_are_one_file_that_moves_and_has_notes(decks, hour):
    deck = (decks / hour.file).read_text(encoding="utf-8")
    assert 'class="explorer"' in deck
    assert not re.search(r'(?:src|href)="(?!data:|#)', deck)
    assert "default-src 'none'" in deck
    notes = re.findall(r'<aside class="notes">(.*?)</aside>', deck, re.DOTALL)
    assert sum(bool(note.strip()) for note in notes) >= len(notes) // 5
    assert all(re.search(r'alt="[^"]+"', tag) for tag in re.findall("<img[^>]*>", deck))


def test_keys_turn_the_slides_and_each_is_printed_on_its_page(decks, browser, tmp_path):
    pypdf = pytest.importorskip("pypdf")
    context = browser.new_context(viewport={"width": 1100, "height": 700})
    context.set_default_timeout(PATIENCE)
    wrong = []
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    page.on("request", lambda one: one.url.startswith(LOCAL) or wrong.append(one.url))
    page.goto((decks / "hour_11.html").as_uri())
    page.locator(".explorer").first.scroll_into_view_if_needed()  # it may wait for that
    page.wait_for_selector(".explorer.mounted .cnn-cell")
    page.keyboard.press("Home")
    number = page.locator(".slide").count()
    for key, at in (("ArrowRight", 2), ("PageDown", 3), ("ArrowLeft", 2), ("End", number)):
        page.keyboard.press(key)
        page.wait_for_function(f"location.hash === '#{at}'")
        page.wait_for_function(ON_TOP, arg=at - 1)
    page.keyboard.press("n")
    page.locator(".notes").first.wait_for()
    page.keyboard.press("n")
    page.locator(".notes").first.wait_for(state="hidden")
    with context.expect_page() as opened:
        page.keyboard.press("s")
    speaker = opened.value
    speaker.wait_for_selector(".speaker .slide.now .notes", state="attached")
    page.bring_to_front()
    page.keyboard.press("Home")
    speaker.wait_for_function("document.querySelector('.slide.now').id === '1'")
    speaker.close()
    heights = page.evaluate("[...document.querySelectorAll('.slide')].map((s) => s.scrollHeight)")
    assert max(heights) <= max(720, 700 * 1280 / 1100) + 2
    page.pdf(path=tmp_path / "deck.pdf", prefer_css_page_size=True, print_background=True)
    assert len(pypdf.PdfReader(tmp_path / "deck.pdf").pages) == number
    context.close()
    assert wrong == []
