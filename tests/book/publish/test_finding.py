"""What leads to a place: the search, asked in readers' own words, and the lists."""

import re
import tomllib
from html import unescape
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import pytest

pytest.importorskip("nbconvert")
pytest.importorskip("anywidget")

import cnnlib
from cnnlib.book.publish import BuildError
from cnnlib.book.publish.checks import Page
from cnnlib.book.publish.finding import FILES, LISTS
from cnnlib.book.publish.finding.index import index
from cnnlib.book.publish.finding.lists import KINDS
from cnnlib.book.publish.finding.sections import Sections
from cnnlib.book.publish.finding.sides import sides
from cnnlib.book.publish.finding.terms import read, terms
from cnnlib.diagnosis import mistakes

QUERIES = tomllib.loads(Path(__file__).with_name("queries.toml").read_text(encoding="utf-8"))
CATALOGUE = [*mistakes.every(), *mistakes.reported()]
SHOWN = "S30 S31 S33 S35 S36 S37 S38".split()  # reported, and made in chapter 10 all the same


# ---- The lists that the pages are made from


def test_the_glossary_is_in_order_and_each_name_has_one_meaning():
    names = [term.name for term in terms()]
    assert len(names) >= 100 and names == sorted(names, key=str.lower)
    known = [name.lower() for term in terms() for name in (term.name, *term.also)]
    assert [name for name in known if known.count(name) > 1] == []


def test_a_term_is_explained_in_one_sentence_and_has_sections():
    for term in terms():
        assert re.fullmatch(r"[A-Z0-9].*[^.]\.", term.says) and ". " not in term.says, term.name
        assert term.sections and term.sections[0] and len(set(term.sections)) == len(term.sections)


def test_every_mistake_has_a_symptom_and_a_place():
    named = " ".join(read("symptoms.toml").values()).split()
    assert {mistake.id for mistake in CATALOGUE} == set(named)
    assert {mistake.kind for mistake in CATALOGUE} == set(KINDS)


def test_there_are_enough_questions_and_each_is_asked_once():
    asked = [one["asked"].lower() for group in QUERIES.values() for one in group]
    assert len(asked) == len(set(asked)) >= 80
    assert len(QUERIES["kept"]) >= len(QUERIES["tuned"]) / 4


# ---- Where a section is


PARTS = {
    "03_delta_backprop.html": Page("a", '<h1 id="top">3. Deltas</h1><h2 id="s">3.1 Stride</h2>'),
    "03_delta_backprop_b.html": Page("b", '<h1 id="b">3. Deltas</h1><h2 id="r">3.2 Rest</h2>'),
    "05_training.html": Page("c", '<h1 id="top">5. Training</h1>'),
}


def test_a_section_is_found_on_whichever_page_of_its_chapter():
    places = Sections(PARTS)
    assert places.find("03#r", "a test").address == "03_delta_backprop_b.html#r"
    assert places.titled("03", "3.1-Stride", "a test").short == "3.1"
    assert places.find("03", "a test").short == "chapter 3"


def test_a_section_that_is_nowhere_is_an_error_that_names_it():
    with pytest.raises(BuildError, match=r"term 'stride' names '03#gone': no page"):
        Sections(PARTS).find("03#gone", "term 'stride'")
    with pytest.raises(BuildError, match=r"mistake D4 names '3\.\d+ Stride': no page"):
        Sections(PARTS).explaining(mistakes.get("D4"))


def test_a_chapter_that_cannot_be_read_has_no_sections():
    places = Sections(PARTS, ["05_training"])
    assert places.find("05#loop", "a test").address == "05_training.html"


def test_a_term_without_its_section_stops_the_index():
    with pytest.raises(BuildError, match="no page has such a section"):
        index(PARTS, Sections(PARTS), [])


# ---- What a mistake makes of a small layer


def test_what_is_right_is_what_the_library_computes():
    """And what is wrong is D1: the kernel that was not rotated."""
    (one,) = sides("D1")
    rng = np.random.default_rng(1)
    rng.integers(-3, 6, (2, 5, 6, 2))
    w = rng.integers(-3, 6, (2, 3, 2, 2)).astype(float)
    rng.integers(-3, 6, (2,))
    dz = rng.integers(-3, 6, (2, 3, 4, 2)).astype(float)
    assert one.layer == "2 images of 5 x 6, 2 filters of 3 x 2, stride 2, padding 1"
    for kernel, dx in ((w, one.right), (w[:, ::-1, ::-1], one.wrong)):
        expected = cnnlib.conv_delta(dz, kernel, (2, 5, 6, 2), stride=2, padding=1)
        np.testing.assert_allclose(dx, expected, atol=1e-12)


