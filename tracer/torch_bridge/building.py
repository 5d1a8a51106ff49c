"""A loaded network as a torch.nn.Module.

The module is a torch.fx.GraphModule made from the network's nodes: readable ``.code``, state dict keys that mirror the
names of the config (``enc1.conv1.weight``), scriptable and exportable. What torch calls for a node is what the
operation says (:meth:`tracer.ops.base.Op.call`); sizes taken from other nodes are read off the tensors at run time.
"""

from __future__ import annotations

import builtins
import keyword
import operator
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx

from tracer.net import Net
from tracer.network.records import Network, Node
from tracer.ops.base import Op
from tracer.ops.calls import (
    Call,
    Device,
    DimOf,
    Dtype,
    Item,
    Learned,
    Own,
    Sliced,
    Tensor,
    Term,
)
from tracer.shapes.trace import Trace
from tracer.torch_bridge.lowering import (
    SizeTerms,
    closed_trace,
    gives_indices,
    module_arguments,
    refused,
    sign,
    unpooled_nodes,
)

NODE = "tracer"
"""The key in a graph node's ``meta`` for the name of the config's node whose result it is."""

OWNER = "tracer_owner"
"""The same for every graph node that belongs to a node of the config."""


def build(net: Net, device: str | None = None, *, towards_zero: bool = False) -> fx.GraphModule:
    """The network as a module, every ``auto`` planned first, with torch's initial weights, in training mode.

    Its arguments are the inputs in the config's order; it returns the output, or a dict by name where there are
    several. Its parameters are on the device, by default on torch's own, which ``with torch.device("meta"):`` sets.
    Buffers have no values of their own yet. ``towards_zero`` makes its floors right where a run-time rounds
    quotients towards zero, as ONNX does.
    Raises :class:`TracerError` where the network does not close, or an operation has no torch form.
    """
    builder = _Builder(net, closed_trace(net), towards_zero=towards_zero)
    with torch.device(device or torch.get_default_device()):
        return _built(builder)


class _Builder:
    """A module while it is made."""

    def __init__(self, net: Net, trace: Trace, *, towards_zero: bool) -> None:
        self.network = net.network
        self.towards_zero = towards_zero
        """Whether what runs the module rounds quotients towards zero."""
        self.trace = trace
        self.root = torch.nn.Module()
        self.graph = fx.Graph()
        self.placeholder: fx.Node | None = None
        """The first input."""
        self.tensors: dict[int, Tensor] = {}
        """What each node gives, by its index."""
        self.indices: dict[int, Tensor] = {}
        """The indices of each pooling that another node undoes."""
        self.unpooled = unpooled_nodes(net.network)
        self.symbols: dict[str, Term] = {}


def _built(builder: _Builder) -> fx.GraphModule:
    for visit in builder.trace.walk():
        node = visit.node
        rank = len(visit.shape or ())
        if visit.op is None:
            _add_input(builder, node, rank)
        else:
            result = _Lowering(builder, node, visit.op).result()
            builder.tensors[node.index] = Tensor(result, rank)

    for node in builder.network.sharers:
        _share(builder.root, node)

    outputs = builder.network.outputs
    results = {}
    for name, node in outputs.items():
        results[name] = builder.tensors[node.index].value
    is_one = len(results) == 1
    builder.graph.output(next(iter(results.values())) if is_one else results)
    builder.graph.lint()

    name = re.sub(r"\W", "_", builder.network.name or "Network")
    class_name = name if name.isidentifier() else f"_{name}"
    return fx.GraphModule(builder.root, builder.graph, class_name=class_name)


def _share(root: torch.nn.Module, node: Node) -> None:
    """Put what the owner of a node's parameters has in the place of the node's own."""
    assert node.weights is not None
    around, _, last = module_path(node.weights.name).rpartition(".")
    shared = getattr(root.get_submodule(around), last)

    around, _, last = module_path(node.name).rpartition(".")
    setattr(root.get_submodule(around), last, shared)


def _add_input(builder: _Builder, node: Node, rank: int) -> None:
    placeholder = builder.graph.placeholder(identifier(node.name))
    placeholder.meta[NODE] = node.name
    builder.placeholder = builder.placeholder or placeholder
    tensor = Tensor(placeholder, rank)
    builder.tensors[node.index] = tensor

    # The first input that has a symbol gives its size.
    for dim, symbol in enumerate(node.pattern):
        if isinstance(symbol, str):
            builder.symbols.setdefault(symbol, tensor.size(dim))


