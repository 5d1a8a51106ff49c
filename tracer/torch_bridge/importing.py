"""Floor 13: a torch module as a config, by torch.fx.

The module's forward is traced by torch.fx and run once, so that every value is known as a tensor, a dim of one, or a
number. Modules of torch.nn become operations with their arguments, and so do functions and tensor methods. A size that
is read from another tensor at run time stays one (``size: NODE``). What has no operation is named with its place in the
source; nothing is guessed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import fx

from tracer.loading import load_text
from tracer.net import Net
from tracer.ops.base import Op
from tracer.ops.registry import find_operation
from tracer.source.written import written_value


class Unrepresentable(Exception):
    """Something in the module has no place in a config; the message names it and where it stands."""


class Value(NamedTuple):
    """A tensor of the network."""

    node: str
    """Its name in the config."""
    shape: tuple[int, ...]


class Dim(NamedTuple):
    """A dim of a tensor, read when the network runs."""

    tensor: Value
    dim: int

    @property
    def size(self) -> int:
        return self.tensor.shape[self.dim]


class Dims(NamedTuple):
    """``tensor.shape[start:stop]``."""

    tensor: Value
    start: int
    stop: int


def from_module(module: torch.nn.Module, *shapes: Sequence[int], name: str | None = None) -> Net:
    """The network of a module, for inputs of these shapes; its spatial dims become symbols.

    Raises :class:`Unrepresentable` where something cannot be represented.
    """
    return load_text(config_of(module, [tuple(shape) for shape in shapes], name), "<module>", {})


def config_of(module: torch.nn.Module, shapes: Sequence[tuple[int, ...]], name: str | None = None) -> str:
    """The config's text; the module is left in the mode that it is in."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        graph = fx.GraphModule(module, _Tracer().trace(module.eval()))
        inputs = sum(node.op == "placeholder" for node in graph.graph.nodes)
        if len(shapes) > inputs:
            raise Unrepresentable(f"{type(module).__name__} takes {inputs} inputs, and {len(shapes)} shapes are given")
        importer = _Importer(graph)
        device = next((tensor.device for tensor in module.state_dict().values()), None)
        with torch.no_grad():
            importer.run(*[torch.zeros(shape, device=device) for shape in shapes])
    except Unrepresentable:
        raise
    except Exception as error:
        raise Unrepresentable(f"torch.fx cannot trace {type(module).__name__}: {_first_line(error)}") from None
    finally:
        for part, training in modes:
            part.training = training
    return importer.text(name or type(module).__name__)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


class _Tracer(fx.Tracer):
    """Modules of torch.nn stay whole where they are operations."""

    record_stack_traces = True

    def is_leaf_module(self, m: torch.nn.Module, module_qualified_name: str) -> bool:
        return find_operation(type(m).__name__) is not None and type(m).__module__.startswith("torch.nn")


ACTIVATIONS: Mapping[Any, str] = {
    F.relu: "ReLU", torch.relu: "ReLU", F.leaky_relu: "LeakyReLU", F.gelu: "GELU", F.silu: "SiLU", F.elu: "ELU",
    torch.sigmoid: "Sigmoid", F.sigmoid: "Sigmoid", torch.tanh: "Tanh", F.hardswish: "Hardswish",
    F.hardsigmoid: "Hardsigmoid", F.mish: "Mish", F.relu6: "ReLU6", F.softplus: "Softplus", torch.selu: "SELU",
}  # fmt: skip
METHODS: Mapping[str, Any] = {
    "relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "add": operator.add, "mul": operator.mul,
    "sub": operator.sub, "add_": operator.add, "mul_": operator.mul, "relu_": torch.relu, "__add__": operator.add,
    "mean": torch.mean, "sum": torch.sum, "flatten": torch.flatten, "permute": torch.permute,
    "transpose": torch.transpose, "squeeze": torch.squeeze, "unsqueeze": torch.unsqueeze, "chunk": torch.chunk,
    "matmul": torch.matmul, "softmax": torch.softmax,
}  # fmt: skip
MERGES: Mapping[Any, str] = {
    operator.add: "Add", torch.add: "Add", operator.iadd: "Add", operator.mul: "Mul", torch.mul: "Mul",
    operator.imul: "Mul", operator.sub: "Sub", torch.sub: "Sub", operator.truediv: "Div", torch.div: "Div",
    torch.maximum: "Maximum", torch.minimum: "Minimum", torch.matmul: "MatMul",
}  # fmt: skip
KEPT = {"contiguous", "clone", "detach", "float", "to"}
"""Methods that leave a tensor's shape and meaning."""


