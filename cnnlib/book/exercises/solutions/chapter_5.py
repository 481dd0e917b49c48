"""Solutions of chapter 5."""

import numpy as np

# Each class gets 1/200, and the loss is -log(1/200) = log 200.
first_loss = {"loss": np.log(200), "probability": 1 / 200}

# 1797 = 56*32 + 5: 57 steps in an epoch, and 20 epochs.
loop = {"steps": 20 * 57, "last": 1797 - 56 * 32}

# Wrong labels change neither the first loss nor the agreement of gradient and loss, and 50 images
# are learned by heart with any labels. Only the held-out images show it.
first_rung = "d"


# One output sums np.prod(kernel) * C inputs.
def deviation(kernel, C):
    return np.sqrt(2 / (np.prod(kernel) * C))


# The curvatures are 6 and 24; the border is 2/24. There w[0] keeps 1 - 6/12 of itself.
border = {"rate": 2 / 24, "factor": 1 - 2 / 24 * 6}


# First the velocity, then the step.
def with_momentum(w, gradients, rate, mu):
    v = 0
    for g in gradients:
        v = mu * v + g
        w = w - rate * v
    return w


# Means that begin at 0 are divided by what their weights add up to.
def adam_steps(w, gradients, rate, beta1, beta2, epsilon):
    m, v = np.zeros(w.shape), np.zeros(w.shape)
    for T, g in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w = w - rate * (m / (1 - beta1**T)) / (np.sqrt(v / (1 - beta2**T)) + epsilon)
    return w


# One count for each image.
def confusion(labels, read, K):
    M = np.zeros((K, K), int)
    for k, l in zip(labels, read, strict=True):
        M[k, l] += 1
    return M


# The best so far and how long ago it was are all one has to remember.
def best_epoch(losses, patience):
    best = 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[best]:
            best = epoch
        elif epoch - best == patience:
            break
    return best + 1


# The delta goes back through the weights that carried the numbers forward: it comes first.
def step(params, x, t, rate):
    w1, b1, w2, b2 = (params[name] for name in ("w1", "b1", "w2", "b2"))
    h = np.maximum(x @ w1 + b1, 0)
    e = np.exp(h @ w2 + b2)
    dz2 = (e / e.sum(axis=1, keepdims=True) - np.eye(len(b2))[t]) / len(x)
    dz1 = (dz2 @ w2.T) * (h > 0)
    w2 = w2 - rate * (h.T @ dz2)
    b2 = b2 - rate * dz2.sum(axis=0)
    w1 = w1 - rate * (x.T @ dz1)
    b1 = b1 - rate * dz1.sum(axis=0)
    return {"w1": w1, "b1": b1, "w2": w2, "b2": b2}


step_found = {"mistake": "c", "mended": step}
