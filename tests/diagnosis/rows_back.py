"""Ways back of layers with other rows (chapter 10) as people write them, each with its truth."""

import numpy as np
from ways_back import ONE, UP, back, relu, transposed, transposed_right, with_input

# ---- Groups: x (N, 2G, L), w (6, 2, 3) with G of them


def in_groups(x, w):
    C, own = x.shape[1], w.shape[1]
    z = np.zeros((len(x), len(w), x.shape[2] - 2))
    for k, r in np.ndindex(*w.shape[:2]):
        c = own * (k // (len(w) // (C // own))) + r
        z[:, k] += sum(w[k, r, u] * x[:, c, u : u + z.shape[2]] for u in range(3))
    return z


GROUPS = {"x": "N 6 L", "w": "6 2 3"}


def groups_back(dout, x, w, channel):
    dx, dw, G = np.zeros_like(x), np.zeros_like(w), x.shape[1] // w.shape[1]
    for k, r, u in np.ndindex(*w.shape):
        at = np.s_[:, channel(k // (len(w) // G), r, G), u : u + dout.shape[2]]
        dx[at] += w[k, r, u] * dout[:, k]
        dw[k, r, u] = (dout[:, k] * x[at]).sum()
    return dx, dw


@back(GROUPS, in_groups)
def groups_right(dout, x, w):
    return groups_back(dout, x, w, lambda g, r, G: 2 * g + r)


@back(GROUPS, in_groups, dw="S30")
def groups_dealt(dout, x, w):
    dealt = groups_back(dout, x, w, lambda g, r, G: r * G + g)[1]
    return groups_right(dout, x, w)[0], dealt


def multiplied(x, w):  # x (N, C, L), w (C, 2, 3): two filters for each channel
    z = np.stack([(x[:, :, None, i : i + 3] * w).sum(axis=3) for i in range(x.shape[2] - 2)], 3)
    return z.reshape(len(x), -1, z.shape[3])


TWICE = {"x": "N C L", "w": "C 2 3"}


@back(TWICE, multiplied)
def multiplied_right(dout, x, w, *, order=(0, 1)):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    apart = dout.reshape(len(x), *(w.shape[n] for n in order), -1)
    apart = apart if order == (0, 1) else apart.swapaxes(1, 2)
    for i in range(dout.shape[2]):
        dx[:, :, i : i + 3] += np.einsum("ncm,cmu->ncu", apart[..., i], w)
        dw += np.einsum("ncm,ncu->cmu", apart[..., i], x[:, :, i : i + 3])
    return dx, dw


@back(TWICE, multiplied, dx="S31", dw="S31")
def multiplied_the_other_way_round(dout, x, w):
    return multiplied_right(dout, x, w, order=(1, 0))


def whole(x, w):  # x (N, 2, L), w (4, 2, 3)
    L = x.shape[2] - 2
    return sum(np.einsum("ncl,kc->nkl", x[:, :, u : u + L], w[..., u]) for u in range(3))


@back({"x": "N 2 L", "w": "4 2 3"}, whole, dx="No known", dw="No known")
def whole_as_if_multiplied(dout, x, w):
    mixed = dout.reshape(len(x), 2, 2, -1).swapaxes(1, 2).reshape(dout.shape)
    dx, dw, L = np.zeros_like(x), np.zeros_like(w), dout.shape[2]
    for u in range(3):
        dx[:, :, u : u + L] += np.einsum("nkl,kc->ncl", mixed, w[..., u])
        dw[..., u] = np.einsum("nkl,ncl->kc", mixed, x[:, :, u : u + L])
    return dx, dw


# ---- Borders of one cell on each side: x (N, C, H, W), w (K, C, 3, 3)


def with_border(mode):
    def forward(x, w):
        return conv3x3(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode), w)

    return forward


def conv3x3(xp, w):
    H, W = xp.shape[2] - 2, xp.shape[3] - 2
    return sum(np.einsum("nchw,kc->nkhw", xp[:, :, u : u + H, v : v + W], w[:, :, u, v])
               for u, v in np.ndindex(3, 3))  # fmt: skip


def border_back(dout, x, w, mode, fold):
    xp = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode)
    dxp, dw, (H, W) = np.zeros_like(xp), np.zeros_like(w), x.shape[2:]
    for u, v in np.ndindex(3, 3):
        at = np.s_[:, :, u : u + H, v : v + W]
        dxp[at] += np.einsum("nkhw,kc->nchw", dout, w[:, :, u, v])
        dw[:, :, u, v] = np.einsum("nkhw,nchw->kc", dout, xp[at])
    return fold(dxp, x), dw


def folded(mode):
    def fold(dxp, x):
        H, W = (np.pad(np.arange(n), 1, mode) for n in x.shape[2:])
        dx = np.zeros_like(x)
        np.add.at(dx, (slice(None), slice(None), H[:, None], W), dxp)
        return dx

    return fold


def cut(dxp, x):
    return dxp[:, :, 1:-1, 1:-1]


def folded_at_once(mode):
    def fold(dxp, x):
        H, W = (np.pad(np.arange(n), 1, mode) for n in x.shape[2:])
        dx = np.zeros_like(x)
        dx[:, :, H[:, None], W] += dxp  # an index that occurs twice is added once
        return dx

    return fold


BORDER = {"x": "N 2 H 4", "w": "2 2 3 3"}
# The word of np.pad, and another one that the way back has.
MODES = {"reflect": "symmetric", "symmetric": "reflect", "edge": "wrap", "wrap": "reflect"}
for mode, other in MODES.items():
    for words, fold, wrong in (
        ("right", folded(mode), {}),
        ("cut", cut, {"dx": "S35"}),
        (f"as_{other}", folded(other), {"dx": "S36"}),
        ("at_once", folded_at_once(mode), {"dx": "S37"}),
    ):

        def way(dout, x, w, *, mode=mode, fold=fold):
            return border_back(dout, x, w, mode, fold)

        way.__name__ = f"{mode}_{words}"
        back(BORDER, with_border(mode), **wrong)(way)


PAD = {"x": "N L"}


@back(PAD, lambda x: np.pad(x, ((0, 0), (2, 1)), "reflect"))
def frame_right(dout, x):
    dx = dout[:, 2:-1].copy()
    dx[:, 1:3] += dout[:, 1::-1]
    dx[:, -2] += dout[:, -1]
    return dx


@back(PAD, lambda x: np.pad(x, ((0, 0), (2, 1)), "reflect"), dx="S35")
def frame_cut(dout, x):
    return dout[:, 2:-1]


# ---- Transposed convolutions


@back(UP, transposed, dw="S33")
def transposed_channels_exchanged(dout, x, w, stride):
    dx, dw = transposed_right(dout, x, w, stride)
    return dx, dw.swapaxes(0, 1)


@back(UP, transposed, dx="last entries along axis 2")
def transposed_without_its_last_cell(dout, x, w, stride):
    own = dout.copy()
    own[:, :, -1] = 0  # no output_padding has chosen it
    return transposed_right(own, x, w, stride)[0], transposed_right(dout, x, w, stride)[1]


def enlarged(x, w):  # x (N, H, W, C), w (C, 3, 3, K): stride 2, padding 1, output_padding 1
    N, H, W, _ = x.shape
    wide = np.zeros((N, 2 * H + 2, 2 * W + 2, w.shape[3]))
    for i, j in np.ndindex(H, W):
        at = np.s_[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        wide[at] += np.einsum("nc,cuvk->nuvk", x[:, i, j], w)
    return wide[:, 1:-1, 1:-1]


ENLARGED = {"x": "N H W 2", "w": "2 3 3 2"}


@back(ENLARGED, enlarged)
def enlarged_right(dout, x, w):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    wide = np.pad(dout, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for i, j in np.ndindex(*x.shape[1:3]):
        part = wide[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        dx[:, i, j] = np.einsum("nuvk,cuvk->nc", part, w)
        dw += np.einsum("nuvk,nc->cuvk", part, x[:, i, j])
    return dx, dw


@back(ENLARGED, enlarged, dx="S34")
def enlarged_without_its_last_cells(dout, x, w):
    own = dout.copy()
    own[:, -1], own[:, :, -1] = 0, 0  # taken for what output_padding has appended
    return enlarged_right(own, x, w)[0], enlarged_right(dout, x, w)[1]


@back(ENLARGED, enlarged, dx="S32", dw="S32")
def enlarged_side_by_side(dout, x, w):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    wide = np.pad(dout, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for i, j in np.ndindex(*x.shape[1:3]):
        part = wide[:, i : i + 3, j : j + 3]
        dx[:, i, j] = np.einsum("nuvk,cuvk->nc", part, w)
        dw += np.einsum("nuvk,nc->cuvk", part, x[:, i, j])
    return dx, dw


# ---- Sums of two ways


def block(x, w):  # a ReLU behind the sum, as in a ResNet; F(x) = relu(x @ w) @ w
    z = x + relu(x @ w) @ w
    return relu(z), (x, w, z)


BLOCK = {"x": "N D", "w": "D D"}


@back(BLOCK, block)
def block_right(dout, cache, *, shortcut=1):
    x, w, z = cache
    dz = dout * (z > 0)
    dh = dz @ w.T * (x @ w > 0)
    return dh @ w.T + shortcut * dz, relu(x @ w).T @ dz + x.T @ dh


@back(BLOCK, block, dx="S38")
def block_without_its_path(dout, cache):
    return block_right(dout, cache, shortcut=0)


@back({"x": "N D", "w": "D D"}, lambda x, w: (x + relu(x @ w), (x, w)), dx="S39")
def residual_with_one_array(dout, cache):
    x, w = cache
    dz = dout.copy()
    dmain = dz
    dmain *= x @ w > 0  # dz, too
    return dmain @ w.T + dz, x.T @ dmain


# ---- The mean of a map, and a leak downwards


@back({"x": "N C H W"}, lambda x: x.mean(axis=(2, 3)))
def mean_of_a_map_right(dout, x):
    return np.broadcast_to(dout[:, :, None, None], x.shape) / x[0, 0].size


@back({"x": "N C H W"}, lambda x: x.mean(axis=(2, 3)), dx="S41")
def mean_of_a_map_not_divided(dout, x):
    return np.broadcast_to(dout[:, :, None, None], x.shape).copy()


@back({"x": "N H W C"}, lambda x: x.mean(axis=(1, 2), keepdims=True), dx="S42")
def mean_of_a_map_divided_by_outputs(dout, x):
    return np.broadcast_to(dout, x.shape) / dout.size


def leaky_downwards(z):
    return np.where(z > 0, z, -2 * z)


@back(ONE, with_input(leaky_downwards))
def leaky_downwards_right(dout, z):
    return np.where(z > 0, dout, -2 * dout)


@back(ONE, lambda z: (leaky_downwards(z), leaky_downwards(z)), dz="S40")
def leaky_masked_by_its_output(dout, a):
    return np.where(a > 0, dout, -2 * dout)
