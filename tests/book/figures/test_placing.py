"""Placements: every number lies where brute force says, and the written sum is the right one."""

import re

import brute
import numpy as np
import pytest
from grid import CASES

from cnnlib.book import figures
from cnnlib.book.figures import placing
from cnnlib.book.figures.lenses import total
from cnnlib.errors import InputError

SMALL = [case for case in CASES if not case.large and len(case.P) <= 2]
each_case = pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)


@pytest.fixture
def lens(monkeypatch):
    """Calls a function of `placing` and returns what it would have drawn."""
    kept = []
    monkeypatch.setattr(placing, "draw_lenses", lambda lenses: kept.append(lenses))

    def call(function, *arguments, **keywords):
        function(*arguments, **keywords)
        return kept.pop()

    return call


def integers(case):
    """One image with one channel, its kernel and its deltas."""
    r = np.random.default_rng(len(case.name))
    I = brute.outputs(case.axes)
    return (r.integers(-9, 10, shape) for shape in (case.P, case.U, I))


def rows(case):
    """All `(i, u, p)` with their positions, also those outside the input."""
    for i in brute.positions(brute.outputs(case.axes)):
        for u in brute.positions(case.U):
            yield i, u, tuple(case.axes[a][i[a]][u[a]] for a in range(len(case.P)))


def inside(p, P):
    return all(0 <= q < n for q, n in zip(p, P, strict=True))


def written(text):
    """The products and the value of a sum, and what it is the sum for."""
    name, *middle, value = text.replace("−", "-").split(" = ")
    found = re.findall(r"\(?(-?\d+)\)?×\(?(-?\d+)\)?", middle[0] if middle else "")
    return name, sorted((int(m), int(n)) for m, n in found), int(value)


def covered(found):
    """Whether everything that lies on the base lies on a cell of it, or of its padding."""
    shape = np.shape(found.base.values)
    pads = found.base.padding
    return all(
        -before <= q < n + after
        for place in found.tags
        for q, n, (before, after) in zip(place, shape, pads, strict=True)
    )


@each_case
def test_the_kernel_on_the_input(case, lens):
    x, w, _ = integers(case)
    z = np.zeros(brute.outputs(case.axes), int)
    for i, u, p in rows(case):
        z[i] += w[u] * x[p] if inside(p, case.P) else 0
    for i in brute.positions(z.shape):
        (found,) = lens(figures.placement, x, w, i, b=7, **case.geometry)
        here = [(u, p) for j, u, p in rows(case) if j == i]
        assert found.tags == {p: w[u] for u, p in here}
        assert np.array_equal(found.base.values, x) and covered(found)
        products = sorted((w[u], x[p]) for u, p in here if inside(p, case.P))
        name, terms, value = written(found.total)
        assert name == f"z[{','.join(map(str, i))}]"
        assert (terms, value) == (products, z[i] + 7)
        kernel, outputs = found.sides
        assert np.array_equal(kernel.values, w) and np.array_equal(outputs.values, z + 7)
        assert outputs.highlight == [i]


@each_case
def test_the_kernel_on_the_deltas(case, lens):
    _, w, dz = integers(case)
    s = np.broadcast_to(case.stride, len(case.P))
    dx = np.zeros(case.P, int)
    met = {p: [] for p in brute.positions(case.P)}
    for i, u, p in rows(case):
        if inside(p, case.P):
            dx[p] += w[u] * dz[i]
            met[p].append((i, u))
    for p in brute.positions(case.P):
        (found,) = lens(figures.delta_placement, dz, w, case.P, p, **case.geometry)
        assert len(found.tags) == w.size and covered(found)
        for i, u in met[p]:
            place = tuple(s * i)
            assert found.tags[place] == w[u]
            assert found.base.values[place] == dz[i] and found.base.kind[place] == "delta"
        name, terms, value = written(found.total)
        assert name == f"dx[{','.join(map(str, p))}]"
        assert (terms, value) == (sorted((w[u], dz[i]) for i, u in met[p]), dx[p])
        kernel, inputs = found.sides
        assert np.array_equal(inputs.values, dx) and inputs.highlight == [p]
        # The kernel beside it is the one that lies there.
        assert kernel.values.ravel().tolist() == [w_ for _, w_ in sorted(found.tags.items())]


@each_case
def test_the_deltas_on_the_input(case, lens):
    x, _, dz = integers(case)
    dw = np.zeros(case.U, int)
    for i, u, p in rows(case):
        dw[u] += x[p] * dz[i] if inside(p, case.P) else 0
    for u in brute.positions(case.U):
        (found,) = lens(figures.weight_placement, x, dz, case.U, u, **case.geometry)
        here = [(i, p) for i, v, p in rows(case) if v == u]
        assert found.tags == {p: dz[i] for i, p in here} and covered(found)
        name, terms, value = written(found.total)
        assert name == f"dw[{','.join(map(str, u))}]"
        products = sorted((x[p], dz[i]) for i, p in here if inside(p, case.P))
        assert (terms, value) == (products, dw[u])
        deltas, weights = found.sides
        assert np.array_equal(deltas.values, dz) and np.array_equal(weights.values, dw)
        assert weights.highlight == [u]


