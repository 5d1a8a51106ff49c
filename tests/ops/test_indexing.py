"""Taking and replacing elements at places agrees with torch on shape, parameters and refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from hypothesis import given
from hypothesis import strategies as st

from tests.drawn.arguments import Draw, maybe
from tests.drawn.oracle import Case, agree, nn_module, ours, parameters_agree
from tests.ops.test_rearrange import dims, shape_of
from tracer.ops.base import registry
from tracer.ops.windows import Seen

filled = st.sampled_from([1, 1, 2, 2, 3, 4])


def filled_shape(draw: Draw, least: int = 0) -> tuple[int, ...]:
    """A shape without an empty dim: of places in one, torch looks at nothing else."""
    rank = draw(st.integers(least, 4))
    return tuple(draw(st.lists(filled, min_size=rank, max_size=rank)))


def near(draw: Draw, shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    """A shape beside this one: mostly no larger but along the dim, now and then another."""
    other = [draw(st.sampled_from([n, n, n, 1, n + 1])) for n in shape]
    if -len(other) <= dim < len(other):
        other[dim] = draw(filled)
    return tuple(other if draw(st.integers(0, 9)) else other[1:])


@st.composite
def at_places(draw: Draw, op: str) -> Case:
    shape, dim = filled_shape(draw), draw(dims)
    index = near(draw, shape, dim)
    arguments: dict[str, Any] = {"dim": dim}
    if op == "Gather":
        return Case(op, arguments, (shape, index))
    if draw(st.booleans()):
        return Case(op, {"dim": dim, "value": 1.0}, (shape, index))
    maybe(draw, arguments, "reduce", st.sampled_from(["sum", "prod", "mean", "amax", "amin"]))
    source = tuple(n + draw(st.sampled_from([0, 0, 1])) for n in index)
    return Case(op, arguments, (shape, index, source))


def put(case: Case) -> Callable[..., Any]:
    """torch's gather or scatter; the places are all the first."""
    a = case.arguments

    def run(x: torch.Tensor, index: torch.Tensor, *source: torch.Tensor) -> torch.Tensor:
        if case.op == "Gather":
            return x.gather(a["dim"], index.long())
        if "reduce" in a:
            return x.scatter_reduce(a["dim"], index.long(), source[0], a["reduce"])
        return x.scatter(a["dim"], index.long(), source[0] if source else a["value"])

    return run


@pytest.mark.parametrize("op", ["Gather", "Scatter"])
def test_elements_at_places(op: str) -> None:
    """As torch.gather, torch.scatter and torch.scatter_reduce."""

    @given(at_places(op))
    def run(case: Case) -> None:
        agree(case, put)

    run()


@st.composite
def of_positions(draw: Draw, op: str) -> Case:
    # Of a scalar torch takes one place, which says nothing that the scalar does not.
    shape, dim = filled_shape(draw, op in ("IndexAdd", "IndexCopy")), draw(dims)
    places = draw(st.sampled_from([(2,), (1,), (3,), (), (2, 1)]))
    if op == "IndexSelect":
        if draw(st.booleans()):
            places = tuple(draw(st.lists(st.integers(0, 3), min_size=1, max_size=4)))
            return Case(op, {"dim": dim, "index": list(places)}, (shape,))
        return Case(op, {"dim": dim}, (shape, places))
    if op == "IndexFill":
        return Case(op, {"dim": dim, "value": 2.0}, (shape, places))
    source = list(shape)
    if -len(source) <= dim < len(source):
        source[dim] = draw(st.sampled_from([places[0] if places else 1, 1]))
    return Case(op, {"dim": dim}, (shape, places, tuple(source)))


def positions(case: Case) -> Callable[..., Any]:
    a = case.arguments

    def run(x: torch.Tensor, *given: torch.Tensor) -> torch.Tensor:
        if "index" in a:
            return x.index_select(a["dim"], torch.tensor(a["index"]))
        index, *source = given
        if case.op == "IndexSelect":
            return x.index_select(a["dim"], index.long())
        if case.op == "IndexFill":
            return x.index_fill(a["dim"], index.long(), a["value"])
        function = {"IndexAdd": torch.index_add, "IndexCopy": torch.index_copy}[case.op]
        return function(x, a["dim"], index.long(), source[0])

    return run


@pytest.mark.parametrize("op", ["IndexSelect", "IndexFill", "IndexAdd", "IndexCopy"])
def test_positions_of_a_dim(op: str) -> None:
    """As torch.index_select, index_fill, index_add and index_copy."""

    @given(of_positions(op))
    def run(case: Case) -> None:
        agree(case, positions)

    run()


