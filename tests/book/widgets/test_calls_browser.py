"""The call to copy: each one is run and gives the numbers of the library, or says why not."""

import json
import re

import numpy as np
import pytest

import cnnlib
from cnnlib.book.widgets import ConvolutionExplorer
from cnnlib.book.widgets.scripts import joined
from cnnlib.geometry import Window

R = np.random.default_rng(11)
SIX, EVEN = R.integers(-4, 6, (6, 6)).tolist(), [[1, -2, 0, 3], [0, 4, -1, 2]]
DEEP = dict(
    input=R.integers(-3, 4, (5, 6, 2)).tolist(), kernel=R.integers(-3, 4, (3, 2, 3, 2)).tolist()
)
ROW = dict(input=[3, -1, 4, 1, -5, 9, 2], kernel=[1, -2, 0.5])
LAYINGS = {
    "as it begins": {},
    "bias": dict(bias=1.5, padding=1),
    "stride 2, padding 1": dict(input=SIX, stride=2, padding=1),
    "same, stride 2": dict(input=SIX, stride=2, padding="same"),
    "uneven padding, flipped": dict(kernel=EVEN, padding=[[1, 0], [2, 1]], flip=True),
    "full, dilation": dict(input=SIX, kernel=EVEN, padding="full", dilation=[1, 2]),
    "centre in a corner": dict(input=SIX, center=[2, 0], stride=[1, 2]),
    "stride and dilation": dict(input=SIX, stride=2, dilation=2, padding=1),
    "a kernel larger than its input": dict(input=[[2, -1, 3]], kernel=EVEN, center=[1, 3]),
    "channels": dict(**DEEP, bias=[1, 0, -2], padding=1, stride=[1, 2]),
    "channels, flipped": dict(**DEEP, padding="same", flip=True),
    "a row": dict(**ROW, padding=[[1, 2]]),
    "a row, stride 2, flipped": dict(**ROW, stride=2, padding=1, flip=True, bias=-1),
    "a row of channels": dict(
        input=R.integers(-3, 4, (7, 3)).tolist(), kernel=R.integers(-3, 4, (2, 2, 3)).tolist()
    ),
    "reflected": dict(input=SIX, padding=1, border="reflect", stride=2),
    "symmetric": dict(input=SIX, kernel=EVEN, padding="same", border="symmetric", flip=True),
    "a ring": dict(**ROW, padding=[[2, 0]], border="circular"),
    "repeated, depthwise": dict(
        input=DEEP["input"],
        kernel=R.integers(-3, 4, (4, 2, 3, 1)).tolist(),
        groups=2,
        padding=[[1, 0], [2, 2]],
        border="replicate",
        bias=[1, 0, -2, 3],
    ),
    "groups": dict(
        input=R.integers(-3, 4, (6, 5, 3)).tolist(),
        kernel=R.integers(-3, 4, (3, 3, 2, 1)).tolist(),
        groups=3,
        padding=1,
        stride=2,
    ),
}
LENSES = {
    "forward": {}, "delta": {"lens": "delta"}, "weight": {"lens": "weight"},
    "transposed": {"lens": "delta", "transposed": True},
}  # fmt: skip
STATES = {f"{how}, {lens}": laid | more
          for how, laid in LAYINGS.items() for lens, more in LENSES.items()}  # fmt: skip
