"""Functions of each element, and of several tensors: activations, arithmetic, joins and products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, get_args

import msgspec
import torch

from tracer.importing.recording import Value
from tracer.ops.pointwise import Function
from tracer.ops.registry import find_operation
from tracer.torch_bridge.dispatch import TorchCall, handles, is_size, number_of

ACTIVATIONS = {
    "relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "LeakyReLU", "gelu": "GELU", "silu": "SiLU", "elu": "ELU",
    "celu": "CELU", "selu": "SELU", "sigmoid": "Sigmoid", "tanh": "Tanh", "hardswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid", "hardtanh": "Hardtanh", "mish": "Mish", "softplus": "Softplus", "glu": "GLU",
    "logsigmoid": "LogSigmoid", "log_sigmoid": "LogSigmoid", "softsign": "Softsign", "tanhshrink": "Tanhshrink",
    "hardshrink": "Hardshrink", "softshrink": "Softshrink", "threshold": "Threshold", "softmax": "Softmax",
    "log_softmax": "LogSoftmax", "softmin": "Softmin",
}  # fmt: skip


@handles(*ACTIVATIONS)
def _activation(call: TorchCall) -> torch.Tensor:
    op_name = ACTIVATIONS[call.registered]
    cls = find_operation(op_name)
    assert cls is not None
    fields = {f.encode_name: f.default for f in msgspec.structs.fields(cls)}
    words = call.bound(" ".join(["input", *fields]))
    call.in_place |= words.pop("inplace", False) is True
    for word in ("_stacklevel", "dtype"):
        words.pop(word, None)
    x = words.pop("input")
    return call.add(
        op_name, [x], {w: v for w, v in words.items() if w not in fields or v != fields[w]}
    )


@handles("clamp", "clip", "clamp_min", "clamp_max")
def _clamp(call: TorchCall) -> torch.Tensor:
    names = {"clamp_min": "input min", "clamp_max": "input max"}.get(
        call.registered, "input min max"
    )
    words = call.bound(names, min=None, max=None)
    low = -math.inf if words["min"] is None else words["min"]
    high = math.inf if words["max"] is None else words["max"]
    if not all(isinstance(bound, (int, float)) for bound in (low, high)):
        raise call.refused(f"{call.name} by tensors")
    return call.add("Hardtanh", [words["input"]], {"min_val": float(low), "max_val": float(high)})


POINTWISE: dict[str, str] = {name: name for name in get_args(Function)} | {
    "negative": "neg",
    "absolute": "abs",
    "__neg__": "neg",
}


@handles(*POINTWISE)
def _pointwise(call: TorchCall) -> torch.Tensor:
    return call.add("Pointwise", [call.args[0]], {"function": POINTWISE[call.registered]})


@handles("pow", "__pow__")
def _power(call: TorchCall) -> torch.Tensor:
    words = call.bound("input exponent")
    function = {2: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}.get(
        number_of(words["exponent"]) or 0
    )
    if function is None:
        raise call.refused(f"the power {words['exponent']!r}")
    return call.add("Pointwise", [words["input"]], {"function": function})


MERGES = {
    "add": "Add", "__add__": "Add", "__radd__": "Add", "sub": "Sub", "__sub__": "Sub", "subtract": "Sub",
    "mul": "Mul", "__mul__": "Mul", "__rmul__": "Mul", "multiply": "Mul", "div": "Div", "__truediv__": "Div",
    "divide": "Div", "true_divide": "Div", "maximum": "Maximum", "minimum": "Minimum",
}  # fmt: skip


@handles(*MERGES)
def _merge(call: TorchCall) -> torch.Tensor:
    words = call.bound("input other alpha", alpha=1)
    a, b = words["input"], words["other"]
    op_name = MERGES[call.registered]
    if words["alpha"] != 1 or words.get("rounding_mode") is not None:
        raise call.refused(f"{call.name} with alpha or rounding_mode")
    if (
        isinstance(b, torch.Tensor)
        and call.tensors.value(b) is None
        and (number := number_of(b)) is not None
    ):
        b = number
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return call.add(op_name, [a, b])
    number = number_of(b)
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
def _reversed_difference(call: TorchCall) -> torch.Tensor:
    words = call.bound("input other alpha", alpha=1)
    number = number_of(words["other"])
    if number is None:
        return call.add("Sub", [words["other"], words["input"]])
    return call.add("Scale", [words["input"]], {"factor": -1.0, "offset": float(number)})


@handles("__rtruediv__", "__rdiv__")
def _reversed_quotient(call: TorchCall) -> torch.Tensor:
    x, other = call.args
    number = number_of(other)
    if number is None:
        return call.add("Div", [other, x])
    inverse = call.add("Pointwise", [x], {"function": "reciprocal"})
    return inverse if number == 1 else call.add("Scale", [inverse], {"factor": float(number)})


# --- merges ----------------------------------------------------------------------------------------------------------


@handles("cat", "concat", "concatenate")
def _concat(call: TorchCall) -> torch.Tensor:
    words = call.bound("tensors dim", dim=0)
    dim, tensors = words["dim"], list(words["tensors"])
    zeros = [call.tensors.zeros.get(tensor) for tensor in tensors]
    if len(tensors) == 2 and zeros.count(None) == 1:
        return _padded_with(
            call, tensors, dim, 0 if zeros[0] else 1, (zeros[0] or zeros[1] or ((), ()))[1]
        )
    return call.add("Concat", tensors, {} if dim == 1 else {"dim": dim})


def _padded_with(
    call: TorchCall, tensors: Sequence[Any], dim: int, which: int, sizes: tuple[Any, ...]
) -> torch.Tensor:
    """Zeros before or behind a tensor."""
    value = call.value(tensors[1 - which])
    rank = len(value.shape)
    dim %= rank
    if len(sizes) != rank or not all(d == dim or is_size(n, value, d) for d, n in enumerate(sizes)):
        raise call.refused("zeros are joined that are not of the other tensor's size")
    (count,) = call.sizes(sizes[dim])
    padding: list[Any] = [0] * (2 * (rank - dim))
    padding[-2 + which] = count
    return call.add(f"ZeroPad{min(rank - dim, 3)}d", [value], {"padding": tuple(padding)})


@handles("stack")
def _stack(call: TorchCall) -> torch.Tensor:
    words = call.bound("tensors dim", dim=0)
    return call.add("Stack", list(words["tensors"]), {"dim": words["dim"]} if words["dim"] else {})


@handles("matmul", "__matmul__", "bmm", "mm")
def _matmul(call: TorchCall) -> torch.Tensor:
    words = call.bound("input other")
    return call.add("MatMul", [words["input"], words.get("other", words.get("mat2"))])


@handles("addcmul", "addcdiv")
def _add_product(call: TorchCall) -> torch.Tensor:
    words = call.bound("input tensor1 tensor2 value", value=1)
    joined = call.add(
        "Mul" if call.name.startswith("addcmul") else "Div", [words["tensor1"], words["tensor2"]]
    )
    if words["value"] != 1:
        joined = call.add("Scale", [joined], {"factor": float(words["value"])})
    return call.add("Add", [words["input"], joined])


@handles("addmm", "baddbmm", "addbmm")
def _add_matmul(call: TorchCall) -> torch.Tensor:
    words = call.bound("input batch1 batch2 beta alpha", beta=1, alpha=1)
    factors = [
        words.get(new, words.get(old)) for new, old in (("mat1", "batch1"), ("mat2", "batch2"))
    ]
    product = call.add("MatMul", factors)
    if call.name.startswith("addbmm"):
        raise call.refused("addbmm")
    if words["alpha"] != 1:
        product = call.add("Scale", [product], {"factor": float(words["alpha"])})
    if words["beta"] == 0:
        return product
    own = (
        words["input"]
        if words["beta"] == 1
        else call.add("Scale", [words["input"]], {"factor": float(words["beta"])})
    )
    return call.add("Add", [own, product])


@handles("scaled_dot_product_attention")
def _attention(call: TorchCall) -> torch.Tensor:
    words = call.bound(
        "query key value attn_mask dropout_p is_causal scale",
        attn_mask=None,
        dropout_p=0.0,
        is_causal=False,
    )
    mask = words["attn_mask"]
    if words["is_causal"] or words["dropout_p"] or words.get("enable_gqa"):
        raise call.refused("attention that is causal, grouped or with dropout")
    if mask is not None and not mask.is_floating_point():
        raise call.refused("attention with a mask of truth values")
    query, key, value = words["query"], words["key"], words["value"]
    scale = words.get("scale")
    features = call.value(query).shape[-1]
    scaled = call.add(
        "Scale", [query], {"factor": float(1 / math.sqrt(features) if scale is None else scale)}
    )
    turned = call.add("Transpose", [key], {"dim0": -2, "dim1": -1})
    logits = call.add("MatMul", [scaled, turned])
    weights = call.add(
        "Softmax", [logits if mask is None else call.add("Add", [logits, mask])], {"dim": -1}
    )
    return call.add("MatMul", [weights, value])


@handles("einsum")
def _einsum(call: TorchCall) -> torch.Tensor:
    equation, *operands = call.args
    tensors = (
        list(operands[0])
        if len(operands) == 1 and isinstance(operands[0], (list, tuple))
        else operands
    )
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if not arrow or "." in equation or len(terms) != len(tensors) or len(terms) > 2:
        raise call.refused(f"einsum of {equation!r}")
    if any(len(set(term)) < len(term) for term in [*terms, output]):
        raise call.refused(f"einsum of {equation!r}: a letter stands twice in one term")
    values = [call.value(t) for t in tensors]
    for i, term in enumerate(
        terms
    ):  # letters of one term only that are not in the output are summed
        alone = [
            d
            for d, c in enumerate(term)
            if c not in output and c not in "".join(terms[:i] + terms[i + 1 :])
        ]
        if alone:
            values[i] = call.value(call.add("Sum", [values[i]], {"dim": tuple(alone)}))
            terms[i] = "".join(c for d, c in enumerate(term) if d not in alone)
    if len(values) == 1:
        return call.made(_ordered(call, values[0], terms[0], output))
    return call.made(_contracted(call, values, terms, output))


def _ordered(call: TorchCall, value: Value, letters: str, wanted: str) -> Value:
    """The dims in the wanted order."""
    if letters == wanted:
        return value
    return call.value(
        call.add("Permute", [value], {"dims": tuple(letters.index(c) for c in wanted)})
    )


def _contracted(
    call: TorchCall, values: Sequence[Value], terms: Sequence[str], output: str
) -> Value:
    """Two tensors as one matrix product: dims of both that stay are its batch, those that don't are summed."""
    a, b = terms
    batch = "".join(c for c in a if c in b and c in output)
    summed = "".join(c for c in a if c in b and c not in output)
    rows, columns = "".join(c for c in a if c not in b), "".join(c for c in b if c not in a)
    sizes = {
        c: n for term, value in zip(terms, values) for c, n in zip(term, call.recording.dims(value))
    }

    def matrix(value: Value, letters: str, first: str, second: str) -> Value:
        ordered = _ordered(call, value, letters, batch + first + second)
        if len(first) == len(second) == 1:
            return ordered
        shape = [
            *(sizes[c] for c in batch),
            *(math.prod(sizes[c] for c in group) for group in (first, second)),
        ]
        return call.value(call.add("Reshape", [ordered], {"shape": tuple(shape)}))

    left, right = matrix(values[0], a, rows, summed), matrix(values[1], b, summed, columns)
    made = call.value(call.add("MatMul", [left, right]))
    if not len(rows) == len(columns) == 1:
        shape = tuple(sizes[c] for c in batch + rows + columns)
        made = call.value(call.add("Reshape", [made], {"shape": shape}))
    return _ordered(call, made, batch + rows + columns, output)
