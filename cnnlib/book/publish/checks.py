"""What must hold of every page, read once from its HTML; a violation stops the build."""

import re
from collections import defaultdict
from collections.abc import Collection
from html.parser import HTMLParser
from urllib.parse import unquote

from . import BuildError

REQUESTS = {"src", "poster", "data", "background"}  # attributes that load something
ALWAYS = {"srcset", "imagesrcset", "ping"}  # these do, whatever stands in them
DEAD = {"script", "button", "input", "select", "textarea", "form", "iframe", "object", "embed"}
LOADS = re.compile(r"@import|image-set|url\((?!['\"]?(?:data:|#))", re.IGNORECASE)
HIDES = re.compile(LOADS.pattern + r"|\\", re.IGNORECASE)  # in CSS a u may be written \75
# The files that the pages of a site share.
BESIDE = re.compile(r"(?:assets|explorers|figures)/[\w.-]+")
SCHEME = re.compile(r"([a-z][a-z\d+.-]*):", re.IGNORECASE)
SCHEMES = {"http", "https", "mailto"}  # where a link may lead; others would run or open something
# What a cell may have. All else would be dropped by a browser, or swallow what follows.
TEXT = set(
    "a abbr article aside b bdi bdo blockquote br caption center cite code col colgroup dd del "
    "details dfn div dl dt em figcaption figure font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark "
    "math nav ol p pre q rp rt ruby s samp section small span strong style sub summary sup table "
    "tbody td tfoot th thead time tr tt u ul var wbr".split()
)
MATH = set(
    "menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms "
    "mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover".split()
)
# What may stand in a table beside its cells: browsers move anything else out of it.
ROWS = {"thead": {"tr"}, "tbody": {"tr"}, "tfoot": {"tr"}, "tr": {"td", "th"}, "colgroup": {"col"}}
ROWS["table"] = {"caption", "colgroup", "thead", "tbody", "tfoot", "tr"}
VOID = {"br", "col", "hr", "img", "input", "link", "meta", "wbr"}  # elements without an end
# A whole tag, a comment, or the start of a page. Any other < is read in one way here and in
# another by a browser.
MARKUP = re.compile(
    r"""<script(?:\ src="[\w./]*")?>.*?</script>|<!DOCTYPE\ html>
    |<!--(?!-?>)(?:(?!--).)*-->|</[a-z][a-z\d]*\s*>
    |<[a-z][a-z\d]*(?:\s+[^\s"'<>/=]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=`]+))?)*\s*/?>""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)


class Page(HTMLParser):
    """A page, or its text: its ids, links, headings and the words below each, for the search.

    Every element is closed in the cell that opens it, so that no cell changes those around it.
    `taken` are the ids of what stands around a text.
    """

    def __init__(self, file: str, html: str, taken: Collection[str] = ()):
        super().__init__()
        self.file = file
        self.cell = ""
        self.ids = set(taken)
        self.links: list[tuple[str, str]] = []  # where, target
        self.headings: list[tuple[int, str, str]] = []  # level, id, text
        self.texts: dict[str, list[str]] = defaultdict(list)  # id of a heading: what follows it
        self.code: dict[str, list[str]] = defaultdict(list)  # the same, of code and its results
        self._open: list[str] = []
        self._silent = ""
        self._in_heading = False
        end = 0
        for found in MARKUP.finditer(html):
            self._feed_text(html[end : found.start()])
            self.feed(found[0])
            end = found.end()
        self._feed_text(html[end:])
        self.close()
        if self._open:
            self._fail(f"<{self._open[-1]}> is not closed: write its </{self._open[-1]}>")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        between = self._open[-1:] in ([], ["main"])
        if "data-cell" in values:
            if not between:
                self._fail(f"<{self._open[-1]}> is not closed: write its </{self._open[-1]}>")
            self.cell = values["data-cell"]
        elif self.cell and between and tag == "div":
            self._fail("</div> ends the cell itself: close each element in its cell, and only once")
        if "id" in values:
            if values["id"] in self.ids:
                self._fail(f"#{values['id']} stands here a second time: name one heading otherwise")
            self.ids.add(values["id"])
        loaded = [values[name] for name in REQUESTS & values.keys()]
        loaded += [values["href"]] if tag == "link" and "href" in values else []
        own = [address for address in loaded if BESIDE.fullmatch(address)]
        self.links += [(self._where(), address) for address in own]
        if any(not address.startswith("data:") and address not in own for address in loaded):
            self._fail(f"<{tag}> loads {loaded[0]!r}: a page is complete in itself")
        if (
            (ALWAYS & values.keys())
            or HIDES.search(values.get("style", ""))
            or values.get("http-equiv", "").lower() == "refresh"
        ):
            self._fail(f"<{tag}> loads something: a page is complete in itself")
        if tag == "img" and not values.get("alt", "").strip():
            self._fail("an image has no alternative text: figures.show(figure, alt) gives it one")
        if tag in DEAD and self.cell:
            self._fail(f"<{tag}> cannot work without a kernel: tag the cell `playground`")
        if self._open and tag not in ROWS.get(self._open[-1], {tag}):
            self._fail(f"<{tag}> stands in a table beside its cells: write a <td> around it")
        if self.cell and tag not in (MATH if "math" in self._open else TEXT):
            self._fail(
                f"<{tag}> cannot stand in a page: write &lt;{tag}> or `<{tag}>` for the word"
            )
        if tag not in VOID:
            self._open.append(tag)
        if tag == "a" and "href" in values:
            scheme = SCHEME.match(re.sub(r"[\0-\x20]", "", values["href"]))  # as browsers do
            if scheme and scheme[1].lower() not in SCHEMES:
                self._fail(f"a link to {values['href']!r:.40}: write one to http, https, mailto")
            self.links.append((self._where(), values["href"]))
        if tag == "form":
            self.links.append((self._where(), values.get("action", "")))
        if re.fullmatch("h[1-3]", tag) and "id" in values:
            self.headings.append((int(tag[1]), values["id"], ""))
            self._in_heading = True
        if tag in ("script", "style", "math") or values.get("class") == "anchor":
            self._silent = self._silent or tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if "math" in self._open:  # only there it also ends
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open[-1:] != [tag]:
            last = f", but <{self._open[-1]}> is" if self._open else ""
            self._fail(f"</{tag}> ends what is not open{last}: close each element in its cell")
        self._open.pop()
        if tag == self._silent:
            self._silent = ""
        if tag == "main":
            self.cell = ""
        if re.fullmatch("h[1-3]", tag) and self._in_heading:
            self._in_heading = False
            level, id, text = self.headings[-1]
            self.headings[-1] = (level, id, " ".join(text.split()))

    def handle_data(self, data: str) -> None:
        if self._silent == "style" and (HIDES if self.cell else LOADS).search(data):
            self._fail("a style sheet loads something: a page is complete in itself")
        if self._silent == "style" and "<" in data:
            self._fail("a style sheet has a tag in it: write its </style> before")
        if self._in_heading and self._silent != "a":
            level, id, text = self.headings[-1]
            self.headings[-1] = (level, id, text + data)
        elif self.cell and not self._silent and data.strip() and self.headings:
            kind = self.code if "pre" in self._open else self.texts
            kind[self.headings[-1][1]].append(data.strip())

    def _feed_text(self, text: str) -> None:
        """Read what has no tags; a style sheet's text may come in parts."""
        if "<" in text:
            start = text[text.index("<") :].split("\n")[0]
            self._fail(f"{start!r:.40} is no whole tag or comment: write &lt; for the character")
        self.feed(text)

    def _where(self) -> str:
        return f"{self.file}, cell {self.cell}" if self.cell else self.file

    def _fail(self, reason: str) -> None:
        raise BuildError(f"{self._where()}: {reason}")


def check_links(
    pages: dict[str, Page], files: set[str], unread: Collection[str] = frozenset()
) -> None:
    """Every link leads to a page of `pages` and an id on it, to one of `files`, or outside.

    What is on the pages `unread` is not known: a link to a place there leads to the page.
    """
    for name, page in pages.items():
        for where, target in page.links:
            file, mark, place = target.partition("#")
            file = unquote(file) or name
            if re.match("[a-z]+:", target) or file in files:
                continue
            if file not in pages:
                raise BuildError(f"{where}: the link to {target}: there is no such file")
            if mark and file not in unread and unquote(place) not in pages[file].ids:
                raise BuildError(f"{where}: the link to {target}: there is no such place")