class _Lowering:
    """One operation's term as nodes of the graph."""

    def __init__(self, builder: _Builder, node: Node, op: Op) -> None:
        self.builder = builder
        self.graph = builder.graph
        self.node = node
        self.op = op
        self.path = module_path(node.name)
        self.made = False
        """Whether the operation's module is there."""

    def result(self) -> fx.Node:
        """The node of the graph that holds the result."""
        before = len(self.graph.nodes)
        result = self._lowered(self._term())
        if gives_indices(self.op, self.node, self.builder.unpooled):
            result = self._apart(result)
        for one in list(self.graph.nodes)[before:]:
            one.meta[OWNER] = self.node.name

        # A merge of one input is that input, which has a name already.
        if NODE in result.meta:
            result = self._called(torch.clone, result)
        result.meta[NODE] = self.node.name
        result.meta[OWNER] = self.node.name
        return result  # type: ignore[no-any-return]

    def _term(self) -> Any:
        """What torch calls."""
        builder = self.builder
        node = self.node
        sizes = SizeTerms(builder.network, node, builder.symbols)
        op = sizes.in_op(self.op)

        x = [builder.tensors[source.index] for source in node.inputs]
        given = {}
        for field, source in node.operands.items():
            known = builder.indices if field == "indices" else builder.tensors
            given[field] = known[source.index]
        return op.call(x, given)

    def _apart(self, pair: Any) -> Any:
        """The result of a pooling that gives its indices too; they are kept where another node takes them."""
        index = self.node.index
        result = self._called(operator.getitem, pair, 0)
        if index in self.builder.unpooled:
            indices = self._called(operator.getitem, pair, 1)
            rank = len(self.builder.trace.by_index[index] or ())
            self.builder.indices[index] = Tensor(indices, rank)
        return result

    # --- terms -------------------------------------------------------------------------------------------------------

    def _lowered(self, term: Any) -> Any:
        """A term, or a list of them, as arguments of graph nodes."""
        if isinstance(term, (list, tuple)):
            return [self._lowered(item) for item in term]
        if isinstance(term, Dtype):
            return getattr(torch, term.name)
        if isinstance(term, Device):
            return self._called(getattr, self.builder.placeholder, "device")
        return self._node(term) if isinstance(term, Term) else term

    def _node(self, term: Term) -> Any:
        """What exists when the network runs, as a node of the graph."""
        if isinstance(term, Tensor):
            return self._lowered(term.value)
        if isinstance(term, DimOf):
            tensor = self._lowered(term.tensor)
            return self.graph.call_method("size", (tensor, term.dim))
        if isinstance(term, Item):
            whole = self._lowered(term.value)
            return self._called(operator.getitem, whole, term.index)
        if isinstance(term, Sliced):
            return self._sliced(term)
        if isinstance(term, Learned):
            self._place(drawn(term, is_learned=self.node.learned))
            return self.graph.get_attr(self.path)
        if isinstance(term, Own):
            self._make()
            return self.graph.call_module(self.path, *self._arguments(term))
        assert isinstance(term, Call), term
        if term.function == "operator.floordiv" and self.builder.towards_zero:
            return self._floor(*term.arguments)
        return self.graph.call_function(function(term.function), *self._arguments(term))

    def _floor(self, numerator: Any, divisor: Any) -> fx.Node:
        """A quotient rounded down, by quotients that are exact or of numbers that are not negative."""
        a = self._lowered(numerator)
        b = self._lowered(divisor)
        above, below = sign(numerator), sign(divisor)
        if above == below == 1:
            return self._called(operator.floordiv, a, b)

        # a // b == -((b - 1 - a) // b)
        if above == -1 and isinstance(b, int) and b > 0:
            negated = self._called(operator.mul, a, -1)
            upwards = self._called(operator.add, negated, b - 1)
            quotient = self._called(operator.floordiv, upwards, b)
            return self._called(operator.mul, quotient, -1)

        # The rest has the divisor's sign, in torch as in ONNX.
        rest = self._called(operator.mod, a, b)
        whole = self._called(operator.sub, a, rest)
        return self._called(operator.floordiv, whole, b)

    def _arguments(self, term: Call | Own) -> tuple[tuple[Any, ...], dict[str, Any]]:
        keywords = {}
        for word, value in term.keywords.items():
            keywords[word] = self._lowered(value)
        return tuple(self._lowered(term.arguments)), keywords

    def _sliced(self, term: Sliced) -> fx.Node:
        start = self._lowered(term.start)
        stop = self._lowered(term.stop)
        dims_before = [slice(None, None, None)] * term.dim
        index = (*dims_before, slice(start, stop, term.step))
        tensor = self._lowered(term.tensor)
        return self._called(operator.getitem, tensor, index)

    def _called(self, function: Any, *arguments: Any) -> fx.Node:
        return self.graph.call_function(function, arguments)

    # --- modules and parameters --------------------------------------------------------------------------------------

    def _make(self) -> None:
        """Add the operation's torch.nn module at the place that its name says."""
        op_name = self.node.op_name
        if self.made:
            raise self._refused(f"{op_name} uses its module twice")
        self.made = True

        builder = self.builder
        cls = class_of(builder.network, self.node, self.op)
        arguments = module_arguments(self.node, self.op, builder.trace, builder.unpooled)
        module = module_made(cls, arguments)
        self._place(module if self.node.learned else constant(module))

    def _place(self, module: torch.nn.Module | torch.Tensor) -> None:
        """Add a module, a parameter or a buffer at the place that the node's name says."""
        place = self.builder.root
        *around, last = self.path.split(".")
        for part in around:
            if part not in place._modules:
                place.add_module(part, torch.nn.Module())
            place = place.get_submodule(part)

        if isinstance(module, torch.nn.Module):
            place.add_module(last, module)
        elif isinstance(module, torch.nn.Parameter):
            place.register_parameter(last, module)
        else:
            place.register_buffer(last, module)

    def _refused(self, message: str) -> Exception:
        return refused(self.builder.network, self.node, message)


