"""Does a network's backward pass give the gradients of its forward pass?"""

import math

import numpy as np

from cnnlib.arrays import read_generator, read_integer, read_kind, read_positive
from cnnlib.checks import numerical_gradient, relative_error
from cnnlib.errors import InputError

from .losses import value_of
from .network import Network
from .optimizers import check_writable


def check_gradients(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    *,
    rng: np.random.Generator,
    entries: int = 20,
    step: float = 1e-5,
    training: bool = False,
) -> dict[str, float]:
    """Compare a network's gradients with central differences, parameter by parameter.

    Parameters
    ----------
    network : Network
        Built with `dtype=np.float64`: in float32 rounding hides everything below about 1e-2.
    x, t : array
        A small batch.
    rng : numpy.random.Generator
        Chooses the entries.
    entries : int
        How many entries of each parameter are tried.
    step : float
        As in `numerical_gradient`. A step that carries a ReLU or a max-pool past its kink gives a
        wrong difference, so a single large error among many small ones is no proof of a mistake.
    training : bool
        Whether layers that behave otherwise in a training do so here. What they draw is drawn anew
        alike for each pass: a dropout has one mask. What they change of their buffers and
        Generators is put back, as the parameters are, whatever stops the check.

    Returns
    -------
    dict
        The relative error of each parameter's entries, named like `network.params`.

    Raises
    ------
    InputError
        An argument is none of these, or the network is not of float64.
    """
    read_kind("network", network, Network, "Network(layers, loss, ..., dtype=np.float64)")
    rng, entries = read_generator("rng", rng), read_integer("entries", entries, 1)
    step = read_positive("step", step)
    if network.dtype != np.float64:
        raise InputError(f"the network has dtype {network.dtype}; build it with dtype=np.float64")
    for name, p in network.params.items():
        check_writable(name, p)
    arrays = [*network.params.values(), *network.buffers.values()]
    kept, errors = [a.copy() for a in arrays], {}
    generators = [(bits, bits.state) for bits in network.generators.values()]

    def forward() -> np.ndarray:
        for bits, state in generators:
            bits.state = state
        return network.forward(x, training=training)

    try:
        here, grads = network.gradients(x, t, training=training)
        for name, p in network.params.items():
            chosen = rng.choice(p.size, min(entries, p.size), replace=False)

            def loss(values: np.ndarray, p: np.ndarray = p, chosen: np.ndarray = chosen) -> float:
                p.flat[chosen] = values
                return value_of(network.loss, forward(), t)

            before = p.flat[chosen]
            numerical = numerical_gradient(loss, before, step)
            p.flat[chosen] = before
            if math.isfinite(here) and not np.isfinite(numerical).all():
                raise InputError(f"step is {step}; {name} moved by it breaks the loss: lessen it")
            errors[name] = relative_error(grads[name].flat[chosen], numerical)
    finally:  # whatever stops it
        for a, as_it_was in zip(arrays, kept, strict=True):
            np.copyto(a, as_it_was)
        for bits, state in generators:
            bits.state = state
    return errors
