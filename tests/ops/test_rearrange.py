"""Reshaping, permuting, squeezing, chunking and reducing agree with torch on shape and refusal."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tracer.ops.rearrange  # noqa: F401 - registers the operations
from tests.drawn.arguments import Draw, maybe
from tests.drawn.oracle import Case, Refused, agree, nn_module, ours, torchs
from tracer.ops.base import registry
from tracer.sizing.program import substitute
from tracer.sizing.symbol import Space

sizes = st.sampled_from([0, 1, 1, 2, 2, 3, 4, 6])
dims = st.sampled_from([0, 1, 1, 2, 2, 3, -1, -2, -3]) | st.integers(-6, 5)


def shape_of(draw: Draw) -> tuple[int, ...]:
    rank = draw(st.sampled_from([0, 1, 2, 2, 3, 3, 4, 4, 5]))
    return tuple(draw(st.lists(sizes, min_size=rank, max_size=rank)))


def function(name: str) -> Callable[[Case], Callable[..., Any]]:
    """The torch function of an operation, called with its arguments."""

    def build(case: Case) -> Callable[..., Any]:
        arguments = {
            k: tuple(v) if isinstance(v, list) else v for k, v in case.arguments.items()
        }
        if "dtype" in arguments:
            arguments["dtype"] = arguments["dtype"] and getattr(torch, arguments["dtype"])
        if name in ("mean", "sum"):
            arguments.setdefault("dim", None)
        if name in ("amax", "amin") and arguments.get("dim", ()) is None:
            arguments["dim"] = ()
        return lambda x: getattr(torch, name)(x, **arguments)

    return build


def chunk(case: Case) -> Callable[..., torch.Tensor]:
    a = case.arguments
    return lambda x: torch.chunk(x, a["chunks"], a.get("dim", 0))[a["index"]]


def squeeze(case: Case) -> Callable[..., torch.Tensor]:
    dim = case.arguments.get("dim")
    return lambda x: (
        torch.squeeze(x)
        if dim is None
        else torch.squeeze(x, tuple(dim) if isinstance(dim, list) else dim)
    )


@st.composite
def chunk_case(draw: Draw) -> Case:
    shape = tuple(n * draw(st.sampled_from([1, 1, 4])) for n in shape_of(draw))
    chunks = draw(st.sampled_from([1, 2, 2, 3, 3, 4, 5, 0, -1]))
    index = draw(st.integers(0, max(chunks - 1, 0)) | st.integers(0, 5))
    arguments: dict[str, Any] = {"chunks": chunks, "index": index}
    maybe(draw, arguments, "dim", dims)
    return Case("Chunk", arguments, (shape,))


@st.composite
def flatten_case(draw: Draw) -> Case:
    arguments: dict[str, Any] = {}
    maybe(draw, arguments, "start_dim", dims)
    maybe(draw, arguments, "end_dim", dims)
    return Case("Flatten", arguments, (shape_of(draw),))


def factors(draw: Draw, total: int) -> list[int]:
    """Sizes that mostly multiply to the total; one may be open."""
    found: list[int] = []
    rest = total
    for _ in range(draw(st.integers(0, 3))):
        n = draw(st.sampled_from([d for d in (1, 2, 3, 4, 6) if rest % d == 0]))
        found.append(n)
        rest //= max(n, 1)
    found.append(rest)
    found = list(draw(st.permutations(found)))
    kind = draw(st.integers(0, 9))
    at = draw(st.integers(0, len(found) - 1))
    if kind < 4:
        found[at] = -1
    elif kind == 4:
        found[at] = draw(st.sampled_from([-2, 0, 5]))
    elif kind == 5:
        found.append(draw(st.sampled_from([-1, 0, 2, 1])))
    return found


@st.composite
def unflatten_case(draw: Draw) -> Case:
    shape = tuple(n * draw(st.sampled_from([1, 2, 6])) for n in shape_of(draw))
    dim = draw(dims)
    inside = -len(shape) <= dim < len(shape)
    wanted: Any = factors(draw, shape[dim] if inside else 4)
    if draw(st.integers(0, 15)) == 0:
        wanted = draw(st.sampled_from([[], 4, [2.0, 2], [[2, 2]]]))
    return Case("Unflatten", {"dim": dim, "unflattened_size": wanted}, (shape,))


@st.composite
def reshape_case(draw: Draw) -> Case:
    shape = shape_of(draw)
    wanted = factors(draw, math.prod(shape)) if draw(st.integers(0, 9)) else []
    return Case("Reshape", {"shape": wanted}, (shape,))


@st.composite
def permute_case(draw: Draw) -> Case:
    shape = shape_of(draw)
    order = list(draw(st.permutations(range(len(shape)))))
    order = [d - len(shape) if draw(st.integers(0, 3)) == 0 else d for d in order]
    if order and draw(st.integers(0, 3)) == 0:
        order[draw(st.integers(0, len(order) - 1))] = draw(dims)
    if draw(st.integers(0, 7)) == 0:
        order = order[1:] if draw(st.booleans()) else [*order, draw(dims)]
    return Case("Permute", {"dims": order}, (shape,))


@st.composite
def transpose_case(draw: Draw) -> Case:
    return Case("Transpose", {"dim0": draw(dims), "dim1": draw(dims)}, (shape_of(draw),))


@st.composite
def unsqueeze_case(draw: Draw) -> Case:
    return Case("Unsqueeze", {"dim": draw(dims)}, (shape_of(draw),))


def some_dims(draw: Draw, rank: int) -> Any:
    """An int, null, or a list of dims, mostly distinct and in range."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return draw(st.none() | dims)
    if kind == 1:
        return draw(st.lists(dims, max_size=3))
    inside = list(range(max(rank, 1)))
    chosen = draw(st.lists(st.sampled_from(inside), unique=kind == 2, max_size=rank + 1))
    return [d - len(inside) if draw(st.booleans()) else d for d in chosen]


