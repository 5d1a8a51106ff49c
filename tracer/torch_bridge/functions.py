"""Floor 13: what torch's functions, tensor methods and modules are as operations, one handler each.

A handler is found by the function's name: torch.relu, torch.nn.functional.relu, Tensor.relu and Tensor.relu_ are one.
What has no handler is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import torch

from tracer.importing.recording import Recording, Unrepresentable, Value
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.ops.pointwise import Function
from tracer.ops.registry import find_operation

if TYPE_CHECKING:
    from tracer.torch_bridge.forward import Forward


class Call:
    """One call of a function, its arguments by the names that its handler gives them."""

    def __init__(self, forward: Forward, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self.forward = forward
        self.recording: Recording = forward.recording
        self.name = name
        self.args = tuple(args)
        self.kwargs = dict(kwargs)
        self.in_place = self.kwargs.get("inplace") is True
        """Whether the first tensor is changed."""

    @property
    def first(self) -> Any:
        """The tensor that it is called with first."""
        return self.args[0] if self.args else self.kwargs.get("input")

    def bound(self, names: str, **defaults: Any) -> dict[str, Any]:
        """The arguments by name. Refused where there are others than these."""
        words = names.split()
        if len(self.args) > len(words):
            raise self.refused(f"{self.name} is called with more arguments than are known")
        found = {**defaults, **dict(zip(words, self.args))}
        for word, value in self.kwargs.items():
            found[{"axis": "dim", "x": "input", "keepdims": "keepdim", "self": "input"}.get(word, word)] = value
        return found

    def refused(self, why: str) -> Unrepresentable:
        return self.recording.refused(why)

    def known(self, tensor: Any) -> Value:
        """What a tensor of the forward is, for its sizes only."""
        return self.forward.value(tensor) or self.value(tensor)

    def value(self, tensor: Any) -> Value:
        return self.forward.operand(tensor)

    def add(
        self, op_name: str, sources: Sequence[Any], arguments: Mapping[str, Any] | None = None, *, owner: Any = None
    ) -> torch.Tensor:
        """One more step; the tensor that stands for what it makes."""
        return self.made(self.recording.add(op_name, [*map(self.value, sources)], arguments, owner=owner))

    def made(self, value: Value) -> torch.Tensor:
        return self.forward.tensor(value)

    def unknown(self, shape: Sequence[int]) -> torch.Tensor:
        """A tensor that is no step's; to use it is refused."""
        with torch._C.DisableTorchFunctionSubclass():
            made = torch.empty(tuple(map(int, shape)), device="meta")
        self.forward.made_of_sizes[id(made)] = (made, self.recording.place())
        return made

    def sizes(self, sizes: Any) -> tuple[Any, ...]:
        """Sizes that are an argument; refused where it is not known how one was computed."""
        found = tuple(sizes) if isinstance(sizes, (list, tuple)) else (sizes,)
        self.recording.known(found)
        return found


Handler = Callable[[Call], Any]
HANDLERS: dict[str, Handler] = {}
"""By the function's name."""


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register a handler for functions of these names."""

    def register(handler: Handler) -> Handler:
        for name in names:
            assert name not in HANDLERS, name
            HANDLERS[name] = handler
        return handler

    return register


def call(forward: Forward, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What a function gives, called with tensors of the forward."""
    name = name_of(func)
    if name in ASIDE:
        return ASIDE[name]
    if name in PLAIN:
        return func(*args, **kwargs)
    made = Call(forward, name, args, kwargs)
    in_place = name.endswith("_") and not name.endswith("__") and name[:-1] in HANDLERS
    in_place |= name.startswith("__i") and name in IN_PLACE
    handler = HANDLERS.get(name[:-1] if name.endswith("_") and in_place else IN_PLACE.get(name, name))
    if handler is None:
        raise made.refused(f"{name} has no operation in a config")
    result = handler(made)
    if (in_place or made.in_place) and isinstance(result, torch.Tensor):
        value = forward.value(result)
        assert value is not None
        return forward.become(made.first, value)
    if name in VIEWS:
        result = _strided(forward, result, func(*args, **kwargs))
    if name in VIEWS or name in SAME:
        for other in result if isinstance(result, tuple) else [result]:
            if isinstance(other, torch.Tensor) and isinstance(made.first, torch.Tensor):
                whole = name in SAME or forward.value(other) == forward.value(made.first)
                forward.share(made.first, other, whole=whole)
    return result


def _strided(forward: Forward, result: Any, views: Any) -> Any:
    """The tensors as torch's own views, which know their strides: ``view`` refuses some of them."""
    if isinstance(result, torch.Tensor) and isinstance(views, torch.Tensor):
        value = forward.value(result)
        if value is None or tuple(views.shape) != value.shape:
            return result
        forward.values[id(views)] = (views, value)
        return views
    if isinstance(result, tuple) and isinstance(views, (tuple, list)) and len(result) == len(views):
        return tuple(_strided(forward, one, view) for one, view in zip(result, views))
    return result


VIEWS = {
    "__getitem__", "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "permute", "movedim", "moveaxis",
    "transpose", "swapaxes", "swapdims", "t", ".T", ".mT", ".H", ".mH", "squeeze", "unsqueeze", "chunk", "split",
    "split_with_sizes", "narrow", "select", "unbind", "expand", "expand_as", "broadcast_to",
}  # fmt: skip
"""What gives tensors that share memory with the one they are made of, or may."""
SAME = {"contiguous", "detach", "to", "type_as", "float", "cpu", ".data", "alias", "requires_grad", "dropout"}
"""What gives a tensor as it is, or may."""


def has_handler(func: Any) -> bool:
    """Whether a function is an operation."""
    return name_of(func) in HANDLERS


def name_of(func: Any) -> str:
    """The name that a function is looked up by; a property's is its own."""
    name: str = getattr(func, "__name__", str(func))
    if name == "__get__":
        return f".{func.__self__.__name__}"
    return name


