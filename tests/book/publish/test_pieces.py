"""Texts in pieces: what is written with one character a piece is the same text again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.book.publish.finding.pieces import ESCAPED, Pieces, spelt

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.lists(WORDS, max_size=5))
def test_a_text_comes_back_from_its_pieces(texts):
    pieces = Pieces(texts)
    assert [spelt(pieces.coded(text), pieces.listed) for text in texts] == texts


def test_a_word_is_one_character_and_the_most_frequent_one_byte():
    text = " ".join(f"word{n}" for n in range(9000)) + " the" * 50
    pieces = Pieces([text])
    coded = pieces.coded(text)
    assert len(coded) == 9050 and coded.endswith("#" * 50)
    assert spelt(coded, pieces.listed) == text
    assert not set(ESCAPED) & set(coded)


def test_a_word_that_the_pieces_do_not_have_is_refused():
    with pytest.raises(KeyError):
        Pieces(["a b"]).coded("c")
