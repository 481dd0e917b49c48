"""The forms in which people write layers: a class, two functions, one, or PyTorch's."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnlib.errors import InputError

from .calling import plain, quantity_of
from .layouts import Layout
from .passes import gradient_of

# What parameters of constructors and functions are called, in small letters without "_".
_NAMES = {
    "channels": "inchannels inchannel channelsin cin nchannels numchannels channels inputchannels "
    "inputdepth inc inputs incount ncprev inplanes depth inchan c inputchannel nin",
    "filters": "outchannels outchannel channelsout cout numfilters nfilters outc outplanes "
    "numkernels nkernels outputchannels nc outchan outputchannel nout outputdepth filternum "
    "filters kernels numfilter nfilter k",
    "kernel": "kernelsize ksize kernel filtersize size f kernelshape filtershape kernelwidth fsize "
    "filter poolsize pool window windowsize poolwidth poolheight kernelheight filterheight "
    "filterwidth hh ww kh kw ph pw poolshape pooldim kerneldim filterdim k",
    "stride": "stride strides s step",
    "padding": "padding pad pads p paddings zeropadding",
    "shape": "inputshape inshape inputsize imageshape inputdim inputdims imagesize",
    "rate": "lr learningrate rate eta alpha learnrate",
}
_WHOLE = ("param", "hyper", "config", "options", "settings")  # parts of the name of a dict of all
_WEIGHTS = "W w weight weights kernel kernels filters filter conv_filter K F".split()
_BIASES = "b bias biases B beta".split()
_KEYS = {"kernel": "f size window pool_size pool_height pool_width kernel_size HH WW",
         "stride": "stride strides s", "padding": "pad padding p"}  # fmt: skip


class Form:
    """A layer that can be run: `run(given, layout)` gets the arguments of a diagnosis."""

    name = "layer"
    asks = True  # whether its kernels have an order of axes of their own

    def __init__(self) -> None:
        self.notes: list[str] = []

    def run(self, given: Sequence[Any], layout: Layout) -> dict[str, Any]:
        """What a diagnosis reads; one sample at a time the results are put together."""
        if not layout.is_single:
            return self.one(given, layout)
        x, *_ = given
        place = 3 if len(given) == 6 else 1  # of the deltas
        parts = []
        for n in range(len(x)):
            own = list(given)
            own[0], own[place] = x[n], given[place][n]
            parts.append(self.one(own, layout))
        joined = {}
        for name in parts[0]:
            arrays = [part[name] for part in parts]
            summed = name in ("dw", "db")
            joined[name] = (
                None if arrays[0] is None else sum(arrays) if summed else np.stack(arrays)
            )
        return joined

    def one(self, given: Sequence[Any], layout: Layout) -> dict[str, Any]:
        """The same for a batch, or for one sample."""
        raise NotImplementedError

    def _laid(self, read: Mapping[str, Any], layout: Layout, quantities: Sequence[str], w: Any
              ) -> dict[str, Any]:  # fmt: skip
        """Results in the order of a diagnosis; what cannot be laid is handed over as it is."""
        done: dict[str, Any] = {}
        for name, value in read.items():
            quantity = quantity_of(name, quantities) or name
            if value is None or value is ...:
                if value is None:
                    done[quantity] = None
                continue
            a = np.asarray(plain(value))
            try:
                if quantity in ("z", "a", "dx"):
                    a = layout.image_back(a)
                elif quantity == "dw":
                    flat = a.size == w.size and a.ndim != w.ndim
                    a = layout.kernel_back(a.reshape(layout.kernel(w).shape) if flat else a)
            except ValueError:
                pass
            done[quantity] = a
        return done


class Single(Form):
    """One function that has the arguments of a diagnosis, in another order of the axes."""

    def __init__(self, fn: Callable) -> None:
        super().__init__()
        self.fn, self.name = fn, getattr(fn, "__name__", "layer")

    def one(self, given: Sequence[Any], layout: Layout) -> dict[str, Any]:
        names: tuple[str, ...] = ("a", "dx")
        orders: dict[int, tuple[str, ...]] = {2: names}
        w = None
        if len(given) == 4:
            x, da, window, stride = given
            returned = self.fn(layout.image(x), layout.image(da), window, stride)
        else:
            x, w, b, dz, stride, padding = given
            returned = self.fn(
                layout.image(x), layout.kernel(w), b, layout.image(dz), stride, padding
            )
            names = ("z", "dx", "dw", "db")
            orders = {3: names[1:], 4: names}
        if isinstance(returned, tuple | list) and len(returned) in orders:
            returned = dict(zip(orders[len(returned)], returned, strict=True))
        if not isinstance(returned, Mapping):
            return returned  # a diagnosis says what it is
        return self._laid(returned, layout, names, w)


class Pair(Form):
    """Two functions: forward(x, w, b, ...), and backward(deltas, cache) or (deltas, x, w, ...)."""

    def __init__(self, forward: Callable, backward: Callable) -> None:
        super().__init__()
        self.forward, self.backward = forward, backward
        self.name = getattr(forward, "__name__", "layer")

    def one(self, given: Sequence[Any], layout: Layout) -> dict[str, Any]:
        pool = len(given) == 4
        parameters = _parameters(self.forward)
        if pool:
            x, da, window, stride = given
            known = [layout.image(x)]
            rest = {"kernel": window, "stride": stride}
            w, deltas = None, layout.image(da)
        else:
            x, w, b, dz, stride, padding = given
            third = parameters[2].name.lower() if len(parameters) > 2 else ""
            known = [layout.image(x), layout.kernel(w)]
            if third.startswith("b") or "bias" in third:
                known.append(_like_a_bias(b, parameters, w))
            rest, deltas = {"stride": stride, "padding": padding}, layout.image(dz)
        filled = _filled(parameters[len(known) :], rest)
        returned = self.forward(*known, **filled)
        z, cache = returned if _is_pair(returned) else (returned, ...)
        if isinstance(returned, tuple) and len(returned) > 2:
            z, cache = returned[0], returned[1:]
        if not pool and len(known) == 2:
            z = z + (b if layout.images.endswith("C") else _column(b, layout))
            self.notes[:] = ["It has no bias: b is added to its output."]
        back = _parameters(self.backward)
        if cache is not ... and sum(p.default is p.empty for p in back) <= 2:
            gradients = self.backward(deltas, cache)
        else:
            names = [p.name for p in parameters]
            values = {**dict(zip(names, known, strict=False)), **filled}
            own = [p for p in back[1:] if p.default is p.empty or p.name in values]
            by_name = {p.name: values[p.name] for p in own if p.name in values}
            missing = [p for p in own if p.name not in by_name]
            free = [v for n, v in values.items() if n not in by_name]
            by_name |= {p.name: v for p, v in zip(missing, free, strict=False)}
            gradients = self.backward(deltas, **by_name)
        order: tuple[str, ...] = ("dx",) if pool else ("dx", "dw", "db")
        if not isinstance(gradients, Mapping):
            several = gradients if isinstance(gradients, tuple | list) else (gradients,)
            gradients = dict(zip(order, several, strict=False))
        name = "a" if pool else "z"
        read = {name: z, **{quantity_of(n, order) or n: g for n, g in gradients.items()}}
        if "db" in read and read["db"] is not None and not pool:
            read["db"] = np.ravel(read["db"]) if np.size(read["db"]) == len(b) else read["db"]
        return self._laid(read, layout, (name, *order), w)


def _column(b: np.ndarray, layout: Layout) -> np.ndarray:
    return b.reshape([-1 if letter == "C" else 1 for letter in layout.images])


def _like_a_bias(b: np.ndarray, parameters: Sequence[inspect.Parameter], w: np.ndarray) -> Any:
    """A bias as a course has it, (1, 1, 1, K), beside arguments of that course."""
    if parameters[0].name.lower() in ("a_prev", "aprev"):
        return b.reshape((1,) * (w.ndim - 1) + (-1,))
    return b


def _is_pair(returned: Any) -> bool:
    return isinstance(returned, tuple) and len(returned) == 2


class Applied(Form):
    """A `torch.autograd.Function`."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function, self.name = function, function.__name__

    def one(self, given: Sequence[Any], layout: Layout) -> dict[str, Any]:
        import torch

        x, w, b, dz, stride, padding = given
        tensors = [torch.tensor(a, requires_grad=True)
                   for a in (layout.image(x), layout.kernel(w), b)]  # fmt: skip
        rest = {"stride": stride, "padding": padding}
        filled = _filled(_parameters(self.function.forward)[4:], rest)
        z = self.function.apply(*tensors, *filled.values())
        z.backward(torch.tensor(layout.image(dz)))
        grads = {f"d{n}": t.grad for n, t in zip("xwb", tensors, strict=True)}
        return self._laid({"z": z, **grads}, layout, ("z", "dx", "dw", "db"), w)