@st.composite
def squeeze_case(draw: Draw) -> Case:
    shape = shape_of(draw)
    arguments = {"dim": some_dims(draw, len(shape))}
    return Case("Squeeze", arguments if draw(st.integers(0, 7)) else {}, (shape,))


@st.composite
def reduce_case(draw: Draw, op: str) -> Case:
    shape = shape_of(draw)
    arguments: dict[str, Any] = {}
    if draw(st.integers(0, 7)):
        arguments["dim"] = some_dims(draw, len(shape))
    maybe(draw, arguments, "keepdim", st.booleans())
    types = st.sampled_from(
        [None, "float16", "bfloat16", "float64", "complex64", "int32", "bool"]
    )
    if op in ("Mean", "Sum"):
        maybe(draw, arguments, "dtype", types, 4)
    return Case(op, arguments, (shape,))


CASES: dict[str, tuple[Any, Callable[[Case], Callable[..., Any]]]] = {
    "Chunk": (chunk_case(), chunk),
    "Flatten": (flatten_case(), nn_module),
    "Unflatten": (unflatten_case(), nn_module),
    "Reshape": (reshape_case(), function("reshape")),
    "Permute": (permute_case(), function("permute")),
    "Transpose": (transpose_case(), function("transpose")),
    "Unsqueeze": (unsqueeze_case(), function("unsqueeze")),
    "Mean": (reduce_case("Mean"), function("mean")),
    "Sum": (reduce_case("Sum"), function("sum")),
    "Amax": (reduce_case("Amax"), function("amax")),
    "Amin": (reduce_case("Amin"), function("amin")),
}


@pytest.mark.parametrize("op", CASES)
def test_rearrange(op: str) -> None:
    cases, build = CASES[op]

    @given(cases)
    def run(case: Case) -> None:
        agree(case, build)

    run()


