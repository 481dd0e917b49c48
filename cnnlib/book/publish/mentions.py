"""Where numbers of sections, equations and exercises are mentioned: the contexts that are known.

Only these are followed, so that no version, size or measured value is taken for a mention:

- headings `## 3.11 Title`, links `[3.11 Title](...#3.11-Title)`, addresses `#3.11-`,
  `section 3.11`, `sections 3.3 to 3.5`, and in text `(3.3 to 3.5)`;
- formulas that end in `\\qquad (3.4)` or `\\tag{3.4}`, `(3.4)` in text, in comments and strings of
  the chapters' code and of the exercises, `equation 3.4`;
- `**Exercise 3.2`, `exercise 3.2`, `check("3.2"`, `hint("3.2"`, `solution("3.2"`.

`3.?` is the number of what is new and has none yet. `3.?id` mentions it before it has one.
"""

# make number: leave this file, its numbers are examples

import io
import re
import tokenize
from collections.abc import Callable

NUMBER = r"1?\d\.(?:\d+(?!\d|\.\d|\w)|\?[a-z][\w-]*|\?)"
LIST = rf"{NUMBER}(?:(?:,\s+|,?\s+(?:and|to|or)\s+){NUMBER})*"
SECTION = rf"\#(?={NUMBER}-){NUMBER}|\b[Ss]ections?\s+{LIST}"
EQUATION = rf"\b[Ee]quations?\s+{LIST}"
IN_BRACKETS = rf"(?<![\w)\]])\({NUMBER}\)"
LINKED = rf"\({NUMBER}\)"  # the pages link it, whatever stands before it
CALL = rf"""\b(?:check|hint|solution)\((?:["']|&quot;){NUMBER}(?:["']|&quot;)"""
EXERCISE = rf"(?:\*\*)?\b[Ee]xercises?\s+{LIST}|{CALL}"
IN_TEXT = (
    rf"^\#+\ +{NUMBER}(?=\ )|\[{NUMBER}(?=[\s\]])|\({NUMBER}(?:,?\s+(?:and|to|or)\s+{NUMBER})+\)"
)
NUMBERED = rf"\\qquad\s*\({NUMBER}\)|\\tag\{{{NUMBER}\}}"

# In the code of a text: comments, and calls.
SHOWN = re.compile(rf"(?P<comment>(?:^|(?<=\ \ ))\#\ [^\n]*)|(?P<exercises>{CALL})", re.MULTILINE)
WORDS = re.compile(f"(?P<sections>{SECTION})|(?P<equations>{EQUATION})|(?P<exercises>{EXERCISE})")
CODE = re.compile(
    f"(?P<sections>{SECTION})|(?P<equations>{EQUATION}|{IN_BRACKETS})|(?P<exercises>{EXERCISE})"
)
TEXT = re.compile(
    r"(?P<code>```.*?```|`[^`\n]*`)|(?P<formula>\$\$.*?\$\$|\$[^$]*\$)"
    f"|(?P<sections>{IN_TEXT}|{SECTION})"
    f"|(?P<equations>{EQUATION}|{LINKED})|(?P<exercises>{EXERCISE})",
    re.MULTILINE | re.DOTALL,
)
FORMULA = re.compile(f"(?P<equations>{NUMBERED})")
LONE = re.compile(rf"""["']({NUMBER})["']""")
ASKED = re.compile(r"\b(?:check|hint|solution|get)\(\s*$")
ENTRY = re.compile(rf"""\bExercise\(\s*["']({NUMBER})["'],\s*["'](\w+)["']""")

# kind ("sections", "equations", "exercises"), the mention, the number in it: the new number
Follow = Callable[[str, str, str], str]


def in_words(text: str, follow: Follow, known: re.Pattern[str] = WORDS) -> str:
    """Follow what is mentioned in a text that is neither Markdown nor code."""
    return known.sub(lambda found: _followed(found, follow), text)


def in_markdown(text: str, follow: Follow) -> str:
    """Follow what a text cell mentions: in code calls and comments, of formulas their number."""

    def in_code(found: re.Match[str]) -> str:
        if found["comment"]:
            return in_words(found[0], follow, CODE)
        return _followed(found, follow)

    def change(found: re.Match[str]) -> str:
        if found["code"]:
            return SHOWN.sub(in_code, found[0])
        if found["formula"]:
            return FORMULA.sub(lambda end: _followed(end, follow), found[0])
        return _followed(found, follow)

    return TEXT.sub(change, text)


def in_python(code: str, follow: Follow, known: re.Pattern[str], bare: bool = False) -> str:
    """Follow what is mentioned in comments, strings and calls; `bare`, any string that is a number.

    An entry `Exercise("3.2", "name", ...)` is no mention: see `in_entries`.
    """
    starts = [0]
    for line in io.StringIO(code):  # as tokenize counts: a page feed ends no line
        starts.append(starts[-1] + len(line))
    parts, end = [], 0
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        kind = tokenize.tok_name[token.type]
        if kind not in ("COMMENT", "STRING", "FSTRING_MIDDLE"):
            continue
        first = starts[token.start[0] - 1] + token.start[1]
        last = starts[token.end[0] - 1] + token.end[1]
        before, text = code[max(0, first - 80) : first], code[first:last]
        lone = LONE.fullmatch(text)
        if lone and not before.rstrip().endswith("Exercise(") and (bare or ASKED.search(before)):
            text = text.replace(lone[1], follow("exercises", text, lone[1]))
        elif not lone:
            text = in_words(text, follow, known)
        parts += [code[end:first], text]
        end = last
    return "".join([*parts, code[end:]])


def in_entries(code: str, numbered: Callable[[str, str], str]) -> str:
    """Give each entry of a chapter's exercises the number `numbered(name, number so far)`."""

    def change(found: re.Match[str]) -> str:
        return found[0].replace(found[1], numbered(found[2], found[1]), 1)

    return ENTRY.sub(change, code)


def _followed(found: re.Match[str], follow: Follow) -> str:
    """Replace every number of one mention."""
    kind = found.lastgroup or ""
    return re.sub(NUMBER, lambda number: follow(kind, found[0], number[0]), found[0])
