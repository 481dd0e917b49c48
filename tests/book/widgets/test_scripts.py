"""The modules of a front end become one text: in order, once each, or an error of ours."""

import re

import pytest

pytest.importorskip("anywidget")

from cnnlib.book.widgets import scripts
from cnnlib.book.widgets.pressing import bare


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
    assert re.sub(r"\n+", "\n", joined) == "const c=1,b=c;use(b,c);\n"


def test_what_only_readers_need_stays_out_and_the_rest_is_as_it_was(modules):
    modules["a"] = (
        "// one\n/** @param {any} x\n * more */\nexport function f(x) { // out\n"
        "  /** @type {number} */ const a = '; // no comment  ';\n\n  return a * x / /[ /*]/.y;\n}\n"
        'const g = f(2, - 3) - -1 / 4 + `${f( 1 )} = 1`, h = [\n  "a = b",\n];\n'
        "export const i = 1;\n"
        "export const unused = 2;\nf(g, h, i);\nexport default { f };\n"
    )
    assert scripts.joined("a") == (
        "function f(x){const a='; // no comment  ';return a*x/ /[ /*]/.y}"
        'const g=f(2,-3)- -1/4+`${f(1)} = 1`,h=["a = b"],i=1;'
        "f(g,h,i);export default{f};\n"
    )


def test_the_default_export_of_the_entry_stays(modules):
    modules["a"] = "export function f() {}\nexport default { f };\n"
    assert scripts.joined("a") == "function f(){}export default{f};\n"


PRESSED = [
    ("const a = `x ${ f( `y ${ 1 + 2 } { ` ) } // z`; const b = 1;",
     "const a=`x ${f(`y ${1+2} { `)} // z`,b=1;"),
    ("const { a, } = b; const [, c, , ] = d; let e = [1, , ];", "const{a}=b,[,c,,]=d;let e=[1,,];"),
    ("for (const x of y) { const z = x; f(z); }", "for(const x of y){const z=x;f(z)}"),
    ("function f() { while (g()); }", "function f(){while(g());}"),
    ("const f = async (x) => { await x; }; const g = (x, y) => x;",
     "const f=async x=>{await x},g=(x,y)=>x;"),
    ("const f = ({ x }) => x, g = (x = 1) => x; if (a) b();",
     "const f=({x})=>x,g=(x=1)=>x;if(a)b();"),
    ("const a = b.replace(/[/\"'`]\\/ (x) => /g, '') / c / d;",
     "const a=b.replace(/[/\"'`]\\/ (x) => /g,'')/c/d;"),
    ("const a = 6.25e-16 / 2 ** -3 + +b - -c;\nlet d = a++ + ++b",
     "const a=6.25e-16/2**-3+ +b- -c;let d=a++ + ++b"),
    ("const a = 1\n(b)\nconst c = typeof d in e ? .5 : f?.g ?? h;",
     "const a=1\n(b)\nconst c=typeof d in e?.5:f?.g??h;"),
    ('class A { x; y = 1; #z() { return "a  b" } }\n// end', 'class A{y=1;#z(){return"a  b"}}'),
    ("class B extends C {\n  x; y;\n\n  f() {}\n}\nlet d = undefined;",
     "class B extends C{f(){}}let d=void 0;"),
    ("const a = { b() { return 1; } }; const c = () => { if (a) { d(); } const e = 1; };",
     "const a={b(){return 1}},c=()=>{if(a){d()}const e=1};"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "pressed"), PRESSED)
def test_a_script_is_pressed_and_says_the_same(text, pressed):
    assert bare(text) == pressed
    assert bare(pressed) == pressed


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