def is_torch_function(layer: type) -> bool:
    """Whether a class is one of PyTorch's functions; it is not imported for that."""
    return any(base.__module__ == "torch.autograd.function" for base in layer.__mro__)


class Class(Form):
    """A class with a constructor, forward and backward; or a `torch.nn.Module`."""

    def __init__(
        self, layer: Any, make: Callable | None, forward: str, backward: str, weight: str | None,
        bias: str | None, grads: dict[str, str],
    ) -> None:  # fmt: skip
        super().__init__()
        self.layer, self.make, self.grads = layer, make, grads
        self.methods = forward, backward
        self.attributes = weight, bias
        self.name = getattr(layer, "__name__", "layer")

    def one(self, given: Sequence[Any], layout: Layout) -> dict[str, Any]:
        if len(given) == 4:
            return self._pool(given, layout)
        x, w, b, dz, stride, padding = given
        numbers = {
            "channels": x.shape[-1], "filters": len(w), "kernel": _one_of(w.shape[1:-1]),
            "stride": stride, "padding": padding, "shape": layout.image(x).shape[-3:],
        }  # fmt: skip
        own = self._made(numbers)
        x, dz = layout.image(x), layout.image(dz)
        if hasattr(own, "named_parameters"):
            return self._by_torch(own, x, w, b, dz, layout)
        forward, backward = (getattr(own, name, None) for name in self.methods)
        if not callable(forward):
            raise InputError(
                f"the layer has no method {self.methods[0]!r}; say forward= and backward="
            )
        holder = _Holder.of(own, w.size, self.attributes[0], _WEIGHTS)
        if holder is None:
            forward(x)  # it may make its weights now
            holder = _Holder.of(own, w.size, self.attributes[0], _WEIGHTS)
        if holder is None:
            raise InputError("no attribute holds its weights; say weight=, as in weight='W'")
        laid = layout.kernel(w)
        holder.set(laid)
        place = _Holder.of(own, len(b), self.attributes[1], _BIASES)
        if place is not None:
            place.set(b)
        z = forward(x)
        z = z[0] if isinstance(z, tuple) else z
        if place is None:
            z = z + (b if layout.images.endswith("C") else _column(b, layout))
            self.notes[:] = ["It has no bias: b is added to its output."]
        read = {"z": z}
        if callable(backward):
            read |= self._gradients(own, backward, dz, holder, place)
        if "db" in read and read["db"] is not None and np.size(read["db"]) == len(b):
            read["db"] = np.ravel(read["db"])
        return self._laid(read, layout, ("z", "dx", "dw", "db"), w)

    def _gradients(
        self, own: Any, backward: Callable, dz: np.ndarray, holder: "_Holder",
        place: "_Holder | None",
    ) -> dict[str, Any]:  # fmt: skip
        extra = {p.name: 1.0 for p in _parameters(backward)[1:]
                 if p.default is p.empty and _meant(p.name, "rate")}  # fmt: skip
        before = holder.get().copy(), None if place is None else place.get().copy()
        returned = backward(dz, **extra)
        if isinstance(returned, Mapping):
            return {quantity_of(n, ("dx", "dw", "db")) or n: g for n, g in returned.items()}
        several = returned if isinstance(returned, tuple | list) else (returned,)
        read = dict(zip(("dx", "dw", "db"), several, strict=False))
        if returned is None:
            kept = _keeps(own, ("x", "inputs", "input", "X"))
            read = {} if kept is ... else {"dx": kept}
        for quantity, one, old in (("dw", holder, before[0]), ("db", place, before[1])):
            if quantity in read or one is None:
                continue
            named = self.grads.get(quantity)
            found = getattr(own, named) if named else gradient_of(own, one.name)
            if found is ... and extra and old is not None:
                found = old - one.get()  # the rate is 1: the step is the gradient
            if found is not ...:
                read[quantity] = found
        return read

    def _by_torch(
        self, own: Any, x: np.ndarray, w: np.ndarray, b: np.ndarray, dz: np.ndarray, layout: Layout
    ) -> dict[str, Any]:
        import torch

        own = own.double()
        parameters = dict(own.named_parameters())
        weight = next((p for p in parameters.values() if p.numel() == w.size), None)
        bias = next((p for p in parameters.values() if p is not weight and p.numel() == len(b)),
                    None)  # fmt: skip
        if weight is None:
            raise InputError("no parameter of the module has as many numbers as its kernels")
        with torch.no_grad():
            weight.copy_(torch.tensor(layout.kernel(w)).reshape(weight.shape))
            if bias is not None:
                bias.copy_(torch.tensor(b).reshape(bias.shape))
        given = torch.tensor(x, requires_grad=True)
        z = own(given)
        z.backward(torch.tensor(dz))
        read = {"z": z, "dx": given.grad, "dw": weight.grad}
        if bias is None:
            read["z"] = z + torch.tensor(_column(b, layout))
            self.notes[:] = ["It has no bias: b is added to its output."]
        elif bias.grad is not None:
            read["db"] = bias.grad.reshape(-1)
        return self._laid(read, layout, ("z", "dx", "dw", "db"), w)

    def _pool(self, given: Sequence[Any], layout: Layout) -> dict[str, Any]:
        x, da, window, stride = given
        own = self._made({"kernel": window, "stride": stride})
        x, da = layout.image(x), layout.image(da)
        if hasattr(own, "named_parameters"):
            import torch

            moved = torch.tensor(x, requires_grad=True)
            a = own(moved)
            a.backward(torch.tensor(da))
            return self._laid({"a": a, "dx": moved.grad}, layout, ("a", "dx"), None)
        forward, backward = (getattr(own, name, None) for name in self.methods)
        if not callable(forward):
            raise InputError(
                f"the layer has no method {self.methods[0]!r}; say forward= and backward="
            )
        a = forward(x)
        read = {"a": a[0] if isinstance(a, tuple) else a}
        if callable(backward):
            dx = backward(da)
            dx = dx[0] if isinstance(dx, tuple) else dx
            read["dx"] = _keeps(own, ("x", "inputs", "input", "X")) if dx is None else dx
        return self._laid(read, layout, ("a", "dx"), None)

    def _made(self, numbers: Mapping[str, Any]) -> Any:
        """A new layer with these numbers."""
        if self.make is not None:
            order = ("channels", "filters", "kernel", "stride", "padding")
            return self.make(*(numbers[name] for name in order if name in numbers))
        return self.layer(**_filled(_parameters(self.layer), numbers))