def test_the_zeros_between_the_deltas_are_marked(lens):
    (found,) = lens(figures.delta_placement, [5, 7], [1, 2, 3], 7, 4, stride=3)
    assert found.base.values.tolist() == [5, 0, 0, 7]
    assert found.base.kind.tolist() == ["delta", "zero", "zero", "delta"]


def test_a_film_strip_has_every_output_and_no_kernel(lens):
    found = lens(figures.placements, [10, 20, 30], [1, 2], [0, 1])
    assert [one.total for one in found] == ["z[0] = 1×10 + 2×20 = 50", "z[1] = 1×20 + 2×30 = 80"]
    assert [[side.kind for side in one.sides] for one in found] == [["output"]] * 2


@pytest.mark.parametrize(
    ("geometry", "center", "mark"),
    [
        ({}, None, None),
        ({"center": 2}, (2,), (1,)),
        ({"mark_center": True}, (0,), (1,)),  # 'valid' has its centre in the corner
        ({"mark_center": True, "padding": 1}, (1,), (1,)),
        ({"mark_center": True, "padding": 1, "flip": True}, (1,), (1,)),
        ({"mark_center": True, "padding": 1, "dilation": 2}, None, None),  # between two weights
        ({"mark_center": True, "padding": 1, "stride": 2}, (1,), (2,)),
    ],
)
def test_the_centre_lies_on_the_output_s_own_place(lens, geometry, center, mark):
    (found,) = lens(figures.placement, np.arange(7), [1, 2, 3], 1, **geometry)
    assert (found.sides[0].center, found.mark) == (center, mark)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_what_is_drawn():
    figure = figures.placement([10, 20, 30], [1, 2], 1, b=4)
    assert texts(figure)[-1] == "z[1] = 1×20 + 2×30 + 4 = 84"
    assert {"input x", "kernel w", "output z", "×1", "×2", "10", "20", "30", "54", "84"} <= set(
        texts(figure)
    )


def at(figure, word, number=0):
    found = [text for text in figure.axes[0].texts if text.get_text() == word]
    return found[number].get_position()


def test_the_numbers_lie_on_their_cells():
    figure = figures.placement([[11, 12, 13], [14, 15, 16]], [[21], [22]], (0, 2), padding=(1, 0))
    # Output (0, 2) lies over the padding and over 13.
    assert at(figure, "×22")[0] == at(figure, "13")[0] == at(figure, "×21")[0]
    assert 0.3 < at(figure, "×22")[1] - at(figure, "13")[1] < 0.5
    assert at(figure, "×22")[1] - at(figure, "×21")[1] == pytest.approx(1)


def test_grids_that_do_not_fit_beside_the_first_go_below_it():
    wide = figures.delta_placement([1, 2, 3, 4], [91, 92, 93], 14, 4, stride=3, dilation=2)
    assert at(wide, "92")[1] > at(wide, "×92")[1] + 1
    assert min(text.get_fontsize() for text in wide.axes[0].texts) >= 7
    narrow = figures.delta_placement([1, 2], [91, 92, 93], 5, 3, stride=2)
    assert at(narrow, "92")[0] > at(narrow, "×92")[0] + 1


def test_a_long_sum_is_wrapped_at_its_products():
    figure = figures.placement(np.full((6, 6), 12), np.full((5, 5), 34), (0, 0))
    words = texts(figure)
    lines = words[words.index(next(word for word in words if word.startswith("z[0,0]"))) :]
    assert len(lines) > 1 and max(map(len, lines)) < 110
    joined = " ".join(line.strip() for line in lines)
    assert joined == "z[0,0] = " + " + ".join(["34×12"] * 25) + " = 10200"


def test_total():
    assert total("z", (0, 1), [(2, 10), (-3, -20)]) == "z[0,1] = 2×10 + (−3)×(−20) = 80"
    assert total("z", (0,), [], 4) == "z[0] = 4"
    assert total("dx", (3,), []) == "dx[3] = 0"
    assert total("z", (0,), [(0.5, 3)], -1) == "z[0] = 0.5×3 + (−1) = 0.5"


@pytest.mark.parametrize("index", [2, -1, (0, 1), ()])
def test_an_output_that_does_not_exist(index):
    with pytest.raises(InputError, match="output"):
        figures.placement([10, 20, 30], [1, 2], index)


def test_geometry_that_is_wrong_is_refused():
    with pytest.raises(InputError, match="padding is 1 and center is 0"):
        figures.placement([10, 20, 30], [1, 2], 0, padding=1, center=0)
    with pytest.raises(InputError, match="cell"):
        figures.delta_placement([5, 7], [1, 2], 3, 3)
    with pytest.raises(InputError, match="weight"):
        figures.weight_placement([1, 2, 3], [5, 7], 2, 2)