def class_of(network: Network, node: Node, op: Op) -> type[torch.nn.Module]:
    """The class of torch.nn that an operation is. Raises :class:`TracerError` where it is none of them."""
    found: type[torch.nn.Module] | None = getattr(torch.nn, type(op).__name__, None)
    if found is None:
        message = f"{node.op_name} is no module of torch.nn; its class has no method `call`"
        raise refused(network, node, message)
    return found


def module_made(cls: type[torch.nn.Module], arguments: Mapping[str, Any]) -> torch.nn.Module:
    """A module of torch.nn, made with the arguments of its operation."""
    given = dict(arguments)
    if isinstance(given.get("dtype"), str):
        given["dtype"] = getattr(torch, given["dtype"])
    return cls(**given)


def drawn(term: Learned, *, is_learned: bool) -> torch.Tensor:
    """The tensor of a parameter or buffer, drawn as torch draws embeddings; zeros where it is whole numbers."""
    dtype = getattr(torch, term.dtype)
    if term.is_whole:
        made = torch.zeros(term.shape, dtype=dtype)
    else:
        made = torch.randn(term.shape, dtype=dtype) * 0.02
    return torch.nn.Parameter(made, not term.is_whole) if is_learned else made


def constant(module: torch.nn.Module) -> torch.nn.Module:
    """The module with its parameters as buffers, which are not learned."""
    for name, weight in list(module.named_parameters()):
        around, _, word = name.rpartition(".")
        place = module.get_submodule(around)
        delattr(place, word)
        place.register_buffer(word, weight.detach())
    return module


FUNCTIONS: Mapping[str, Any] = {
    "operator": operator,
    "builtins": builtins,
    "torch": torch,
}


def function(name: str) -> Any:
    """A function by its full name.

    >>> function("torch.cat") is torch.cat
    True
    """
    package, *path = name.split(".")
    found = FUNCTIONS[package]
    for part in path:
        found = getattr(found, part)
    return found


def identifier(name: str) -> str:
    """A name that Python takes, for an argument or variable.

    >>> identifier("enc1.conv"), identifier("in"), identifier("2x")
    ('enc1_conv', 'in_', '_2x')
    """
    text = re.sub(r"\W", "_", name)
    if keyword.iskeyword(text):
        return f"{text}_"
    return text if text.isidentifier() else f"_{text}"


def attribute(part: str) -> str:
    """A part of a name that a module can hold: one of Python's words or of torch's own gets an underscore.

    >>> attribute("conv1"), attribute("forward"), attribute("in")
    ('conv1', 'forward_', 'in_')
    """
    is_torchs = part in ("graph", "code", "training") or hasattr(fx.GraphModule, part)
    return f"{part}_" if is_torchs or keyword.iskeyword(part) else part


def module_path(name: str) -> str:
    """The place in the built module of what a node has: its module, or its parameter.

    >>> module_path("enc1.conv"), module_path("enc1.forward")
    ('enc1.conv', 'enc1.forward_')
    """
    parts = name.split(".")
    return ".".join(map(attribute, parts))
