"""A script without what only its readers need: a page asks for nothing, so it holds all of it.

The modules stay as they are written; what is joined of them is pressed. No name changes, no text.
"""

import re
from collections.abc import Iterator
from typing import cast

_TOKEN = re.compile(
    r"(?P<aside>\s+|//[^\n]*|/\*.*?\*/)"
    r"|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
    r"|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?\w*|[\w$]+"
    r"|===|!==|=>|<=|>=|&&|\|\||\?\?|\?\.|\+\+|--|.",
    re.DOTALL,
)
_PATTERN = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\[\n])+/[a-z]*")
_TEMPLATE = re.compile(r"[`}](?:\\.|\$(?!\{)|[^`$\\])*(?:`|\$\{)", re.DOTALL)
_FIELDS = re.compile(r"(?m)(^|[;}])(class \w+(?: extends \w+)?\{)(?:\w+;)+")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
# Around a line end that ends no statement; the linter wants a semicolon where one does.
_GOES_ON = re.compile(r"[;,{}(\[=?:&|<>+*]|.[.)\]},;?:&|=*<>]", re.DOTALL)


def bare(text: str) -> str:
    """Take out comments, and between words and signs the spaces and line ends that part none.

    And signs for the eye alone: a comma before a bracket that closes, a semicolon before a brace
    that does, parentheses around the only argument of an arrow, const after a const; undefined is
    void 0. And a class's
    fields without a value, which the checker wants, before its other members.
    """
    made, last = [], ""
    for line, token in _lighter(list(_tokens(text))):
        if line:
            made.append("\n")
        elif re.fullmatch(r"[\w$]{2}|\+\+|--|//", last[-1:] + token[0]):
            made.append(" ")
        made.append(token)
        last = token
    pressed = _FIELDS.sub(r"\1\2", "".join(made))
    return pressed + "\n" * text.endswith("\n")


def _tokens(text: str) -> Iterator[tuple[bool, str]]:
    """The tokens of a script, and whether a line end before one may end a statement."""
    at, last, line = 0, "", False
    opened = [""]  # the braces that are open, and of them those of a template
    while at < len(text):
        found = None
        if text[at] == "`" or (text[at] == "}" and opened[-1] == "`"):
            found = _TEMPLATE.match(text, at)
        elif text[at] == "/" and text[at + 1] not in "/*" and not re.search(r"[\w$)\]]$", last):
            found = _PATTERN.match(text, at)
        found = cast(re.Match[str], found or _TOKEN.match(text, at))  # any character is a token
        token, at = found[0], found.end()
        if found.lastgroup == "aside":
            line = line or "\n" in token
            continue
        if token[0] == "}":
            opened.pop()
        if token[-1] == "{" and found.re is not _PATTERN:
            opened.append("`" if found.re is _TEMPLATE else "{")
        yield bool(line and last) and not _GOES_ON.match(last[-1:] + token[0]), token
        last, line = token, False


def _lighter(tokens: list[tuple[bool, str]]) -> Iterator[tuple[bool, str]]:
    """Leave out the signs that are for the eye alone."""
    words = [token for _, token in tokens] + [""] * 3
    starts, heads = [""], [""]  # of each open bracket: its statement's first word, what is before
    last, head, n = "", "", 0
    while n < len(tokens):
        (line, token), after = tokens[n], words[n + 1]
        starts[-1] = token if line or not starts[-1] else starts[-1]
        n += 1
        if token == "," and after in (")", "]", "}") and last not in (",", "["):
            continue
        if token == ";":
            more = starts[-1] == "const" == after
            n += more
            starts[-1] = "const" if more else ""
            if after == "}" and (last != ")" or head not in ("if", "for", "while")):
                continue
            token = "," if more else ";"
        elif token == "(" and words[n + 1 : n + 3] == [")", "=>"] and _NAME.fullmatch(after):
            token, n = after, n + 2
        elif token[0] in ")]}" and len(starts) > 1:
            starts.pop()
            head = heads.pop()
            if token == "}" and starts[-1] != "const":
                starts[-1] = ""
        elif token == "undefined":
            token = "void 0"
        if token[-1] in "([{":
            starts.append("")
            heads.append(last)
        yield line, token
        last = token