IN_PLACE = {"__iadd__": "add", "__isub__": "sub", "__imul__": "mul", "__itruediv__": "div"}
PLAIN = {
    ".dtype", ".layout", ".is_sparse", ".is_quantized", ".is_mkldnn", ".is_nested",
    ".requires_grad", ".grad_fn", ".is_leaf", ".names", ".is_mps", ".is_xpu", ".grad", ".itemsize",
    "is_floating_point", "is_complex", "is_contiguous", "element_size", "requires_grad_", "type",
    "_is_view", "retain_grad", "is_inference", "is_same_size", "__hash__", "__repr__", "__format__", "data_ptr",
    "result_type", "storage_offset", "is_pinned", "register_hook", "is_neg", "is_conj", "is_tensor",
}  # fmt: skip
"""What says nothing of sizes or values."""
ASIDE = {".device": torch.device("cpu"), ".is_cuda": False, ".is_meta": False, ".is_cpu": True, "get_device": -1}
"""What a tensor without data says of its place: as if it were the module's."""

# --- sizes -----------------------------------------------------------------------------------------------------------


@handles(".shape")
def _shape(call: Call) -> Any:
    return tuple.__new__(Sizes, call.recording.dims(call.known(call.args[0])))


class Sizes(tuple[Any, ...]):
    """A tensor's shape, as torch.Size: that one takes no numbers that know where they come from."""

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return tuple.__new__(Sizes, found) if isinstance(index, slice) else found

    def __add__(self, other: Any) -> Any:
        return tuple.__new__(Sizes, tuple.__add__(self, tuple(other)))

    def __radd__(self, other: Any) -> Any:
        return tuple.__new__(Sizes, (*other, *self))

    def numel(self) -> Any:
        """How many elements there are."""
        return math.prod(self)


@handles("size")
def _size(call: Call) -> Any:
    words = call.bound("input dim", dim=None)
    value = call.known(words["input"])
    if words["dim"] is None:
        return tuple.__new__(Sizes, call.recording.dims(value))
    return call.recording.size(value, words["dim"])


@handles("dim", "ndimension", ".ndim")
def _rank(call: Call) -> int:
    return len(call.known(call.args[0]).shape)


@handles("numel", "nelement")
def _numel(call: Call) -> Any:
    return math.prod(call.recording.dims(call.value(call.args[0])))


@handles("__len__")
def _length(call: Call) -> int:
    return call.value(call.args[0]).shape[0]


VALUES = ("__bool__", "item", "tolist", "numpy", "__float__", "__int__", "__index__", "__array__", "nonzero", "equal",
          "allclose", "__contains__", "is_nonzero")  # fmt: skip
"""What takes a tensor's values out of torch."""


@handles(*VALUES)
def _values(call: Call) -> Any:
    raise call.refused("the values of a tensor decide here, which no config can say")


@handles("gt", "lt", "ge", "le", "eq", "ne", "isnan", "isinf", "isfinite", "any", "all", "logical_not", "logical_and",
         "logical_or", "argmax", "argmin", "zeros_like", "ones_like", "empty_like", "full_like", "rand_like",
         "randn_like", "new_zeros", "new_ones", "new_empty", "new_full", "new_tensor")  # fmt: skip
def _fresh(call: Call) -> Any:
    return call.unknown(call.value(call.args[0]).shape)


# --- what changes nothing --------------------------------------------------------------------------------------------


@handles("contiguous", "clone", "detach", "float", "to", "type_as", "cpu", "cuda", "half", "double", "bfloat16",
         ".data", "alias", "checkpoint", "requires_grad")  # fmt: skip
def _kept(call: Call) -> torch.Tensor:
    return call.made(call.value(call.args[0]))


@handles("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout", "feature_alpha_dropout")
def _dropout(call: Call) -> torch.Tensor:
    words = call.bound("input p training inplace", training=True)
    if words["training"]:
        raise call.refused(f"{call.name} draws at random in eval mode too")
    call.in_place |= words.get("inplace") is True
    return call.made(call.value(words["input"]))


# --- elementwise -----------------------------------------------------------------------------------------------------

ACTIVATIONS = {
    "relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "LeakyReLU", "gelu": "GELU", "silu": "SiLU", "elu": "ELU",
    "celu": "CELU", "selu": "SELU", "sigmoid": "Sigmoid", "tanh": "Tanh", "hardswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid", "hardtanh": "Hardtanh", "mish": "Mish", "softplus": "Softplus", "glu": "GLU",
    "logsigmoid": "LogSigmoid", "log_sigmoid": "LogSigmoid", "softsign": "Softsign", "tanhshrink": "Tanhshrink",
    "hardshrink": "Hardshrink", "softshrink": "Softshrink", "threshold": "Threshold", "softmax": "Softmax",
    "log_softmax": "LogSoftmax", "softmin": "Softmin",
}  # fmt: skip


@handles(*ACTIVATIONS)
def _activation(call: Call) -> torch.Tensor:
    op_name = ACTIVATIONS[call.name.rstrip("_")]
    cls = find_operation(op_name)
    assert cls is not None
    fields = {f.encode_name: f.default for f in msgspec.structs.fields(cls)}
    words = call.bound(" ".join(["input", *fields]))
    call.in_place |= words.pop("inplace", False) is True
    for word in ("_stacklevel", "dtype"):
        words.pop(word, None)
    x = words.pop("input")
    return call.add(op_name, [x], {w: v for w, v in words.items() if w not in fields or v != fields[w]})


@handles("clamp", "clip", "clamp_min", "clamp_max")
def _clamp(call: Call) -> torch.Tensor:
    names = {"clamp_min": "input min", "clamp_max": "input max"}.get(call.name.rstrip("_"), "input min max")
    words = call.bound(names, min=None, max=None)
    low = -math.inf if words["min"] is None else words["min"]
    high = math.inf if words["max"] is None else words["max"]
    if not all(isinstance(bound, (int, float)) for bound in (low, high)):
        raise call.refused(f"{call.name} by tensors")
    return call.add("Hardtanh", [words["input"]], {"min_val": float(low), "max_val": float(high)})


POINTWISE = {name: name for name in Function.__args__} | {"negative": "neg", "absolute": "abs", "__neg__": "neg"}  # type: ignore[attr-defined]


@handles(*POINTWISE)
def _pointwise(call: Call) -> torch.Tensor:
    return call.add(
        "Pointwise",
        [call.args[0]],
        {"function": POINTWISE[call.name.rstrip("_") if call.name not in POINTWISE else call.name]},
    )