def test_a_wrong_cell_is_marked_and_a_right_one_is_not():
    (one,) = sides("D19")
    marks = [html.count('class="off"') for html in one.html.split("</table>")]
    shown = one._shown()
    assert marks == [0, int((one.right[shown] != one.wrong[shown]).sum()), 0] and marks[1] > 5


def test_each_mistake_of_a_layer_can_be_seen():
    layer = [m.id for m in mistakes.every() if m.id[0] in "FDWB" and m.kind != "training"]
    assert [id for id in layer if not list(sides(id))] == []


# ---- The pages


def text(site, name):
    return (site / f"{name}.html").read_text(encoding="utf-8")


def test_the_glossary_shows_every_term(site):
    page = text(site, "glossary")
    for term in terms():
        assert f'<dt id="{term.id}">' in page
        assert term.says in unescape(page)


def test_the_page_of_mistakes_has_each_entry_with_its_code_and_its_cure(site):
    page = text(site, "mistakes")
    entries = dict(one.split('">', 1) for one in page.split('<h3 id="')[1:])
    assert list(entries) == [m.id for kind in KINDS for m in CATALOGUE if m.kind == kind]
    for mistake in CATALOGUE:
        entry = unescape(re.sub(r"<[^>]*>", "", entries[mistake.id]))
        m = mistake
        for words in (m.name, m.cause, m.signature, m.hidden_by, m.heading, m.mend):
            assert words in entry, m.id
        assert ("Its code" in entry) == (not m.source or m.id in SHOWN), m.id
        assert page.count(f'<dd><a href="#{mistake.id}">') >= 1


def test_the_questions_are_those_of_the_first_page_and_more(site):
    page = unescape(text(site, "questions"))
    routes = re.findall(r"Route, \d+ minutes: (?=<a)", page)
    start = unescape(text(site, "00_start_here"))
    assert len(routes) == len(re.findall(r"Route, \d+ minutes: ", start)) >= 14
    assert "Why is the kernel rotated by 180 degrees for delta" in page
    for one in [one for entries in read("questions.toml").values() for one in entries]:
        assert one["asks"] in page and one["says"] in page


def test_the_subjects_have_every_name(site):
    page = unescape(text(site, "subjects"))
    assert re.search(r'<li>atrous: see <a href="glossary.html#dilation">dilation</a></li>', page)
    assert re.search(r'<li>dilation <a href="01_[^"]*#dilation">1\.8</a>,\s', page)
    assert "<li>Overlaps that overwrite each other (D19)" in page


@pytest.mark.parametrize("name", ["index", "03_delta_backprop"])
def test_every_page_leads_to_the_lists(site, name):
    for file in FILES:
        assert f'<a href="{file}">' in text(site, name)


def test_the_index_is_one_small_file_beside_the_pages(site):
    assert (site / "assets" / "search-index.js").stat().st_size < 5e5
    assert len(text(site, "search")) < 60e3
    assert set(LISTS) < {path.stem for path in site.glob("*.html")}


# ---- The search, in a browser, from file://


@pytest.fixture(scope="module")
def ask(site, browser):
    """The addresses that the search page lists for each of some questions, best first."""
    page = browser.new_page()
    page.goto((site / "search.html").as_uri())

    def ask(*questions, typing=False):
        return page.evaluate(
            """([questions, typing]) => questions.map((question) => {
                const field = document.querySelector("main input");
                field.value = question;
                field.dispatchEvent(new Event(typing ? "input" : "change", { bubbles: true }));
                const links = [...document.querySelectorAll("#found > li > a")];
                return links.map((link) => link.getAttribute("href"));
            })""",
            [list(questions), typing],
        )

    ask.page = page
    yield ask
    page.close()


def answers(address, section):
    chapter, _, id = section.partition("#")
    return address.startswith(chapter) and unquote(address.partition("#")[2]) == id


def is_answered(found, sections):
    return any(answers(address, section) for address in found[:3] for section in sections)


@pytest.mark.parametrize("group", QUERIES)
def test_the_right_section_is_among_the_first_three(ask, group):
    asked = [one["asked"] for one in QUERIES[group]]
    missed = [
        (one["asked"], found[:3])
        for one, found in zip(QUERIES[group], ask(*asked), strict=True)
        if not is_answered(found, one["sections"])
    ]
    print(f"{group}: {len(asked) - len(missed)} of {len(asked)}")
    assert len(missed) <= len(asked) / 10, missed


