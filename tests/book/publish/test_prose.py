"""Markdown and formulas: what they become, and what is refused with the formula or the address."""

# make number: leave this file, its numbers are examples

import base64
import json
import re
from html import unescape
from pathlib import Path

import pytest

pytest.importorskip("math_core")

from cnnlib.book.publish import BuildError, formulas, prose

ROOT = Path(__file__).parents[3]
PIXEL = bytes.fromhex(  # a PNG of one pixel
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)


def html(source, folder=Path("."), **equations):
    known = {number.replace("_", ".")[1:]: address for number, address in equations.items()}
    return prose.to_html(source, folder, known)


def test_a_formula_becomes_mathml():
    assert html("$x_i$") == "<p><math><msub><mi>x</mi><mi>i</mi></msub></math></p>\n"


def test_an_equation_has_an_address_and_a_number_that_links_to_it():
    text = html(r"$$ z = 2 x \qquad (3.4) $$")
    assert 'id="eq-3.4"' in text and '<a href="#eq-3.4" aria-label="Equation 3.4">(3.4)</a>' in text
    assert "<mn>3.4</mn>" not in text


def test_a_number_in_the_middle_of_a_formula_stays_there():
    text = html(r"$$ z = 2 x \qquad (3.4), \quad x = 1 $$")
    assert "<mn>3.4</mn>" in text and "eq-3.4" not in text


def test_references_are_linked_in_text_and_comments_and_nowhere_else():
    link = '<a href="03.html#eq-3.4">(3.4)</a>'
    known = {"e3_4": "03.html#eq-3.4"}
    assert html("By (3.4) and (3.4).", **known).count(link) == 2
    assert link not in html("By `(3.4)` and $(3.4)$.", **known)
    assert link in html("```python\nx = 1  # (3.4)\n```", **known)
    assert link not in html("```python\nx = f(3.4)\n```", **known)
    assert link not in html("### By (3.4)", **known)


@pytest.mark.parametrize("info", ["nosuch", "", " ", "é", "{r, echo=FALSE}", "c++17", "-", "\\"])
def test_code_of_an_unknown_language_is_plain_text(info):
    assert html(f"```{info}\na < 1  # (3.5)\n```") == (
        "<pre><code>a &lt; 1  # (3.5)</code></pre>\n"
    )


@pytest.mark.parametrize("info", ["python", "Python", "python title=x", " py "])
def test_code_of_a_known_language_is_coloured(info):
    assert "<b>if</b>" in html(f"```{info}\nif x: y\n```")


def test_code_has_four_colours_and_the_text_that_it_had():
    code = 'def f(x):  # (3.5) & <b>\n    return x is not None and f"{x!r}\\n" + r"y" + str(1.5)'
    shown = html(f"```python\n{code}\n```", e3_5="03.html#eq")
    assert '<small># <a href="03.html#eq">(3.5)</a> &amp; &lt;b&gt;</small>' in shown
    assert "<b>def</b> <var>f</var>(x):" in shown and "<b>is</b> <b>not</b> <b>None</b>" in shown
    assert '<u>f"{</u>x<u>!r}\\n"</u> + <u>r"y"</u> + str(1.5)' in shown
    assert unescape(re.sub("<[^>]*>", "", shown)).strip() == code


def test_an_equation_that_is_nowhere_is_refused_in_text_only():
    with pytest.raises(BuildError, match=r"\(3\.5\).*nowhere"):
        html("By (3.5).", e3_4="03.html#eq-3.4")
    assert "(3.5)" in html("`(3.5)`\n\n```python\nx = 1  # (3.5)\n```")


@pytest.mark.parametrize(
    ("tex", "reason"),
    [
        (r"\nosuch{x}", "Unknown command"),
        (r"\frac{1}", "Expected argument"),
        (r"a_b_c", "Duplicate subscript"),
        (r"x \tag{1}", "tag"),
    ],
)
@pytest.mark.parametrize("around", ["$%s$", "$$ %s $$"])
def test_a_bad_formula_is_named(tex, reason, around):
    with pytest.raises(BuildError) as failure:
        html(around % tex)
    assert repr(tex) in str(failure.value) and reason in str(failure.value)