@handles("pow", "__pow__")
def _power(call: Call) -> torch.Tensor:
    words = call.bound("input exponent")
    function = {2: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}.get(_number(words["exponent"]) or 0)
    if function is None:
        raise call.refused(f"the power {words['exponent']!r}")
    return call.add("Pointwise", [words["input"]], {"function": function})


MERGES = {
    "add": "Add", "__add__": "Add", "__radd__": "Add", "sub": "Sub", "__sub__": "Sub", "subtract": "Sub",
    "mul": "Mul", "__mul__": "Mul", "__rmul__": "Mul", "multiply": "Mul", "div": "Div", "__truediv__": "Div",
    "divide": "Div", "true_divide": "Div", "maximum": "Maximum", "minimum": "Minimum",
}  # fmt: skip


def _number(value: Any) -> float | None:
    """A plain number; a tensor of no dims with a value is one as well."""
    if isinstance(value, (bool, RunTimeSize)):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, torch.Tensor) and value.device.type != "meta" and value.dim() == 0 and not value.requires_grad:
        return float(value)
    return None


@handles(*MERGES)
def _merge(call: Call) -> torch.Tensor:
    words = call.bound("input other alpha", alpha=1)
    a, b = words["input"], words["other"]
    op_name = MERGES[call.name.rstrip("_") if call.name not in MERGES else call.name]
    if words["alpha"] != 1 or words.get("rounding_mode") is not None:
        raise call.refused(f"{call.name} with alpha or rounding_mode")
    if isinstance(b, torch.Tensor) and call.forward.value(b) is None and (number := _number(b)) is not None:
        b = number
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return call.add(op_name, [a, b])
    number = _number(b)
    if number is None:
        raise call.refused(f"{call.name} of a tensor and {b!r}")
    if op_name in ("Maximum", "Minimum"):
        raise call.refused(f"{call.name} of a tensor and a number")
    scaled = {
        "Add": {"offset": float(number)},
        "Sub": {"offset": -float(number)},
        "Mul": {"factor": float(number)},
        "Div": {"factor": 1 / number if number else math.inf},
    }[op_name]
    return call.add("Scale", [a], scaled)


@handles("rsub", "__rsub__")
def _reversed_difference(call: Call) -> torch.Tensor:
    words = call.bound("input other alpha", alpha=1)
    number = _number(words["other"])
    if number is None:
        return call.add("Sub", [words["other"], words["input"]])
    return call.add("Scale", [words["input"]], {"factor": -1.0, "offset": float(number)})


@handles("__rtruediv__", "__rdiv__")
def _reversed_quotient(call: Call) -> torch.Tensor:
    x, other = call.args
    number = _number(other)
    if number is None:
        return call.add("Div", [other, x])
    inverse = call.add("Pointwise", [x], {"function": "reciprocal"})
    return inverse if number == 1 else call.add("Scale", [inverse], {"factor": float(number)})


# --- merges ----------------------------------------------------------------------------------------------------------


@handles("cat", "concat", "concatenate")
def _concat(call: Call) -> torch.Tensor:
    words = call.bound("tensors dim", dim=0)
    dim, tensors = words["dim"], list(words["tensors"])
    zeros = [call.forward.zeros.get(id(tensor)) for tensor in tensors]
    if len(tensors) == 2 and zeros.count(None) == 1:
        return _padded_with(call, tensors, dim, 0 if zeros[0] else 1, (zeros[0] or zeros[1] or ((), ()))[1])
    return call.add("Concat", tensors, {} if dim == 1 else {"dim": dim})


def _padded_with(call: Call, tensors: Sequence[Any], dim: int, which: int, sizes: tuple[Any, ...]) -> torch.Tensor:
    """Zeros before or behind a tensor."""
    value = call.value(tensors[1 - which])
    rank = len(value.shape)
    dim %= rank
    if len(sizes) != rank or not all(d == dim or _is_size(n, value, d) for d, n in enumerate(sizes)):
        raise call.refused("zeros are joined that are not of the other tensor's size")
    (count,) = call.sizes(sizes[dim])
    padding: list[Any] = [0] * (2 * (rank - dim))
    padding[-2 + which] = count
    return call.add(f"ZeroPad{min(rank - dim, 3)}d", [value], {"padding": tuple(padding)})


@handles("stack")
def _stack(call: Call) -> torch.Tensor:
    words = call.bound("tensors dim", dim=0)
    return call.add("Stack", list(words["tensors"]), {"dim": words["dim"]} if words["dim"] else {})


@handles("matmul", "__matmul__", "bmm", "mm")
def _matmul(call: Call) -> torch.Tensor:
    words = call.bound("input other")
    return call.add("MatMul", [words["input"], words.get("other", words.get("mat2"))])


@handles("addcmul", "addcdiv")
def _add_product(call: Call) -> torch.Tensor:
    words = call.bound("input tensor1 tensor2 value", value=1)
    joined = call.add("Mul" if call.name.startswith("addcmul") else "Div", [words["tensor1"], words["tensor2"]])
    if words["value"] != 1:
        joined = call.add("Scale", [joined], {"factor": float(words["value"])})
    return call.add("Add", [words["input"], joined])


@handles("addmm", "baddbmm", "addbmm")
def _add_matmul(call: Call) -> torch.Tensor:
    words = call.bound("input batch1 batch2 beta alpha", beta=1, alpha=1)
    factors = [words.get(new, words.get(old)) for new, old in (("mat1", "batch1"), ("mat2", "batch2"))]
    product = call.add("MatMul", factors)
    if call.name.startswith("addbmm"):
        raise call.refused("addbmm")
    if words["alpha"] != 1:
        product = call.add("Scale", [product], {"factor": float(words["alpha"])})
    if words["beta"] == 0:
        return product
    own = (
        words["input"] if words["beta"] == 1 else call.add("Scale", [words["input"]], {"factor": float(words["beta"])})
    )
    return call.add("Add", [own, product])


