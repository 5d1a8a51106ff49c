"""What a module and a source file have in common: which values of a network torch is given, and as which terms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tracer.diagnostics import Diagnostic, TracerError
from tracer.net import Net
from tracer.network.records import Network, Node
from tracer.ops.base import Op, given_arguments, with_arguments
from tracer.ops.calls import Call, DimOf, Term
from tracer.shapes.trace import Trace, dims_value
from tracer.sizing.primitives import SYMBOL
from tracer.sizing.symbol import Condition, Size, Space
from tracer.source.expressions import ExpressionError


def closed_trace(net: Net) -> Trace:
    """The trace of a network in which every node has a shape. Raises :class:`TracerError` where it does not close."""
    trace = net.trace()
    if trace.diagnostics:
        raise TracerError(trace.diagnostics)
    if None in trace.by_index:
        found = Diagnostic("T201", "the network has no sizes", path=net.network.path)
        raise TracerError([found])
    return trace


def refused(network: Network, node: Node, message: str) -> TracerError:
    """The error of a node that torch cannot be given."""
    found = Diagnostic(
        "T101",
        message,
        node.span,
        path=network.path,
        related=node.use_places(),
        node=node.name,
    )
    return TracerError([found])


def unpooled_nodes(network: Network) -> set[int]:
    """The poolings whose indices another node takes, by their index."""
    operands = (node.operands for node in network.nodes)
    return {given["indices"].index for given in operands if "indices" in given}


def gives_indices(op: Op, node: Node, unpooled: set[int]) -> bool:
    """Whether torch gives a pair for a node: its result, and the indices of the largest."""
    return node.index in unpooled or getattr(op, "return_indices", False)


# --- the arguments of modules ----------------------------------------------------------------------------------------


def module_arguments(node: Node, op: Op, trace: Trace, unpooled: set[int]) -> dict[str, Any]:
    """The arguments with which a node's torch.nn module is made: what is inferred, and what is given."""
    arguments = _inferred(op, trace.input_shapes(node))
    for word, value in given_arguments(op).items():
        if word not in node.operands and word not in op.per_call:
            arguments[word] = value

    if node.index in unpooled:
        arguments["return_indices"] = True
    return arguments


def _inferred(op: Op, inputs: Any) -> dict[str, Any]:
    """The arguments that an operation takes from its inputs' shapes, where none are given."""
    inferred = op.inferred(*inputs)
    return {word: value for word, value in inferred.items() if getattr(op, word) is None}


# --- sizes over symbols ----------------------------------------------------------------------------------------------


class SizeTerms:
    """Turns sizes over the symbols of a node's dims into terms that read them off the inputs."""

    def __init__(self, network: Network, node: Node, symbols: Mapping[str, Term]) -> None:
        self.network = network
        self.node = node
        self.symbols = symbols
        """The term that reads each symbol."""

    def in_op(self, op: Op) -> Op:
        """The operation with terms for its dims over symbols."""
        if not self.node.dim_fields:
            return op
        space = Space()
        sizes: dict[str, Any] = {}
        for symbol in self.symbols:
            sizes[symbol] = space.symbol(symbol)

        terms = {}
        for field, dims in self.node.dim_fields.items():
            try:
                terms[field] = self.term(dims_value(dims, sizes))
            except ExpressionError as error:
                message = f"{field} of {self.node.name} follows the input's size by no formula: {error}"
                raise refused(self.network, self.node, message) from None
        return with_arguments(op, terms)

    def term(self, value: Any) -> Any:
        """A size as a term, several as a tuple of them; a number stays one."""
        if isinstance(value, tuple):
            return tuple(map(self.term, value))
        if isinstance(value, Condition | bool):
            raise ExpressionError("a comparison is no number")
        return self._sum(value) if isinstance(value, Size) else value

    def _sum(self, size: Size) -> Any:
        total: Any = size.constant
        for monomial, factor in size.terms:
            product: Any = factor
            for index in monomial:
                atom = self._atom(size.space.atoms[index])
                product = atom if _is_number(product, 1) else product * atom
            total = product if _is_number(total, 0) else total + product
        return total

    def _atom(self, atom: Any) -> Any:
        primitive = atom.primitive
        if primitive is SYMBOL:
            return self.symbols[atom.arguments[0]]
        if primitive.function is None:
            message = f"a dim of {self.node.name} is no arithmetic of whole numbers"
            raise refused(self.network, self.node, message)
        return Call(primitive.function, [self._argument(given) for given in atom.arguments])

    def _argument(self, given: Any) -> Any:
        """An argument of a primitive: a condition, a size, or a number."""
        return self._condition(given) if isinstance(given, Condition) else self.term(given)

    def _condition(self, condition: Condition) -> Any:
        """A condition on sizes, to be read off the tensors when the network runs."""
        if condition.relation in ("and", "or"):
            parts = [self._condition(part) for part in condition.parts]
            return Call(f"operator.{condition.relation}_", parts)
        size = self.term(condition.parts[0])
        return Call(f"operator.{condition.relation}", (size, 0))


def sign(term: Any) -> int:
    """1 for a number that is never negative, -1 for one that is never positive, 0 where it may be either.

    >>> from tracer.ops.calls import Tensor
    >>> dim = DimOf(Tensor(None, 1), 0)
    >>> sign(dim * 2 + 1), sign(dim * -1), sign(dim - 1)
    (1, -1, 0)
    """
    if isinstance(term, int):
        return 1 if term >= 0 else -1
    if isinstance(term, DimOf):
        return 1
    if not isinstance(term, Call):
        return 0

    if term.function in ("operator.mul", "operator.floordiv"):
        return math.prod(map(sign, term.arguments))
    if term.function in ("operator.add", "builtins.min"):
        signs = set(map(sign, term.arguments))
        return signs.pop() if len(signs) == 1 else 0
    return 0


def _is_number(value: Any, number: int) -> bool:
    """Whether it is this number and no term."""
    return isinstance(value, int) and value == number