def test_a_character_that_the_font_lacks_is_named():
    with pytest.raises(BuildError, match=r"lacks 光"):
        formulas.mathml(r"\text{光}")


def test_the_equations_of_a_notebook():
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    from cnnlib.book.publish.outline import read_chapter

    cells = [
        new_markdown_cell(r"$$ a \qquad (3.1) $$ and $$ b $$ and $$" + "\nc\n\\qquad (3.2)\n$$"),
        new_code_cell(r"'$$ a \qquad (3.9) $$'"),
    ]
    cells[0].metadata["book"] = {"equations": {"stride-c": "3.2"}}
    found = read_chapter("03", new_notebook(cells=cells)).equations
    assert found == {"3.1": "03.html#eq-3.1", "3.2": "03.html#eq-stride-c"}


def test_what_has_an_id_has_that_address_and_forwards_the_old_one():
    from nbformat.v4 import new_markdown_cell

    cell = new_markdown_cell("## 3.2 Stride\n\n" + r"$$ a \qquad (3.4) $$")
    cell.metadata["book"] = {"sections": {"stride": "3.2"}, "equations": {"stride-a": "3.4"}}
    text = prose.to_html(cell.source, Path("."), {}, cell)
    assert '<h2 id="stride"><span id="3.2-Stride"></span>3.2 Stride' in text
    assert 'href="#stride"' in text and '<span class="equation" id="eq-stride-a">' in text
    assert '<a href="#eq-stride-a" aria-label="Equation 3.4"><span id="eq-3.4"></span>(3.4)' in text


def test_headings_have_jupyters_addresses():
    text = html("## 4.1 Who's *this*?")
    assert '<h2 id="4.1-Who&#x27;s-this?">4.1 Who' in text
    assert 'href="#4.1-Who%27s-this%3F"' in text


def test_links_lead_to_pages(tmp_path):
    (tmp_path / "05 b.ipynb").touch()
    text = html("[a](05%20b.ipynb#Loss) [b](#Here) [c](https://example.org/a.ipynb)", tmp_path)
    for target in ("05%20b.html#Loss", "#Here", "https://example.org/a.ipynb"):
        assert f'href="{target}"' in text


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("[a](06_none.ipynb)", "no such file"),
        ("[a](../README.md)", "no such file"),
        ("[a](data.csv)", "only notebooks"),
        ("![what](none.png)", "no such file"),
        ("![](dot.png)", "no alternative text"),
        ("![what](dot.jpg)", r"image dot\.jpg: a picture is no image/jpeg"),
        ("![what](dot.svg)", r"image dot\.svg: it is not in UTF-8"),
        ("![what](data.csv)", r"image data\.csv: expected one of \.png, "),
        ("![what](https://example.org/a.png)", "no such file"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path, source, reason):
    for name in ("data.csv", "dot.jpg", "dot.png", "dot.svg"):
        (tmp_path / name).write_bytes(PIXEL)
    with pytest.raises(BuildError, match=reason):
        html(source, tmp_path)


def test_an_image_is_embedded_with_its_size(tmp_path):
    (tmp_path / "dot.png").write_bytes(PIXEL)
    text = html('![a "dot"](dot.png)', tmp_path)
    assert 'src="data:image/png;base64,iVBOR' in text
    assert 'alt="a &quot;dot&quot;" width="1" height="1"' in text


def test_a_drawing_is_embedded(tmp_path):
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><!-- é --></svg>'
    (tmp_path / "dot.svg").write_text(drawing, encoding="utf-8")
    text = html("![a dot](dot.svg)", tmp_path)
    found = re.search(r'svg\+xml;base64,(.*?)" alt="a dot" width="4" height="3"', text)
    assert base64.b64decode(found[1]).decode() == drawing