@handles("scaled_dot_product_attention")
def _attention(call: Call) -> torch.Tensor:
    words = call.bound(
        "query key value attn_mask dropout_p is_causal scale", attn_mask=None, dropout_p=0.0, is_causal=False
    )
    mask = words["attn_mask"]
    if words["is_causal"] or words["dropout_p"] or words.get("enable_gqa"):
        raise call.refused("attention that is causal, grouped or with dropout")
    if mask is not None and not mask.is_floating_point():
        raise call.refused("attention with a mask of truth values")
    query, key, value = words["query"], words["key"], words["value"]
    scale = words.get("scale")
    features = call.value(query).shape[-1]
    scaled = call.add("Scale", [query], {"factor": float(1 / math.sqrt(features) if scale is None else scale)})
    turned = call.add("Transpose", [key], {"dim0": -2, "dim1": -1})
    logits = call.add("MatMul", [scaled, turned])
    weights = call.add("Softmax", [logits if mask is None else call.add("Add", [logits, mask])], {"dim": -1})
    return call.add("MatMul", [weights, value])


@handles("einsum")
def _einsum(call: Call) -> torch.Tensor:
    equation, *operands = call.args
    tensors = list(operands[0]) if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if not arrow or "." in equation or len(terms) != len(tensors) or len(terms) > 2:
        raise call.refused(f"einsum of {equation!r}")
    if any(len(set(term)) < len(term) for term in [*terms, output]):
        raise call.refused(f"einsum of {equation!r}: a letter stands twice in one term")
    values = [call.value(t) for t in tensors]
    for i, term in enumerate(terms):  # letters of one term only that are not in the output are summed
        alone = [d for d, c in enumerate(term) if c not in output and c not in "".join(terms[:i] + terms[i + 1 :])]
        if alone:
            values[i] = call.value(call.add("Sum", [values[i]], {"dim": tuple(alone)}))
            terms[i] = "".join(c for d, c in enumerate(term) if d not in alone)
    if len(values) == 1:
        return call.made(_ordered(call, values[0], terms[0], output))
    return call.made(_contracted(call, values, terms, output))


def _ordered(call: Call, value: Value, letters: str, wanted: str) -> Value:
    """The dims in the wanted order."""
    if letters == wanted:
        return value
    return call.value(call.add("Permute", [value], {"dims": tuple(letters.index(c) for c in wanted)}))


def _contracted(call: Call, values: Sequence[Value], terms: Sequence[str], output: str) -> Value:
    """Two tensors as one matrix product: dims of both that stay are its batch, those that don't are summed."""
    a, b = terms
    batch = "".join(c for c in a if c in b and c in output)
    summed = "".join(c for c in a if c in b and c not in output)
    rows, columns = "".join(c for c in a if c not in b), "".join(c for c in b if c not in a)
    sizes = {c: n for term, value in zip(terms, values) for c, n in zip(term, call.recording.dims(value))}

    def matrix(value: Value, letters: str, first: str, second: str) -> Value:
        ordered = _ordered(call, value, letters, batch + first + second)
        if len(first) == len(second) == 1:
            return ordered
        shape = [*(sizes[c] for c in batch), *(math.prod(sizes[c] for c in group) for group in (first, second))]
        return call.value(call.add("Reshape", [ordered], {"shape": tuple(shape)}))

    left, right = matrix(values[0], a, rows, summed), matrix(values[1], b, summed, columns)
    made = call.value(call.add("MatMul", [left, right]))
    if not len(rows) == len(columns) == 1:
        shape = tuple(sizes[c] for c in batch + rows + columns)
        made = call.value(call.add("Reshape", [made], {"shape": shape}))
    return _ordered(call, made, batch + rows + columns, output)


# --- rearrangements --------------------------------------------------------------------------------------------------


@handles("view", "reshape", "view_as", "reshape_as")
def _reshape(call: Call) -> torch.Tensor:
    x, *rest = call.args
    given = rest or list(call.kwargs.values())
    if len(given) == 1 and isinstance(given[0], torch.dtype):
        raise call.refused("a view as another type")
    if call.name.endswith("_as"):
        given = [call.recording.dims(call.value(given[0]))]
    sizes = given[0] if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
    return call.add("Reshape", [x], {"shape": call.sizes(sizes)})


@handles("flatten")
def _flatten(call: Call) -> torch.Tensor:
    words = call.bound("input start_dim end_dim", start_dim=0, end_dim=-1)
    x = words.pop("input")
    return call.add("Flatten", [x], {w: v for w, v in words.items() if v != {"start_dim": 1, "end_dim": -1}[w]})


@handles("unflatten")
def _unflatten(call: Call) -> torch.Tensor:
    words = call.bound("input dim sizes")
    value = call.value(words["input"])
    sizes = call.sizes(words["sizes"])
    if not any(isinstance(n, RunTimeSize) for n in sizes):
        return call.add("Unflatten", [words["input"]], {"dim": words["dim"], "unflattened_size": sizes})
    dims = call.recording.dims(value)
    dim = words["dim"] % len(dims)
    return call.add("Reshape", [words["input"]], {"shape": (*dims[:dim], *sizes, *dims[dim + 1 :])})


@handles("permute")
def _permute(call: Call) -> torch.Tensor:
    x, *rest = call.args
    given = rest or list(call.kwargs.values())
    dims = given[0] if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
    return call.add("Permute", [x], {"dims": tuple(dims)})


@handles("movedim", "moveaxis")
def _move(call: Call) -> torch.Tensor:
    words = call.bound("input source destination")
    rank = len(call.value(words["input"]).shape)
    places = [words[w] if isinstance(words[w], (tuple, list)) else (words[w],) for w in ("source", "destination")]
    source, destination = ([d % rank for d in dims] for dims in places)
    rest = iter(d for d in range(rank) if d not in source)
    order = [source[destination.index(i)] if i in destination else next(rest) for i in range(rank)]
    return call.add("Permute", [words["input"]], {"dims": tuple(order)})


@handles("transpose", "swapaxes", "swapdims")
def _transpose(call: Call) -> torch.Tensor:
    words = call.bound("input dim0 dim1")
    return call.add("Transpose", [words["input"]], {"dim0": words["dim0"], "dim1": words["dim1"]})


@handles("t", ".T", ".mT", ".H", ".mH")
def _turned(call: Call) -> torch.Tensor:
    x = call.value(call.args[0])
    if len(x.shape) < 2:
        return call.made(x)
    if call.name in (".T", ".H") and len(x.shape) > 2:
        return call.add("Permute", [x], {"dims": tuple(reversed(range(len(x.shape))))})
    return call.add("Transpose", [x], {"dim0": -2, "dim1": -1})


@handles("squeeze")
def _squeeze(call: Call) -> torch.Tensor:
    words = call.bound("input dim", dim=None)
    return call.add("Squeeze", [words["input"]], {} if words["dim"] is None else {"dim": words["dim"]})


