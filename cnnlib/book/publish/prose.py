"""The Markdown of one cell to HTML: formulas, links, images, headings, tables, code."""

import base64
import re
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_by_name
from pygments.util import ClassNotFound

from . import BuildError
from .blocks import kept_together, told_apart
from .formulas import EQUATION, mathml
from .outline import Addresses, ids
from .pictures import SUFFIXES, SVG, picture

LONG = 30  # characters of TeX that may not fit the line of a phone
SHORT = 32  # characters of code that fit a line of any phone
DEEPEST = 16  # spaces before a line of code: the style sheet knows as many steps
# What course.css colours, by the shortest elements that say nothing aloud: a <span> with a class
# for each word would be longer than the code.
COLOURED = {
    "b": "k kn kc kd ow",
    "u": "s1 s2 sa si se sd sr",
    "small": "c1 cm ch",
    "var": "nf nc fm nd",
}
ELEMENTS = {kind: element for element, kinds in COLOURED.items() for kind in kinds.split()}
TAG = re.compile(r"<[^>]*>")
TOKEN = re.compile(r'<span class="(\w+)">([^<]*)</span>')
HEADER = re.compile(r"(<th[^>]*>)(<math>.*?</math>)</th>", re.DOTALL)
REFERENCE = re.compile(r"\((\w?\d+\.\d+)\)")


def to_html(
    source: str, folder: Path, equations: Addresses, cell: NotebookNode | None = None
) -> str:
    """Convert the Markdown of a cell; its links and images count from `folder`.

    The metadata of the cell name its sections and equations.
    """
    html = MarkdownWithMath(renderer=Prose(folder, equations, cell)).render(source)
    # A table gets a box of its own, in which a narrow screen can scroll it.
    html = html.replace("<table", '<div class="scroll"><table')
    html = html.replace("</table>", "</table></div>").replace("<th></th>", "<td></td>")
    return told_apart(kept_together(HEADER.sub(_header, html)))


class Prose(IPythonRenderer):
    """nbconvert's renderer, with the formulas converted and every address checked."""

    def __init__(self, folder: Path, equations: Addresses, cell: NotebookNode | None = None):
        super().__init__(escape=False)
        self.sections = ids(cell, "sections") if cell else {}
        self.own_equations = ids(cell, "equations") if cell else {}
        self.folder = folder
        self.equations = equations

    def inline_math(self, body: str) -> str:
        formula = mathml(body)  # a browser does not break it over two lines
        return f'<span class="long">{formula}</span>' if len(body) > LONG else formula

    def block_math(self, body: str) -> str:
        number = EQUATION.search(body)
        if not number:
            return f'<span class="equation">{mathml(body, display=True)}</span>'
        old = f"eq-{number[1]}"
        name = f"eq-{self.own_equations.get(number[1], number[1])}"
        formula = mathml(body[: number.start()], display=True)
        mark = _forwarding(old, name)
        label = f'<a href="#{name}" aria-label="Equation {number[1]}">{mark}({number[1]})</a>'
        return f'<span class="equation" id="{name}">{formula}{label}</span>'

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

    def paragraph(self, text: str) -> str:
        # A fold may begin in the middle of a paragraph, but HTML does not allow it inside one.
        html = super().paragraph(text)
        html = html.replace("<details", "</p><details").replace("</details>", "</details><p>")
        return re.sub(r"<p>\s*</p>\n?", "", html)

    def text(self, text: str) -> str:
        return references(super().text(text), self.equations, strict=True)

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        text = _without_links(text)
        # Jupyter's rule, so that the notebooks' own links work: spaces become hyphens.
        old = escape(unescape(TAG.sub("", text)).strip().replace(" ", "-"))
        name = self.sections.get(old.partition("-")[0], old)
        anchor = (
            f'<a class="anchor" href="#{quote(unescape(name))}" aria-label="Link to here">#</a>'
        )
        return f'<h{level} id="{name}">{_forwarding(old, name)}{text} {anchor}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        file, mark, place = url.partition("#")
        if file and not re.match(r"[a-z]+:", url):
            target = self.folder / unquote(file)
            if not target.exists():
                raise BuildError(f"the link to {url}: there is no such file")
            if target.suffix != ".ipynb":
                raise BuildError(f"the link to {url}: only notebooks are part of the pages")
            url = file.removesuffix(".ipynb") + ".html" + mark + place
        return super().link(_without_links(text), url, title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        if not text.strip():
            raise BuildError(f"the image {url} has no alternative text: ![what it shows]({url})")
        file = self.folder / unquote(url)
        if not file.is_file():
            raise BuildError(f"the image {url}: there is no such file")
        kind = SUFFIXES.get(file.suffix.lower())
        if not kind:
            raise BuildError(f"the image {url}: expected one of {', '.join(SUFFIXES)}")
        content = file.read_bytes()
        try:
            data = content.decode() if kind == SVG else base64.b64encode(content).decode()
            return picture(kind, data, unescape(text))
        except UnicodeDecodeError:
            raise BuildError(f"the image {url}: it is not in UTF-8") from None
        except BuildError as error:
            raise BuildError(f"the image {url}: {error}") from None

    def block_code(self, code: str, info: str | None = None) -> str:
        language = (info or "").split()[:1] or ["text"]
        return f"<pre><code>{highlighted(code, language[0], self.equations)}</code></pre>\n"


def highlighted(code: str, language: str, equations: Addresses) -> str:
    """Colour code, unless its language is unknown, and link the equations in its comments."""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        lexer = TextLexer()
    html = highlight(code, lexer, HtmlFormatter(nowrap=True)).rstrip("\n")

    def coloured(found: re.Match[str]) -> str:
        element, text = ELEMENTS.get(found[1]), found[2]
        if element == "small":
            text = references(text, equations)
        return f"<{element}>{text}</{element}>" if element else text

    return TOKEN.sub(coloured, html).replace("</u><u>", "")


def lines(code: str) -> str:
    """Each long line of code in an element of its own: what a narrow page wraps stands further in.

    A line that no page wraps needs none.
    """
    return "".join(_line(line) for line in re.findall(r"[^\n]*\n|[^\n]+", code))


def _line(line: str) -> str:
    if len(unescape(TAG.sub("", line)).rstrip("\n")) <= SHORT:
        return line
    indent = min(len(line) - len(line.lstrip(" ")), DEEPEST) // 4 * 4
    return f"<i{f' class=in{indent}' if indent else ''}>{line}</i>"


def references(html: str, equations: Addresses, strict: bool = False) -> str:
    """Link every (3.4) to its equation; if `strict`, one that is nowhere is an error."""

    def linked(found: re.Match[str]) -> str:
        address = equations.get(found[1])
        if address:
            return f'<a href="{address}">{found[0]}</a>'
        if strict:
            raise BuildError(f"{found[0]} names an equation that is nowhere in the book")
        return found[0]

    return REFERENCE.sub(linked, html)


def _header(found: re.Match[str]) -> str:
    """A formula that heads a column is also said as text: a screen reader announces text alone."""
    start, formula = found.groups()
    said = TAG.sub("", formula)
    return f'{start}<span aria-hidden="true">{formula}</span><span class="said">{said}</span></th>'


def _forwarding(old: str, name: str) -> str:
    """The address with the number: links from before the ids, and Jupyter's own, lead here too."""
    return f'<span id="{old}"></span>' if old != name else ""


def _without_links(html: str) -> str:
    """A link in a link or a heading would be cut apart."""
    return re.sub(r"</?a\b[^>]*>", "", html)
