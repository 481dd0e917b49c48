"""The catalogue's mistakes of a convolution layer as people write them, without the library's own.

Each is a reader's function `fn(x, w, b, dz, stride, padding)` that returns one quantity. Several of
them raise in some configurations, or read nothing where a window hangs over the edge: so they do in
the wild. `WILD` lists them with the quantity and the entry that a diagnosis must name.
"""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from scipy.signal import convolve2d, correlate2d

WILD: list[tuple[Callable, str, tuple[str, ...]]] = []  # function, quantity, entries


def wild(quantity: str, *ids: str):
    def register(make: Callable) -> Callable:
        def fn(x, w, b, dz, s, p):
            return {quantity: make(x, w, b, dz, s, p)}

        fn.__name__ = make.__name__
        WILD.append((fn, quantity, ids))
        return make

    return register


# ---- What the right parts of the functions are made of


def pad(a, p):
    return np.pad(a, ((0, 0), (p, p), (p, p), (0, 0)))


def sizes(x, w, s, p):
    return tuple((n + 2 * p - k) // s + 1 for n, k in zip(x.shape[1:3], w.shape[1:3], strict=True))


def patches(x, w, s, p):
    """x[n, i, j, c, a, b]: the windows of the padded input."""
    return sliding_window_view(pad(x, p), w.shape[1:3], axis=(1, 2))[:, ::s, ::s]


def dilated(dz, s):
    """s - 1 zeros between the deltas."""
    N, oh, ow, K = dz.shape
    wide = np.zeros((N, (oh - 1) * s + 1, (ow - 1) * s + 1, K))
    wide[:, ::s, ::s] = dz
    return wide


def slid(d, w, function, channels):
    """The sum over k of `function(d, w, 'full')`, for each sample and channel."""
    return np.stack(
        [
            np.stack(
                [
                    sum(function(d[n, :, :, k], w[k, :, :, c], "full") for k in range(len(w)))
                    for c in range(channels)
                ],
                axis=-1,
            )
            for n in range(len(d))
        ]
    )


def unpadded(full, x, p):
    """The full result laid into the padded input, the padding cut off."""
    N, H, W, C = x.shape
    dx = np.zeros((N, H + 2 * p, W + 2 * p, C))
    dx[:, : full.shape[1], : full.shape[2]] = full
    return dx[:, p : p + H, p : p + W]


def scattered(x, w, dz, s, p):
    """dx with its padding."""
    (N, H, W, C), (_, kh, kw, _) = x.shape, w.shape
    dx = np.zeros((N, H + 2 * p, W + 2 * p, C))
    for i in range(dz.shape[1]):
        for j in range(dz.shape[2]):
            dx[:, i * s : i * s + kh, j * s : j * s + kw] += np.tensordot(dz[:, i, j], w, 1)
    return dx


def inner(dx, x, p):
    return dx[:, p : p + x.shape[1], p : p + x.shape[2]]


def weights(x, w, dz, s, p):
    return np.einsum("nijcab,nijk->kabc", patches(x, w, s, p)[:, : dz.shape[1]], dz)


# ---- Forward


@wild("z", "F1")
def convolve2d_per_channel(x, w, b, dz, s, p):
    z = np.zeros((len(x), *sizes(x, w, s, p), len(w)))
    x = pad(x, p)
    for n in range(len(x)):
        for k in range(len(w)):
            for c in range(x.shape[-1]):
                z[n, ..., k] += convolve2d(x[n, ..., c], w[k, ..., c], mode="valid")[::s, ::s]
    return z + b


@wild("z", "F1")
def product_of_spectra(x, w, b, dz, s, p):
    x = pad(x, p)
    size, (kh, kw) = x.shape[1:3], w.shape[1:3]
    spectrum = np.einsum(
        "nrsc,krsc->nrsk", np.fft.fft2(x, axes=(1, 2)), np.fft.fft2(w, size, axes=(1, 2))
    )
    return np.fft.ifft2(spectrum, axes=(1, 2)).real[:, kh - 1 :: s, kw - 1 :: s] + b


@wild("z", "F3")
def window_starts_at_i(x, w, b, dz, s, p):
    oh, ow = sizes(x, w, s, p)
    z = np.zeros((len(x), oh, ow, len(w)))
    x = pad(x, p)
    for i in range(oh):
        for j in range(ow):
            window = x[:, i : i + w.shape[1], j : j + w.shape[2], None, :]
            z[:, i, j] = np.sum(window * np.moveaxis(w, 0, 2), axis=(1, 2, 4)) + b
    return z


@wild("z", "F3")
def correlation_cut_to_size(x, w, b, dz, s, p):
    oh, ow = sizes(x, w, s, p)
    return (
        np.stack(
            [
                [
                    sum(
                        correlate2d(image[..., c], kernel[..., c], "valid")
                        for c in range(x.shape[-1])
                    )
                    for kernel in w
                ]
                for image in pad(x, p)
            ]
        ).transpose(0, 2, 3, 1)[:, :oh, :ow]
        + b
    )


@wild("z", "F4")
def plus_one_inside(x, w, b, dz, s, p):
    N, H, W, _ = x.shape
    K, kh, kw, _ = w.shape
    oh, ow = (H - kh + 2 * p + 1) // s, (W - kw + 2 * p + 1) // s
    z = np.zeros((N, oh, ow, K))
    x = pad(x, p)
    for n in range(N):
        for i in range(oh):
            for j in range(ow):
                for k in range(K):
                    z[n, i, j, k] = np.sum(x[n, i * s :, j * s :][:kh, :kw] * w[k]) + b[k]
    return z


@wild("z", "F4")
def plus_one_inside_strided(x, w, b, dz, s, p):
    kh, kw = w.shape[1:3]
    x = pad(x, p)
    N, H, W, C = x.shape
    shape = (N, (H - kh + 1) // s, (W - kw + 1) // s, kh, kw, C)
    n, r, q, c = x.strides
    cols = as_strided(x, shape, (n, r * s, q * s, r, q, c)).reshape(*shape[:3], -1)
    return cols @ w.reshape(len(w), -1).T + b


@wild("z", "F5")
def padding_counted_once(x, w, b, dz, s, p):
    oh, ow = ((n + p - k) // s + 1 for n, k in zip(x.shape[1:3], w.shape[1:3], strict=True))
    z = np.zeros((len(x), oh, ow, len(w)))
    x = pad(x, p)
    for i, j in np.ndindex(oh, ow):
        window = x[:, i * s : i * s + w.shape[1], j * s : j * s + w.shape[2]]
        z[:, i, j] = np.tensordot(window, w, axes=((1, 2, 3), (1, 2, 3))) + b
    return z


@wild("z", "F5")
def padded_on_one_side(x, w, b, dz, s, p):
    x = np.pad(x, ((0, 0), (p, 0), (p, 0), (0, 0)))
    windows = sliding_window_view(x, w.shape[1:3], axis=(1, 2))[:, ::s, ::s]
    return np.einsum("nijcab,kabc->nijk", windows, w) + b


@wild("z", "F6")
def kernel_forgotten_in_the_size(x, w, b, dz, s, p):
    (N, H, W, _), (K, kh, kw, _) = x.shape, w.shape
    z = np.zeros((N, (H + 2 * p) // s + 1, (W + 2 * p) // s + 1, K))
    for n, i, j, k in np.ndindex(*z.shape):
        for a, q in np.ndindex(kh, kw):
            r, t = i * s + a - p, j * s + q - p
            if 0 <= r < H and 0 <= t < W:
                z[n, i, j, k] += x[n, r, t] @ w[k, a, q]
        z[n, i, j, k] += b[k]
    return z


@wild("z", "F6")
def kernel_forgotten_windows_cut(x, w, b, dz, s, p):
    x = pad(x, p)
    N, H, W, _ = x.shape
    z = np.zeros((N, H // s + 1, W // s + 1, len(w)))
    for i, j in np.ndindex(*z.shape[1:3]):
        window = x[:, i * s : i * s + w.shape[1], j * s : j * s + w.shape[2]]
        part = w[:, : window.shape[1], : window.shape[2]]
        z[:, i, j] = np.einsum("nabc,kabc->nk", window, part) + b
    return z


@wild("z", "F8")
def one_size_for_both_axes(x, w, b, dz, s, p):
    out = (x.shape[1] + 2 * p - w.shape[1]) // s + 1
    z = np.zeros((len(x), out, out, len(w)))
    x = pad(x, p)
    for i in range(out):
        for j in range(out):
            window = x[:, i * s : i * s + w.shape[1], j * s : j * s + w.shape[2]]
            z[:, i, j] = np.einsum("nabc,kabc->nk", window, w) + b
    return z


@wild("z", "F8")
def one_size_with_bounds_checked(x, w, b, dz, s, p):
    (N, H, W, _), (K, kh, kw, _) = x.shape, w.shape
    size = int((H - kh + 2 * p) / s) + 1
    z = np.zeros((N, size, size, K)) + b
    for n, i, j, k, a, q in np.ndindex(*z.shape, kh, kw):
        r, t = i * s + a - p, j * s + q - p
        if r >= 0 and t >= 0 and r < H and t < W:
            z[n, i, j, k] += x[n, r, t] @ w[k, a, q]
    return z


@wild("z", "F10")
def matrix_reshaped(x, w, b, dz, s, p):
    cols = patches(x, w, s, p).transpose(0, 1, 2, 4, 5, 3)
    z = w.reshape(len(w), -1) @ cols.reshape(-1, w[0].size).T + b[:, None]
    return z.reshape(*cols.shape[:3], len(w))


@wild("z", "F10")
def channels_first_reshaped(x, w, b, dz, s, p):
    z = np.einsum("nijcab,kabc->nkij", patches(x, w, s, p), w) + b.reshape(1, -1, 1, 1)
    return z.reshape(len(x), *z.shape[2:], len(w))


@wild("z", "F11")
def input_reshaped(x, w, b, dz, s, p):
    N, H, W, C = x.shape
    x = np.pad(x.reshape(N, C, H, W), ((0, 0), (0, 0), (p, p), (p, p)))
    windows = sliding_window_view(x, w.shape[1:3], axis=(2, 3))[:, :, ::s, ::s]
    return np.einsum("ncijab,kabc->nijk", windows, w) + b


@wild("z", "F11")
def all_reshaped(x, w, b, dz, s, p):
    (N, H, W, C), (K, kh, kw, _) = x.shape, w.shape
    x = np.pad(x.reshape(N, C, H, W), ((0, 0), (0, 0), (p, p), (p, p)))
    windows = sliding_window_view(x, (kh, kw), axis=(2, 3))[:, :, ::s, ::s]
    z = np.einsum("ncijab,kcab->nkij", windows, w.reshape(K, C, kh, kw)) + b[:, None, None]
    return z.reshape(N, z.shape[2], z.shape[3], K)


@wild("z", "F12")
def symmetric_padding(x, w, b, dz, s, p):
    x = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)), mode="symmetric")
    return np.einsum("nijcuv,kuvc->nijk", patches(x, w, s, 0), w) + b


@wild("z", "F12")
def border_of_ndimage(x, w, b, dz, s, p):
    rows, columns = (np.arange(-p, n + p) for n in x.shape[1:3])
    rows, columns = (
        np.where(cells < 0, -1 - cells, np.where(cells >= n, 2 * n - 1 - cells, cells))
        for cells, n in ((rows, x.shape[1]), (columns, x.shape[2]))
    )
    return np.einsum("nijcuv,kuvc->nijk", patches(x[:, rows][:, :, columns], w, s, 0), w) + b


@wild("z", "F13")
def same_of_tensorflow(x, w, b, dz, s, p):
    pads = [(0, 0)]
    for n, k in zip(x.shape[1:3], w.shape[1:3], strict=True):
        total = max(0, (-(-n // s) - 1) * s + k - n)
        pads.append((total // 2, total - total // 2))
    x = np.pad(x, [*pads, (0, 0)])
    return np.einsum("nijcuv,kuvc->nijk", patches(x, w, s, 0), w) + b


@wild("z", "F13")
def least_padding_in_loops(x, w, b, dz, s, p):
    (N, H, W, _), (K, kh, kw, _) = x.shape, w.shape
    oh, ow = -(-H // s), -(-W // s)
    top, left = (max(0, (o - 1) * s + k - n) // 2 for o, k, n in ((oh, kh, H), (ow, kw, W)))
    z = np.zeros((N, oh, ow, K)) + b
    for i, j, u, v in np.ndindex(oh, ow, kh, kw):
        row, column = i * s + u - top, j * s + v - left
        if 0 <= row < H and 0 <= column < W:
            z[:, i, j] += x[:, row, column] @ w[:, u, v].T
    return z


# ---- Delta


@wild("dx", "D1")
def correlate2d_full(x, w, b, dz, s, p):
    return unpadded(slid(dilated(dz, s), w, correlate2d, x.shape[-1]), x, p)


@wild("dx", "D1")
def windows_of_the_padded_delta(x, w, b, dz, s, p):
    kh, kw = w.shape[1:3]
    d = np.pad(dilated(dz, s), ((0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1), (0, 0)))
    full = np.einsum("nijkab,kabc->nijc", sliding_window_view(d, (kh, kw), axis=(1, 2)), w)
    return unpadded(full, x, p)


@wild("dx", "D2")
def turned_and_convolved(x, w, b, dz, s, p):
    turned = np.rot90(w, 2, axes=(1, 2))
    return unpadded(slid(dilated(dz, s), turned, convolve2d, x.shape[-1]), x, p)


@wild("dx", "D3")
def turned_and_scattered(x, w, b, dz, s, p):
    return inner(scattered(x, w[:, ::-1, ::-1], dz, s, p), x, p)


@wild("dx", "D3")
def turned_in_col2im(x, w, b, dz, s, p):
    (N, H, W, C), (K, kh, kw, _) = x.shape, w.shape
    cols = dz.reshape(-1, K) @ np.flip(w, (1, 2)).reshape(K, -1)
    cols = cols.reshape(*dz.shape[:3], kh, kw, C)
    dx = np.zeros((N, H + 2 * p, W + 2 * p, C))
    for a, q in np.ndindex(kh, kw):
        dx[:, a : a + s * dz.shape[1] : s, q : q + s * dz.shape[2] : s] += cols[:, :, :, a, q]
    return inner(dx, x, p)


@wild("dx", "D4")
def scattered_at_i(x, w, b, dz, s, p):
    dx = np.zeros_like(pad(x, p))
    for i in range(dz.shape[1]):
        for j in range(dz.shape[2]):
            vert_start, horiz_start = i, j
            vert_end, horiz_end = vert_start + w.shape[1], horiz_start + w.shape[2]
            for k in range(len(w)):
                d = dz[:, i, j, k].reshape(-1, 1, 1, 1)
                dx[:, vert_start:vert_end, horiz_start:horiz_end] += w[k] * d
    return inner(dx, x, p)


@wild("dx", "D4")
def single_cells_without_stride(x, w, b, dz, s, p):
    dx = np.zeros(x.shape)
    for n, i, j, k, a, q in np.ndindex(*dz.shape, *w.shape[1:3]):
        r, t = i + a - p, j + q - p
        if 0 <= r < x.shape[1] and 0 <= t < x.shape[2]:
            dx[n, r, t] += dz[n, i, j, k] * w[k, a, q]
    return dx


@wild("dx", "D5")
def no_zeros_between(x, w, b, dz, s, p):
    full = slid(dz, w, convolve2d, x.shape[-1])
    return full[:, p : full.shape[1] - p, p : full.shape[2] - p]


@wild("dx", "D5")
def no_zeros_between_filled(x, w, b, dz, s, p):
    return unpadded(slid(dz, w, convolve2d, x.shape[-1]), x, p)


@wild("dx", "D6")
def transposed_without_the_rest(x, w, b, dz, s, p):
    (_, kh, kw, C), (N, oh, ow, _) = w.shape, dz.shape
    dx = np.zeros((N, s * (oh - 1) + kh, s * (ow - 1) + kw, C))
    for i, j in np.ndindex(oh, ow):
        dx[:, i * s : i * s + kh, j * s : j * s + kw] += np.tensordot(dz[:, i, j], w, 1)
    return dx[:, p : dx.shape[1] - p, p : dx.shape[2] - p]


@wild("dx", "D6")
def full_convolution_without_the_rest(x, w, b, dz, s, p):
    full = slid(dilated(dz, s), w, convolve2d, x.shape[-1])
    return full[:, p:-p, p:-p] if p else full


@wild("dx", "D6")
def every_delta_followed_by_zeros(x, w, b, dz, s, p):
    (kh, kw), (N, oh, ow, K) = w.shape[1:3], dz.shape
    d = np.zeros((N, oh * s, ow * s, K))
    d[:, ::s, ::s] = dz
    d = np.pad(d, ((0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1), (0, 0)))[:, p:, p:]
    d = d[:, : d.shape[1] - p, : d.shape[2] - p]
    turned = w[:, ::-1, ::-1]
    return np.einsum("nijkab,kabc->nijc", sliding_window_view(d, (kh, kw), axis=(1, 2)), turned)


@wild("dx", "D9")
def same_padding_for_the_delta(x, w, b, dz, s, p):
    d = pad(dilated(dz, s), p)
    turned = w[:, ::-1, ::-1]
    return np.einsum("nijkab,kabc->nijc", sliding_window_view(d, w.shape[1:3], axis=(1, 2)), turned)


@wild("dx", "D9")
def same_padding_cut_to_size(x, w, b, dz, s, p):
    (N, H, W, _), (K, kh, kw, _) = x.shape, w.shape
    wide = dilated(dz, s)
    d = np.zeros((N, p + H + kh + wide.shape[1], p + W + kw + wide.shape[2], K))
    d[:, p : p + wide.shape[1], p : p + wide.shape[2]] = wide
    dx = np.zeros(x.shape)
    turned = np.rot90(w, 2, (1, 2))
    for r in range(H):
        for t in range(W):
            dx[:, r, t] = np.einsum("nabk,kabc->nc", d[:, r : r + kh, t : t + kw], turned)
    return dx


@wild("dx", "D10")
def rows_cut_columns_not(x, w, b, dz, s, p):
    dx = scattered(x, w, dz, s, p)
    return dx[:, p:-p] if p > 0 else dx


@wild("dx", "D10")
def columns_cut_rows_not(x, w, b, dz, s, p):
    return scattered(x, w, dz, s, p)[:, :, p : p + x.shape[2]]


@wild("dx", "D11")
def cut_from_pad_to_minus_pad(x, w, b, dz, s, p):
    return scattered(x, w, dz, s, p)[:, p:-p, p:-p, :]


@wild("dx", "D11")
def each_image_cut_to_minus_pad(x, w, b, dz, s, p):
    return np.stack([image[p:-p, p:-p] for image in scattered(x, w, dz, s, p)])


@wild("dx", "D13")
def filter_and_channel_exchanged(x, w, b, dz, s, p):
    full = slid(dilated(dz, s), w.transpose(3, 1, 2, 0), convolve2d, x.shape[-1])
    return unpadded(full, x, p)


@wild("dx", "D13")
def letters_exchanged(x, w, b, dz, s, p):
    cols = np.einsum("nijk,cabk->nijabc", dz, w)
    dx = np.zeros(pad(x, p).shape)
    for a, q in np.ndindex(*w.shape[1:3]):
        dx[:, a : a + s * dz.shape[1] : s, q : q + s * dz.shape[2] : s] += cols[:, :, :, a, q]
    return inner(dx, x, p)


@wild("dx", "D15")
def rot90_of_four_axes(x, w, b, dz, s, p):
    full = slid(dilated(dz, s), np.rot90(w, 2), correlate2d, x.shape[-1])
    return unpadded(full, x, p)


@wild("dx", "D15")
def rot90_of_four_axes_channels_first(x, w, b, dz, s, p):
    w = np.rot90(np.moveaxis(w, -1, 1), 2)
    (kh, kw), (oh, ow) = w.shape[2:], dilated(dz, s).shape[1:3]
    d = np.pad(dilated(dz, s), ((0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1), (0, 0)))
    full = np.zeros((len(x), oh + kh - 1, ow + kw - 1, x.shape[-1]))
    for r, t in np.ndindex(*full.shape[1:3]):
        full[:, r, t] = np.einsum("nabk,kcab->nc", d[:, r : r + kh, t : t + kw], w)
    return unpadded(full, x, p)


@wild("dx", "D16")
def flip_of_each_filter(x, w, b, dz, s, p):
    turned = np.stack([np.flip(kernel) for kernel in w])
    return unpadded(slid(dilated(dz, s), turned, correlate2d, x.shape[-1]), x, p)


@wild("dx", "D16")
def flip_of_everything(x, w, b, dz, s, p):
    return unpadded(slid(dilated(dz, s), np.flip(w), correlate2d, x.shape[-1]), x, p)


@wild("dx", "D18")
def one_quarter_turn(x, w, b, dz, s, p):
    turned = np.rot90(w, axes=(1, 2))
    return unpadded(slid(dilated(dz, s), turned, correlate2d, x.shape[-1]), x, p)


@wild("dx", "D18")
def one_quarter_turn_in_the_loop(x, w, b, dz, s, p):
    kh, kw = w.shape[1:3]
    wide = dilated(dz, s)
    d = np.pad(wide, ((0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1), (0, 0)))
    full = np.zeros((len(x), wide.shape[1] + kh - 1, wide.shape[2] + kw - 1, x.shape[-1]))
    for n, r, t, c in np.ndindex(*full.shape):
        for k in range(len(w)):
            window = d[n, r : r + kh, t : t + kw, k]
            full[n, r, t, c] += np.sum(window * np.rot90(w[k, :, :, c], -1))
    return unpadded(full, x, p)


@wild("dx", "D19")
def windows_overwritten(x, w, b, dz, s, p):
    dx = np.zeros(pad(x, p).shape)
    for i, j in np.ndindex(*dz.shape[1:3]):
        window = np.einsum("nk,kabc->nabc", dz[:, i, j], w)
        dx[:, i * s : i * s + w.shape[1], j * s : j * s + w.shape[2]] = window
    return inner(dx, x, p)


@wild("dx", "D19")
def windows_and_filters_overwritten(x, w, b, dz, s, p):
    dx = np.zeros(pad(x, p).shape)
    for n, i, j, k in np.ndindex(*dz.shape):
        dx[n, i * s : i * s + w.shape[1], j * s : j * s + w.shape[2]] = dz[n, i, j, k] * w[k]
    return inner(dx, x, p)


@wild("dx", "D19")
def col2im_with_a_buffered_index(x, w, b, dz, s, p):
    (_, oh, ow, _), (_, kh, kw, _) = dz.shape, w.shape
    rows = s * np.arange(oh).reshape(-1, 1, 1, 1) + np.arange(kh).reshape(1, 1, -1, 1)
    cols = s * np.arange(ow).reshape(1, -1, 1, 1) + np.arange(kw).reshape(1, 1, 1, -1)
    dx = np.zeros(pad(x, p).shape)
    dx[:, rows, cols] += np.einsum("nijk,kabc->nijabc", dz, w)
    return inner(dx, x, p)


@wild("dx", "D21")
def first_plane_for_every_channel(x, w, b, dz, s, p):
    wide = dilated(dz, s)
    d = np.zeros((len(x), wide.shape[1] + w.shape[1] - 1, wide.shape[2] + w.shape[2] - 1, 1))
    for n, k in np.ndindex(len(x), len(w)):
        d[n, ..., 0] += convolve2d(wide[n, ..., k], w[k, :, :, 0])
    return unpadded(np.repeat(d, x.shape[-1], axis=-1), x, p)


@wild("dx", "D21")
def kernels_added_over_the_channels(x, w, b, dz, s, p):
    flat = np.repeat(w.sum(axis=-1, keepdims=True), x.shape[-1], axis=-1)
    return inner(scattered(x, flat, dz, s, p), x, p)


@wild("dx", "D23")
def no_delta(x, w, b, dz, s, p):
    return None


@wild("dx", "D23")
def a_delta_never_filled(x, w, b, dz, s, p):
    return np.zeros_like(x)


@wild("dx", "D24")
def padding_left_on(x, w, b, dz, s, p):
    return scattered(x, w, dz, s, p)


@wild("dx", "D24")
def padded_input_padded_again(x, w, b, dz, s, p):
    x_pad = pad(x, p)
    return inner(scattered(x_pad, w, dz, s, p), x_pad, p)


@wild("dx", "D25")
def list_of_deltas(x, w, b, dz, s, p):
    deltas = [inner(scattered(x, w, dz, s, p), x, p)]
    return deltas * np.ones_like(x)


@wild("dx", "D26")
def row_of_another_loop(x, w, b, dz, s, p):
    right, dx = inner(scattered(x, w, dz, s, p), x, p), np.zeros(x.shape)
    for row in range(x.shape[1]):
        for i in range(dz.shape[1]):
            if 0 <= row + p - s * i < w.shape[1]:
                last = i
        dx[:, last] = right[:, row]
    return dx


@wild("dx", "D26")
def variable_that_outlives_its_loop(x, w, b, dz, s, p):
    (N, H, W, C), (_, kh, kw, _) = x.shape, w.shape
    dx = np.zeros(x.shape)
    wide = np.zeros((N, dz.shape[1], W + 2 * p, C, kh))
    for i, j, u in np.ndindex(dz.shape[1], dz.shape[2], kh):
        wide[:, i, j * s : j * s + kw, :, u] += np.tensordot(dz[:, i, j], w[:, u], 1)
    for h in range(H):
        owed = np.zeros((N, W, C))
        for i in range(max(0, -((kh - 1 - h - p) // s)), min(len(wide[0]), (h + p) // s + 1)):
            owed += wide[:, i, p : p + W, :, h + p - s * i]
        dx[:, i] = owed
    return dx


# ---- Gradient of the weights


@wild("dw", "W1")
def convolve2d_valid(x, w, b, dz, s, p):
    d, x = dilated(dz, s), pad(x, p)
    dw = np.zeros(w.shape)
    for n, k, c in np.ndindex(len(x), len(w), x.shape[-1]):
        full = convolve2d(x[n, ..., c], d[n, ..., k], mode="valid")
        dw[k, ..., c] += full[: w.shape[1], : w.shape[2]]
    return dw


@wild("dw", "W1")
def spectra_without_conjugate(x, w, b, dz, s, p):
    x, d = pad(x, p), dilated(dz, s)
    size, (kh, kw) = x.shape[1:3], w.shape[1:3]
    spectrum = np.einsum(
        "nrsc,nrsk->krsc", np.fft.fft2(x, axes=(1, 2)), np.fft.fft2(d, size, axes=(1, 2))
    )
    dw = np.fft.ifft2(spectrum, axes=(1, 2)).real[:, d.shape[1] - 1 :, d.shape[2] - 1 :]
    return dw[:, :kh, :kw]


@wild("dw", "W2")
def turned_at_the_end(x, w, b, dz, s, p):
    return weights(x, w, dz, s, p)[:, ::-1, ::-1]


@wild("dw", "W2")
def arguments_of_correlate2d_exchanged(x, w, b, dz, s, p):
    d, x = dilated(dz, s), pad(x, p)
    dw = np.zeros(w.shape)
    for n, k, c in np.ndindex(len(x), len(w), x.shape[-1]):
        dw[k, ..., c] += correlate2d(d[n, ..., k], x[n, ..., c], mode="valid")
    return dw


@wild("dw", "W3")
def windows_without_stride(x, w, b, dz, s, p):
    x = pad(x, p)
    dw = np.zeros_like(w)
    for i, j in np.ndindex(*dz.shape[1:3]):
        window = x[:, i : i + w.shape[1], j : j + w.shape[2]]
        dw += np.tensordot(dz[:, i, j].T, window, axes=1)
    return dw


@wild("dw", "W3")
def deltas_not_dilated(x, w, b, dz, s, p):
    x = pad(x, p)
    dw = np.zeros(w.shape)
    for n, k, c in np.ndindex(len(x), len(w), x.shape[-1]):
        full = correlate2d(x[n, ..., c], dz[n, ..., k], "valid")
        dw[k, ..., c] += full[: w.shape[1], : w.shape[2]]
    return dw


@wild("dw", "W3")
def stride_at_the_weight(x, w, b, dz, s, p):
    x, (_, oh, ow, _) = pad(x, p), dz.shape
    dw = np.zeros(w.shape)
    for a, q in np.ndindex(*w.shape[1:3]):
        dw[:, a, q] = np.einsum("nijk,nijc->kc", dz, x[:, a * s : a * s + oh, q * s : q * s + ow])
    return dw


@wild("dw", "W5")
def mean_over_the_windows(x, w, b, dz, s, p):
    terms = patches(x, w, s, p)[:, :, :, None] * dz[..., None, None, None]
    return terms.mean(axis=(0, 1, 2)).transpose(0, 2, 3, 1)


@wild("dw", "W5")
def divided_by_rows_of_the_matrix(x, w, b, dz, s, p):
    cols = patches(x, w, s, p).transpose(0, 1, 2, 4, 5, 3).reshape(-1, w[0].size)
    return (dz.reshape(-1, len(w)).T @ cols / len(cols)).reshape(w.shape)


@wild("dw", "W6")
def divided_by_the_batch(x, w, b, dz, s, p):
    return weights(x, w, dz, s, p) / x.shape[0]


@wild("dw", "W6")
def mean_of_the_samples(x, w, b, dz, s, p):
    return np.mean([weights(x[n : n + 1], w, dz[n : n + 1], s, p) for n in range(len(x))], axis=0)


@wild("db", "W6")
def bias_divided_by_the_batch(x, w, b, dz, s, p):
    return dz.sum(axis=(1, 2)).mean(axis=0)


@wild("dw", "W8")
def one_correlation_per_filter(x, w, b, dz, s, p):
    d, grey = dilated(dz, s), pad(x, p).sum(axis=-1)
    dw = np.zeros(w.shape)
    for n, k in np.ndindex(len(x), len(w)):
        plane = correlate2d(grey[n], d[n, ..., k], "valid")[: w.shape[1], : w.shape[2]]
        dw[k] += plane[..., None]
    return dw


@wild("dw", "W8")
def first_channel_for_all(x, w, b, dz, s, p):
    dw = np.empty_like(w)
    for c in range(x.shape[-1]):
        dw[..., c] = np.einsum("nijab,nijk->kab", patches(x, w, s, p)[:, :, :, 0], dz)
    return dw


@wild("dw", "W9")
def each_sample_instead_of_the_last(x, w, b, dz, s, p):
    dw = np.zeros(w.shape)
    for n in range(len(x)):
        dw[:] = weights(x[n : n + 1], w, dz[n : n + 1], s, p)
    return dw


@wild("dw", "W9")
def first_sample_only(x, w, b, dz, s, p):
    return np.einsum("ijcab,ijk->kabc", patches(x, w, s, p)[0], dz[0])


@wild("dw", "W10")
def input_not_padded(x, w, b, dz, s, p):
    dw = np.zeros(w.shape)
    for n, i, j, k, a, q in np.ndindex(*dz.shape, *w.shape[1:3]):
        r, t = i * s + a, j * s + q
        if r < x.shape[1] and t < x.shape[2]:
            dw[k, a, q] += x[n, r, t] * dz[n, i, j, k]
    return dw


@wild("dw", "W10")
def input_not_padded_windows_cut(x, w, b, dz, s, p):
    dw = np.zeros(w.shape)
    for i, j in np.ndindex(*dz.shape[1:3]):
        window = x[:, i * s : i * s + w.shape[1], j * s : j * s + w.shape[2]]
        part = np.einsum("nabc,nk->kabc", window, dz[:, i, j])
        dw[:, : part.shape[1], : part.shape[2]] += part
    return dw


@wild("dw", "W12")
def kernel_axes_exchanged(x, w, b, dz, s, p):
    return np.einsum("nijcab,nijk->kbac", patches(x, w, s, p), dz)


@wild("dw", "W12")
def indices_exchanged(x, w, b, dz, s, p):
    windows, dw = patches(x, w, s, p), np.zeros(w.shape)
    for k, a, q, c in np.ndindex(*w.shape):
        dw[k, q, a, c] = np.sum(windows[..., c, a, q] * dz[..., k])
    return dw


BUFFERS: dict = {}


@wild("dw", "W13")
def buffer_never_cleared(x, w, b, dz, s, p):
    dw = BUFFERS.setdefault(w.shape, np.zeros(w.shape))
    for i, j in np.ndindex(*dz.shape[1:3]):
        window = pad(x, p)[:, i * s : i * s + w.shape[1], j * s : j * s + w.shape[2]]
        dw += np.tensordot(dz[:, i, j].T, window, axes=1)
    return dw


# ---- Gradient of the bias


@wild("db", "B1")
def bias_of_the_last_sample(x, w, b, dz, s, p):
    db = np.zeros(len(w))
    for n in range(len(dz)):
        for k in range(len(w)):
            db[k] = dz[n, :, :, k].sum()
    return db


@wild("db", "B1")
def bias_of_the_first_sample(x, w, b, dz, s, p):
    return dz[0].sum(axis=(0, 1))


@wild("db", "B2")
def one_number_for_all(x, w, b, dz, s, p):
    db = np.zeros(len(w))
    db += dz.sum()
    return db


@wild("db", "B2")
def one_number(x, w, b, dz, s, p):
    return np.sum(dz)


@wild("db", "B3")
def mean_for_sum(x, w, b, dz, s, p):
    return dz.mean(axis=(0, 1, 2))


@wild("db", "B3")
def mean_of_rows(x, w, b, dz, s, p):
    return np.average(dz.reshape(-1, dz.shape[-1]), axis=0)


@wild("db", "B4")
def one_for_each_place(x, w, b, dz, s, p):
    return dz.sum(axis=0)


@wild("db", "B4")
def deltas_themselves(x, w, b, dz, s, p):
    return dz


# ---- Two mistakes at once, in the same quantity


@wild("dx", "D1", "D4")
def turned_and_without_stride(x, w, b, dz, s, p):
    return inner(scattered(x, w[:, ::-1, ::-1], dz, 1, p), x, p)


@wild("dx", "D24", "D21")
def padding_left_and_channels_alike(x, w, b, dz, s, p):
    flat = np.repeat(w[..., :1], x.shape[-1], axis=-1)
    return scattered(x, flat, dz, s, p)


@wild("dx", "D16", "D6")
def flipped_and_without_the_rest(x, w, b, dz, s, p):
    turned = np.stack([np.flip(kernel) for kernel in w])
    full = slid(dilated(dz, s), turned, correlate2d, x.shape[-1])
    return full[:, p : full.shape[1] - p, p : full.shape[2] - p]


@wild("dx", "D3", "D10")
def turned_and_cut_once(x, w, b, dz, s, p):
    return scattered(x, np.rot90(w, 2, (1, 2)), dz, s, p)[:, p : p + x.shape[1]]


@wild("dw", "W5", "W9")
def mean_and_last_sample(x, w, b, dz, s, p):
    return weights(x[-1:], w, dz[-1:], s, p) / dz[..., 0].size


@wild("dw", "W1", "W3")
def convolved_and_not_dilated(x, w, b, dz, s, p):
    x = pad(x, p)
    dw = np.zeros(w.shape)
    for n, k, c in np.ndindex(len(x), len(w), x.shape[-1]):
        full = convolve2d(x[n, ..., c], dz[n, ..., k], "valid")
        dw[k, ..., c] += full[: w.shape[1], : w.shape[2]]
    return dw


@wild("dw", "W2", "W6")
def turned_and_divided(x, w, b, dz, s, p):
    return np.flip(weights(x, w, dz, s, p), (1, 2)) / len(dz)


@wild("z", "F1", "F3")
def convolved_and_cut(x, w, b, dz, s, p):
    oh, ow = sizes(x, w, s, p)
    kernel = w[:, ::-1, ::-1]
    return np.einsum("nijcab,kabc->nijk", patches(x, w, 1, p), kernel)[:, :oh, :ow] + b


@wild("z", "F1", "F5")
def convolved_and_padded_once(x, w, b, dz, s, p):
    x = np.pad(x, ((0, 0), (p, 0), (p, 0), (0, 0)))
    windows = sliding_window_view(x, w.shape[1:3], axis=(1, 2))[:, ::s, ::s]
    return np.einsum("nijcab,kabc->nijk", windows, w[:, ::-1, ::-1]) + b


@wild("db", "B1", "B3")
def mean_and_last_sample_of_the_bias(x, w, b, dz, s, p):
    return dz[-1].sum(axis=(0, 1)) / (len(dz) * dz.shape[1] * dz.shape[2])


SINGLE = [one for one in WILD if len(one[2]) == 1]
SAME = [one for one in WILD if len(one[2]) == 2]

# Two mistakes in different quantities: the names of two functions.
PAIRS = [
    ("correlate2d_full", "mean_over_the_windows"),
    ("convolve2d_per_channel", "windows_and_filters_overwritten"),
    ("kernel_forgotten_in_the_size", "one_number_for_all"),
    ("windows_overwritten", "each_sample_instead_of_the_last"),
    ("cut_from_pad_to_minus_pad", "input_not_padded"),
    ("window_starts_at_i", "deltas_not_dilated"),
    ("filter_and_channel_exchanged", "mean_for_sum"),
    ("padding_left_on", "kernel_axes_exchanged"),
]
