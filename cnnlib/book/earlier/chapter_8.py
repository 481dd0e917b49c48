"""The first programs of chapter 8, and how it measures them."""

import statistics
import time
import tracemalloc

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import cnnlib


def layer(N, P, C, U, K, seed=0):
    """Images of P by P cells, kernels of U by U weights, and the number of multiplications."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-5, 6, (N, P, P, C)).astype(np.float32)
    w = rng.integers(-5, 6, (K, U, U, C)).astype(np.float32)
    return x, w, N * (P - U + 1) ** 2 * U * U * C * K


def by_loops(x, w):
    (N, P, Q, C), (K, U, V, _) = x.shape, w.shape
    table = cnnlib.connections((P, Q), (U, V)).tolist()
    x, w = x.reshape(N, P * Q, C), w.reshape(K, U * V, C)  # cells and weights by their flat index
    z = np.zeros((N, (P - U + 1) * (Q - V + 1), K), x.dtype)
    for n, k, c in np.ndindex(N, K, C):
        for i, u, p in table:
            z[n, i, k] += w[k, u, c] * x[n, p, c]
    return z.reshape(N, P - U + 1, Q - V + 1, K)


def view(x, U, T, B=1):
    """(8.2) as an array [n, i, j, u, t, c] of windows of U by T cells, B apart along each line."""
    windows = sliding_window_view(x, (U, T), axis=(1, 2))  # [n, i, j, c, u, t]
    return np.moveaxis(windows[:, :, ::B], 3, -1)


def by_im2col(x, w):
    K, U, V, C = w.shape
    windows = view(x, U, V)
    rows = windows.reshape(-1, U * V * C)  # a copy
    m = w.reshape(K, U * V * C).T
    return (rows @ m).reshape(*windows.shape[:3], K)


def once(program):
    """Processor time of one call in seconds, from as many calls as take a fiftieth of a second."""
    calls, spent, start = 0, 0, time.process_time()
    while spent < 0.02:
        program()
        calls, spent = calls + 1, time.process_time() - start
    return spent / calls


def race(programs, rounds=5):
    """Median processor time of each program, in seconds; they run in turns."""
    times = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, program in programs.items():
            seconds = once(program)
            if number > 0:  # the first round warms up
                times[name].append(seconds)
    return {name: statistics.median(many) for name, many in times.items()}


def held(program, *arrays):
    """The most bytes that a program holds at once, with its result; NumPy reports its arrays."""
    tracemalloc.start()
    program(*arrays)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most
