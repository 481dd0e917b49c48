import numpy as np


def close(a, b, tol=1e-7):
    a, b = np.asarray(a, float), np.asarray(b, float)
    return a.shape == b.shape and np.allclose(a, b, rtol=tol, atol=tol)


def check(run, configs, wrong=(), tol=1e-7):
    """run(**config) gives {name: (got, want)}; exactly the names in wrong deviate somewhere."""
    bad, seen = {}, set()
    for config in configs:
        for name, (got, want) in run(**config).items():
            seen.add(name)
            if not close(got, want, tol):
                bad[name] = bad.get(name, 0) + 1
    assert set(bad) == set(wrong), (bad, wrong)
    assert set(wrong) <= seen


def conv_case(N, C, K, size, kernel, stride=1, pad=0, seed=1, act=None):
    """x NC..., w OI..., b, dz and z, dx, dw, db by PyTorch in float64."""
    import torch
    import torch.nn.functional as F

    r = np.random.default_rng(seed)
    x, w, b = r.normal(size=(N, C, *size)), r.normal(size=(K, C, *kernel)), r.normal(size=K)
    t = [torch.tensor(v, requires_grad=True) for v in (x, w, b)]
    f = (F.conv1d, F.conv2d, F.conv3d)[len(size) - 1]
    z = f(*t, stride=stride, padding=pad)
    if act:
        z = act(z)
    dz = r.normal(size=z.shape)
    z.backward(torch.tensor(dz))
    return (
        x,
        w,
        b,
        dz,
        dict(
            z=z.detach().numpy(), dx=t[0].grad.numpy(), dw=t[1].grad.numpy(), db=t[2].grad.numpy()
        ),
    )


def pool_case(N, C, size, k, s, kind="max", ties=False, seed=1):
    import torch
    import torch.nn.functional as F

    r = np.random.default_rng(seed)
    x = r.integers(0, 3, size=(N, C, *size)).astype(float) if ties else r.normal(size=(N, C, *size))
    t = torch.tensor(x, requires_grad=True)
    a = (F.max_pool2d if kind == "max" else F.avg_pool2d)(t, k, s)
    da = r.normal(size=a.shape)
    a.backward(torch.tensor(da))
    return x, da, dict(a=a.detach().numpy(), dx=t.grad.numpy())


def numgrad(f, x, df, h=1e-5):
    g = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        old = x[i]
        x[i] = old + h
        p = np.array(f(), float)
        x[i] = old - h
        m = np.array(f(), float)
        x[i] = old
        g[i] = np.sum((p - m) * df) / (2 * h)
    return g


CONV2 = [
    dict(N=1, C=1, K=1, size=(5, 5), kernel=(3, 3)),
    dict(N=2, C=3, K=4, size=(6, 6), kernel=(3, 3), stride=1, pad=1),
    dict(N=3, C=2, K=3, size=(7, 5), kernel=(3, 2), stride=2, pad=1),
    dict(N=2, C=3, K=2, size=(8, 7), kernel=(2, 3), stride=2, pad=0),
    dict(N=2, C=2, K=5, size=(9, 6), kernel=(3, 3), stride=3, pad=2),
]
SQ = [dict(c, kernel=(c["kernel"][0],) * 2) for c in CONV2]
SQ1 = [dict(c, stride=1, pad=0) for c in SQ]
