"""What all explorers share: a cell's output, a page of its own, the state in an address."""

import base64
import io
import json
import re

import pytest
from PIL import Image
from traitlets import TraitError

pytest.importorskip("anywidget")

from cnnlib.book.widgets import EXPLORERS, HOST, MIME, VIEW
from cnnlib.book.widgets.explorer import FOLDER, _in_address
from cnnlib.book.widgets.scripts import joined

each_explorer = pytest.mark.parametrize("name", EXPLORERS)


@each_explorer
def test_an_output_carries_the_widget_its_traits_and_a_still(name):
    explorer = EXPLORERS[name]()
    data, metadata = explorer._repr_mimebundle_()
    assert set(data) == {VIEW, MIME, "image/png", "text/plain"}
    assert data[MIME]["explorer"] == name
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).format == "PNG"
    assert metadata["image/png"]["alt"] == explorer.alt
    assert data["text/plain"] == f"{name}: {explorer.alt}" == repr(explorer)
    assert len(explorer.alt.split()) > 5


@each_explorer
def test_the_stored_traits_make_the_same_explorer_again(name):
    explorer = EXPLORERS[name]()
    stored = json.loads(json.dumps(explorer.payload()))
    assert EXPLORERS[stored["explorer"]](**stored["traits"]).state() == explorer.state()
    assert set(stored["traits"]) <= set(explorer.state())


@each_explorer
def test_an_unknown_setting_is_refused(name):
    with pytest.raises(TraitError, match=f"colour is no setting of {name}"):
        EXPLORERS[name](colour="red")


@each_explorer
def test_outputs_are_the_same_in_every_run(name):
    first, second = (EXPLORERS[name]()._repr_mimebundle_()[0] for _ in range(2))
    for data in (first, second):
        data.pop(VIEW)
    assert first == second


@each_explorer
def test_a_front_end_is_small_and_asks_for_nothing(name):
    explorer = EXPLORERS[name]()
    assert explorer.module == joined(name.removesuffix("Explorer").lower())
    assert len((explorer.module + HOST).encode()) < 90 * 1024
    for text in (explorer.module, explorer.style, HOST):
        assert not re.search(r"https?://(?!www\.w3\.org/)|^\s*import\b|@import|url\(", text, re.M)
        assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|localStorage)\b", text)


@each_explorer
def test_own_rules_win_wherever_the_shared_ones_stand(name):
    """A page with two kinds of explorers has the shared style sheet again after the first one."""
    kind = name.removesuffix("Explorer").lower()
    text = (FOLDER / f"{kind}.css").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", re.sub(r"@media[^{]*\{", "", text))
    selectors = [part.strip() for rule in rules for part in re.split(r",(?![^(]*\))", rule)]
    assert len(selectors) > 5
    assert all(s.startswith(f".cnn-explorer.cnn-{kind}") for s in selectors), selectors


@each_explorer
def test_a_page_of_its_own_needs_nothing_else(name):
    explorer = EXPLORERS[name]()
    page = explorer.page()
    assert explorer.page() == page
    assert "default-src 'none'" in page and "unsafe-inline" not in page
    assert page.count("</script>") == page.count("</style>") == 1
    assert f'<meta name="description" content="{explorer.about}">' in page
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r'(?:src|href)="(?!data:)', markup)


SLIPPED_IN = """
<script>document.body.dataset.slipped = "script";</script>
<img src="data:," alt="" onerror="document.body.dataset.slipped = 'handler'">
<style>main { opacity: 0.5; }</style>
<p id="slipped" style="opacity: 0.5">p</p>
"""


@each_explorer
@pytest.mark.parametrize("allowed", [False, True], ids=["as it is", "without the policy"])
def test_nothing_slipped_into_a_page_runs_and_the_explorer_does(name, allowed, browser, tmp_path):
    page, file = browser.new_page(), tmp_path / "page.html"
    text = EXPLORERS[name]().page().replace("<main", f"{SLIPPED_IN}<main")
    if allowed:  # as a proof that the rest of the test would see it
        text = re.sub(r"<meta http-equiv=.*?>", "", text)
    file.write_text(text, encoding="utf-8")
    page.goto(file.as_uri())
    page.wait_for_selector(".mounted")
    found = page.evaluate(
        """() => {
            const opacity = (e) => getComputedStyle(document.querySelector(e)).opacity;
            const said = document.body.dataset.slipped ?? "nothing";
            return [said, opacity("main"), opacity("#slipped")];
        }"""
    )
    assert found == (["handler", "0.5", "0.5"] if allowed else ["nothing", "1", "1"])
    page.close()


@each_explorer
def test_a_page_of_its_own_has_all_its_styles(name, open_page):
    """`open_page` fails where the policy refuses anything: that is an error in the console."""
    page = open_page(EXPLORERS[name]())
    assert page.locator(".still").filter(visible=True).count() == 0
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).position") == "absolute"