_FRAME = re.compile(r'File "([^"]+)", line (\d+), in .*\n\s*(.*)')
"""One frame of a stack trace: file, line and source."""


class _Importer(fx.Interpreter):
    """Runs the graph once; each step becomes a line of the config, or a size."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.extra_traceback = False
        self.layers: dict[str, dict[str, Any]] = {}
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.outputs: list[str] = []
        self.meaning: dict[fx.Node, Any] = {}
        """What each step of the graph is: a Value, a Dim, a number, a list of those."""

    def run_node(self, n: fx.Node) -> Any:
        try:
            result = super().run_node(n)
        except Exception as error:
            raise Unrepresentable(f"{self._place(n)}: {type(error).__name__}: {_first_line(error)}") from None
        self.meaning[n] = self._meaning(n, result)
        return result

    def _place(self, n: fx.Node) -> str:
        """Where a step stands in the user's source, as far as torch.fx knows."""
        target = n.target if isinstance(n.target, str) else getattr(n.target, "__name__", str(n.target))
        frames = [f for f in _FRAME.findall(n.stack_trace or "") if "/torch/" not in f[0]]
        where = " at {}:{} `{}`".format(*frames[-1]) if frames else ""
        return f"{n.name} ({target}){where}"

    def _refused(self, n: fx.Node, why: str) -> Unrepresentable:
        return Unrepresentable(f"{self._place(n)}: {why}")

    def _of(self, argument: Any) -> Any:
        """An argument with steps replaced by what they are."""
        if isinstance(argument, fx.Node):
            return self.meaning[argument]
        if isinstance(argument, (list, tuple)):
            return [self._of(item) for item in argument]
        return argument

    # --- steps -------------------------------------------------------------------------------------------------------

    def _meaning(self, n: fx.Node, result: Any) -> Any:
        if n.op == "placeholder":
            return self._input(n, result)
        if n.op == "output":
            found = self._of(n.args[0])
            values = list(found.values()) if isinstance(found, dict) else found if isinstance(found, list) else [found]
            if not all(isinstance(value, Value) for value in values):
                raise self._refused(n, "the output is no tensor or list of tensors")
            self.outputs = [value.node for value in values]
            return None
        if n.op == "get_attr":
            raise self._refused(n, "a parameter or constant is used outside of a module")
        arguments, keywords = self._of(n.args), {word: self._of(value) for word, value in n.kwargs.items()}
        if n.op == "call_module":
            return self._module(n, self.fetch_attr(str(n.target)), arguments, keywords, result)
        target: Any = n.target
        if n.op == "call_method":
            if target in ("size", "dim") or target in KEPT:
                return self._method(n, target, arguments, result)
            target = METHODS.get(target, target)
        return self._function(n, target, arguments, keywords, result)

    def _input(self, n: fx.Node, result: Any) -> Any:
        if not isinstance(result, torch.Tensor):
            raise self._refused(n, "an input without a shape")
        self.inputs[n.name] = tuple(result.shape)
        return Value(n.name, tuple(result.shape))

    def _add(self, n: fx.Node, op: str, sources: Sequence[Any], result: Any, **arguments: Any) -> Value:
        """One more layer."""
        name = n.name if n.op != "call_module" else str(n.target).replace(".", "_")
        while name in self.layers or name in self.inputs:
            name += "_"
        if not all(isinstance(source, Value) for source in sources):
            raise self._refused(n, f"{op} takes tensors only here, no numbers")
        self.layers[name] = {"op": op, "from": [source.node for source in sources], **arguments}
        return Value(name, tuple(result.shape))

    def _module(self, n: fx.Node, module: torch.nn.Module, arguments: Any, keywords: Any, result: Any) -> Any:
        op = type(module).__name__
        if keywords or not isinstance(result, torch.Tensor) or not all(isinstance(a, Value) for a in arguments):
            raise self._refused(n, f"{op} is called with more than tensors, or gives several")
        cls = find_operation(op)
        assert cls is not None
        return self._add(n, op, arguments, result, **module_arguments(module, cls))

    def _method(self, n: fx.Node, method: str, arguments: Any, result: Any) -> Any:
        x = arguments[0]
        if method == "dim":
            return result
        if method == "size":
            if len(arguments) == 1:
                return Dims(x, 0, len(x.shape))
            return Dim(x, arguments[1] % len(x.shape))
        return x

    def _function(self, n: fx.Node, function: Any, arguments: Any, keywords: Any, result: Any) -> Any:
        if function is getattr and arguments[1] == "shape":
            return Dims(arguments[0], 0, len(arguments[0].shape))
        if function is operator.getitem:
            return self._item(n, arguments, result)
        if not isinstance(result, torch.Tensor):
            if isinstance(result, (tuple, list)) and function is torch.chunk:
                return self._chunks(n, arguments, keywords, result)
            return self._arithmetic(n, arguments, result)
        if function in ACTIVATIONS:
            kept = {w: v for w, v in keywords.items() if w != "inplace"}
            if len(arguments) > 1 or kept:
                raise self._refused(n, "an activation with arguments; use its module")
            return self._add(n, ACTIVATIONS[function], arguments[:1], result)
        if function in MERGES:
            return self._add(n, MERGES[function], arguments, result)
        handler: Callable[..., Any] | None = FUNCTIONS.get(function)
        if handler is None:
            raise self._refused(n, "it has no operation in a config")
        return handler(self, n, arguments, keywords, result)

    def _arithmetic(self, n: fx.Node, arguments: Any, result: Any) -> Any:
        """Arithmetic on sizes: a number where no dim takes part."""
        if any(isinstance(a, (Dim, Dims)) for a in _flat(arguments)):
            raise self._refused(n, "arithmetic on sizes that are read at run time")
        return result

    def _item(self, n: fx.Node, arguments: Any, result: Any) -> Any:
        value, index = arguments
        if isinstance(value, Dims):
            dims = range(value.start, value.stop)[index]
            return Dim(value.tensor, dims) if isinstance(dims, int) else Dims(value.tensor, dims.start, dims.stop)
        if isinstance(value, list) and isinstance(index, int):
            return value[index]
        raise self._refused(n, "indexing a tensor")

    def _chunks(self, n: fx.Node, arguments: Any, keywords: Any, result: Any) -> list[Value]:
        x, chunks = arguments[0], keywords.get("chunks", arguments[1] if len(arguments) > 1 else None)
        dim = keywords.get("dim", arguments[2] if len(arguments) > 2 else 0)
        whole = self._add(n, "Chunk", [x], result[0], chunks=chunks, dim=dim)
        return [Value(f"{whole.node}[{i}]", tuple(part.shape)) for i, part in enumerate(result)]

    # --- the text ----------------------------------------------------------------------------------------------------

    def text(self, name: str) -> str:
        lines = [f"name: {written_value(name)}"]
        symbols: dict[str, int] = {}
        patterns = {word: self._pattern(word, shape, symbols) for word, shape in self.inputs.items()}
        if len(patterns) == 1:
            ((only, pattern),) = patterns.items()
            lines.append(f"input: {{{only}: [{', '.join(pattern)}]}}")
        else:
            lines += ["input:", *(f"  {word}: [{', '.join(pattern)}]" for word, pattern in patterns.items())]
        if symbols:
            lines.append(f"sizes: {{{', '.join(f'{s}: {n}' for s, n in symbols.items())}}}")
        lines.append("layers:")
        for word, layer in self.layers.items():
            sources = layer["from"]
            parts = [f"op: {layer['op']}", f"from: {_names(sources)}"]
            parts += [f"{w}: {written_value(_plain(v))}" for w, v in layer.items() if w not in ("op", "from")]
            lines.append(f"  {word}: {{{', '.join(parts)}}}")
        lines.append(f"output: {_names(self.outputs)}")
        return "\n".join(lines) + "\n"

    def _pattern(self, word: str, shape: tuple[int, ...], symbols: dict[str, int]) -> list[str]:
        """Spatial dims as symbols, the same one for the same size of another input."""
        names = {3: ["L"], 4: ["H", "W"], 5: ["D", "H", "W"]}.get(len(shape), [])
        lead = [str(n) for n in shape[: len(shape) - len(names)]]
        found = []
        for symbol, n in zip(names, shape[len(lead) :]):
            if symbols.setdefault(symbol, n) != n:
                symbol = f"{symbol}_{word}"
                symbols[symbol] = n
            found.append(symbol)
        return [*lead, *found]


