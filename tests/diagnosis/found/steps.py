import numpy as np

from .common import close


def torch_step_check(step, make_opt, state, wrong=(), rate=0.05, batches=3, tol=1e-6):
    """Compare step with torch over batches; the set of names that deviate after the last one."""
    import torch

    bad = set()
    for seed, (N, D, M, K) in enumerate(((4, 3, 5, 3), (1, 2, 4, 2), (6, 5, 3, 4))):
        r = np.random.default_rng(seed)
        params = {
            "w1": r.normal(size=(D, M)),
            "b1": r.normal(size=M),
            "w2": r.normal(size=(M, K)),
            "b2": r.normal(size=K),
        }
        t = {k: torch.tensor(v, requires_grad=True) for k, v in params.items()}
        opt = make_opt(t, rate)
        mem = {}
        for _ in range(batches):
            x, y = r.normal(size=(N, D)), r.integers(0, K, N)
            opt.zero_grad()
            z = torch.relu(torch.tensor(x) @ t["w1"] + t["b1"]) @ t["w2"] + t["b2"]
            torch.nn.functional.cross_entropy(z, torch.tensor(y)).backward()
            opt.step()
            new = step(params, x, y, rate, mem) if state else step(params, x, y, rate)
            params = params if new is None else new
        bad |= {k for k in params if not close(params[k], t[k].detach().numpy(), tol)}
    assert bad == set(wrong), bad
