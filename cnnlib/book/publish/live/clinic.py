"""The page on which readers have their own layer examined; it runs in their browser alone."""

from html import escape

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from ..prose import highlighted, lines

NAME = "your_layer"
TITLE = "Examine a layer of your own"
# Its backward takes the mean of the deltas where the sum belongs.
EXAMPLE = """\
import numpy as np


class Conv:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.w, self.b = np.random.randn(*shape), np.zeros(out_channels)
        self.stride, self.padding = stride, padding

    def forward(self, x):  # x is (N, C, H, W)
        p, s, U = self.padding, self.stride, self.w.shape[2]
        self.x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        windows = np.lib.stride_tricks.sliding_window_view(self.x, (U, U), axis=(2, 3))
        self.windows = windows[:, :, ::s, ::s]
        return np.einsum("nchwuv,kcuv->nkhw", self.windows, self.w) + self.b[:, None, None]

    def backward(self, dz):
        self.db = dz.mean(axis=(0, 2, 3))
        self.dw = np.einsum("nkhw,nchwuv->kcuv", dz, self.windows)"""
EXAMINE = """\
from cnnlib.diagnosis.asserting import examine

examine(Conv)"""
CHOICES = (
    ("kind", "What it is", ("layer", "max", "avg", "head", "step")),
    ("layout", "Axes of its images", ("found out", "NCHW", "NHWC", "CHW", "HWC", "NCL", "NLC")),
    ("stride", "Stride", ("any", "1", "2", "3")),
    ("padding", "Padding", ("any", "0", "1", "2", "same")),
)


def notebook() -> NotebookNode:
    """Its two cells."""
    return new_notebook(cells=[new_code_cell(EXAMPLE), new_code_cell(EXAMINE)])


def body() -> str:
    """The text of the page. The form writes the second cell."""
    fields = "".join(_field(*choice) for choice in CHOICES)
    return f"""<h1 id="top">{TITLE}</h1>
<p>Put your own code in place of the example: a class with <code>forward</code> and
<code>backward</code>, or a function. It is run on configurations that expose mistakes, every
number is compared with the book's table of connections, and a known mistake is named.
Everything happens in this page: <strong>nothing is uploaded</strong>.</p>
<form class="clinic">
<label>A file <input type="file" name="file" accept=".py,text/x-python"></label>
<label>Its name in the code <input type="text" name="name" value="Conv" autocomplete="off"></label>
{fields}
</form>
{_cell(1, EXAMPLE)}
{_cell(2, EXAMINE)}
<p>Run the second cell: it runs the first one before. What it can judge, and what it says of
everything else, is in <a href="09_clinic.html">the chapter on the clinic</a>.</p>
"""


def _field(name: str, label: str, options: tuple[str, ...]) -> str:
    listed = "".join(f"<option>{escape(option)}</option>" for option in options)
    return f'<label>{label} <select name="{name}">{listed}</select></label>\n'


def _cell(number: int, source: str) -> str:
    code = lines(highlighted(source, "ipython3", {}))
    return f"""<div class="cell" data-code-cell="{number}">
<div class="source"><pre><code>{code}</code></pre></div>
</div>"""