@handles("unsqueeze")
def _unsqueeze(call: Call) -> torch.Tensor:
    words = call.bound("input dim")
    return call.add("Unsqueeze", [words["input"]], {"dim": words["dim"]})


@handles("chunk")
def _chunk(call: Call) -> tuple[torch.Tensor, ...]:
    words = call.bound("input chunks dim", dim=0)
    values = call.recording.add_chunks(call.value(words["input"]), words["chunks"], words["dim"])
    return tuple(map(call.made, values))


@handles("split", "split_with_sizes", "tensor_split")
def _split(call: Call) -> tuple[torch.Tensor, ...]:
    words = call.bound("input split_size dim", dim=0)
    size = words.get("split_size_or_sections", words.get("split_sizes", words.get("split_size")))
    value, dim = call.value(words["input"]), words["dim"]
    n = value.shape[dim]
    if call.name == "tensor_split":
        raise call.refused("tensor_split; use split or chunk")
    if isinstance(size, int):
        if isinstance(size, RunTimeSize) or not isinstance(value.sizes[dim], int):
            raise call.refused("a split into as many parts as the input's size gives")
        sizes = [min(size, n - start) for start in range(0, n, size)]
    else:
        sizes = list(call.sizes(size))
    found, start = [], 0
    for one in sizes:
        found.append(_narrowed(call, value, dim, start, start + one))
        start = start + one
    return tuple(found)


@handles("narrow")
def _narrow(call: Call) -> torch.Tensor:
    words = call.bound("input dim start length")
    start, length = words["start"], words["length"]
    return _narrowed(call, call.value(words["input"]), words["dim"], start, start + length)


def _narrowed(call: Call, value: Value, dim: int, start: Any, stop: Any) -> torch.Tensor:
    call.sizes((start, stop))
    if start == 0 and _is_size(stop, value, dim):
        return call.made(value)
    arguments = {"dim": dim, "start": start, "stop": stop}
    return call.add("Slice", [value], {w: v for w, v in arguments.items() if w != "start" or not _is_zero(v)})


def _is_zero(n: Any) -> bool:
    return not isinstance(n, RunTimeSize) and n == 0


def _is_size(n: Any, value: Value, dim: int) -> bool:
    """Whether it is the size of the dim, for every size of the input."""
    size = n.size if isinstance(n, RunTimeSize) else n
    return size is value.sizes[dim] or (
        isinstance(size, int) and isinstance(value.sizes[dim], int) and size == value.sizes[dim]
    )


@handles("unbind", "__iter__")
def _unbind(call: Call) -> Any:
    words = call.bound("input dim", dim=0)
    value, dim = call.value(words["input"]), words["dim"]
    if not isinstance(value.sizes[dim], int):
        raise call.refused("as many tensors as the input's size gives")
    found = [_selected(call, value, dim, i) for i in range(value.shape[dim])]
    return iter(found) if call.name == "__iter__" else tuple(found)


@handles("select")
def _select(call: Call) -> torch.Tensor:
    words = call.bound("input dim index")
    return _selected(call, call.value(words["input"]), words["dim"], words["index"])


def _selected(call: Call, value: Value, dim: int, index: int) -> torch.Tensor:
    """One position of a dim, which is dropped."""
    dim %= len(value.shape)
    call.sizes((index,))
    if isinstance(index, RunTimeSize):
        raise call.refused("a position that is computed from the input's size")
    if not -value.shape[dim] <= index < value.shape[dim]:
        raise IndexError(f"index {index} is out of bounds for dimension {dim} with size {value.shape[dim]}")
    if isinstance(value.sizes[dim], int) and index < 0:
        index += value.shape[dim]
    stop = {} if index == -1 else {"stop": index + 1}
    whole = isinstance(value.sizes[dim], int) and value.sizes[dim] == 1
    one = call.made(value) if whole else call.add("Slice", [value], {"dim": dim, "start": index, **stop})
    shape = call.value(one)
    if not isinstance(shape.sizes[dim], int):
        sizes = call.recording.dims(shape)
        return call.add("Reshape", [one], {"shape": (*sizes[:dim], *sizes[dim + 1 :])})
    return call.add("Squeeze", [one], {"dim": dim})


@handles("__getitem__")
def _item(call: Call) -> torch.Tensor:
    tensor, index = call.args
    indices = list(index) if isinstance(index, tuple) else [index]
    value = call.value(tensor)
    rank = len(value.shape)
    used = sum(1 for i in indices if i is not None and i is not Ellipsis)
    if any(i is Ellipsis for i in indices):
        at = next(k for k, i in enumerate(indices) if i is Ellipsis)
        indices[at : at + 1] = [slice(None)] * (rank - used)
    dim = 0
    for one in indices:
        if one is None:
            value = call.value(call.add("Unsqueeze", [value], {"dim": dim}))
            dim += 1
        elif isinstance(one, slice):
            value = _sliced(call, value, dim, one)
            dim += 1
        elif isinstance(one, int) and not isinstance(one, bool):
            value = call.value(_selected(call, value, dim, one))
        else:
            raise call.refused("a tensor, list or mask as an index")
    return call.made(value)


def _sliced(call: Call, value: Value, dim: int, part: slice) -> Value:
    start, stop, step = part.start, part.stop, part.step
    call.sizes([n for n in (start, stop, step) if n is not None])
    if (start is None or _is_zero(start)) and (stop is None or _is_size(stop, value, dim)) and step in (None, 1):
        return value
    if isinstance(step, RunTimeSize):
        raise call.refused("a step that is computed from the input's size")
    arguments: dict[str, Any] = {"dim": dim}
    for word, n in (("start", start), ("stop", stop)):
        if isinstance(n, RunTimeSize):
            negative = n < 0  # noted: for other sizes it may count from the other end
            n = n + call.recording.size(value, dim) if negative else n
        if n is not None and not (word == "start" and _is_zero(n)):
            arguments[word] = n
    if step not in (None, 1):
        arguments["step"] = step
    return call.value(call.add("Slice", [value], arguments))


