"""A loaded network as a torch.nn.Module.

The module is a torch.fx.GraphModule made from the network's nodes: readable ``.code``, state dict keys that mirror the
names of the config (``enc1.conv1.weight``), scriptable and exportable. What torch calls for a node is what the
operation says (:meth:`tracer.ops.base.Op.call`); sizes taken from other nodes are read off the tensors at run time.
"""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx

from tracer.diagnostics import Diagnostic, TracerError
from tracer.net import Net
from tracer.network.records import Node
from tracer.ops.base import Op, given_arguments, with_arguments
from tracer.ops.calls import Call, DimOf, Dtype, Item, Learned, Own, Sliced, Tensor, Term
from tracer.shapes.trace import Trace, dims_value
from tracer.sizing.primitives import SYMBOL, choose, minimum, quotient
from tracer.sizing.symbol import Condition, Size, Space

NODE = "tracer"
"""The key in a graph node's ``meta`` under which the name of the config's node stands whose result it is."""

OWNER = "tracer_owner"
"""The same for every graph node that belongs to a node of the config."""


def build(net: Net, device: str | None = None) -> fx.GraphModule:
    """The network as a module, every ``auto`` planned first, with torch's initial weights, in training mode.

    Its arguments are the inputs in the config's order; it returns the output, or a dict by name where there are
    several. Raises :class:`TracerError` where the network does not close, or an operation has no torch form.
    """
    trace = net.trace()
    if trace.diagnostics or None in trace.by_index:
        raise TracerError(
            trace.diagnostics
            or [Diagnostic("T201", "the network has no sizes", path=net.network.path)]
        )
    with torch.device(device or "cpu"):
        return _Builder(net, trace).built()


class _Builder:
    """Makes the graph node by node."""

    def __init__(self, net: Net, trace: Trace) -> None:
        self.network = net.network
        self.trace = trace
        self.root = torch.nn.Module()
        self.graph = fx.Graph()
        self.tensors: dict[int, Tensor] = {}
        """What each node gives, by its index."""
        self.indices: dict[int, Tensor] = {}
        self.unpooled = {
            node.operands["indices"].index
            for node in self.network.nodes
            if "indices" in node.operands
        }
        self.symbols: dict[str, Term] = {}
        self.space = Space()

    def built(self) -> fx.GraphModule:
        for node, op, shape in zip(self.network.nodes, self.trace.ops, self.trace.by_index):
            rank = len(shape or ())
            if op is None:
                self._input(node, rank)
                continue
            term = _Lowering(self, node, op).value()
            self.tensors[node.index] = Tensor(term, rank)
        results = {
            name: self.tensors[node.index].value for name, node in self.network.outputs.items()
        }
        self.graph.output(next(iter(results.values())) if len(results) == 1 else results)
        self.graph.lint()
        name = re.sub(r"\W", "_", self.network.name or "Network")
        return fx.GraphModule(
            self.root, self.graph, class_name=name if name.isidentifier() else f"_{name}"
        )

    def _input(self, node: Node, rank: int) -> None:
        placeholder = self.graph.placeholder(identifier(node.name))
        placeholder.meta[NODE] = node.name
        self.tensors[node.index] = tensor = Tensor(placeholder, rank)
        for dim, symbol in enumerate(node.pattern):
            if isinstance(symbol, str):
                self.symbols.setdefault(symbol, tensor.size(dim))