def _keeps(own: Any, names: Sequence[str]) -> Any:
    for name in names:
        found = gradient_of(own, name)
        if found is not ...:
            return found
    return ...


class _Holder:
    """The place in which an object keeps an array: an attribute, or a key of its `params`."""

    def __init__(self, name: str, get: Callable, put: Callable) -> None:
        self.name, self._get, self._put = name, get, put

    @classmethod
    def of(cls, own: Any, size: int, name: str | None, names: Sequence[str]) -> "_Holder | None":
        """The one of this name, or of a usual name and this size."""
        params = getattr(own, "params", None)
        places: list[tuple[str, Any, Callable, Callable]]
        places = [(n, own, getattr, setattr) for n in ([name] if name else names)]
        if isinstance(params, Mapping):
            places += [(n, params, _item, _set_item) for n in ([name] if name else names)]
        for one, owner, get, put in places:
            found = get(owner, one, None)
            if isinstance(found, np.ndarray) and (found.size == size or name):
                return cls(one, lambda o=owner, n=one, g=get: g(o, n, None),
                           lambda value, o=owner, n=one, p=put: p(o, n, value))  # fmt: skip
        return None

    def get(self) -> np.ndarray:
        return np.asarray(self._get())

    def set(self, value: np.ndarray) -> None:
        """In the shape of what stands there, if it has as many numbers."""
        old = self.get()
        if old.size != value.size:
            raise ValueError(f"{self.name} has the shape {old.shape}, expected {value.shape}")
        if old.ndim == value.ndim and old.shape != value.shape and max(old.shape) > 1:
            raise ValueError(f"{self.name} has the shape {old.shape}, expected {value.shape}")
        self._put(np.array(value, float).reshape(old.shape))