@given(squeeze_case())
def test_squeeze(case: Case) -> None:
    """Integer dims as in torch; a symbol is never dropped, and its requirement leaves out just the value 1."""
    mine, theirs = ours(case), torchs(squeeze, case)
    if isinstance(mine, Refused) or isinstance(theirs, Refused):
        assert isinstance(mine, Refused) and isinstance(theirs, Refused), (case, mine, theirs)
        return
    assert mine == theirs, case
    (shape,) = case.shapes
    op = msgspec.convert(case.arguments, registry["Squeeze"])
    space = Space()
    symbolic = tuple(1 if n == 1 else space.symbol(f"s{i}") for i, n in enumerate(shape))
    values = {f"s{i}": n for i, n in enumerate(shape)}
    assert all(substitute([r.holds for r in op.requirements(symbolic)], values)), case
    assert tuple(substitute(op.shape(symbolic), values)) == theirs, case
    whole = tuple(space.symbol(f"s{i}") for i in range(len(shape)))
    dropped = not all(substitute([r.holds for r in op.requirements(whole)], values))
    assert dropped == (theirs != shape), case


def test_squeeze_of_a_symbol_that_may_be_one() -> None:
    """The set of sizes leaves out H = 1, where torch would return another rank; arrays say it for each size."""
    op = msgspec.convert({}, registry["Squeeze"])
    h = Space().symbol("H")
    (requirement,) = [r for r in op.requirements((1, 8, 1, h)) if r.holds is not True]
    assert requirement.code == "T303"
    assert repr(requirement.holds) == "H != 1"
    assert op.shape((1, 1, h)) == (h,)
    *_, requirement = op.requirements((1, numpy.array([1, 2, 3])))
    assert requirement.holds.tolist() == [False, True, True]


def test_reshape_by_dim_expressions() -> None:
    """Elements may be sizes of the input: products over symbols cancel, and only the literal -1 is open."""
    space = Space()
    n, h, w = map(space.symbol, "NHW")
    tokens = registry["Reshape"](shape_=(n, 64, -1))
    assert all(
        r.holds is True or repr(r.holds) != "" for r in tokens.requirements((n, 64, h, w))
    )
    assert tokens.shape((n, 64, h, w))[2] == h * w
    back = registry["Reshape"](shape_=(n, 64, h, w))
    judged = [r.holds for r in back.requirements((n, 64, h * w))]
    assert judged[-1] is True, "the products are one polynomial"
    closed = registry["Reshape"](shape_=(h - 5, 2))
    assert not all(
        substitute([r.holds for r in closed.requirements((8,))], {"N": 1, "H": 4, "W": 1})
    )
    negative = registry["Reshape"](shape_=(-2, -4))
    assert next(negative.requirements((8,))).holds is False, (
        "a dim expression that comes out below -1"
    )


def test_reshape_names_the_numbers() -> None:
    assert ours(Case("Reshape", {"shape": [4, -1]}, ((2, 3),))) == Refused(
        "T302", "shape [4, -1] needs a multiple of 4 elements, but the input [2, 3] has 6"
    )


def test_chunks_that_torch_does_not_make() -> None:
    """4 in 3 chunks are 2 and 2: there is no third."""
    answer = ours(Case("Chunk", {"chunks": 3, "dim": 1, "index": 2}, ((1, 4, 8, 8),)))
    assert answer == Refused(
        "T302", "torch makes only 2 chunks, of 2 each, from 4 in dim 1; there is no chunk 2"
    )
    assert [len(c) for c in torch.chunk(torch.zeros(4), 3)] == [2, 2]


def test_a_chunk_needs_its_index() -> None:
    """The tuple that torch returns is no tensor; a node is one of them."""
    answer = ours(Case("Chunk", {"chunks": 3}, ((6,),)))
    assert answer == Refused("T202", "makes 3 tensors, and a node takes one of them")


def test_an_even_chunk_of_a_symbol_is_exact() -> None:
    c = Space().symbol("C")
    op = msgspec.convert({"chunks": 4, "dim": 1, "index": 3}, registry["Chunk"])
    assert (op.shape((1, c * 4, 8))[1] == c) is True
