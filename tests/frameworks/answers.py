"""TensorFlow, PyTorch and OpenCV behind one face: NumPy arrays in the book's layout in and out.

Arrays are channels last, `(N, *P, C)`, kernels `(K, *U, C)`, all in float64. Importing this module
imports neither framework; `connect` does.
"""

import os
import re
import warnings
from contextlib import contextmanager

import numpy as np


@contextmanager
def quiet():
    """Without the warnings of the frameworks themselves, which pytest would turn into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def channels_first(x):
    return np.moveaxis(x, -1, 1)


def channels_last(x):
    return np.moveaxis(x, 1, -1)


def first_line(error):
    """First line of an error, without the internal node that TensorFlow names around it."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"^\{\{.*?\}\} |,? ?\[Op:.*$", "", line)


class Torch:
    """PyTorch's answers: `stride`, `dilation` and an integer `padding` are one number per axis."""

    def __init__(self):
        import torch

        torch.set_num_threads(1)
        self.torch = torch
        self.versions = {"torch": torch.__version__.split("+")[0]}  # without "+cpu"

    def tensor(self, x, grad=False):
        copy = np.array(channels_first(x), dtype=float)  # contiguous: torch refuses some views
        return self.torch.from_numpy(copy).requires_grad_(grad)

    def array(self, tensor):
        return channels_last(tensor.detach().numpy())

    def _conv(self, x, w, b, stride, dilation, padding):
        functional = self.torch.nn.functional
        conv = functional.conv1d if x.ndim == 3 else functional.conv2d
        return conv(x, w, b, stride, padding, dilation)

    def conv(self, x, w, stride, dilation, padding):
        z = self._conv(self.tensor(x), self.tensor(w), None, stride, dilation, padding)
        return self.array(z)

    def gradients(self, x, w, dz, stride, dilation, padding):
        x, w = self.tensor(x, grad=True), self.tensor(w, grad=True)
        b = self.torch.zeros(len(w), dtype=w.dtype, requires_grad=True)
        z = self._conv(x, w, b, stride, dilation, padding)
        z.backward(self.tensor(dz))
        return self.array(x.grad), self.array(w.grad), b.grad.numpy()

    def transposed(self, dz, w, stride, padding, output_padding):
        # torch wants the kernel as (in, out, *U): the K of the forward pass comes first here too.
        transpose = self.torch.nn.functional.conv_transpose2d
        dz, w = self.tensor(dz), self.tensor(w)
        return self.array(transpose(dz, w, None, stride, padding, output_padding))

    def transposed_size(self, I, U, stride, dilation, padding, output_padding):
        dz, w = self.torch.zeros(1, 1, I), self.torch.zeros(1, 1, U)
        geometry = (stride, padding, output_padding, 1, dilation)  # 1: groups
        return self.torch.nn.functional.conv_transpose1d(dz, w, None, *geometry).shape[-1]

    def borders(self, x, w, dz, stride, padding, border):
        """z, and with the deltas `dz(shape)` dx and dw, of a layer whose border is not zeros."""
        torch = self.torch
        K, *kernel, C = w.shape
        layer = torch.nn.Conv2d(C, K, kernel, stride, padding, bias=False, padding_mode=border)
        x, w = self.tensor(x, grad=True), self.tensor(w)
        layer.weight = torch.nn.Parameter(w)
        z = layer(x)
        z.backward(self.tensor(dz(self.array(z).shape)))
        return tuple(map(self.array, (z, x.grad, layer.weight.grad)))

    def _pool(self, pool, x, da):
        x = self.tensor(x, grad=True)
        a = pool(x)
        a.backward(self.tensor(da(self.array(a).shape)))
        return self.array(a), self.array(x.grad)

    def max_pool(self, x, da, window, stride, padding):
        pool = self.torch.nn.functional.max_pool2d
        return self._pool(lambda x: pool(x, window, stride, padding), x, da)

    def avg_pool(self, x, da, window, stride, padding, count_padding):
        pool = self.torch.nn.functional.avg_pool2d
        # Counting padding is its default: said only where it is not wanted.
        keywords = {} if count_padding else {"count_include_pad": False}
        return self._pool(lambda x: pool(x, window, stride, padding, **keywords), x, da)

    def training(self, x, t, params, optimizer, lr, steps):
        """Losses of a small network, and its first gradients. `params`: w, b, and a dense v, c."""
        torch = self.torch
        x, t = self.tensor(x), torch.tensor(t)
        w, b, v, c = (torch.tensor(p, dtype=torch.float64) for p in params)
        params = [p.requires_grad_() for p in (w.movedim(-1, 1).contiguous(), b, v, c)]
        make = {
            "SGD": lambda: torch.optim.SGD(params, lr),
            "Momentum": lambda: torch.optim.SGD(params, lr, momentum=0.9),
            "RMSprop": lambda: torch.optim.RMSprop(params, lr),
            "Adam": lambda: torch.optim.Adam(params, lr),
        }
        rule, losses = make[optimizer](), []
        for step in range(steps):
            rule.zero_grad()
            w, b, v, c = params
            a = torch.nn.functional.conv2d(x, w, b).relu()
            a = torch.nn.functional.max_pool2d(a, 2, 1)
            y = a.movedim(1, -1).flatten(1) @ v + c
            loss = torch.nn.functional.cross_entropy(y, t)
            loss.backward()
            if step == 0:
                dw, db, dv, dc = (p.grad.numpy().copy() for p in params)
            rule.step()
            losses.append(loss.item())
        return losses, [channels_last(dw), db, dv, dc]

    def refused(self):
        """Calls that PyTorch refuses: the call as text, and as a function of nothing."""
        functional = self.torch.nn.functional
        x, w = self.torch.ones(1, 1, 6), self.torch.ones(1, 1, 3)
        X, W = self.torch.ones(1, 1, 6, 6), self.torch.ones(1, 1, 3, 3)

        def conv(**keywords):
            return lambda: functional.conv1d(x, w, **keywords)

        return {
            "conv1d(padding='same', stride=2)": conv(padding="same", stride=2),
            "conv1d(padding=(1, 2))": conv(padding=(1, 2)),
            "conv2d(padding=((1, 2), (0, 1)))": lambda: functional.conv2d(
                X, W, padding=((1, 2), (0, 1))
            ),
            "conv1d(padding=-1)": conv(padding=-1),
            "conv1d(padding='full')": conv(padding="full"),
            "conv1d(center=0)": conv(center=0),
            "conv1d(stride=0)": conv(stride=0),
            "conv1d(x of 2 cells, w of 3)": lambda: functional.conv1d(x[..., :2], w),
            "conv1d(x of 2 cells, w of 3, dilation=2, padding=1)": lambda: functional.conv1d(
                x[..., :2], w, dilation=2, padding=1
            ),
            "conv_transpose1d(padding='same')": lambda: functional.conv_transpose1d(
                x, w, padding="same"
            ),
            "conv_transpose1d(stride=2, output_padding=2)": lambda: functional.conv_transpose1d(
                x, w, stride=2, output_padding=2
            ),
            "max_pool1d(window of 2, padding=2)": lambda: functional.max_pool1d(x, 2, padding=2),
        }

    def accepted(self):
        """Calls that PyTorch answers although they have no output: none."""
        return {}


class TensorFlow:
    """TensorFlow's answers: `padding` is 'same', 'valid', or one pair per axis (two axes)."""

    def __init__(self):
        # No notes about oneDNN and processors, no search for a GPU.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
        import tensorflow

        self.tf, self.keras = tensorflow, tensorflow.keras
        self.versions = {"tensorflow": self.tf.__version__, "keras": self.keras.__version__}

    def tensor(self, x):
        return self.tf.constant(x, dtype="float64")

    def kernel(self, w):
        """From `(K, *U, C)` to TensorFlow's `(*U, C, K)`."""
        return self.tensor(np.moveaxis(w, 0, -1))

    def _conv(self, x, w, stride, dilation, padding):
        conv = self.tf.nn.conv1d if x.ndim == 3 else self.tf.nn.conv2d
        return conv(x, w, list(stride), self._padding(padding), dilations=list(dilation))

    @staticmethod
    def _padding(padding):
        if isinstance(padding, str):
            return padding.upper()
        return [[0, 0], *(list(pair) for pair in padding), [0, 0]]

    def conv(self, x, w, stride, dilation, padding):
        return self._conv(self.tensor(x), self.kernel(w), stride, dilation, padding).numpy()

    def gradients(self, x, w, dz, stride, dilation, padding):
        x, w, b = self.tensor(x), self.kernel(w), self.tensor(np.zeros(len(w)))
        with self.tf.GradientTape() as tape:
            tape.watch([x, w, b])
            z = self.tf.nn.bias_add(self._conv(x, w, stride, dilation, padding), b)
        dx, dw, db = tape.gradient(z, [x, w, b], output_gradients=self.tensor(dz))
        return dx.numpy(), np.moveaxis(dw.numpy(), -1, 0), db.numpy()

    def transposed(self, dz, w, stride, padding, output_padding):
        # Keras wants the kernel as (*U, out, in), which is (*U, C, K) of the forward pass.
        transpose = self.keras.ops.conv_transpose
        dz, w = self.tensor(dz), self.kernel(w)
        return transpose(dz, w, stride, padding, output_padding=output_padding).numpy()

    def transposed_size(self, I, U, stride, dilation, padding, output_padding):
        layer = self.keras.layers.Conv1DTranspose(
            1, U, stride, padding, output_padding, dilation_rate=dilation
        )
        return layer.compute_output_shape((1, I, 1))[1]

    def borders(self, x, w, dz, stride, padding, border):
        """z, and with the deltas `dz(shape)` dx and dw, of an image padded by `tf.pad`."""
        x, w = self.tensor(x), self.kernel(w)
        pairs = [(0, 0), *((n, n) for n in padding), (0, 0)]
        with self.tf.GradientTape() as tape:
            tape.watch([x, w])
            z = self.tf.nn.conv2d(self.tf.pad(x, pairs, border), w, list(stride), "VALID")
        dx, dw = tape.gradient(z, [x, w], output_gradients=self.tensor(dz(z.shape)))
        return z.numpy(), dx.numpy(), np.moveaxis(dw.numpy(), -1, 0)

    def _pool(self, pool, x, da):
        x = self.tensor(x)
        with self.tf.GradientTape() as tape:
            tape.watch(x)
            a = pool(x)
        dx = tape.gradient(a, x, output_gradients=self.tensor(da(a.shape)))
        return a.numpy(), dx.numpy()

    def max_pool(self, x, da, window, stride, padding):
        pool = self.tf.nn.max_pool2d
        return self._pool(lambda x: pool(x, window, stride, padding.upper()), x, da)

    def avg_pool(self, x, da, window, stride, padding, count_padding):
        if count_padding:
            raise ValueError("TensorFlow never counts padding")
        pool = self.tf.nn.avg_pool2d
        return self._pool(lambda x: pool(x, window, stride, padding.upper()), x, da)

    def training(self, x, t, params, optimizer, lr, steps):
        """Losses of a small network, and its first gradients. `params`: w, b, and a dense v, c."""
        tf, optimizers = self.tf, self.keras.optimizers
        w, b, v, c = params
        x = self.tensor(x)
        params = [tf.Variable(p, dtype="float64") for p in (np.moveaxis(w, 0, -1), b, v, c)]
        make = {
            "SGD": lambda: optimizers.SGD(lr),
            "Momentum": lambda: optimizers.SGD(lr, momentum=0.9),
            "RMSprop": lambda: optimizers.RMSprop(lr),
            "Adam": lambda: optimizers.Adam(lr),
        }
        rule, losses = make[optimizer](), []
        for step in range(steps):
            with tf.GradientTape() as tape:
                w, b, v, c = params
                a = tf.nn.relu(tf.nn.conv2d(x, w, 1, "VALID") + b)
                a = tf.nn.max_pool2d(a, 2, 1, "VALID")
                y = tf.reshape(a, (len(t), -1)) @ v + c
                each = tf.nn.sparse_softmax_cross_entropy_with_logits(t, y)
                loss = tf.reduce_mean(each)
            grads = tape.gradient(loss, params)
            if step == 0:
                dw, db, dv, dc = (g.numpy() for g in grads)
            rule.apply_gradients(zip(grads, params, strict=True))
            losses.append(float(loss))
        return losses, [np.moveaxis(dw, -1, 0), db, dv, dc]

    def refused(self):
        """Calls that TensorFlow refuses: the call as text, and as a function of nothing."""
        x, w = self.tf.ones((1, 6, 1)), self.tf.ones((3, 1, 1))
        X, W = self.tf.ones((1, 6, 6, 1)), self.tf.ones((3, 3, 1, 1))
        conv1d, layer = self.tf.nn.conv1d, self.keras.layers.Conv1D

        def conv(stride=1, padding="SAME", **keywords):
            return lambda: conv1d(x, w, stride, padding, **keywords)

        def dilated_gradient():
            with self.tf.GradientTape() as tape:
                tape.watch(X)
                z = self.tf.nn.conv2d(X, W, 1, "SAME", dilations=2)
            return tape.gradient(z, X)

        return {
            "convolution(strides=2, dilations=2)": lambda: self.tf.nn.convolution(
                x, w, strides=2, padding="SAME", dilations=2
            ),
            "keras.layers.Conv1D(strides=2, dilation_rate=2)": lambda: layer(
                1, 3, strides=2, dilation_rate=2
            ),
            "the gradient of conv2d(dilations=2) on a CPU": dilated_gradient,
            "conv1d(padding=1)": conv(padding=1),
            "conv1d(padding=[[0, 0], [1, 2], [0, 0]])": conv(padding=[[0, 0], [1, 2], [0, 0]]),
            "conv1d(padding='FULL')": conv(padding="FULL"),
            "conv1d(center=0)": conv(center=0),
            "keras.layers.Conv1D(center=0)": lambda: layer(1, 3, center=0),
            "conv1d(stride=0)": conv(stride=0),
            "conv2d_transpose(dz of 3x3 cells, output of 7x7, stride=2, padding='SAME')": (
                lambda: self.tf.nn.conv2d_transpose(X[:, :3, :3], W, (1, 7, 7, 1), 2)
            ),
            "keras.ops.conv_transpose(w of 2x2, 'SAME', output_padding=0)": (
                lambda: self.keras.ops.conv_transpose(
                    X, self.tf.ones((2, 2, 1, 1)), 2, "same", output_padding=0
                )
            ),
            "max_pool2d(x of 6x6 cells, window of 9)": lambda: self.tf.nn.max_pool2d(
                X, 9, 1, "VALID"
            ),
        }

    def accepted(self):
        """Calls that TensorFlow answers although they have no output: the shapes they give."""
        x, w = self.tf.ones((1, 2, 1)), self.tf.ones((3, 1, 1))
        return {
            "conv1d(x of 2 cells, w of 3, padding='VALID')": self.tf.nn.conv1d(x, w, 1, "VALID")
        }


class OpenCV:
    """OpenCV's answers: `filter2D` alone, of one image of one channel, `H x W`."""

    def __init__(self):
        import cv2

        cv2.setNumThreads(1)
        self.cv2 = cv2
        self.versions = {"opencv": cv2.__version__}

    def filter2d(self, x, w, dtype, anchor, border):
        """As OpenCV is asked: `anchor` is a column and a row, or None for its default."""
        keywords = {} if anchor is None else {"anchor": tuple(anchor)}
        if border is not None:
            keywords["borderType"] = getattr(self.cv2, f"BORDER_{border}")
        return self.cv2.filter2D(np.array(x, dtype), -1, np.array(w, float), **keywords)

    def refused(self):
        """Calls that OpenCV refuses: the call as text, and as a function of nothing."""
        x, w = np.ones((1, 6)), np.ones((1, 3))
        return {
            "filter2D(borderType=BORDER_WRAP)": lambda: self.cv2.filter2D(
                x, -1, w, borderType=self.cv2.BORDER_WRAP
            ),
            "filter2D(w of 1x3, anchor=(3, 0))": lambda: self.cv2.filter2D(x, -1, w, anchor=(3, 0)),
            "filter2D(x of int64)": lambda: self.cv2.filter2D(x.astype(np.int64), -1, w),
        }

    def accepted(self):
        """Calls that OpenCV answers although they have no output: none."""
        return {}


FRAMEWORKS = {"tensorflow": TensorFlow, "torch": Torch, "opencv": OpenCV}


def connect(name):
    """Import a framework, which takes seconds."""
    with quiet():
        return FRAMEWORKS[name]()