def _flat(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [part for item in value for part in _flat(item)]
    return [value]


def _names(names: Sequence[str]) -> str:
    quoted = [f'"{name}"' if "[" in name else name for name in names]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    return value


def module_arguments(module: torch.nn.Module, cls: type[Op]) -> dict[str, Any]:
    """The arguments with which a module of torch.nn was made, where they are not torch's defaults."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(cls):
        word = field.encode_name
        if word in ("device", "dtype") or word in cls.node_fields or not hasattr(module, word):
            continue
        value = getattr(module, word)
        if isinstance(value, torch.Tensor) or (value is None and isinstance(field.default, bool)):
            value = value is not None
        if field.default is msgspec.NODEFAULT or value != field.default:
            if isinstance(value, (tuple, list)) and len(set(value)) == 1 and len(value) == getattr(cls, "axes", 0):
                value = value[0]
            if value != field.default:
                found[word] = value
    return found


def _cat(self: _Importer, n: fx.Node, arguments: Any, keywords: Any, result: Any) -> Value:
    tensors = keywords.get("tensors", arguments[0] if arguments else None)
    dim = keywords.get("dim", arguments[1] if len(arguments) > 1 else 0)
    return self._add(n, "Concat", tensors, result, **({} if dim == 1 else {"dim": dim}))


def _interpolate(self: _Importer, n: fx.Node, arguments: Any, keywords: Any, result: Any) -> Value:
    words = dict(zip(("input", "size", "scale_factor", "mode", "align_corners"), arguments)) | keywords
    x, size = words.pop("input"), words.pop("size", None)
    given = {word: value for word, value in words.items() if value not in (None, False) or word == "align_corners"}
    given = {word: value for word, value in given.items() if value is not None}
    if size is not None:
        given["size"] = _size(self, n, size)
    return self._add(n, "Interpolate", [x], result, **given)


def _size(self: _Importer, n: fx.Node, size: Any) -> Any:
    """``size: NODE`` for the spatial dims of a tensor, or numbers."""
    if isinstance(size, Dims) and (size.start, size.stop) == (2, len(size.tensor.shape)):
        return size.tensor.node
    if isinstance(size, list) and size and all(isinstance(part, Dim) for part in size):
        first = size[0].tensor
        if [part.dim for part in size] == list(range(2, len(first.shape))) and all(p.tensor == first for p in size):
            return first.node
    if any(isinstance(part, (Dim, Dims)) for part in _flat(size)):
        raise self._refused(n, "a size made of several tensors' dims")
    return size


def _reduction(op: str) -> Callable[..., Value]:
    def handler(self: _Importer, n: fx.Node, arguments: Any, keywords: Any, result: Any) -> Value:
        words = dict(zip(("input", "dim", "keepdim"), arguments)) | keywords
        x = words.pop("input")
        return self._add(n, op, [x], result, **{w: v for w, v in words.items() if v not in (None, False)})

    return handler


def _flatten(self: _Importer, n: fx.Node, arguments: Any, keywords: Any, result: Any) -> Value:
    words = {"start_dim": 0, "end_dim": -1} | dict(zip(("input", "start_dim", "end_dim"), arguments)) | keywords
    x = words.pop("input")
    return self._add(n, "Flatten", [x], result, **words)


def _pad(self: _Importer, n: fx.Node, arguments: Any, keywords: Any, result: Any) -> Value:
    words = {"mode": "constant", "value": None} | dict(zip(("input", "pad", "mode", "value"), arguments)) | keywords
    x, pad = words["input"], words["pad"]
    if any(isinstance(part, (Dim, Dims)) for part in _flat(pad)):
        raise self._refused(n, "padding by sizes that are read at run time")
    if words["mode"] != "constant" or words["value"] or len(pad) > 6:
        raise self._refused(n, "padding with anything but zeros")
    return self._add(n, f"ZeroPad{len(pad) // 2}d", [x], result, padding=pad)


def _pooled(op: str) -> Callable[..., Value]:
    def handler(self: _Importer, n: fx.Node, arguments: Any, keywords: Any, result: Any) -> Value:
        cls = find_operation(op)
        assert cls is not None
        order = [f.encode_name for f in msgspec.structs.fields(cls)]
        names = ["input", "kernel_size", "stride", "padding", "dilation", "ceil_mode"]
        words = dict(zip([w for w in names if w == "input" or w in order], arguments)) | keywords
        x = words.pop("input")
        return self._add(n, op, [x], result, **{w: v for w, v in words.items() if v not in (None, False)})

    return handler


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    torch.cat: _cat,
    F.interpolate: _interpolate,
    torch.mean: _reduction("Mean"),
    torch.sum: _reduction("Sum"),
    torch.flatten: _flatten,
    F.pad: _pad,
    F.max_pool2d: _pooled("MaxPool2d"),
    F.avg_pool2d: _pooled("AvgPool2d"),
}