def _item(owner: Any, name: str, default: Any) -> Any:
    return owner.get(name, default)


def _set_item(owner: Any, name: str, value: Any) -> None:
    owner[name] = value


# ---- Names of parameters


def _parameters(fn: Callable) -> list[inspect.Parameter]:
    """Those that a call may fill, without `self`."""
    try:
        found = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _meant(name: str, number: str) -> bool:
    return name.lower().replace("_", "") in _NAMES[number].split()


def _counts(p: inspect.Parameter) -> bool:
    """Whether a parameter may be a number."""
    return p.default is p.empty or isinstance(p.default, int)


def _filled(parameters: Sequence[inspect.Parameter], numbers: Mapping[str, Any]) -> dict[str, Any]:
    """What these parameters get, by name; a limit where there is none for a stride or padding."""
    filled: dict[str, Any] = {}
    taken: set[str] = set()
    for p in parameters:
        plain_name = p.name.lower().replace("_", "")
        number = next((n for n in numbers if n not in taken and _meant(p.name, n)), None)
        if number is None and any(part in plain_name for part in _WHOLE) and numbers:
            filled[p.name] = {key: value for n, value in numbers.items()
                              for key in _KEYS.get(n, "").split()}  # fmt: skip
            taken |= {*numbers}
        elif number is None and "pad" in plain_name and "padding" in numbers and _counts(p):
            number = "padding"
        elif number is None and p.default is p.empty:
            again = next((n for n in numbers if _meant(p.name, n)), None)
            if again is None:
                raise InputError(
                    f"what {p.name!r} gets is not known; say make=, a function of channels, "
                    "filters, kernel, stride and padding that makes the layer"
                )
            filled[p.name] = numbers[again]  # a window has a height and a width
        if number is not None:
            filled[p.name] = numbers[number]
            taken.add(number)
    for number, usual in (("stride", 1), ("padding", 0)):
        if numbers.get(number, usual) != usual and number not in taken:
            if "channels" not in numbers and numbers.get("kernel") == numbers[number]:
                continue  # a pool whose stride is its window
            raise NotImplementedError(f"{number} {usual} only: it takes no {number}")
    return filled


def _one_of(sizes: Sequence[int]) -> Any:
    """A number for square kernels, else all sizes."""
    return sizes[0] if len(set(sizes)) == 1 else tuple(sizes)
