"""torch.autograd.Function with unfold/fold."""

from .common import CONV2, check, conv_case

TRUTH = {"right": True, "what": "", "kind": "conv (torch.autograd.Function)", "limits": ""}


def my_conv2d():
    """The class, once PyTorch is asked for."""
    import torch
    import torch.nn.functional as F

    class MyConv2d(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight, bias, stride=1, padding=0):
            n, _, h, w = x.shape
            o, c, kh, kw = weight.shape
            cols = F.unfold(x, (kh, kw), padding=padding, stride=stride)
            ctx.save_for_backward(cols, weight)
            ctx.args = (h, w, stride, padding)
            oh = (h + 2 * padding - kh) // stride + 1
            ow = (w + 2 * padding - kw) // stride + 1
            return (weight.view(o, -1) @ cols + bias.view(1, -1, 1)).view(n, o, oh, ow)

        @staticmethod
        def backward(ctx, grad_output):
            cols, weight = ctx.saved_tensors
            h, w, stride, padding = ctx.args
            o, c, kh, kw = weight.shape
            g = grad_output.reshape(grad_output.shape[0], o, -1)
            grad_weight = torch.einsum("nol,nkl->ok", g, cols).view_as(weight)
            grad_bias = g.sum(dim=(0, 2))
            grad_cols = weight.view(o, -1).t() @ g
            grad_x = F.fold(grad_cols, (h, w), (kh, kw), padding=padding, stride=stride)
            return grad_x, grad_weight, grad_bias, None, None

    return MyConv2d


def report():
    from cnnlib.diagnosis import adapt, diagnose

    return diagnose(adapt(my_conv2d(), "NCHW", "OIHW"))


def _run(**c):
    import torch

    x, w, b, dz, ref = conv_case(**c)
    t = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    z = my_conv2d().apply(*t, c.get("stride", 1), c.get("pad", 0))
    z.backward(torch.tensor(dz))
    return dict(
        z=(z.detach().numpy(), ref["z"]),
        **{n: (a.grad.numpy(), ref[n]) for n, a in zip(("dx", "dw", "db"), t)},
    )


def truth():
    check(_run, CONV2)