@st.composite
def slice_case(draw: Draw) -> Case:
    shape = shape_of(draw)
    arguments: dict[str, Any] = {"dim": draw(dims)}
    maybe(draw, arguments, "start", st.integers(-4, 4))
    maybe(draw, arguments, "end", st.integers(-4, 6) | st.none())
    maybe(draw, arguments, "step", st.sampled_from([1, 2, 3, 0]))
    ends = {"stop" if word == "end" else word: value for word, value in arguments.items()}
    cut = ours(Case("Slice", ends, (shape,)))
    fits = isinstance(cut, tuple) and type(cut) is tuple and draw(st.integers(0, 4))
    return Case("SliceScatter", arguments, (shape, cut if fits else shape))  # type: ignore[arg-type]


@given(slice_case())
def test_slice_scatter(case: Case) -> None:
    """As torch.slice_scatter."""
    agree(case, lambda case: lambda x, y: torch.slice_scatter(x, y, **case.arguments))


@given(st.lists(filled, max_size=3).map(tuple), st.lists(filled, max_size=3).map(tuple))
def test_masked_scatter(shape: tuple[int, ...], mask: tuple[int, ...]) -> None:
    """The first two broadcast; the third may have any shape."""
    case = Case("MaskedScatter", {}, (shape, mask, (2,)))
    agree(case, lambda _: lambda x, m, y: x.masked_scatter(m.bool(), y))


@st.composite
def repeat_case(draw: Draw) -> Case:
    arguments: dict[str, Any] = {"repeats": draw(st.sampled_from([0, 1, 2, 3, -1]))}
    maybe(draw, arguments, "dim", dims | st.none())
    return Case("RepeatInterleave", arguments, (shape_of(draw),))


@given(repeat_case())
def test_repeat_interleave(case: Case) -> None:
    """As torch.repeat_interleave by a number."""
    agree(case, lambda case: lambda x: torch.repeat_interleave(x, **case.arguments))


def test_what_is_repeated_is_seen() -> None:
    """Each copy sees the position that it is a copy of."""
    op = registry["RepeatInterleave"](repeats=3, dim=2)
    assert op.sees(2, (1, 1, 8)) == Seen((0, 0, 0), (0, 0, 0), 1)


@given(st.lists(filled, max_size=3).map(tuple), st.sampled_from([1, 2, 5, 0]))
def test_one_hot(shape: tuple[int, ...], classes: int) -> None:
    """As torch.nn.functional.one_hot of so many classes."""
    case = Case("OneHot", {"num_classes": classes}, (shape,))
    agree(case, lambda case: lambda x: F.one_hot(x.long(), **case.arguments))


@given(st.lists(filled, max_size=3).map(tuple), st.integers(1, 4), st.integers(-3, 3))
def test_embedding(shape: tuple[int, ...], size: int, padding: int) -> None:
    """As torch.nn.Embedding, its parameters too."""
    arguments = {"num_embeddings": 2, "embedding_dim": size, "padding_idx": padding}
    case = Case("Embedding", arguments, (shape,))
    agree(case, lambda case: lambda x: nn_module(case)(x.long()))
    if -2 <= padding < 2:
        parameters_agree(case)


@st.composite
def diagonal_case(draw: Draw) -> Case:
    arguments: dict[str, Any] = {}
    maybe(draw, arguments, "offset", st.integers(-5, 5))
    maybe(draw, arguments, "dim1", dims)
    maybe(draw, arguments, "dim2", dims)
    return Case("Diagonal", arguments, (shape_of(draw),))


@given(diagonal_case())
def test_diagonal(case: Case) -> None:
    """As torch.diagonal."""
    agree(case, lambda case: lambda x: torch.diagonal(x, **case.arguments))


@pytest.mark.parametrize(("op", "function"), [("Tril", torch.tril), ("Triu", torch.triu)])
def test_bands(op: str, function: Callable[..., Any]) -> None:
    """The shape stays."""

    @given(st.lists(st.integers(0, 3), max_size=4).map(tuple), st.integers(-3, 3))
    def run(shape: tuple[int, ...], diagonal: int) -> None:
        case = Case(op, {"diagonal": diagonal}, (shape,))
        agree(case, lambda case: lambda x: function(x, **case.arguments))

    run()


@st.composite
def cdist_case(draw: Draw) -> Case:
    a, b = filled_shape(draw), filled_shape(draw)
    if draw(st.integers(0, 3)):
        a, b = (*a, 2, 3), (*b, 4, 3)
    arguments: dict[str, Any] = {}
    maybe(draw, arguments, "p", st.sampled_from([0.0, 1.0, 2.0, -1.0, float("inf")]))
    return Case("Cdist", arguments, (a, b))


@given(cdist_case())
def test_cdist(case: Case) -> None:
    """As torch.cdist."""
    agree(case, lambda case: lambda a, b: torch.cdist(a, b, **case.arguments))
