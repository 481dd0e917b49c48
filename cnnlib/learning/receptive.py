"""What an output has seen: index rules put one into another (chapter 10)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cnnlib.arrays import check_memory, read_kind
from cnnlib.errors import InputError
from cnnlib.geometry import Axis, Shape

from .averaging import GlobalAveragePool
from .layers import Activation, Conv, Dense, Flatten, Layer, Pool
from .network import Network
from .residual import Residual


@dataclass(frozen=True)
class Field:
    """The inputs that an output of a layer depends on, one number for each axis.

    Output i depends on inputs within `start + jump * i .. start + jump * i + size - 1`; where that
    is beside the input there is padding.

    Attributes
    ----------
    size : tuple of int
        Cells from the first to the last.
    jump : tuple of int
        Cells from one output's to the next one's.
    start : tuple of int
        First cell of output 0; negative where it is padding.
    seen : tuple of arrays (I, P) of bool
        For each axis the table itself: whether output i meets input p, with the holes that a
        dilation leaves and without what only padding would carry.
    """

    size: tuple[int, ...]
    jump: tuple[int, ...]
    start: tuple[int, ...]
    seen: tuple[np.ndarray, ...]

    @property
    def center(self) -> tuple[float, ...]:
        """The middle of output 0's cells; the middle of those of output i is jump * i further."""
        pairs = zip(self.start, self.size, strict=True)
        return tuple(start + (size - 1) / 2 for start, size in pairs)


def receptive_field(network: Network) -> dict[str, Field]:
    """What the outputs of each layer have seen of the network's input (chapter 10).

    A layer whose output i reads p = s*i + low .. s*i + low + d*(U-1), put behind one whose output p
    has seen `start + jump*p` and the `size - 1` cells after it, has

        jump' = jump * s;  start' = start + jump * low;  size' = size + jump * d * (U - 1)

    and its table is the product of the two tables. A function of each cell changes nothing. Of the
    two ways of a sum the field spans both. Behind Flatten, Dense and GlobalAveragePool each output
    has seen what all have seen before, and the jump is 0. BatchNorm counts as outside a training:
    in one, its mean has seen the whole batch.

    Parameters
    ----------
    network : Network
        Of cnnlib's own layers.

    Returns
    -------
    dict of Field
        By the names of the layers; those inside a `Residual`, too: `residual1.conv1`.

    Raises
    ------
    InputError
        A layer is none of these, or the two ways of a sum have different jumps.

    Examples
    --------
    >>> from cnnlib.learning.losses import HalfSquaredError
    >>> from cnnlib.learning.layers import MaxPool
    >>> layers, rng = [Conv(1, 3), MaxPool(2), Conv(1, 3)], np.random.default_rng(0)
    >>> network = Network(layers, HalfSquaredError(), input_shape=(12, 1), rng=rng)
    >>> for name, field in receptive_field(network).items():
    ...     print(name, field.size, field.jump, field.start, field.center)
    conv1 (3,) (1,) (0,) (1.0,)
    maxpool1 (4,) (2,) (0,) (1.5,)
    conv2 (8,) (2,) (0,) (3.5,)
    """
    read_kind("network", network, Network, "Network(layers, loss, ...)")
    fields: dict[str, Field] = {}
    P = network.input_shape[:-1]
    check_memory("what the outputs have seen", sum(n * n for n in P), "lessen input_shape")
    one = (1,) * len(P)
    begin = Field(one, one, (0,) * len(P), tuple(np.eye(n, dtype=bool) for n in P))
    _follow(fields, "", begin, network.layers, network.input_shape)
    return fields


def _follow(
    fields: dict[str, Field], prefix: str, field: Field, layers: Mapping[str, Layer], shape: Shape
) -> Field:
    """Note the field of each layer in turn; return the last one."""
    for name, layer in layers.items():
        if isinstance(layer, Residual):
            ways = [
                _follow(fields, f"{prefix}{name}.{inside}", field, way.layers, shape)
                for inside, way in zip(("", "shortcut."), layer.ways, strict=True)
            ]
            field = _both(prefix + name, *ways)
            shape = layer.output_shape(shape)
        else:
            field = _behind(prefix + name, field, layer, shape)
            shape = layer.output_shape(shape)
        fields[prefix + name] = field
    return field


def _behind(name: str, field: Field, layer: Layer, shape: Shape) -> Field:
    """The field of a layer behind outputs of this field."""
    if isinstance(layer, Conv | Pool):
        return _composed(field, layer.axes_on(shape))
    if isinstance(layer, Flatten | Dense | GlobalAveragePool):
        return _whole(field)
    if not isinstance(layer, Activation):
        raise InputError(
            f"layer {name} is a {type(layer).__name__}; receptive_field does not know which inputs "
            "its outputs read: send a delta of one output back through the network, and look where "
            "it arrives"
        )
    return field


def _composed(field: Field, axes: tuple[Axis, ...]) -> Field:
    """An index rule behind another one is an index rule."""
    size, jump, start, seen = [], [], [], []
    for n, axis in enumerate(axes):
        J = field.jump[n]
        size.append(field.size[n] + J * axis.dilation * (axis.kernel - 1))
        start.append(field.start[n] - J * axis.before)
        jump.append(J * axis.stride)
        table = np.zeros((axis.outputs, field.seen[n].shape[1]), bool)
        i, u, p = axis.rows()
        for one in np.unique(u):  # an output meets one input through a weight
            table[i[u == one]] |= field.seen[n][p[u == one]]
        seen.append(table)
    return Field(tuple(size), tuple(jump), tuple(start), tuple(seen))


def _whole(field: Field) -> Field:
    """Every output has seen what any has."""
    last = [len(table) - 1 for table in field.seen]
    size = tuple(s + j * i for s, j, i in zip(field.size, field.jump, last, strict=True))
    seen = tuple(np.atleast_2d(table.any(axis=0)) for table in field.seen)
    return Field(size, (0,) * len(size), field.start, seen)


def _both(name: str, one: Field, other: Field) -> Field:
    """What the outputs of a sum have seen on either way."""
    if one.jump != other.jump:
        raise InputError(
            f"layer {name} adds outputs that are {one.jump} cells apart to outputs that are "
            f"{other.jump} apart; its outputs have no field of one size. Give both ways one stride"
        )
    ends = [[a + b for a, b in zip(f.start, f.size, strict=True)] for f in (one, other)]
    start = tuple(map(min, one.start, other.start))
    size = tuple(max(pair) - a for *pair, a in zip(*ends, start, strict=True))
    seen = tuple(a | b for a, b in zip(one.seen, other.seen, strict=True))
    return Field(size, one.jump, start, seen)