@handles("expand", "expand_as", "broadcast_to")
def _expand(call: Call) -> torch.Tensor:
    x, *rest = call.args
    value = call.value(x)
    if call.name == "expand_as":
        rest = [call.recording.dims(call.value(rest[0]))]
    given = rest or list(call.kwargs.values())
    sizes = call.sizes(given[0] if len(given) == 1 and isinstance(given[0], (tuple, list)) else given)
    own = [None] * (len(sizes) - len(value.shape)) + list(range(len(value.shape)))
    if all(d is not None and (_is_minus_one(n) or _is_size(n, value, d)) for n, d in zip(sizes, own)):
        return call.made(value)
    return call.add("Expand", [value], {"shape": sizes})


def _is_minus_one(n: Any) -> bool:
    return not isinstance(n, RunTimeSize) and n == -1


@handles("repeat", "tile")
def _repeat(call: Call) -> torch.Tensor:
    x, *rest = call.args
    value = call.value(x)
    given = rest or list(call.kwargs.values())
    times = call.sizes(given[0] if len(given) == 1 and isinstance(given[0], (tuple, list)) else given)
    if any(isinstance(n, RunTimeSize) for n in times):
        raise call.refused("as many copies as the input's size gives")
    for _ in range(len(times) - len(value.shape)):
        value = call.value(call.add("Unsqueeze", [value], {"dim": 0}))
    lead = len(value.shape) - len(times)
    for dim, n in enumerate(times, lead):
        if n < 1 or n > 256:
            raise call.refused(f"{n} copies")
        if n > 1:
            value = call.value(call.add("Concat", [value] * n, {} if dim == 1 else {"dim": dim}))
    return call.made(value)


# --- reductions ------------------------------------------------------------------------------------------------------

REDUCTIONS = {"mean": "Mean", "sum": "Sum", "amax": "Amax", "amin": "Amin"}


@handles(*REDUCTIONS)
def _reduction(call: Call) -> torch.Tensor:
    words = call.bound("input dim keepdim", dim=None, keepdim=False)
    arguments: dict[str, Any] = {}
    if words["dim"] not in (None, ()):
        arguments["dim"] = tuple(words["dim"]) if isinstance(words["dim"], (tuple, list)) else words["dim"]
    if words["keepdim"]:
        arguments["keepdim"] = True
    return call.add(REDUCTIONS[call.name], [words["input"]], arguments)


@handles("norm", "linalg_norm", "linalg_vector_norm", "vector_norm")
def _norm(call: Call) -> torch.Tensor:
    words = call.bound("input p dim keepdim", p=2, dim=None, keepdim=False)
    if words.get("ord", words["p"]) not in (2, 2.0, "fro", None):
        raise call.refused(f"the norm {words.get('ord', words['p'])!r}")
    squares = call.add("Pointwise", [words["input"]], {"function": "square"})
    arguments = {w: words[w] for w in ("dim", "keepdim") if words[w] not in (None, False)}
    arguments = {w: tuple(v) if isinstance(v, list) else v for w, v in arguments.items()}
    return call.add("Pointwise", [call.add("Sum", [squares], arguments)], {"function": "sqrt"})


@handles("normalize")
def _normalize(call: Call) -> torch.Tensor:
    words = call.bound("input p dim eps", p=2.0, dim=1, eps=1e-12)
    if words["p"] != 2:
        raise call.refused(f"normalize by the norm {words['p']!r}")
    squares = call.add("Pointwise", [words["input"]], {"function": "square"})
    total = call.add("Sum", [squares], {"dim": words["dim"], "keepdim": True})
    length = call.add("Pointwise", [total], {"function": "sqrt"})
    least = call.add("Hardtanh", [length], {"min_val": float(words["eps"]), "max_val": math.inf})
    return call.add("Div", [words["input"], least])


@handles("roll")
def _roll(call: Call) -> torch.Tensor:
    words = call.bound("input shifts dims", dims=None)
    value = call.value(words["input"])
    shifts, dims = (v if isinstance(v, (tuple, list)) else (v,) for v in (words["shifts"], words["dims"]))
    if words["dims"] is None or not _plain(shifts):
        raise call.refused("a roll of the flattened tensor, or by the input's size")
    for shift, dim in zip(shifts, dims):
        dim %= len(value.shape)
        if not isinstance(value.sizes[dim], int) and shift:
            raise call.refused("a roll along a dim of the input's size")
        if shift := shift % max(value.shape[dim], 1):
            parts = [{"start": value.shape[dim] - shift}, {"stop": value.shape[dim] - shift}]
            sliced = [call.add("Slice", [value], {"dim": dim, **part}) for part in parts]
            value = call.value(call.add("Concat", sliced, {} if dim == 1 else {"dim": dim}))
    return call.made(value)


@handles("max", "min")
def _extreme(call: Call) -> Any:
    words = call.bound("input dim keepdim", dim=None, keepdim=False)
    op_name = {"max": "Amax", "min": "Amin"}[call.name]
    if isinstance(words["dim"], torch.Tensor):
        return call.add({"max": "Maximum", "min": "Minimum"}[call.name], [words["input"], words["dim"]])
    if words["dim"] is None:
        return call.add(op_name, [words["input"]])
    arguments = {"dim": words["dim"], **({"keepdim": True} if words["keepdim"] else {})}
    found = call.add(op_name, [words["input"]], arguments)
    return getattr(torch.return_types, call.name)((found, call.unknown(call.value(found).shape)))


# --- modules' functions ----------------------------------------------------------------------------------------------

SLIDING = "input kernel_size stride padding"
WINDOWS = {
    **{f"max_pool{d}d": (f"MaxPool{d}d", f"{SLIDING} dilation ceil_mode return_indices") for d in (1, 2, 3)},
    **{f"avg_pool{d}d": (f"AvgPool{d}d", f"{SLIDING} ceil_mode count_include_pad divisor_override") for d in (1, 2, 3)},
    **{f"lp_pool{d}d": (f"LPPool{d}d", "input norm_type kernel_size stride ceil_mode") for d in (1, 2, 3)},
    **{f"adaptive_avg_pool{d}d": (f"AdaptiveAvgPool{d}d", "input output_size") for d in (1, 2, 3)},
    **{f"adaptive_max_pool{d}d": (f"AdaptiveMaxPool{d}d", "input output_size return_indices") for d in (1, 2, 3)},
    "pixel_shuffle": ("PixelShuffle", "input upscale_factor"),
    "pixel_unshuffle": ("PixelUnshuffle", "input downscale_factor"),
    "channel_shuffle": ("ChannelShuffle", "input groups"),
    "unfold": ("Unfold", "input kernel_size dilation padding stride"),
    "fold": ("Fold", "input output_size kernel_size dilation padding stride"),
    "local_response_norm": ("LocalResponseNorm", "input size alpha beta k"),
}  # fmt: skip


