"""The catalogue of mistakes: complete, no field empty, and readable in a notebook."""

import re
from pathlib import Path

import pytest

from cnnlib.diagnosis import mistakes
from cnnlib.errors import InputError

IDS = """
F1 F3 F4 F5 F6 F8 F10 F11 F12 F13
D1 D2 D3 D4 D5 D6 D9 D10 D11 D13 D15 D16 D18 D19 D21 D22 D23 D24 D25 D26
W1 W2 W3 W5 W6 W8 W9 W10 W12 W13
B1 B2 B3 B4
P1 P2 P3 P4 P6
S1 S2 S3 S4 S5 S6 S7
T1 T2
""".split()
KINDS = {
    "F": {"forward", "shapes"},
    "D": {"delta", "shapes", "training"},
    "W": {"weight-gradient", "training"},
    "B": {"bias"},
    "P": {"pooling"},
    "S": {"training", "fc/softmax"},
    "T": {"training"},
}
CHAPTERS = {
    "01_forward_pass", "02_kernel_centre", "03_delta_backprop", "04_weight_gradients",
    "05_training", "09_clinic", "10_other_rows",
}  # fmt: skip
REPORTED_IDS = """
S8 S9 S10 S11 S12 S13 S14 S15 S16
S17 S18 S19 S20 S21 S22 S23 S24 S25 S26 S27 S28 S29
S30 S31 S32 S33 S34 S35 S36 S37 S38 S39 S40 S41 S42
T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 T13 T15
""".split()
ALL, REPORTED = list(mistakes.every()), list(mistakes.reported())


def test_every_mistake_is_there_in_order():
    assert [mistake.id for mistake in ALL] == IDS
    assert [mistake.id for mistake in REPORTED] == REPORTED_IDS


def test_what_was_reported_names_its_report():
    sources = [mistake.source for mistake in REPORTED]
    assert all(re.fullmatch(r"https://github\.com/[\w./-]+/(issues|pull)/\d+", s) for s in sources)
    assert len(set(sources)) >= len(sources) - 1 and len(sources) >= 15  # one report tells of two


@pytest.mark.parametrize("mistake", ALL + REPORTED, ids=lambda mistake: mistake.id)
def test_no_field_is_empty(mistake):
    for name in ("name", "cause", "signature", "hidden_by"):
        text = getattr(mistake, name)
        assert len(text.split()) >= 2, name
        assert text == text.strip() and "  " not in text
        assert text[0].isupper() or text.startswith(("np.", "y - t", "z is", "dx", "dw", "db")), (
            name
        )
    for name in ("cause", "signature", "hidden_by"):
        assert getattr(mistake, name).endswith("."), name
    assert not mistake.name.endswith(".") and len(mistake.name) <= 60
    assert mistake.kind in KINDS[mistake.id[0]]
    assert mistake.chapter in CHAPTERS
    assert re.fullmatch(r"(\d+\.\d+ \S.*\S)?", mistake.heading)


def test_no_text_is_said_twice():
    for name in ("name", "cause"):
        texts = [getattr(mistake, name) for mistake in ALL + REPORTED]
        assert len(set(texts)) == len(texts)


def test_a_section_belongs_to_its_chapter():
    for mistake in ALL + REPORTED:
        assert not mistake.section or int(mistake.section.split(".")[0]) == int(mistake.chapter[:2])


def test_mistakes_that_are_named_exist():
    for mistake in ALL + REPORTED:
        text = " ".join([mistake.cause, mistake.signature, mistake.hidden_by])
        assert set(re.findall(r"\b[FDWBPST]\d+\b", text)) <= set(IDS) - {mistake.id}


def test_get_and_card():
    mistake = mistakes.get("D1")
    assert (mistake.id, mistake.kind) == ("D1", "delta")
    card = mistakes.card("D1")
    for text in (mistake.id, mistake.name, mistake.cause, mistake.signature, mistake.hidden_by):
        assert text in repr(card)
    assert repr(card) == repr(mistakes.card("D1"))


@pytest.mark.parametrize("id", ["D99", "d1", "", None, 1, ["D1"]])
def test_unknown_ids(id):
    with pytest.raises(InputError, match=r"expected 'F1', 'F3'"):
        mistakes.get(id)


def test_html_is_escaped():
    html = mistakes.card("S2")._repr_html_()
    assert "with &gt;= 0" in html and "<dt>What hides it</dt>" in html
    assert html.count("<div") == html.count("</div>") == 1
    link = '<a href="03_delta_backprop.ipynb#3.6-The-activation">section 3.6</a>'
    assert f"<dt>Explained in</dt><dd>{link}</dd>" in html


def test_the_place_in_words():
    words = "X1 delta name cause signature never 03_delta_backprop".split()
    mistake = mistakes.Mistake(*words, "")
    assert (mistake.place, mistake.section) == ("chapter 3", "")
    assert mistake.link == "03_delta_backprop.ipynb"
    placed = mistakes.Mistake(*words, "3.9 What's left?")
    assert (placed.place, placed.section) == ("section 3.9", "3.9")
    assert placed.link == "03_delta_backprop.ipynb#3.9-What's-left?"


def test_the_readable_source_is_the_data_file():
    for name, ids in (("catalogue", IDS), ("reported", REPORTED_IDS)):
        text = (Path(mistakes.__file__).parent / f"{name}.toml").read_text(encoding="utf-8")
        assert re.findall(r"^\[(\w+)\]$", text, re.M) == ids
