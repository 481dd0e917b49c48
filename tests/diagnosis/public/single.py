"""One mistake each, as the public makes it."""

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from . import truth
from .limits import exact, padded, square_kernel
from .returned import sums


@truth(False, wrong="dx", names="D11", says=("padding",))
def cut_image_by_image(x, w, b, dz, stride, padding):
    """[pad:-pad] assigned into an array of the input's size: with padding 0 NumPy raises."""
    dx = np.zeros(x.shape)
    kh, kw = w.shape[1:3]
    for n, image in enumerate(x):
        wide = np.zeros((image.shape[0] + 2 * padding, image.shape[1] + 2 * padding, x.shape[3]))
        for i in range(dz.shape[1]):
            for j in range(dz.shape[2]):
                at = np.s_[i * stride : i * stride + kh, j * stride : j * stride + kw]
                wide[at] += np.einsum("k,kuvc->uvc", dz[n, i, j], w)
        dx[n, :, :, :] = wide[padding:-padding, padding:-padding]
    return {"dx": dx, "db": dz.sum(axis=(0, 1, 2))}


@truth(False, wrong="z", says=("first sample", "oblong input"))
def a_step_of_squares(x, w, b, dz, stride, padding):
    """as_strided over channels-first images: from image to image C*H*H where C*H*W belongs."""
    flat = np.ascontiguousarray(padded(x, padding).transpose(0, 3, 1, 2))
    (N, C, H, W), (_, kh, kw, _) = flat.shape, w.shape
    memory = np.append(flat.ravel(), np.zeros(flat.size * max(H, W)))
    one = memory.itemsize
    steps = (C * H * H, stride * W, stride, H * W, W, 1)
    shape = (N, *dz.shape[1:3], C, kh, kw)
    seen = as_strided(memory, shape, tuple(one * step for step in steps))
    return {"z": np.einsum("nijcuv,kuvc->nijk", seen, w) + b}


@truth(False, wrong="dw", names="F10")
def weights_reshaped(x, w, b, dz, stride, padding):
    """(kh*kw, K, C) poured into (K, kh, kw, C), where it must be transposed."""
    windows = sliding_window_view(padded(x, padding), w.shape[1:3], axis=(1, 2))
    windows = windows[:, ::stride, ::stride]
    return {"dw": np.einsum("nijk,nijcuv->uvkc", dz, windows).reshape(w.shape)}


@truth(False, wrong="z", says=("bias",))
def a_bias_in_every_product(x, w, b, dz, stride, padding):
    wide, z = padded(x, padding), np.zeros(dz.shape)
    for i, j, u, v in np.ndindex(*dz.shape[1:3], *w.shape[1:3]):
        z[:, i, j] += wide[:, i * stride + u, j * stride + v] @ w[:, u, v].T + b
    return {"z": z}


@truth(False, wrong="dx dw", names="D4 D5 W3", runs=exact)
def a_stride_forgotten_on_the_way_back(x, w, b, dz, stride, padding):
    """Refuses what does not fit; forwards right."""
    kh, kw = w.shape[1:3]
    if any((n + 2 * padding - k) % stride for n, k in zip(x.shape[1:3], (kh, kw), strict=True)):
        raise ValueError("choose a stride that fits")
    wide = padded(x, padding)
    dwide, dw = np.zeros(wide.shape), np.zeros(w.shape)
    for i in range(dz.shape[1]):
        for j in range(dz.shape[2]):
            dwide[:, i : i + kh, j : j + kw] += np.einsum("nk,kuvc->nuvc", dz[:, i, j], w)
            dw += np.einsum("nk,nuvc->kuvc", dz[:, i, j], wide[:, i : i + kh, j : j + kw])
    one = sums(x, w, b, dz, stride, padding)
    inside = np.s_[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]
    return {"z": one["z"], "dx": dwide[inside], "dw": dw, "db": one["db"]}


@truth(False, wrong="dw", names="W10")
def the_image_without_its_frame(x, w, b, dz, stride, padding):
    """The cache keeps x, and dw is read from it with the indices of the padded x."""
    kept, dw = np.zeros(padded(x, padding).shape), np.zeros(w.shape)
    kept[:, : x.shape[1], : x.shape[2]] = x
    for i, j in np.ndindex(*dz.shape[1:3]):
        at = np.s_[:, i * stride : i * stride + w.shape[1], j * stride : j * stride + w.shape[2]]
        dw += np.einsum("nk,nuvc->kuvc", dz[:, i, j], kept[at])
    return {"dw": dw}


@truth(False, wrong="db", names="B3")
def everything_but_the_bias(x, w, b, dz, stride, padding):
    """z, dx and dw are right; db is the mean over samples and places."""
    return {**sums(x, w, b, dz, stride, padding), "db": dz.mean(axis=(0, 1, 2))}


@truth(False, wrong="z", names="F8", runs=lambda x, w, s, p: True)
def the_same_loop_twice(x, w, b, dz, stride, padding):
    """Both loops run over the rows of outputs; z is as large as it should be."""
    wide, z = padded(x, padding), np.zeros((*dz.shape[:2], dz.shape[1], len(w)))
    for i in range(z.shape[1]):
        for j in range(z.shape[1]):
            patch = wide[
                :, i * stride : i * stride + w.shape[1], j * stride : j * stride + w.shape[2]
            ]
            if patch.shape[1:3] == w.shape[1:3]:
                z[:, i, j] = np.einsum("nuvc,kuvc->nk", patch, w) + b
    return {"z": z}


@truth(False, wrong="dx", names="F8", says=("a square kernel",), runs=square_kernel)
def a_loop_that_compares_with_the_height(x, w, b, dz, stride, padding):
    """The columns' loop runs over as many outputs as there are rows, or as many as there are."""
    size, dwide = w.shape[1], np.zeros(padded(x, padding).shape)
    if w.shape[2] != size:
        raise ValueError("square kernels")
    for i in range(dz.shape[1]):
        for j in range(min(dz.shape[1:3])):
            at = np.s_[:, i * stride : i * stride + size, j * stride : j * stride + size]
            dwide[at] += np.tensordot(dz[:, i, j], w, 1)
    return {"dx": dwide[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]}