def test_the_queries_name_sections_that_exist(site):
    pages = {path.name: unescape(path.read_text(encoding="utf-8")) for path in site.glob("*.html")}
    named = {section for group in QUERIES.values() for one in group for section in one["sections"]}
    for section in sorted(named):
        chapter, _, id = section.partition("#")
        own = [page for file, page in pages.items() if file.startswith(chapter)]
        assert any(f'id="{id}"' in page for page in own), section


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("weight initialisation", "weight initialization"),
        ("kernel centre", "kernel center"),
        ("normalise the input", "normalizing inputs"),
        ("rotated kernels", "rotate the kernel"),
        ("softmax derivative", "sofmax derivative"),
        ("learning rate", "learnign rate"),
        ("transposed convolution", "transposd convolution"),
        ("max pooling", "maxpooling"),
    ],
)
def test_forms_spellings_and_one_slip_give_the_same(ask, one, other):
    first, second = ask(one, other)
    assert first[0] == second[0] and len(set(first[:3]) & set(second[:3])) >= 2


def test_what_only_lists_others_does_not_crowd_the_top(ask):
    asked = [one["asked"] for one in QUERIES["tuned"]]
    for question, found in zip(asked, ask(*asked), strict=True):
        others = [one for one in found[:3] if not re.match(r"\d\d_|law_sheet|sources", one)]
        assert all(one.startswith("mistakes.html#") for one in others), question
        assert len(others) <= 1, question
        assert not [one for one in found[:3] if re.search("#(The-chapters|Readers|What-you)", one)]


@pytest.mark.parametrize("question", ["D19", "d19", "mistake D19", "T10"])
def test_the_id_of_a_mistake_leads_to_its_entry(ask, question):
    (found,) = ask(question)
    assert found[0] == f"mistakes.html#{question.split()[-1].upper()}"


def test_a_number_leads_to_its_place(ask, site):
    """A section's, an exercise's, an equation's: as they now stand in the texts."""
    (title,) = re.findall(r'<h2 id="kernel-turns">.*?(\d+\.\d+) The', "".join(
        path.read_text("utf-8") for path in site.glob("03_*.html")))  # fmt: skip
    section, again, exercise, equation = ask(title, f"section {title}", "exercise 3.1", "(3.4)")
    assert answers(section[0], "03#kernel-turns") and again[0] == section[0]
    for (address, *_), kind in ((exercise, "exercise"), (equation, "eq")):
        file, _, id = address.partition("#")
        assert file.startswith("03_") and id.startswith(kind)
        assert f'id="{unquote(id)}"' in (site / file).read_text(encoding="utf-8")


def test_each_result_names_its_chapter_and_shows_the_words(ask):
    ask("remainder")
    first = ask.page.locator("#found > li").first
    assert first.locator(".chapter").inner_text() == "3. Delta backprop"
    assert first.locator("mark").first.inner_text().lower() == "remainder"
    assert re.fullmatch(r"\d+ sections", ask.page.locator("#status").inner_text())


def test_a_term_is_said_in_a_sentence_above_the_results(ask):
    ask("feature maps")
    said = ask.page.locator("#meant p").first
    assert said.inner_text().startswith("feature map: What one filter gives")
    assert said.locator("a").get_attribute("href") == "glossary.html#feature-map"


def test_an_empty_result_offers_the_nearest(ask):
    status = ask.page.locator("#status")
    (found,) = ask("konvoluzion")
    assert found and status.inner_text().startswith("No section has konvoluzion. What is nearest")
    (found,) = ask("remainder nosuchword")
    assert answers(found[0], "03#remainder") and "without nosuchword" in status.inner_text()
    (found,) = ask("qqqqqqqq")
    assert found == [] and "glossary" in status.inner_text()
    assert ask("", "?!", "the of") is not None


def test_a_word_is_found_while_it_is_typed(ask):
    (found,) = ask("checkerbo", typing=True)
    assert answers(found[0], "10#checkerboards")
    (found,) = ask("checkerbo")  # asked so, it may be anything
    assert not found or not answers(found[0], "10#checkerboards")


def test_the_address_carries_the_question(site, browser):
    page = browser.new_page()
    page.goto((site / "search.html").as_uri() + "?q=" + quote("why is the kernel rotated"))
    found = page.locator("#found > li > a")
    assert any("#kernel-turns" in found.nth(n).get_attribute("href") for n in range(3))
    page.close()
