"""sums.js gives in a browser what cnnlib gives: tables, numbers, written sums and refusals."""

import json
from functools import cache

import numpy as np
import pytest
from grid import CASES, POOLS

import cnnlib
from cnnlib import checks
from cnnlib.book.widgets.scripts import joined
from cnnlib.errors import InputError
from cnnlib.geometry import BORDERS, Window

SUMS = joined("sums")

CONVOLVE = """({x, w, b, dz, geometry}) => {
  const [P, U] = [x.shape.slice(1, -1), w.shape.slice(1, -1)];
  const window = new Window(U, geometry);
  const [I, rows] = [window.outputShape(P), window.connections(P)];
  window.connections = () => rows; // once for all cells
  const all = (quantity, shape) => indices(shape).map((cell) => {
    const explained = explain(quantity, cell, {x, w, b, dz}, window);
    return [explained.value, written(explained)];
  });
  const sums = {
    z: conv(x, w, b, rows, I), dx: convDelta(dz, w, x.shape, rows),
    dw: convWeightGradient(x, dz, U, rows, x.shape.at(-1) / w.shape.at(-1)),
  };
  return {
    rows, pads: window.axes(P).map((axis) => [axis.before, axis.after]),
    shapes: Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum.shape])),
    sums: Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, [...sum.data]])),
    written: Object.entries(sums).flatMap(([name, sum]) => all(name, sum.shape)),
  };
}"""

POOL = """({x, da, window, geometry}) => {
  const [P, C] = [x.shape.slice(1, -1), x.shape.at(-1)];
  const laid = layPool(P, window, geometry);
  const rows = channelwise(laid.connections(P), C);
  const outputs = cells(laid.outputShape(P)) * C;
  const {a, winners} = maxPool(x.data, rows, outputs);
  const result = [a, winners, maxPoolDelta(da, winners, x.data.length)];
  for (const size of [null, cells(window)]) {
    const counts = poolCounts(rows, outputs, size);
    result.push(avgPool(x.data, rows, counts), avgPoolDelta(da, rows, counts, x.data.length));
  }
  return result.map((numbers) => [...numbers]);
}"""

TABLE = """([P, U, geometry]) => {
  try { return new Window(U, geometry).connections(P); } catch (error) { return error.message; }
}"""


@pytest.fixture(scope="module")
def run(browser):
    """Runs a JavaScript function for each of some values, below sums.js."""
    page = browser.new_page()
    yield lambda code, values: page.evaluate(
        f"(values) => {{ 'use strict'; {SUMS}\nreturn values.map({code}); }}", plain(values)
    )
    page.close()


def plain(value):
    """As JSON brings it to the browser: tuples become lists."""
    return json.loads(json.dumps(value))


def tensor(array):
    return {"shape": array.shape, "data": array.ravel().tolist()}


def laying(case):
    """A case's geometry as JSON has it: a flip is true or false there."""
    return {**case.geometry, "flip": bool(case.flip)}


@pytest.fixture
def each_once(monkeypatch):
    """`explain` computes the outputs and the table anew for each cell; here once for each case."""
    known = cache(Window.connections)
    windows = cache(lambda *geometry: Window(*geometry))
    monkeypatch.setattr(Window, "connections", lambda window, P: known(window, P))
    monkeypatch.setattr(checks, "Window", lambda *geometry: windows(*geometry))


@pytest.mark.parametrize("numbers", ["random", "integers"])
def test_every_number_and_every_written_sum_is_that_of_cnnlib(run, each_once, monkeypatch, numbers):
    """One sample of each case: the front ends know no batches."""
    given = []
    for case in CASES:
        x, w, b, dz = case.arrays()
        arrays = [x[:1], w, b, dz[:1]]
        if numbers == "integers":  # their sums are exact, and written in full
            arrays = [np.round(3 * array) for array in arrays]
        given.append(arrays)
    values = [
        {"x": tensor(x), "w": tensor(w), "b": b.tolist(), "dz": tensor(dz), "geometry": laying(c)}
        for c, (x, w, b, dz) in zip(CASES, given, strict=True)
    ]
    for case, (x, w, b, dz), found in zip(CASES, given, run(CONVOLVE, values), strict=True):
        table = cnnlib.connections(case.P, case.U, **case.geometry)
        assert [tuple(row) for row in found["rows"]] == table.tolist(), case.name
        axes = Window(case.U, **case.geometry).axes(case.P)
        assert found["pads"] == [[axis.before, axis.after] for axis in axes], case.name
        loops = {**case.geometry, "method": "loops"}
        expected = {
            "z": cnnlib.conv(x, w, b, **loops),
            "dx": cnnlib.conv_delta(dz, w, x.shape, **loops),
            "dw": cnnlib.conv_weight_gradient(x, dz, case.U, **loops),
        }
        monkeypatch.setattr(checks, "conv", lambda *_, z=expected["z"], **__: z)
        sums = iter(found["written"])
        for name, array in expected.items():
            assert tuple(found["shapes"][name]) == array.shape, case.name
            np.testing.assert_allclose(
                found["sums"][name], array.ravel(), rtol=1e-12, atol=1e-12, err_msg=case.name
            )
            for cell in np.ndindex(array.shape):
                explained = checks.explain(name, cell, x=x, w=w, b=b, dz=dz, **case.geometry)
                assert next(sums) == [explained.value, str(explained)], case.name
        assert next(sums, None) is None