class _Lowering:
    """One operation's term as nodes of the graph."""

    def __init__(self, builder: _Builder, node: Node, op: Op) -> None:
        self.builder = builder
        self.node = node
        self.op = op
        self.path = ".".join(attribute(part) for part in node.name.split("."))
        self.made = False

    def value(self) -> fx.Node:
        """The node of the graph that holds the result."""
        builder, node, op = self.builder, self.node, self.op
        before = len(builder.graph.nodes)
        if node.dim_fields:
            sizes: dict[str, Any] = {
                symbol: builder.space.symbol(symbol) for symbol in builder.symbols
            }
            values = {field: dims_value(dims, sizes) for field, dims in node.dim_fields.items()}
            op = with_arguments(op, {field: self._terms(value) for field, value in values.items()})
        x = [builder.tensors[source.index] for source in node.inputs]
        given = {
            field: (builder.indices if field == "indices" else builder.tensors)[source.index]
            for field, source in node.operands.items()
        }
        result = self._lowered(op.call(x, given))
        if getattr(self.op, "return_indices", False) or node.index in builder.unpooled:
            pair = result
            result = builder.graph.call_function(operator.getitem, (pair, 0))
            if node.index in builder.unpooled:
                indices = builder.graph.call_function(operator.getitem, (pair, 1))
                builder.indices[node.index] = Tensor(
                    indices, len(builder.trace.by_index[node.index] or ())
                )
        for one in list(builder.graph.nodes)[before:]:
            one.meta[OWNER] = node.name
        if NODE in result.meta:  # a merge of one input is that input
            result = builder.graph.call_function(torch.clone, (result,))
        result.meta[NODE] = result.meta[OWNER] = node.name
        return result  # type: ignore[no-any-return]

    def _terms(self, value: Any) -> Any:
        """Sizes over symbols as terms that read them off the inputs."""
        if isinstance(value, tuple):
            return tuple(map(self._terms, value))
        return self._term(value) if isinstance(value, Size) else value

    def _term(self, size: Size) -> Any:
        total: Any = size.constant
        for monomial, factor in size.terms:
            product: Any = factor
            for index in monomial:
                atom = self._atom(index)
                product = atom if isinstance(product, int) and product == 1 else product * atom
            total = product if isinstance(total, int) and total == 0 else total + product
        return total

    def _atom(self, index: int) -> Any:
        atom = self.builder.space.atoms[index]
        first, *rest = atom.arguments
        if atom.primitive is SYMBOL:
            return self.builder.symbols[first]
        if atom.primitive is choose:
            return Call(
                "torch.sym_ite", (condition_term(first, self._terms), *map(self._terms, rest))
            )
        a, b = self._terms(first), self._terms(rest[0])
        if atom.primitive is quotient:
            return a // b
        if atom.primitive is minimum:
            return Call("builtins.min", (a, b))
        raise self._refused(f"a dim of {self.node.name} is no arithmetic of whole numbers")

    def _lowered(self, term: Any) -> Any:
        """A term, or a list of them, as arguments of graph nodes."""
        graph = self.builder.graph
        if isinstance(term, (list, tuple)):
            return [self._lowered(item) for item in term]
        if isinstance(term, Tensor):
            return self._lowered(term.value)
        if isinstance(term, DimOf):
            return graph.call_method("size", (self._lowered(term.tensor), term.dim))
        if isinstance(term, Call):
            keywords = {word: self._lowered(value) for word, value in term.keywords.items()}
            return graph.call_function(
                function(term.function), tuple(self._lowered(term.arguments)), keywords
            )
        if isinstance(term, Own):
            self._make()
            keywords = {word: self._lowered(value) for word, value in term.keywords.items()}
            return graph.call_module(self.path, tuple(self._lowered(term.arguments)), keywords)
        if isinstance(term, Learned):
            self._place(learned(term))
            return graph.get_attr(self.path)
        if isinstance(term, Item):
            return graph.call_function(operator.getitem, (self._lowered(term.value), term.index))
        if isinstance(term, Sliced):
            return self._sliced(term)
        return getattr(torch, term.name) if isinstance(term, Dtype) else term

    def _sliced(self, term: Sliced) -> fx.Node:
        whole = slice(None, None, None)
        start, stop = self._lowered(term.start), self._lowered(term.stop)
        index = (*[whole] * term.dim, slice(start, stop, term.step))
        return self.builder.graph.call_function(
            operator.getitem, (self._lowered(term.tensor), index)
        )

    def _make(self) -> None:
        """Add the operation's torch.nn module at the place that its name says."""
        if self.made:
            raise self._refused(f"{self.node.op_name} uses its module twice")
        self.made = True
        module = module_of(
            self.node, self.op, self.builder.trace, self.node.index in self.builder.unpooled
        )
        if module is None:
            raise self._refused(
                f"{self.node.op_name} is no module of torch.nn; its class has no method `call`"
            )
        self._place(module)

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

    def _refused(self, message: str) -> TracerError:
        node = self.node
        return TracerError(
            [
                Diagnostic(
                    "T101",
                    message,
                    node.span,
                    path=self.builder.network.path,
                    related=node.use_places(),
                )
            ]
        )


def condition_term(condition: Condition, terms: Callable[[Any], Any]) -> Any:
    """A condition on sizes, to be read off the tensors when the network runs."""
    if condition.relation in ("and", "or"):
        return Call(
            f"operator.{condition.relation}_",
            [condition_term(part, terms) for part in condition.parts],
        )
    return Call(f"operator.{condition.relation}", (terms(condition.parts[0]), 0))


def inferred_arguments(mine: Trace) -> dict[str, dict[str, Any]]:
    """The arguments that each module takes from the traced shapes: what is built for others has other weights."""
    found: dict[str, dict[str, Any]] = {}
    for node, op, inputs, _, _ in mine.applied():
        own = {
            word: value for word, value in op.inferred(*inputs).items() if getattr(op, word) is None
        }
        if own:
            found[node.name] = own
    return found


def module_of(node: Node, op: Op, trace: Trace, unpooled: bool = False) -> torch.nn.Module | None:
    """The torch.nn module of an operation, its inferred arguments taken from the traced shapes; None for a function."""
    cls = getattr(torch.nn, type(op).__name__, None)
    if cls is None:
        return None
    inputs: Any = trace.input_shapes(node)
    inferred = {
        word: value for word, value in op.inferred(*inputs).items() if getattr(op, word) is None
    }
    given = {
        word: value for word, value in given_arguments(op).items() if word not in node.operands
    }
    arguments = {**inferred, **given}
    if isinstance(arguments.get("dtype"), str):
        arguments["dtype"] = getattr(torch, arguments["dtype"])
    if unpooled:
        arguments["return_indices"] = True
    return cls(**arguments)  # type: ignore[no-any-return]


def learned(term: Learned) -> torch.Tensor:
    """The tensor of a parameter or buffer, drawn as torch draws embeddings."""
    made = torch.randn(term.shape) * 0.02
    return torch.nn.Parameter(made) if term.learned else made


FUNCTIONS: Mapping[str, Any] = {
    "operator": operator,
    "builtins": __import__("builtins"),
    "torch": torch,
}


def function(name: str) -> Any:
    """A function by its full name: ``torch.cat``."""
    package, *path = name.split(".")
    found = FUNCTIONS[package]
    for part in path:
        found = getattr(found, part)
    return found


def identifier(name: str) -> str:
    """A name that Python takes, for an argument or variable."""
    text = re.sub(r"\W", "_", name)
    return f"{text}_" if keyword.iskeyword(text) else text if text.isidentifier() else f"_{text}"


def attribute(part: str) -> str:
    """A part of a name that a module can hold: one of Python's words or of torch's own gets an underscore."""
    taken = (
        keyword.iskeyword(part)
        or part in ("graph", "code", "training")
        or hasattr(fx.GraphModule, part)
    )
    return f"{part}_" if taken else part