@handles(*WINDOWS)
def _window(call: Call) -> torch.Tensor:
    op_name, names = WINDOWS[call.name]
    words = call.bound(names)
    x = words.pop("input")
    cls = find_operation(op_name)
    assert cls is not None
    defaults = {f.encode_name: f.default for f in msgspec.structs.fields(cls)}
    if words.pop("return_indices", False):
        raise call.refused(f"{call.name} with return_indices; use its module")
    given = {w: tuple(v) if isinstance(v, list) else v for w, v in words.items() if v != ()}
    call.sizes([n for v in given.values() for n in (v if isinstance(v, tuple) else (v,))])
    return call.add(op_name, [x], {w: v for w, v in given.items() if w not in defaults or not _same(v, defaults[w])})


def _same(value: Any, default: Any) -> bool:
    return value.__class__ is default.__class__ and value == default


@handles("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "conv_transpose")
def _convolution(call: Call) -> torch.Tensor:
    transposed = "transpose" in call.name
    names = "input weight bias stride padding " + (
        "output_padding groups dilation" if transposed else "dilation groups"
    )
    words = call.bound(names, bias=None, stride=1, padding=0, groups=1, dilation=1, output_padding=0)
    weight = words["weight"]
    if call.forward.value(weight) is not None:
        raise call.refused("a convolution whose kernel depends on the input")
    axes = weight.dim() - 2
    op_name = f"Conv{'Transpose' if transposed else ''}{axes}d"
    shape = tuple(weight.shape)
    arguments: dict[str, Any] = {
        "in_channels": shape[0] if transposed else shape[1] * words["groups"],
        "out_channels": shape[1] * words["groups"] if transposed else shape[0],
        "kernel_size": _uniform(shape[2:]),
    }
    defaults = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0}
    for word in ("stride", "padding", *(["output_padding"] if transposed else []), "dilation", "groups"):
        value = words[word]
        if not isinstance(value, str):
            value = _uniform(value) if isinstance(value, (tuple, list)) else value
        call.sizes(value if isinstance(value, tuple) else (value,))
        if value != defaults[word]:
            arguments[word] = value
    if words["bias"] is None:
        arguments["bias"] = False
    return call.add(op_name, [words["input"]], arguments, owner={"weight": weight, "bias": words["bias"]})


def _uniform(values: Sequence[int]) -> int | tuple[int, ...]:
    """One number where all are the same."""
    values = tuple(values)
    return values[0] if len(values) == 1 or len(set(values)) == 1 else values


@handles("linear")
def _linear(call: Call) -> torch.Tensor:
    words = call.bound("input weight bias", bias=None)
    weight = words["weight"]
    if call.forward.value(weight) is not None:
        raise call.refused("a linear map whose weights depend on the input")
    arguments: dict[str, Any] = {"in_features": weight.shape[1], "out_features": weight.shape[0]}
    if words["bias"] is None:
        arguments["bias"] = False
    return call.add("Linear", [words["input"]], arguments, owner={"weight": weight, "bias": words["bias"]})


@handles("batch_norm", "instance_norm")
def _channel_norm(call: Call) -> torch.Tensor:
    batch = call.name == "batch_norm"
    order = "weight bias training momentum eps" if batch else "weight bias use_input_stats momentum eps"
    words = call.bound(f"input running_mean running_var {order}", running_mean=None, weight=None, bias=None, eps=1e-5)
    value = call.value(words["input"])
    axes = max(len(value.shape) - 2, 1)
    if words.get("training") if batch else words["running_mean"] is not None:
        raise call.refused(f"{call.name} with the statistics of the batch" if batch else "running statistics")
    arguments: dict[str, Any] = {} if words["eps"] == 1e-5 else {"eps": words["eps"]}
    if (words["weight"] is None) is batch:
        arguments["affine"] = not batch
    owner = {w: words.get(w) for w in ("weight", "bias", "running_mean", "running_var")}
    return call.add(f"{'Batch' if batch else 'Instance'}Norm{axes}d", [value], arguments, owner=owner)


@handles("group_norm")
def _group_norm(call: Call) -> torch.Tensor:
    words = call.bound("input num_groups weight bias eps", weight=None, bias=None, eps=1e-5)
    arguments: dict[str, Any] = {"num_groups": words["num_groups"]}
    if words["eps"] != 1e-5:
        arguments["eps"] = words["eps"]
    if words["weight"] is None:
        arguments["affine"] = False
    return call.add("GroupNorm", [words["input"]], arguments, owner={w: words[w] for w in ("weight", "bias")})


@handles("layer_norm", "rms_norm")
def _trailing_norm(call: Call) -> torch.Tensor:
    layer = call.name == "layer_norm"
    words = call.bound(f"input normalized_shape weight {'bias ' if layer else ''}eps", weight=None, bias=None)
    shape = call.sizes(words["normalized_shape"])
    if any(isinstance(n, RunTimeSize) for n in shape):
        raise call.refused("a normalized_shape that is computed from the input's size")
    arguments: dict[str, Any] = {"normalized_shape": shape[0] if len(shape) == 1 else shape}
    if words.get("eps", 1e-5 if layer else None) != (1e-5 if layer else None):
        arguments["eps"] = words["eps"]
    if words["weight"] is None:
        arguments["elementwise_affine"] = False
    elif layer and words["bias"] is None:
        arguments["bias"] = False
    op_name = "LayerNorm" if layer else "RMSNorm"
    return call.add(op_name, [words["input"]], arguments, owner={w: words.get(w) for w in ("weight", "bias")})


@handles("prelu")
def _prelu(call: Call) -> torch.Tensor:
    words = call.bound("input weight")
    count = words["weight"].numel()
    arguments = {"num_parameters": count} if count != 1 else {}
    return call.add("PReLU", [words["input"]], arguments, owner={"weight": words["weight"]})