@each_explorer
def test_the_first_picture_has_an_empty_address(name):
    assert EXPLORERS[name]().address() == ""


ADDRESSED = [
    (3, "3"),
    (-1.5, "-1.5"),
    (True, "true"),
    (None, "none"),
    ("same", "same"),
    ("a,b;c=d&e", "a%2Cb%3Bc%3Dd%26e"),
    (1, "1"),
    (False, "false"),
    ([0, 1], "0,1"),
    ([7], "7,"),
    ([[1, 2], [3, 4]], "1,2;3,4"),
    ([[1, 2]], "1,2;"),
    ([[5], [6]], "5,;6,"),
    ([None, "he"], "none,he"),
]


@pytest.mark.parametrize(("value", "text"), ADDRESSED, ids=str)
def test_an_address_is_written(value, text):
    assert _in_address(value) == text


def test_the_page_writes_and_reads_the_same_addresses(browser):
    page = browser.new_page()
    page.add_script_tag(content=HOST)
    for value, text in ADDRESSED:
        assert page.evaluate("value => writeAddress(value)", value) == text
        assert page.evaluate("text => readAddress(text)", text) == value
    page.close()


def test_the_model_tells_each_change_once(browser):
    page = browser.new_page()
    page.add_script_tag(content=HOST)
    told = page.evaluate(
        """() => {
            const told = [], model = explorerModel({ a: [1], b: 2 });
            const hear = () => told.push(`a=${model.get("a")}`);
            model.on("change:a change:b", hear);
            model.on("saved", () => told.push("saved"));
            model.set("a", [1]);
            model.set("a", [5]);
            model.save_changes();
            model.off("change:a", hear);
            model.set("a", [6]);
            model.set("b", 3);
            return told;
        }"""
    )
    page.close()
    assert told == ["a=5", "saved", "a=6"]  # the last one from b


WRONG_ADDRESSES = {
    "ConvolutionExplorer": [
        "padding=1000", "padding=1e9", "padding=full&dilation=1000", "dilation=100000&center=1,1",
        "stride=1e308", "stride=1.5", "input=1e308,1e308,1e308&kernel=3,3&position=0,",
        "position=toString", "lens=forward,", "lens=toString", "rotated=toString", "flip=1",
        "bias=x", "kernel=", "input=1,2;3", "deltas=1,x", "%", "stride=%", "stride=%E0%A4%A",
        "__proto__=1", "colour=red", "first=1", f"input={'1,' * 30000}", "center=1e308,0",
        "position=1.5,0", "border=toString", "border=1", "border=reflect&padding=9", "groups=0",
        "groups=2", "groups=1e308", "groups=toString",
    ],
    "PoolingExplorer": [
        "padding=1000", "padding=1e9", "window=1e9&center=0,0", "window=17",
        "padding=full&window=16&input=1,2",
        "pool=toString", "lens=max", "count_padding=7", "position=NaN",
        "input=1e308,1e308&pool=average&window=2&position=0,", "stride=0", "%", "data=1",
    ],
    "NetworkExplorer": [
        "drawing=1;", "drawing=1,2", "digit=toString", "digit=1e308", "target=11",
        "target=toString", "cell=toString,0", "cell=conv1,14,1", "cell=conv1,1e308,0,0", "cell=",
        "lens=up", "%", "data=1",
    ],
    "TrainingExplorer": [
        "layer=toString", "layer=conv1,", "layer=", "step=1e308", "step=-1", "shown=9",
        "filter=99", "filter=toString", "recordings=toString", "recordings=adam",
        "recordings=none", "%", "data=1", "live=toString", "rate=0", "rate=toString", "batch=1.5",
        "live=true&filters=9", "init=toString", "init=-1", "seed=-1", "live=true&filter=4",
        "digits=1", "live=true&layer=conv2", "live=true&step=401",
    ],
}  # fmt: skip


@each_explorer
def test_an_address_that_cannot_be_is_refused_in_a_sentence_and_the_picture_stays(name, open_page):
    explorer = EXPLORERS[name]()
    page = open_page(explorer)
    sum_there = page.locator(".cnn-sum").text_content()
    for address in WRONG_ADDRESSES[name]:
        page.evaluate("() => document.querySelector('.mounted').classList.remove('mounted')")
        page.evaluate("(hash) => { location.hash = hash; }", address)
        page.wait_for_selector(".mounted")
        alert = page.get_by_role("alert").first.text_content()
        if address == "stride=1e308":  # far, and nothing is wrong with it: one output
            assert page.locator(".cnn-sum").text_content().startswith("Output (0, 0)")
            continue
        assert alert.startswith("The address asks for what cannot be: "), address
        assert 45 < len(alert) < 400 and alert.endswith("."), (address, alert)
        assert "undefined" not in alert and "Cannot" not in alert, (address, alert)
        assert page.locator(".cnn-sum").text_content() == sum_there, address
        page.evaluate("() => { history.replaceState(null, '', '#'); }")
