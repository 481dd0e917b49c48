"""Says what is wrong with somebody's own layer: `diagnose`, and the same for the other parts.

Ways in: `diagnose` takes a function of a fixed form, and `adapt` makes one of a class, a pair of
functions or a PyTorch module, in any order of the axes. `assert_gradients` is for tests, `python -m
cnnlib.diagnosis FILE.py:NAME` for a shell.

What a diagnosis can judge, and what it says of everything else:

- *Convolution layers* (`diagnose`): cross-correlations of one, two or three axes with any stride
  and zero padding, and their three gradients; channels last, or first with `channels_first`; true
  convolutions with `true_convolution`; padding 'same'; one of a few activations inside.
- *Pools* (`diagnose_pool`): maximum and average over square windows without padding. *Heads*
  (`diagnose_head`): dense, softmax and cross-entropy. *Steps* (`diagnose_step`): two dense layers
  with a declared activation, loss, optimizer (SGD, momentum, RMSprop, Adam) and weight decay.
- *Any way back* (`diagnose_gradient`): whatever has a forward and a backward, in NumPy or what
  turns into it, is compared with its own slopes. That says whether the way back belongs to the way
  there, of any layer, loss or network; of the way there itself it says nothing. Mistakes of
  activations, also of a sigmoid or tanh at the end of a layer, and of losses have names, others are
  described. Kinks and ties are left out and counted.
- *Limits.* A layer need not take everything: square kernels, square images, odd kernels, kernels
  of one size, an exact fit, one sample, channel or filter, stride 1, padding 0. Limits are
  declared, or found out from where it raises; within them all else stays awkward. A verdict holds
  within the limits only, and the report says so.
- *Conventions* that are recognised and not accused: names such as `dA_prev` and `grad_input`, a
  tuple (dx, dw, db), a bias of shape (K, 1), the mean over the batch taken in the layer, weights
  updated inside, a guarded logarithm.
- *Everything else* is not examined, `Report.ok` is then None: where `diagnose` meets transposed,
  depthwise and grouped convolutions, dilation, batch normalisation or recurrent layers, it says so
  and names no mistake (`diagnose_gradient` judges their way back); results that are not repeatable,
  functions that raise everywhere.

A mistake has a name only where what it predicts is what came out, entry by entry. A result is right
in the configurations that gave it, and in no others: the report counts them.
"""

from .adapting import adapt
from .asserting import assert_gradients
from .convolution import channels_first, diagnose, true_convolution
from .gradient import diagnose_gradient
from .parts import diagnose_head, diagnose_pool
from .report import Finding, Report
from .step import diagnose_step

__all__ = [
    "Finding",
    "Report",
    "adapt",
    "assert_gradients",
    "channels_first",
    "diagnose",
    "diagnose_gradient",
    "diagnose_head",
    "diagnose_pool",
    "diagnose_step",
    "true_convolution",
]