def test_tables_get_a_box_to_scroll_in():
    text = html("| a |\n|---|\n| $b$ |")
    assert '<div class="scroll"><table>' in text and "</table></div>" in text


def test_a_fold_may_begin_inside_a_paragraph():
    text = html("Why? <details><summary>Answer</summary>So.</details>")
    assert text == "<p>Why? </p><details><summary>Answer</summary>So.</details>"


def test_no_page_shows_markdown_as_it_is_written():
    """A line that begins with <details> hides its formulas and code from Markdown."""
    raw = html("Why?\n<details><summary>Answer</summary>`0` and $x$.</details>")
    assert _shown(raw) == ["`0` and $x$."]
    for text in drawn():
        assert not _shown(text), _shown(text)


def _shown(text):
    """The pieces of a page's text with a sign of Markdown in them."""
    plain = re.sub(r"<(code|math|pre)\b.*?</\1>", "", text, flags=re.DOTALL)
    return [piece for piece in re.findall(r"[^<>]+(?=<)", plain) if re.search(r"[`$]|\*\*", piece)]


# ---- The font


def drawn():
    """Every formula of the book, as MathML."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                yield prose.to_html("".join(cell["source"]), path.parent, _Any())


class _Any(dict):
    """Knows every equation: the links are none of this test's business."""

    def get(self, number, default=None):
        return "#"


def test_every_character_of_every_formula_is_in_the_font(brotli):
    import html as entities

    from fontTools import ttLib as ttlib

    with ttlib.TTFont(formulas.FONT) as font:
        there = {chr(code) for code in font.getBestCmap()}
    used, variables = set(), set()
    for text in drawn():
        for formula in re.findall(r"<math.*?</math>", text, re.DOTALL):
            used |= set(entities.unescape(re.sub(r"<[^>]*>", "", formula)))
            variables |= set(entities.unescape(" ".join(re.findall(r"<mi>(.)</mi>", formula))))
    assert len(used) > 80 and "∑" in used
    invisible = set("\u2061\u2062\u2063\u2064\ufe00")
    assert used - there - invisible == set()
    assert {formulas.italic(variable) for variable in variables} - there == set()
    assert formulas.characters() - there - invisible == set()


def test_variables_are_slanted_as_unicode_says():
    import unicodedata

    for letter in "AZaghzΑΩαωϵϕ∂":
        slanted = unicodedata.name(formulas.italic(letter))
        assert "ITALIC" in slanted or letter == "h", letter
        assert unicodedata.normalize("NFKC", formulas.italic(letter)) in letter + "εφ"


def test_a_word_in_slanted_letters_is_drawn(brotli):
    from fontTools.ttLib import TTFont

    assert "𝑠𝑡𝑎𝑟𝑡" in re.sub("<[^>]*>", "", formulas.mathml(r"\mathit{start}"))
    with TTFont(formulas.FONT) as font:
        assert set(map(ord, formulas.drawn())) - {0xFE00, *range(0x2061, 0x2065)} <= set(
            font.getBestCmap()
        )


def test_the_font_is_what_its_script_makes(brotli, tmp_path, monkeypatch):
    from fontTools.ttLib import TTFont

    from cnnlib.book.publish import make_font

    monkeypatch.setattr(make_font, "FONT", tmp_path / "math.woff2")
    make_font.main()
    with TTFont(tmp_path / "math.woff2") as made, TTFont(formulas.FONT) as committed:
        assert made.getGlyphOrder() == committed.getGlyphOrder()
        assert made.getBestCmap() == committed.getBestCmap()
        assert "MATH" in made and "ssty" in str(
            made["GSUB"].table.FeatureList.FeatureRecord[0].FeatureTag
        )


def test_the_font_comes_with_its_licence():
    text = (formulas.FOLDER / "OFL.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in text and "STIX Fonts Project" in text