# Input, channels, filters, groups, kernel, and how it is laid.
OTHER_ROWS = [
    ((5, 4), 2, 4, 2, (3, 2), dict(padding="same", border="reflect", stride=2)),
    ((4, 5), 3, 3, 3, (2, 3), dict(padding=((2, 1), (0, 3)), border="symmetric", flip=True)),
    ((3, 6), 4, 2, 2, (3, 3), dict(padding=2, border="circular", dilation=(1, 2))),
    ((2, 3), 1, 2, 1, (4, 5), dict(center=(1, 3), border="replicate")),
    ((7,), 6, 4, 2, (4,), dict(padding="full", border="circular", stride=3)),
    ((6,), 3, 6, 3, (3,), dict(center=2, border="reflect", flip=True)),
    ((5, 5), 2, 2, 2, (3, 3), dict(stride=2)),
]


def test_groups_and_borders_give_the_numbers_the_rows_and_the_words_of_cnnlib(run):
    r = np.random.default_rng(18)
    cases = []
    for P, C, K, groups, U, laid in OTHER_ROWS:
        x, w = r.integers(-4, 5, (1, *P, C)), r.integers(-3, 4, (K, *U, C // groups))
        b, z = r.integers(-2, 3, K), cnnlib.conv(x, w, groups=groups, **laid)
        cases.append((x, w, b, r.integers(-3, 4, z.shape), dict(groups=groups, method="loops")))
    values = [
        {"x": tensor(x), "w": tensor(w), "b": b.tolist(), "dz": tensor(dz), "geometry": laid}
        for (x, w, b, dz, _), (*_, laid) in zip(cases, OTHER_ROWS, strict=True)
    ]
    found = run(CONVOLVE, values)
    for (x, w, b, dz, how), (P, *_, U, laid), got in zip(cases, OTHER_ROWS, found, strict=True):
        assert got["rows"] == [list(row) for row in cnnlib.connections(P, U, **laid).tolist()]
        right = {
            "z": cnnlib.conv(x, w, b, **laid, **how),
            "dx": cnnlib.conv_delta(dz, w, x.shape, **laid, **how),
            "dw": cnnlib.conv_weight_gradient(x, dz, U, **laid, **how),
        }
        assert got["sums"] == {name: array.ravel().tolist() for name, array in right.items()}
        arrays = dict(x=x, w=w, b=b, dz=dz, groups=how["groups"], **laid)
        texts = [str(checks.explain(name, cell, **arrays))
                 for name, array in right.items() for cell in np.ndindex(array.shape)]  # fmt: skip
        assert [text for _, text in got["written"]] == texts


def test_a_sum_without_bias_and_a_sum_of_nothing(run):
    x, w = np.array([2.0, -3]).reshape(1, 2, 1), np.array([5.0, 7]).reshape(1, 2, 1)
    dz = np.arange(4.0).reshape(1, 4, 1)
    geometry = {"padding": [[3, 0]]}  # the first output meets nothing
    values = {"x": tensor(x), "w": tensor(w), "b": None, "dz": tensor(dz), "geometry": geometry}
    (found,) = run(CONVOLVE, [values])
    cells = [(0, i, 0) for i in range(4)]
    explained = [checks.explain("z", cell, x=x, w=w, **geometry) for cell in cells]
    assert [text for _, text in found["written"][:4]] == [str(one) for one in explained]
    assert found["written"][0][1].endswith("z[0,0,0] = 0\n  = 0\n  = 0")
    assert found["sums"]["z"] == [0, 0, 14, -11]


def test_every_pool_is_that_of_cnnlib(run):
    values, expected = [], []
    for case in POOLS:
        x, da = (array[:1] for array in case.pool_arrays())
        geometry = {n: v for n, v in laying(case).items() if n != "dilation"}
        value = {"x": tensor(x), "da": da.ravel().tolist(), "window": case.U, "geometry": geometry}
        values.append(value)
        a, winners = cnnlib.max_pool(x, case.U, **geometry)
        C = x.shape[-1]
        results = [a, winners * C + np.arange(C), cnnlib.max_pool_delta(da, winners, x.shape)]
        for count in (False, True):
            average = {**geometry, "count_padding": count}
            results.append(cnnlib.avg_pool(x, case.U, **average))
            results.append(cnnlib.avg_pool_delta(da, x.shape, case.U, **average))
        expected.append(results)
    for case, results, found in zip(POOLS, expected, run(POOL, values), strict=True):
        for ours, theirs in zip(found, results, strict=True):
            np.testing.assert_allclose(
                ours, theirs.ravel(), rtol=1e-12, atol=1e-12, err_msg=case.name
            )


def test_a_pool_refuses_what_cnnlib_refuses(run):
    layings = [
        [[3], 2, {"padding": 2}],
        [[3, 4], [2, 2], {"stride": 1, "padding": [[0, 0], [1, 3]]}],
        [[3, 4], 5, {}],
        [[3, 4], [2], {}],
        [[3, 4], 2, {"stride": 0}],
        [[2], 2, {"stride": 3, "center": 1}],
    ]
    code = (
        "([P, U, options]) => { try { layPool(P, U, options); } catch (e) { return e.message; } }"
    )
    for (P, U, options), found in zip(layings, run(code, layings), strict=True):
        try:
            cnnlib.max_pool(np.zeros((1, *P, 1)), U, **options)
            assert found is None
        except InputError as error:
            assert found == str(error)


BAD = [
    [[5], [3], {"stride": 0}],
    [[5], [3], {"stride": [1, 2]}],
    [[5], [3], {"stride": 1.5}],
    [[5], [3], {"dilation": "2"}],
    [[5], [3], {"dilation": 3}],
    [[5, 4], [3, 3], {"dilation": [1, 2]}],
    [[5], [0], {}],
    [[5], [3], {"padding": "some"}],
    [[5], [3], {"padding": -1}],
    [[5], [3], {"padding": [1, 2]}],
    [[5], [3], {"padding": [[1, 2, 3]]}],
    [[5], [3], {"padding": [[1, -2]]}],
    [[5, 5], [3, 3], {"padding": [[1, 2]]}],
    [[5, 5], [3, 3], {"padding": [1, 2, 3]}],
    [[5], [3], {"padding": True}],
    [[5], [3], {"padding": 1.5}],
    [[5], [3], {"flip": 2}],
    [[5], [3], {"padding": 1, "center": 1}],
    [[5], [3], {"center": 3}],
    [[5], [3], {"center": -1}],
    [[5, 5], [3, 3], {"center": [1]}],
    [[5, 5], [3], {}],
    [[2], [3], {}],
    [[0], [3], {"center": 0}],
    [[5], [3], {"border": "mirror"}],
    [[5], [3], {"border": 1}],
    [[5], [3], {"border": "toString"}],
    [[3], [3], {"border": "reflect", "padding": 3}],
    [[4, 2], [3, 3], {"border": "symmetric", "padding": [[0, 0], [0, 3]]}],
    [[2], [4], {"border": "circular", "center": 3}],
]


def test_what_cnnlib_refuses_is_refused_with_the_same_words(run):
    for (P, U, options), found in zip(BAD, run(TABLE, BAD), strict=True):
        with pytest.raises(InputError) as refused:
            Window(U, **options).connections(tuple(P))
        assert found == str(refused.value)


def test_a_thousand_drawn_geometries_have_the_same_table_or_the_same_refusal(run):
    r = np.random.default_rng(4)

    def each(low, high, n):
        return r.integers(low, high + 1, n).tolist()

    values = []
    for _ in range(1000):
        n = int(r.integers(1, 3))
        geometry = {"stride": each(1, 4, n), "dilation": each(1, 3, n), "flip": bool(r.integers(2))}
        kind = r.integers(5)
        if kind == 0:
            geometry["center"] = each(0, 3, n)
        elif kind == 1:
            geometry["padding"] = r.integers(0, 4, (n, 2)).tolist()
        elif kind == 2:
            geometry["padding"] = each(0, 3, n)
        else:
            geometry["padding"] = [None, "valid", "same", "full"][r.integers(4)]
        if r.integers(2):
            geometry["border"] = list(BORDERS)[r.integers(5)]
        values.append([each(1, 8, n), each(1, 4, n), geometry])
    for (P, U, geometry), found in zip(values, run(TABLE, values), strict=True):
        try:
            table = Window(U, **geometry).connections(tuple(P)).tolist()
            assert [tuple(row) for row in found] == table
        except InputError as error:
            assert found == str(error)


def test_numbers_are_written_as_python_writes_them(run):
    r = np.random.default_rng(5)
    numbers = [0.0, 1.0, -1.5, 0.1, 1234565.0, 1234575.0, 123456.5, 123457.5, 999999.5, 1e6, 1e16]
    numbers += [0.0001, 0.00001, 0.00012345650, 2.5, 1e100, 1e-100, 9.999995, 5e-324]
    numbers += (r.normal(size=2000) * 10.0 ** r.integers(-9, 9, 2000)).tolist()
    numbers += (r.integers(0, 10**7, 2000) / 2).tolist() + (r.integers(0, 10**8, 2000) / 8).tolist()
    found = run("(n) => shown(n)", numbers)
    assert found == [f"{n:.6g}" for n in numbers]
    assert run("(_) => shown(-0)", [0]) == ["-0"]
