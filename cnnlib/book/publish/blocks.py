"""What the pages tell apart in a text: its question, the example by hand, a mistake, a summary ...

Notebooks write them as paragraphs that begin with words in bold letters, which every reader of
notebooks shows; here they become elements that a page draws each in its way.
"""

import re

KINDS = {  # the words that a block begins with
    "question": "A question(?: to start with)?",
    "hand": "By hand",
    "mistake": "What goes wrong here",
    "task": r"Exercise [\d.]+(?:: find the mistake)?",
    "try": "Try it|Your task|Move it|See it first|Watch",
    "summary": "In short|Stopping place",
}
LEAD = re.compile(
    "<p><strong>(?:" + "|".join(f"(?P<{kind}>{words})" for kind, words in KINDS.items()) + r")\b"
)
TAG = re.compile(r"<(/?)(blockquote|details|div|h[1-6]|hr|li|ol|p|section|table|ul)\b[^>]*>")
BROKEN_OFF = re.compile(
    r'(\(?)((?:<span class="long">)?<math\b[^>]*>(?:(?!</math>).)*</math>(?:</span>)?)([,.;:!?)]*)',
    re.DOTALL,
)


def told_apart(html: str) -> str:
    """Put each block of the text of a cell into a section of its own.

    A question is one paragraph. The others reach to the next block, the next heading or rule, or
    the end of what they stand in.
    """
    parts, end, depth = [], 0, 0
    opened: tuple[str, int] | None = None  # the kind of the open block, and how deep it stands

    def close(at: int) -> None:
        nonlocal end, opened
        parts.extend([html[end:at], "</section>\n"])
        end, opened = at, None

    for tag in TAG.finditer(html):
        ending, name = tag[1] == "/", tag[2]
        lead = LEAD.match(html, tag.start())
        inner = opened is not None and depth == opened[1]
        if inner and ((ending and name != "p") or lead or name[0] == "h"):
            close(tag.start())
        if lead and lead.lastgroup and opened is None:
            parts.extend([html[end : tag.start()], f'<section class="block {lead.lastgroup}">\n'])
            end, opened = tag.start(), (lead.lastgroup, depth)
        if name not in ("p", "hr") and name[0] != "h":
            depth += -1 if ending else 1
        elif opened == ("question", depth) and ending and name == "p":
            close(tag.end())
    if opened:
        close(len(html))
    return "".join([*parts, html[end:]])


def kept_together(html: str) -> str:
    """No line begins with the comma after a formula, or ends with the bracket before it."""

    def tied(found: re.Match[str]) -> str:
        if not found[1] and not found[3]:
            return found[0]
        return f'<span class="tied">{found[0]}</span>'

    return BROKEN_OFF.sub(tied, html)


def leveled(texts: list[str]) -> list[str]:
    """The texts of a page's cells with one h1, the first heading; no level is left out below it.

    A heading of a part stands above sections, and is one itself. Where other headings have the
    rank of the title, all that follow it go one down.
    """
    heading = re.compile(r"<(/?)h([1-6])\b(?=([^>]*>(?:<span[^>]*></span>)*Part )?)")
    levels = [
        int(found[2]) for text in texts for found in heading.finditer(text)
        if not found[1] and not found[3]
    ]  # fmt: skip
    down = levels.count(1) > 1
    first, closing = True, ""

    def change(found: re.Match[str]) -> str:
        nonlocal first, closing
        if found[1]:
            return f"</h{closing}"
        level = int(found[2])
        if first:
            closing = "1"
        elif found[3]:
            closing = "2"
        else:
            closing = str(min(6, max(2, level + down)))
        first = False
        return f"<h{closing}"

    return [heading.sub(change, text) for text in texts]