# What each gives no call for, in the order in which a reader meets it.
CANNOT = {
    "cnnlib": set(),
    "PyTorch": {
        "cuts as much off at both ends", "has no such border here",
    },
    "Keras": {
        "leaves gradients to the library below it", "refuses a stride together with a dilation",
        "has the paddings 'valid' and 'same' only", "has no groups and no border",
    },
    "SciPy": {
        "has no dilation", "has no stride, and here zeros come between the deltas first",
        "sums over no filters", "sums over all channels",
        "adds nothing up for copies",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def texts(browser):
    """What the explorer would copy for each state, by the name of the library."""
    page = browser.new_page()
    code = joined("convolution").split("export default")[0]
    states = [ConvolutionExplorer(**state).state() for state in STATES.values()]
    made = page.evaluate(
        f"""(states) => {{ {code}
        return states.map((state) => Object.fromEntries(Object.entries(CALLS)
            .map(([name, text]) => [name, text(look(state))]))); }}""",
        json.loads(json.dumps(states)),
    )
    page.close()
    return dict(zip(STATES, made, strict=True))


def expected(explorer):
    arrays, laid = explorer._arrays(), explorer._geometry()
    x, w, dz = (arrays[name] for name in ("x", "w", "dz"))
    if explorer.lens == "forward":
        return cnnlib.conv(x, w, arrays["b"], method="loops", **laid)
    if explorer.lens == "delta":
        return cnnlib.conv_delta(dz, w, x.shape, method="loops", **laid)
    return cnnlib.conv_weight_gradient(x, dz, w.shape[1:-1], method="loops", **laid)


def run(text):
    """The last array that a text assigns."""
    scope = {}
    exec(text, scope)
    last = text.strip().splitlines()[-1].split(" = ")[0]
    value = scope[last]
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


@pytest.mark.parametrize(("name", "least"), [("cnnlib", len(STATES)), ("SciPy", 20)])
def test_every_call_gives_the_numbers_of_the_library(texts, name, least):
    assert check(texts, name) >= least


def test_every_call_of_pytorch_gives_the_numbers_of_the_library(texts, torch):
    assert check(texts, "PyTorch") >= 45


def test_every_call_of_keras_gives_the_numbers_of_the_library(texts, tensorflow):
    assert check(texts, "Keras") >= 12


def check(texts, name):
    """Compares what the calls give, and counts those that there are."""
    ran, refused = 0, set()
    for state, made in texts.items():
        text = made[name]
        if text.startswith("cannot, because "):
            refused |= {reason for reason in CANNOT[name] if reason in text}
            assert any(reason in text for reason in CANNOT[name]), text
            continue
        explorer = ConvolutionExplorer(**STATES[state])
        right = expected(explorer)
        got = run(text)
        if name == "SciPy":  # its arrays have no axis of samples
            right = right.reshape(got.shape) if got.size == right.size else right[0]
        assert got.shape == right.shape, (state, text)
        np.testing.assert_allclose(got, right, rtol=1e-5, atol=1e-5, err_msg=f"{state}\n{text}")
        ran += 1
    assert refused == CANNOT[name]
    return ran


def test_the_formula_is_that_of_the_table(texts):
    """Its index, evaluated, is the input of every row of the connection table."""
    for state, made in texts.items():
        explorer = ConvolutionExplorer(**STATES[state])
        window, P, deep = explorer._laid()
        n = len(P)
        if explorer.lens == "delta":
            where = made["a formula"].split("\nwhere ")[1].split(" and ")
            places = [part.rsplit(" = ", 1)[0] for part in where]
        else:
            inside = made["a formula"].split("x[")[1].split("]")[0]
            places = inside.split(", ")[:n]
        axes = window.axes(P)
        for axis, text, i, u in zip(axes, places, "ij", "uv", strict=False):
            for a in range(axis.outputs):
                for b in range(axis.kernel):
                    term = text
                    for letter, value in ((i, a), (u, b)):
                        head, found, tail = term.partition(letter)
                        assert found, text
                        times = "*" if head and head[-1].isdigit() else ""
                        term = f"{head}{times}({value}){tail}"
                    assert eval(term) == axis.input(a, b), (state, text)
        assert bool(re.search(r"\bc\b", made["a formula"])) == (deep is not None)
    assert (
        "z[i, j] = sum over u, v of w[u, v] * x[i + u, j + v]"
        in (texts["as it begins, forward"]["a formula"])
    )
    assert Window((2,), 1, 1, 0).axes((3,))[0].input(1, 1) == 2


def test_the_text_is_shown_copied_and_kept_up_to_date(open_page):
    page = open_page(ConvolutionExplorer(), permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("Copy", exact=True).first.click()
    shown = page.locator(".cnn-call")
    assert "cnnlib.conv(x, w, None)" in shown.text_content()
    page.get_by_label("for", exact=True).select_option("SciPy")
    assert shown.text_content().endswith('z = correlate(x, w, "valid")')
    page.get_by_label("stride", exact=True).fill("2")
    page.get_by_label("stride", exact=True).press("Enter")
    assert shown.text_content().endswith('z = correlate(x, w, "valid")[::2, ::2]')
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == shown.text_content()
    lens = page.get_by_label("delta", exact=True)
    lens.check()
    assert shown.text_content().startswith("cannot, because SciPy")


def test_a_picture_of_the_state_is_saved(open_page, tmp_path):
    from PIL import Image

    page = open_page(ConvolutionExplorer(padding=1), accept_downloads=True)
    page.get_by_text("Copy", exact=True).first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Picture").click()
    download.value.save_as(tmp_path / "state.png")
    picture = Image.open(tmp_path / "state.png").convert("RGB")
    root = page.locator(".cnn-explorer").bounding_box()
    assert picture.width == 2 * round(root["width"])
    # The chosen output stands where it does on the page, below what was left out.
    colours = {colour for _, colour in picture.getcolors(2**24)}
    for wanted in ((255, 243, 176), (0, 121, 90), (0, 114, 178)):  # lit, output, input
        assert min(max(abs(a - b) for a, b in zip(wanted, one, strict=True)) for one in colours) < 6
