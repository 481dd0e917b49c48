"""What an output has seen: by hand, and by a delta that is sent back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib.errors import InputError
from cnnlib.learning import (
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    HalfSquaredError,
    Layer,
    LeakyReLU,
    MaxPool,
    Network,
    ReLU,
    Residual,
    receptive_field,
)


def network(*layers, shape):
    rng = np.random.default_rng(0)
    made = Network(layers, HalfSquaredError(), input_shape=shape, rng=rng, dtype=np.float64)
    for p in made.params.values():
        p[...] = 1  # no two ways cancel
    return made


def arrives(made, last, output):
    """For each axis the inputs that a delta of this output of layer `last` reaches."""
    x = np.ones((1, *made.input_shape))
    outputs = made.trace(x).outputs
    dz = np.zeros_like(outputs[last])
    dz[(0, *output)] = 1
    names = [*made.layers]
    for name in names[names.index(last) :: -1]:
        dz = made.layers[name].backward(dz)
    axes = range(dz.ndim - 2)
    return [dz[0].any(axis=tuple({*range(dz.ndim - 1)} - {n})) for n in axes]


def check(made):
    """Every output of every layer, by a delta."""
    for name, field in receptive_field(made).items():
        if "." in name or name.startswith("flatten"):  # there the field is that of all together
            continue
        shape = made.shapes[name]
        for output in np.ndindex(shape):
            for n, (seen, found) in enumerate(
                zip(field.seen, arrives(made, name, output), strict=True)
            ):
                i = output[n] if len(seen) > 1 else 0
                assert np.array_equal(seen[i], found), (name, output, n)
                cells = np.flatnonzero(found)
                first = field.start[n] + field.jump[n] * i
                if cells.size:
                    assert first <= cells[0] and cells[-1] < first + field.size[n]
                if 0 <= first and first + field.size[n] <= len(found):  # no padding
                    assert (cells[0], cells[-1]) == (first, first + field.size[n] - 1)


def test_by_hand():
    """Two 3x3 see 5x5; behind a stride of 2 each further cell is two cells away."""
    layers = [
        Conv(1, 3),
        Conv(1, 3),
        MaxPool(2),
        Conv(1, 3, padding=1),
        Conv(1, 3, stride=2, dilation=2),
    ]
    found = receptive_field(network(*layers, shape=(30, 29, 1)))
    assert [f.size for f in found.values()] == [(3, 3), (5, 5), (6, 6), (10, 10), (18, 18)]
    assert [f.jump for f in found.values()] == [(1, 1), (1, 1), (2, 2), (2, 2), (4, 4)]
    assert [f.start for f in found.values()] == [(0, 0), (0, 0), (0, 0), (-2, -2), (-2, -2)]
    assert [f.center for f in found.values()] == [
        (1, 1),
        (2, 2),
        (2.5, 2.5),
        (2.5, 2.5),
        (6.5, 6.5),
    ]


def test_a_centre_behind_a_centre_is_a_centre():
    """Centres of odd kernels stay on the output's own place; strides carry it along."""
    layers = [Conv(1, 3, stride=2, center=1), Conv(1, 5, center=2), Conv(1, 3, stride=3, center=1)]
    found = receptive_field(network(*layers, shape=(40, 1)))
    assert [f.center for f in found.values()] == [(0,), (0,), (0,)]
    assert [f.jump for f in found.values()] == [(2,), (2,), (6,)]


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([Conv(1, 3, dilation=3), Conv(1, 2, dilation=2), AvgPool(2)], (13, 1)),
        ([Conv(2, (2, 3), stride=(2, 1), padding="same"), ReLU(), AvgPool(3, stride=2)], (9, 7, 1)),
        ([Conv(1, 2, flip=True, center=0), Conv(1, 3, padding=((5, 0),))], (9, 1)),
        ([Conv(1, 1, padding=2), Conv(1, 3, padding=1)], (5, 1)),  # outputs that met nothing
        ([Conv(1, 2), AvgPool(2, stride=3), Flatten(), Dense(2)], (10, 1)),  # the lost last cells
        ([Conv(2, 3, padding=1), BatchNorm(), LeakyReLU(), Dropout(0.5), GlobalAveragePool()],
         (4, 5, 2)),
        ([Residual([Conv(1, 3, padding=1), Conv(1, 3, padding=2, dilation=2)])], (9, 1)),
        ([Residual([Conv(1, 1)], shortcut=[Conv(1, 5, padding=2)])], (9, 1)),  # begins earlier
        ([AvgPool(2), Residual([Conv(2, 3, stride=2, padding=1)], shortcut=[Conv(2, 1, stride=2)]),
          Conv(1, 2)], (12, 9, 1)),
        ([Conv(1, (2, 1, 3), stride=(1, 2, 1)), AvgPool((1, 2, 2), stride=1)], (3, 5, 5, 1)),
    ],
    ids=str,
)  # fmt: skip
def test_where_a_delta_arrives(layers, shape):
    check(network(*layers, shape=shape))


def windows():
    pad = st.integers(0, 3)
    how = st.fixed_dictionaries({
        "filters": st.just(1), "kernel": st.integers(1, 3), "stride": st.integers(1, 3),
        "dilation": st.integers(1, 3), "flip": st.booleans(),
        "padding": st.tuples(st.tuples(pad, pad)),
    })  # fmt: skip
    return st.lists(how, min_size=1, max_size=3)


@settings(max_examples=40)
@given(windows(), st.integers(8, 14))
def test_any_windows(hows, P):
    try:
        made = network(*(Conv(**how) for how in hows), shape=(P, 1))
    except InputError:
        return  # a kernel that is longer than what it is laid on
    check(made)


def test_inside_a_sum_each_layer_has_its_own():
    layer = Residual([Conv(1, 3, padding=1), Conv(1, 5, padding=2)], shortcut=[Conv(1, 1)])
    found = receptive_field(network(layer, shape=(9, 1)))
    sizes = {name: field.size for name, field in found.items()}
    expected = {"residual1.conv1": (3,), "residual1.conv2": (7,), "residual1.shortcut.conv1": (1,)}
    assert sizes == expected | {"residual1": (7,)}


def test_ways_of_different_jumps_have_no_field():
    layer = Residual([Conv(1, 2, stride=2)], shortcut=[Conv(1, 2)])  # both give one output
    with pytest.raises(
        InputError, match=r"layer residual1 adds outputs that are \(2,\) cells apart"
    ):
        receptive_field(network(layer, shape=(2, 1)))


def test_a_layer_of_ones_own_is_refused_with_the_other_way():
    class Own(Layer):
        def forward(self, x):
            return x

    with pytest.raises(InputError, match="layer own1 is a Own; receptive_field does not know"):
        receptive_field(network(Own(), shape=(2, 1)))
    with pytest.raises(InputError, match="network is 3; expected a Network"):
        receptive_field(3)


def test_a_signal_too_long_for_a_table_is_refused():
    made = network(Conv(1, 3), shape=(10**7, 1))
    with pytest.raises(InputError, match="what the outputs have seen would take 1e.05 GB"):
        receptive_field(made)
