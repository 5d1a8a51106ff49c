"""Sizes as terms that torch computes: each primitive says by which function."""

from __future__ import annotations

from typing import Any

import pytest

import tracer
from tracer.diagnostics import TracerError
from tracer.ops.calls import Call, DimOf, Tensor
from tracer.sizing.primitives import NUMBER, SIZE, Primitive, choose, minimum, quotient
from tracer.sizing.symbol import Space
from tracer.torch_bridge.lowering import SizeTerms


class Magnitude(Primitive):
    """A primitive of one argument."""

    name = "magnitude"
    takes = (SIZE,)
    function = "builtins.abs"


class Nameless(Primitive):
    """A primitive that torch has no function for."""

    name = "nameless"
    takes = (SIZE, NUMBER)


H = DimOf(Tensor("x", 4), 2)


def term_of(size: Any) -> Any:
    net = tracer.loads("input: [1, 3, H, 8]\nsizes: {H: 8}\nlayers:\n  act: {op: ReLU}\n")
    return SizeTerms(net.network, net.network.nodes[-1], {"H": H}).term(size)


def test_a_primitive_says_which_function_computes_it() -> None:
    """One argument or several, numbers and conditions among them."""
    space = Space()
    size = space.symbol("H")
    magnitude = term_of(space.atom(Magnitude(), size))
    assert (magnitude.function, magnitude.arguments) == ("builtins.abs", (H,))

    half = term_of(quotient(size, 2))
    assert (half.function, half.arguments) == ("operator.floordiv", (H, 2))

    least = term_of(minimum(size, 5))
    assert (least.function, least.arguments) == ("builtins.min", (H, 5))

    chosen = term_of(choose(size >= 4, size, 4))
    assert chosen.function == "torch.sym_ite" and isinstance(chosen.arguments[0], Call)


def test_what_torch_cannot_compute_is_refused() -> None:
    """The node is named, and nothing else is put in the size's place."""
    space = Space()
    with pytest.raises(TracerError, match="a dim of act is no arithmetic of whole numbers"):
        term_of(space.atom(Nameless(), space.symbol("H"), 0.3))
