"""The modules of a front end become one text: in order, once each, or an error of ours."""

import re

import pytest

pytest.importorskip("anywidget")

from cnnlib.book.widgets import scripts


@pytest.fixture
def modules(monkeypatch):
    """Modules by their names, instead of the files."""
    texts = {}
    monkeypatch.setattr(scripts, "source", texts.__getitem__)
    return texts


def test_a_module_stands_once_after_what_it_imports(modules):
    modules["a"] = 'import { c } from "./c.js";\nimport {\n  b,\n} from "./b.js";\n\nuse(b, c);\n'
    modules["b"] = 'import { c } from "./c.js";\nexport const b = c;\n'
    modules["c"] = "export const c = 1;\n"
    joined = scripts.joined("a")
    assert re.sub(r"\n+", "\n", joined) == "const c=1;const b=c;use(b,c);\n"


def test_what_only_readers_need_stays_out_and_the_rest_is_as_it_was(modules):
    modules["a"] = (
        "// one\n/** @param {any} x\n * more */\nexport function f(x) { // out\n"
        "  /** @type {number} */ const a = '; // no comment  ';\n\n  return a * x / /[ /*]/.y;\n}\n"
        'const g = f(2, - 3) - -1 / 4 + `${f( 1 )} = 1`, h = [\n  "a = b",\n];\n'
        "export const i = 1;\n"
        "export const unused = 2;\nf(g, h, i);\nexport default { f };\n"
    )
    assert scripts.joined("a") == (
        "function f(x){const a='; // no comment  ';return a * x / /[ /*]/.y;}\n"
        'const g=f(2,- 3)- -1/4+`${f( 1 )} = 1`,h=["a = b",];const i=1;'
        "f(g,h,i);export default{f};\n"
    )


def test_the_default_export_of_the_entry_stays(modules):
    modules["a"] = "export function f() {}\nexport default { f };\n"
    assert scripts.joined("a") == "function f(){}\nexport default{f};\n"


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ('import { no } from "./b.js";\n', "const no = 1;\n", "a.js imports no; b.js does not"),
        ('import { f } from "./b.js";\nconst g = 1;\n', "export const f = 1;\nlet g = 2;\n",
         "a.js and b.js both declare g"),
        ('import { f } from "./b.js";\nconst [x, g] = 1;\n', "export const f = 1;\nclass g {}\n",
         "both declare g"),
        ('import { f } from "./b.js";\nexport const h = 1;\n',
         'import { h } from "./a.js";\nexport const f = 1;\n', "a imports b imports a: a circle"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_an_error(modules, a, b, reason):
    modules |= {"a": a, "b": b}
    with pytest.raises(ValueError, match=reason):
        scripts.joined("a")


def test_every_script_belongs_to_a_front_end():
    visited = ["host", "embedding"]
    for entry in ("convolution", "pooling", "network", "training", "picture"):
        scripts._visit(entry, scripts.source, visited, ())
    assert set(visited) == {file.stem for file in scripts.FOLDER.glob("*.js")}
