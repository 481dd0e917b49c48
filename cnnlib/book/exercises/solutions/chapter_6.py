"""Solutions of chapter 6, the same network in TensorFlow and PyTorch."""

import numpy as np

import cnnlib.learning


# The step of the channel is 1 here and P in PyTorch; that of the place is C here and 1 there.
def torch_row(m, P, C):
    p, c = divmod(m, C)
    return P * c + p


# before = 2*(4 - 1 - 1) = 4. Windows: I = min(10, (9 + 4)//3 + 1) = 5. The last one begins at
# cell 12 of the padded input and spans 2*3 + 1 = 7 cells, 19 in all: 10 inputs, 4 before, 5 after.
zeros = {"before": 4, "after": 5}

# Zeros never beat a number that is at least 0, and the windows lie where PyTorch has them.
resnet_pool = "b"

# v = 0.25 * 16 = 4. PyTorch: 4/(2 + 5). Keras: 4/sqrt(4 + 5).
first_steps = {"torch": 4 / 7, "keras": 4 / 3}


# Turn means into sums, add them, divide once.
def whole_gradient(gradients, sizes):
    total = 0
    for gradient, size in zip(gradients, sizes, strict=True):
        total = total + size * gradient
    return total / sum(sizes)


# PyTorch flattens (C, H, W), this book (H, W, C): axis 1 comes first, then axis 2, then axis 0.
def dense_from_torch(weight, H, W, C):
    M = len(weight)
    rows = weight.T.reshape(C, H, W, M)
    rows = rows.transpose(1, 2, 0, 3)
    return rows.reshape(H * W * C, M)


rows_found = {"mistake": "c", "mended": dense_from_torch}


# One softmax: the second one saw numbers between 0 and 1, and could never be sure of anything.
def head(x, w, b, t):
    softmax, rows = cnnlib.learning.softmax, np.arange(len(t))
    a = x @ w + b
    p = softmax(a)
    loss = -np.log(p[rows, t]).mean()
    da = (p - np.eye(len(b))[t]) / len(t)
    dz = da
    return {"p": p, "loss": loss, "dz": dz, "dw": x.T @ dz, "db": dz.sum(axis=0)}


head_found = {"mistake": "a", "mended": head}