@handles("interpolate", "upsample", "upsample_nearest", "upsample_bilinear")
def _interpolate(call: Call) -> torch.Tensor:
    words = call.bound(
        "input size scale_factor mode align_corners recompute_scale_factor antialias", size=None, scale_factor=None
    )
    if call.name == "upsample_bilinear":
        words |= {"mode": "bilinear", "align_corners": True}
    value = call.value(words["input"])
    arguments: dict[str, Any] = {}
    if words["size"] is not None:
        axes = len(value.shape) - 2
        sizes = call.sizes(words["size"])
        wanted = call.recording.target(sizes * axes if len(sizes) == 1 else sizes, 2)
        arguments["size"] = (
            _uniform(wanted)
            if isinstance(wanted, tuple) and not isinstance(wanted, Value) and _plain(wanted)
            else wanted
        )
    if words["scale_factor"] is not None:
        factor = words["scale_factor"]
        factor = tuple(factor) if isinstance(factor, (tuple, list)) else factor
        call.sizes(factor if isinstance(factor, tuple) else (factor,))
        arguments["scale_factor"] = factor
    for word in ("mode", "align_corners", "recompute_scale_factor", "antialias"):
        if words.get(word) is not None and words[word] != {"mode": "nearest", "antialias": False}.get(word):
            arguments[word] = words[word]
    return call.add("Interpolate", [value], arguments)


def _plain(values: Any) -> bool:
    return not any(isinstance(n, RunTimeSize) for n in values)


PADS = {"constant": "ConstantPad", "reflect": "ReflectionPad", "replicate": "ReplicationPad", "circular": "CircularPad"}


@handles("pad")
def _pad(call: Call) -> torch.Tensor:
    words = call.bound("input pad mode value", mode="constant", value=None)
    pad, value = call.sizes(words["pad"]), words["value"] or 0
    axes = len(pad) // 2
    if words["mode"] not in PADS or not 1 <= axes <= 3 or len(pad) % 2:
        raise call.refused(f"padding {axes} dims in the mode {words['mode']!r}")
    if _plain(pad) and not any(pad):
        return call.made(call.value(words["input"]))
    if words["mode"] == "constant" and value == 0:
        return call.add(f"ZeroPad{axes}d", [words["input"]], {"padding": _uniform(pad) if _plain(pad) else pad})
    extra = {"value": float(value)} if words["mode"] == "constant" else {}
    padding = _uniform(pad) if _plain(pad) else pad
    return call.add(f"{PADS[words['mode']]}{axes}d", [words["input"]], {"padding": padding, **extra})


# --- modules ---------------------------------------------------------------------------------------------------------


class ModuleCall(Call):
    """One call of a module that is an operation."""

    def __init__(
        self, forward: Forward, module: torch.nn.Module, op_name: str, label: str, args: Any, kwargs: Any
    ) -> None:
        super().__init__(forward, op_name, args, kwargs)
        self.module = module
        self.label = label

    def add_module(self, sources: Sequence[Any], arguments: Mapping[str, Any]) -> torch.Tensor:
        """The step; the module's weights are its own."""
        values = [*map(self.value, sources)]
        made = self.recording.add(self.name, values, arguments, self.label, owner=self.module)
        if getattr(self.module, "inplace", False):
            return self.forward.become(sources[0], made)
        return self.made(made)


def plain_module(call: ModuleCall, arguments: dict[str, Any]) -> torch.Tensor:
    """A module that is called with tensors only."""
    given = [*call.args, *call.kwargs.values()]
    if not all(isinstance(one, torch.Tensor) for one in given):
        raise call.refused(f"{call.label} ({call.name}) is called with more than tensors")
    made = call.add_module(given, arguments)
    if call.name in ("Identity", "Flatten", "Unflatten") or call.name.endswith(
        ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d")
    ):
        call.forward.share(given[0], made, whole=call.name not in ("Flatten", "Unflatten"))
    return made


def _pooled(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    if not arguments.pop("return_indices", False):
        return plain_module(call, arguments)
    made = plain_module(call, arguments)
    value = call.forward.value(made)
    assert value is not None
    with torch._C.DisableTorchFunctionSubclass():
        indices = torch.empty(value.shape, device="meta", dtype=torch.int64)
    call.forward.indices[id(indices)] = (indices, value)
    return made, indices


def _unpooled(call: ModuleCall, arguments: dict[str, Any]) -> torch.Tensor:
    words = call.bound("input indices output_size", output_size=None)
    known = call.forward.indices.get(id(words["indices"]))
    if known is None:
        raise call.refused("indices that no max pooling of this network gives")
    arguments["indices"] = known[1]
    if words["output_size"] is not None:
        arguments["output_size"] = _given_size(call, words["output_size"])
    return call.add_module([words["input"]], arguments)


def _transposed(call: ModuleCall, arguments: dict[str, Any]) -> torch.Tensor:
    words = call.bound("input output_size", output_size=None)
    if words["output_size"] is not None:
        arguments["output_size"] = _given_size(call, words["output_size"])
    return call.add_module([words["input"]], arguments)


def _given_size(call: ModuleCall, output_size: Any) -> Any:
    axes = int(call.name[-2])
    sizes = call.sizes(output_size)[-axes:]
    wanted = call.recording.target(sizes, 2)
    if not isinstance(wanted, Value):
        raise call.refused(f"{call.label} is given the output_size {tuple(map(int, sizes))}, which no tensor has")
    return wanted


def _multihead(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    words = call.bound(
        "query key value key_padding_mask need_weights attn_mask average_attn_weights is_causal",
        key_padding_mask=None, attn_mask=None,
    )  # fmt: skip
    if words["key_padding_mask"] is not None or words["attn_mask"] is not None:
        raise call.refused("attention with a mask")
    sources = [words["query"], words["key"], words["value"]]
    if sources[0] is sources[1] is sources[2]:
        sources = sources[:1]
    elif sources[1] is sources[2]:
        sources = sources[:2]
    return call.add_module(sources, arguments), None


MODULES: dict[str, Callable[[ModuleCall, dict[str, Any]], Any]] = {
    **{f"MaxPool{d}d": _pooled for d in (1, 2, 3)},
    **{f"MaxUnpool{d}d": _unpooled for d in (1, 2, 3)},
    **{f"ConvTranspose{d}d": _transposed for d in (1, 2, 3)},
    "MultiheadAttention": _multihead,
}
