"""The PoolingExplorer in Python: its traits, what it refuses, its still and its words."""

import json

import numpy as np
import pytest
from traitlets import TraitError

import cnnlib
from cnnlib.book.figures import png
from cnnlib.book.widgets import PoolingExplorer
from cnnlib.errors import InputError

X = [[1, 0, 2, 3], [4, 6, 6, 8], [3, 1, 1, 0], [1, 2, 2, 4]]


def test_it_begins_with_the_pool_of_the_first_chapter():
    explorer = PoolingExplorer()
    assert explorer.input == X
    assert explorer.position == [0, 0]
    assert explorer.alt == (
        "Max-pooling, window 2 by 2, stride 2 by 2. Output (0, 0) meets 4 inputs: "
        "a[0,0] = max(1, 0, 4, 6) = 6."
    )


@pytest.mark.parametrize(
    ("traits", "said"),
    [
        # max: by hand from X
        (dict(position=[1, 1]), "Output (1, 1) meets 4 inputs: a[1,1] = max(1, 0, 2, 4) = 4."),
        (
            dict(lens="delta", position=[1, 1], stride=1),
            "Input (1, 1) lies in 4 windows: dx[1,1] = 10 + 20 + 40 + 50 = 120.",
        ),
        (dict(lens="delta", position=[0, 0]), "Input (0, 0) lies in 1 window: dx[0,0] = 0."),
        (
            dict(input=[-3, -1], padding=1, position=[0]),
            "Output 0 meets 1 input: a[0] = max(−3) = -3.",
        ),
        (dict(input=[3, 9], window=1, stride=2), "Output 0 meets 1 input: a[0] = max(3) = 3."),
        # average
        (
            dict(pool="average", input=[-3, 8, 5], stride=1),
            "Output 0 meets 2 inputs: a[0] = ((−3) + 8)/2 = 2.5.",
        ),
        (
            dict(pool="average", input=[8, 8, 8], padding=1, count_padding=True),
            "Output 0 meets 1 input: a[0] = (8)/2 = 4.",
        ),
        (
            dict(pool="average", input=[8, 8, 8], padding=1),
            "Output 0 meets 1 input: a[0] = (8) = 8.",
        ),
        (
            dict(pool="average", lens="delta", input=[3, 8, 5], stride=1, deltas=[-6, 4],
                 position=[1]),
            "Input 1 lies in 2 windows: dx[1] = (−6)/2 + 4/2 = -1.",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_the_alternative_text_says_the_sum(traits, said):
    alt = PoolingExplorer(**traits).alt
    assert alt.split(". ", 1)[1].replace("−", "-") == said.replace("−", "-")


@pytest.mark.parametrize("pool", ["max", "average"])
@pytest.mark.parametrize("lens", ["forward", "delta"])
@pytest.mark.parametrize(
    "laid",
    [
        {},
        dict(window=[3, 2], stride=[2, 1], padding=[[1, 2], [0, 1]], flip=True),
        dict(window=3, center=[0, 2], stride=1),
        dict(input=[5, 1, 5, 2], window=3, padding="same", stride=2),
    ],
    ids=str,
)
def test_every_state_has_a_small_still(pool, lens, laid):
    explorer = PoolingExplorer(pool=pool, lens=lens, **laid)
    assert 1000 < len(png(explorer.draw())) < 30_000


def test_the_still_marks_winner_window_and_shares():
    lens = PoolingExplorer(position=[0, 1])._pooled().lens()
    assert lens.base.highlight == [(1, 3)] and lens.tags == {}
    blue = [(0, 2), (0, 3), (1, 2), (1, 3)]
    assert [tuple(cell) for cell in np.argwhere(lens.base.kind == "input")] == blue
    assert lens.sides[0].values.tolist() == [[6, 8], [3, 4]]
    # Average, over the edge: padding before the input; no window reaches that after it.
    hanging = dict(pool="average", window=3, stride=2, padding=1)
    lens = PoolingExplorer(**hanging)._pooled().lens()
    assert lens.base.values[0].tolist() == [None] * 5
    assert lens.tags == {(1, 1): "1/4", (1, 2): "1/4", (2, 1): "1/4", (2, 2): "1/4"}
    lens = PoolingExplorer(count_padding=True, **hanging)._pooled().lens()
    assert lens.base.values[0].tolist() == [0] * 5 and set(lens.tags.values()) == {"1/9"}
    # Back: the deltas of the windows that the input won.
    lens = PoolingExplorer(lens="delta", stride=1, position=[1, 2])._pooled().lens()
    assert [tuple(cell) for cell in np.argwhere(lens.base.kind == "delta")] == [
        (0, 1), (0, 2), (1, 1), (1, 2)
    ]  # fmt: skip
    assert lens.base.highlight == []
    assert lens.sides[1].values.tolist() == [
        [0, 0, 0, 0], [0, 120, 0, 90], [70, 0, 0, 0], [0, 80, 0, 90]
    ]  # fmt: skip


def test_infinite_padding_is_drawn_as_such():
    lens = PoolingExplorer(padding=1)._pooled().lens()
    assert lens.base.values[0].tolist() == ["−∞"] * 6
    assert (lens.base.kind[0] == "padding").all()


# Traits


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("stride", 0, "stride is 0; expected at least 1"),
        ("window", 5, "kernel spans 5 cells on spatial axis 0"),
        ("window", [2, 2, 2], "window is .*, with 3 entries"),
        ("window", "two", "window is 'two'"),
        ("padding", 2, "window 0 on spatial axis 0 meets no input"),
        ("padding", "half", "padding is 'half'; expected 'valid'"),
        ("center", [0, 2], "outside the kernel"),
        ("position", [0, 2], r"position is \[0, 2\]; expected a cell of a grid of shape \(2, 2\)"),
        ("position", [0], "position is .*, with 1 entries"),
        ("position", [-1, 0], "expected at least 0"),
        ("deltas", [[1, 2]], r"deltas has shape \(1, 2\); expected \(2, 2\)"),
        ("deltas", [["a", "b"], ["c", "d"]], "expected real numbers"),
        ("input", [[1, 2], [3]], "input is no array of numbers"),
        ("input", [[[1]]], r"input has shape \(1, 1, 1\); expected one channel"),
        ("input", 3, r"input has shape \(\)"),
        ("input", [[0] * 17] * 4, r"at most 16 cells"),
        ("input", [[1, float("inf")], [2, 3]], "not finite"),
        ("pool", "min", "pool is 'min'; expected 'max' or 'average'"),
        ("lens", "weight", "lens is 'weight'; expected"),
        ("flip", "no", "flip is 'no'; expected True or False"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_the_state_stays(name, value, reason):
    explorer = PoolingExplorer()
    before = explorer.state()
    with pytest.raises(TraitError, match=reason):
        setattr(explorer, name, value)
    assert explorer.state() == before
    with pytest.raises(TraitError, match=reason):
        PoolingExplorer(**{name: value})


def test_a_refusal_gives_the_reason_of_the_library():
    with pytest.raises(InputError) as expected:
        cnnlib.max_pool(np.zeros((1, 4, 4, 1)), 2, padding=1, center=0)
    with pytest.raises(TraitError) as found:
        PoolingExplorer(padding=1, center=0)
    assert str(found.value) == str(expected.value)


def test_arrays_and_tuples_become_lists():
    place = np.unravel_index(3, (3, 2))
    image = np.arange(12).reshape(3, 4)
    explorer = PoolingExplorer(input=image, window=(1, np.int64(2)), position=place)
    assert json.loads(json.dumps(explorer.state())) == explorer.state()
    assert explorer.position == [1, 1] and explorer.window == [1, 2]


def test_cell_and_deltas_follow_the_geometry():
    explorer = PoolingExplorer(stride=1, position=[2, 2], deltas=np.eye(3))
    explorer.stride = 2
    assert explorer.position == [1, 1] and explorer.deltas is None
    explorer.deltas = [[1, 2], [3, 4]]
    explorer.flip = True  # as many outputs as before
    assert explorer.deltas == [[1, 2], [3, 4]]
    explorer.lens = "delta"
    explorer.position = [3, 3]
    explorer.lens = "forward"
    assert explorer.position == [1, 1]
    explorer.input = [4, 1, 3]
    assert explorer.position == [0] and explorer.deltas is None


def test_python_hears_of_changes():
    explorer, heard = PoolingExplorer(), []
    explorer.observe(lambda change: heard.append((change["name"], change["new"])), "position")
    explorer.position = [1, 0]
    explorer.position = [1, 0]
    assert heard == [("position", [1, 0])]


def test_what_the_front_end_sends_together_is_judged_together():
    explorer = PoolingExplorer()
    explorer.set_state({"input": [1, 5, 2], "window": [3], "position": [0], "center": [1]})
    assert explorer.alt.endswith("Output 0 meets 2 inputs: a[0] = max(1, 5) = 5.")


@pytest.mark.parametrize("name", ["window", "position"])
def test_none_is_no_window_and_no_cell(name):
    explorer = PoolingExplorer()
    before = getattr(explorer, name)
    with pytest.raises(TraitError):
        setattr(explorer, name, None)
    assert getattr(explorer, name) == before
    assert explorer.alt.startswith("Max-pooling, window 2")
