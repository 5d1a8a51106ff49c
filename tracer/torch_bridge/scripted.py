"""TorchScript as modules of Python: the steps of their graphs are run one by one, so that they can be followed."""

from __future__ import annotations

import copy
import inspect
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tracer.importing.recording import Unrepresentable


def in_python(module: nn.Module) -> nn.Module:
    """The module itself, or one like it with Python's own steps in the place of TorchScript's. Weights are shared."""
    if not any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        return module
    return _in_python(module, {})


def _in_python(module: nn.Module, known: dict[int, nn.Module]) -> nn.Module:
    """The same; parts that are known are not made again."""
    found = known.get(id(module))
    if found is not None:
        return found

    if isinstance(module, torch.jit.ScriptModule):
        kind = type(module.original_name, (ScriptedPart,), _methods_of(module))
        found = kind(module)
    else:
        found = copy.copy(module)
    known[id(module)] = found

    children = module.named_children()
    vars(found)["_modules"] = {name: _in_python(child, known) for name, child in children}
    return found


class ScriptedPart(nn.Module):
    """A part of a TorchScript module, whose methods are run from their graphs."""

    def __init__(self, script: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.training = script.training
        for name, weight in script.named_parameters(recurse=False):
            is_parameter = isinstance(weight, nn.Parameter)
            self._parameters[name] = weight if is_parameter else nn.Parameter(weight.detach())
        for name, buffer in script.named_buffers(recurse=False):
            self._buffers[name] = buffer

        compiled: Any = script._c

        # Functions are shared by copies: neither graphs nor attributes of other kinds are copied.
        def method(name: str) -> Any:
            return compiled._get_method(name)

        def attribute(name: str) -> Any:
            return compiled.getattr(name)

        vars(self).update(method=method, attribute=attribute)

    def call(self, name: str, args: Sequence[Any]) -> Any:
        """What one of the script's methods gives."""
        method = vars(self)["method"](name)
        return GraphRun(method.graph, [self, *args]).result()

    def value(self, name: str) -> Any:
        """One of its attributes."""
        for named in (self._parameters, self._buffers, self._modules, vars(self)):
            if name in named:
                return named[name]
        return vars(self)["attribute"](name)


def _methods_of(script: torch.jit.ScriptModule) -> dict[str, Any]:
    """A forward with the arguments of a script's; a list of modules has none."""
    compiled: Any = script._c
    if "forward" not in compiled._method_names():
        return {}
    schema = compiled._get_method("forward").schema
    parameters = [
        inspect.Parameter(
            argument.name if argument.name.isidentifier() else f"input{number}",
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=argument.default_value
            if argument.has_default_value()
            else inspect.Parameter.empty,
        )
        for number, argument in enumerate(schema.arguments)
    ]
    signature = inspect.Signature(parameters)

    def forward(self: ScriptedPart, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind(self, *args, **kwargs)
        given.apply_defaults()
        _, *values = given.arguments.values()
        return self.call("forward", values)

    vars(forward)["__signature__"] = signature
    return {"forward": forward}


class GraphRun:
    """One run of a graph: its values by name."""

    def __init__(self, graph: Any, inputs: Sequence[Any]) -> None:
        self.graph = graph
        self.values: dict[str, Any] = {}
        self._name(graph.inputs(), inputs)

    def result(self) -> Any:
        """What the graph returns."""
        self._run(self.graph)
        found = self._all(self.graph.outputs())
        return found[0] if len(found) == 1 else tuple(found)

    def _name(self, names: Iterator[Any], values: Sequence[Any]) -> None:
        for name, value in zip(names, values):
            self.values[name.debugName()] = value

    def _all(self, names: Iterator[Any]) -> list[Any]:
        return [self.values[name.debugName()] for name in names]

    def _run(self, block: Any) -> None:
        """The steps of a graph or of a block in it."""
        for node in block.nodes():
            run = STEPS.get(node.kind(), _operation)
            outputs = run(self, node, self._inputs(node))
            self._name(node.outputs(), outputs)

    def _inputs(self, node: Any) -> list[Any]:
        """What a step reads. The function that it calls is no value."""
        is_call = node.kind() == "prim::CallFunction"
        names = list(node.inputs())
        return self._all(iter(names[1:] if is_call else names))

    def block(self, block: Any, inputs: Sequence[Any] = ()) -> list[Any]:
        """What a block gives."""
        self._name(block.inputs(), inputs)
        self._run(block)
        return self._all(block.outputs())


# --- steps that are no operation -------------------------------------------------------------------------------------

Inputs = list[Any]
"""What a step reads."""

Outputs = Sequence[Any]
"""What it gives."""


def _constant(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    output = node.output()
    is_function = output.type().kind() == "FunctionType"
    return [None if is_function else output.toIValue()]


def _attribute(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    (owner,) = inputs
    return [owner.value(node.s("name"))]


def _set_attribute(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    owner, value = inputs
    setattr(owner, node.s("name"), value)
    return []


def _method(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    owner, *args = inputs
    name = node.s("name")
    return [owner(*args) if name == "forward" else owner.call(name, args)]


def _function(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    """A function of torch's is called; the steps of another one are run."""
    name = str(next(node.inputs()).type())
    of_torch = name.removeprefix("__torch__.torch.nn.functional.")
    if of_torch != name and hasattr(functional, of_torch):
        return [getattr(functional, of_torch)(*inputs)]

    units: Any = torch.jit._state
    found = units._python_cu.find_function(name)
    if found is None:
        raise Unrepresentable(f"the steps of {name} in TorchScript are not known")
    return [GraphRun(found.graph, inputs).result()]


def _choice(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    then, otherwise = node.blocks()
    (condition,) = inputs
    return run.block(then if condition else otherwise)


def _loop(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    most, goes_on, *carried = inputs
    (body,) = node.blocks()
    number = 0
    while goes_on and number < most:
        goes_on, *carried = run.block(body, [number, *carried])
        number += 1
    return carried


def _raised(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    raise RuntimeError(inputs[0])


def _same(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    return inputs[:1]


def _whole(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    """A whole number: a size that a trace made a tensor of is still the size."""
    (value,) = inputs
    return [int(value) if isinstance(value, (Tensor, float, bool)) else value]


def _nothing(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    return [None]


def _list(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    return [inputs]


def _tuple(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    return [tuple(inputs)]


def _dict(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    pairs = zip(inputs[::2], inputs[1::2])
    return [dict(pairs)]


def _unpacked(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    return list(inputs[0])


def _item(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    several, number = inputs
    return [several[number]]


STEPS: Mapping[str, Callable[[GraphRun, Any, Inputs], Outputs]] = {
    "prim::Constant": _constant,
    "prim::GetAttr": _attribute,
    "prim::SetAttr": _set_attribute,
    "prim::CallMethod": _method,
    "prim::CallFunction": _function,
    "prim::If": _choice,
    "prim::Loop": _loop,
    "prim::RaiseException": _raised,
    "prim::unchecked_cast": _same,
    "prim::NumToTensor": _same,
    "aten::Int": _whole,
    "prim::Uninitialized": _nothing,
    "prim::ListConstruct": _list,
    "prim::TupleConstruct": _tuple,
    "prim::DictConstruct": _dict,
    "prim::ListUnpack": _unpacked,
    "prim::TupleUnpack": _unpacked,
    "prim::TupleIndex": _item,
}

# --- operations ------------------------------------------------------------------------------------------------------


def _operation(run: GraphRun, node: Any, inputs: Inputs) -> Outputs:
    """A function of torch's, or of Python's where no tensor is read."""
    kind = node.kind()
    function = _known(kind, has_tensor=any(map(_has_tensor, inputs)))
    if function is not None:
        found = function(*inputs)
    elif not kind.startswith("aten::") or node.schema() == "(no schema)":
        raise Unrepresentable(f"{kind} of TorchScript is not known")
    else:
        schema = torch._C.parse_schema(node.schema())
        found = _called(kind.removeprefix("aten::"), schema, inputs)

    several = len(list(node.outputs()))
    return [found] if several == 1 else list(found or [])


def _known(kind: str, *, has_tensor: bool) -> Callable[..., Any] | None:
    """The function for a kind of step that is not called under its own name in Python; None for others."""
    _, _, name = kind.partition("::")
    of_copy = name if name.endswith("__") else name.removesuffix("_")
    if not has_tensor and of_copy in WITHOUT_TENSORS:
        return WITHOUT_TENSORS[of_copy]
    return AS_TORCH_DOES.get(name)


def _called(name: str, schema: Any, inputs: Inputs) -> Any:
    """A function of torch's of this name, with the arguments that have not their default value."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    at_default: list[Any] = []
    for argument, given in zip(schema.arguments, inputs):
        value = _of_type(argument, given)
        is_default = _is_default(argument, value)
        if argument.kwarg_only:
            kwargs |= {} if is_default else {argument.name: value}
            continue

        at_default.append(value)
        if not is_default:
            args += at_default
            at_default = []
    return _function_of(name)(*args, **kwargs)


def _function_of(name: str) -> Callable[..., Any]:
    """The function of torch's that has a name, one that changes its tensor included."""
    of_copy: Any = getattr(functional, name.removesuffix("_"), None)
    may_be_in_place = name.endswith("_") and inspect.isfunction(of_copy)
    if may_be_in_place and "inplace" in inspect.signature(of_copy).parameters:
        return partial(of_copy, inplace=True)

    for owner in (torch, functional, Tensor):
        function = getattr(owner, name, None)
        if function is not None and name not in UNLIKE:
            return function  # type: ignore[no-any-return]
    raise Unrepresentable(f"aten::{name} of TorchScript is not known")


def _of_type(argument: Any, value: Any) -> Any:
    """An argument's value. TorchScript has numbers for types."""
    is_number = argument.name == "dtype" and isinstance(value, int)
    return TYPES[value] if is_number else value


def _is_default(argument: Any, value: Any) -> bool:
    is_simple = value is None or isinstance(value, (bool, int, float, str, list))
    return bool(argument.has_default_value() and is_simple and value == argument.default_value)


def _has_tensor(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_has_tensor, value))
    return isinstance(value, Tensor)


def _batch_norm(x: Tensor, weight: Any, bias: Any, mean: Any, var: Any, *rest: Any) -> Tensor:
    training, momentum, eps, *_ = rest
    return functional.batch_norm(x, mean, var, weight, bias, training, momentum, eps)


def _instance_norm(
    x: Tensor, weight: Any, bias: Any, mean: Any, var: Any, *rest: Any
) -> Tensor:
    use_input, momentum, eps, *_ = rest
    return functional.instance_norm(x, mean, var, weight, bias, use_input, momentum, eps)


def _layer_norm(x: Tensor, shape: Any, weight: Any, bias: Any, eps: float, _: Any) -> Tensor:
    return functional.layer_norm(x, shape, weight, bias, eps)


def _group_norm(x: Tensor, groups: int, weight: Any, bias: Any, eps: float, _: Any) -> Tensor:
    return functional.group_norm(x, groups, weight, bias, eps)


def _embedding(
    weight: Tensor, index: Tensor, padding: int, scaled: bool, sparse: bool
) -> Tensor:
    return functional.embedding(index, weight, None if padding < 0 else padding)


def _convolution(x: Tensor, weight: Tensor, bias: Any, *rest: Any) -> Tensor:
    stride, padding, dilation, is_transposed, output_padding, groups, *_ = rest
    dims = weight.dim() - 2
    if is_transposed:
        transposed = getattr(functional, f"conv_transpose{dims}d")
        found: Tensor = transposed(
            x, weight, bias, stride, padding, output_padding, groups, dilation
        )
        return found
    plain = getattr(functional, f"conv{dims}d")
    made: Tensor = plain(x, weight, bias, stride, padding, dilation, groups)
    return made


def _resized(mode: str, *, with_corners: bool) -> Callable[..., Tensor]:
    """A resize in this mode, to a size or by factors."""

    def run(x: Tensor, size: Any, *rest: Any) -> Tensor:
        corners = bool(rest[0]) if with_corners else None
        factors = rest[-1] if size is None else None
        if factors is not None and len(set(factors)) == 1:
            factors = factors[0]
        return functional.interpolate(x, size, factors, mode, align_corners=corners)

    return run


def _slice(several: Any, *rest: Any) -> Any:
    """A slice of a list, or along a dim of a tensor."""
    if not isinstance(several, Tensor):
        return several[slice(*rest)]
    dim, *ends = rest
    before = [slice(None)] * (dim % several.dim())
    where = (*before, slice(*ends))
    return several[where]


def _indices(several: Sequence[Tensor | None]) -> tuple[Any, ...]:
    return tuple(slice(None) if index is None else index for index in several)


def _indexed(x: Tensor, several: Sequence[Tensor | None]) -> Tensor:
    return x[_indices(several)]


def _put(x: Tensor, several: Sequence[Tensor | None], value: Tensor, added: bool) -> Tensor:
    if added:
        raise Unrepresentable("aten::index_put_ of TorchScript is not known where it adds up")
    x[_indices(several)] = value
    return x


def _set_item(several: Any, key: Any, value: Any) -> Any:
    several[key] = value
    return several


def _type_number(x: Tensor) -> int:
    return TYPES.index(x.dtype)


def _size(x: Tensor, dim: int | None = None) -> Any:
    return list(x.shape) if dim is None else x.shape[dim]


def _appended(several: list[Any], value: Any) -> list[Any]:
    several.append(value)
    return several


def _quotient(a: Any, b: Any) -> Any:
    return a / b


def _text(pattern: str, *values: Any) -> str:
    return pattern.format(*values)


ATTRIBUTES = ("device", "is_nested", "is_cuda", "requires_grad")
"""Attributes of tensors that are the same for every size."""

AS_TORCH_DOES: Mapping[str, Callable[..., Any]] = {
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "embedding": _embedding,
    "_convolution": _convolution,
    "upsample_nearest1d": _resized("nearest", with_corners=False),
    "upsample_nearest2d": _resized("nearest", with_corners=False),
    "upsample_nearest3d": _resized("nearest", with_corners=False),
    "upsample_linear1d": _resized("linear", with_corners=True),
    "upsample_bilinear2d": _resized("bilinear", with_corners=True),
    "upsample_bicubic2d": _resized("bicubic", with_corners=True),
    "upsample_trilinear3d": _resized("trilinear", with_corners=True),
    "index": _indexed,
    "index_put_": _put,
    "dict": dict,
    "list": list,
    "copy": list,
    "_set_item": _set_item,
    "dtype": _type_number,
    **{name: operator.attrgetter(name) for name in ATTRIBUTES},
    "slice": _slice,
    "size": _size,
    "append": _appended,
    "len": len,
    "format": _text,
    "__getitem__": operator.getitem,
    "__is__": operator.is_,
    "__isnot__": operator.is_not,
    "__not__": operator.not_,
    "__contains__": operator.contains,
    "warn": lambda *_: None,
}
"""Operations whose arguments stand in another order in Python, and those that may have lists."""

TYPES = (
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.float32,
    torch.float64,
    torch.complex32,
    torch.complex64,
    torch.complex128,
    torch.bool,
    torch.qint8,
    torch.quint8,
    torch.qint32,
    torch.bfloat16,
)
"""Types of numbers in the order of TorchScript's numbers for them."""

UNLIKE = frozenset(["embedding_bag"])
"""Functions whose arguments stand in another order in Python, and that are not called."""

WITHOUT_TENSORS: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": _quotient,
    "floordiv": operator.floordiv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "neg": operator.neg,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "__and__": operator.and_,
    "__or__": operator.or_,
    "Float": float,
    "Bool": bool,
    "min": min,
    "max": max,
    "ceil": math.ceil,
    "floor": math.floor,
}
"""Operations on numbers and texts."""
