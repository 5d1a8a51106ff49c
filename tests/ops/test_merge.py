"""Merges agree with torch on shape and refusal, aligned ones with the crop, pad or resize that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import msgspec
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from hypothesis import given
from hypothesis import strategies as st

import tracer.ops.merge  # noqa: F401 - registers the operations
from tests.drawn.arguments import Draw, maybe
from tests.drawn.oracle import Case, Refused, agree, macs_agree, ours
from tracer.ops.base import registry

FUNCTION: dict[str, Callable[..., torch.Tensor]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
    "Maximum": torch.maximum,
    "Minimum": torch.minimum,
    "MatMul": torch.matmul,
}
BINARY = ("Sub", "Div", "MatMul")
ALIGN = ("crop", "pad", "resize")
dims = st.sampled_from([0, 1, 1, 2, 2, 3, 4])


def aligned(tensors: list[torch.Tensor], align: str, axes: list[int]) -> list[torch.Tensor]:
    """The inputs of a merge after its alignment, by slices, F.pad and F.interpolate."""
    if align == "none" or len(tensors) == 1:
        return tensors
    first, *others = tensors
    if len({t.dim() for t in tensors}) > 1:
        raise ValueError("numbers of dims differ")
    if align == "crop":
        return [first, *(cropped(t, {d: first.shape[d] for d in axes}) for t in others)]
    want = [others[0].shape[d] for d in axes]
    if any([t.shape[d] for d in axes] != want for t in others):
        raise ValueError("the others differ")
    if align == "pad":
        rest = [n - first.shape[d] for n, d in zip(want, axes)]
        if any(r < 0 for r in rest):
            raise ValueError("cannot shrink")
        amounts = {d: (r // 2, r - r // 2) for r, d in zip(rest, axes)}
        return [
            F.pad(
                first,
                [a for d in range(first.dim() - 1, -1, -1) for a in amounts.get(d, (0, 0))],
            ),
            *others,
        ]
    unbatched = axes[:1] == [1]
    size = [
        others[0].shape[d] if d in axes else first.shape[d]
        for d in range(1 if unbatched else 2, first.dim())
    ]
    resized = F.interpolate(first[None] if unbatched else first, size=size)
    return [resized[0] if unbatched else resized, *others]


def cropped(x: torch.Tensor, want: dict[int, int]) -> torch.Tensor:
    """The middle of x."""
    for dim, size in want.items():
        if size > x.shape[dim]:
            raise ValueError("cannot enlarge")
        x = x.narrow(dim, (x.shape[dim] - size) // 2, size)
    return x


def torch_merge(case: Case) -> Callable[..., torch.Tensor]:
    arguments = dict(case.arguments)
    align = arguments.pop("align", "none")
    own = arguments.pop("decoder", None) or 0
    if align not in ("none", *ALIGN):
        raise ValueError(align)

    def spatial(rank: int) -> list[int]:
        if case.op != "Concat":
            return list(range(2, rank))
        joined = range(rank)[arguments.get("dim", 1)]
        return [d for d in range(1 if joined == 0 else 2, rank) if d != joined]

    def call(*x: torch.Tensor) -> torch.Tensor:
        tensors = list(x)
        if align != "none" and len(x) > 1:
            first = tensors.pop(own)
            first, *others = aligned([first, *tensors], align, spatial(x[0].dim()))
            tensors = [*others[:own], first, *others[own:]]
        if case.op == "Concat":
            return torch.cat(tensors, arguments.get("dim", 1))
        if case.op == "Stack":
            return torch.stack(tensors, **arguments)
        return reduce(FUNCTION[case.op], tensors)

    return call


def related(
    draw: Draw, shape: tuple[int, ...], free: int | None, ones: bool
) -> tuple[int, ...]:
    """A shape that mostly merges with ``shape``: dim ``free`` differs, now and then another too, or the rank."""
    other = list(shape)
    if free is not None and -len(other) <= free < len(other):
        other[free] = draw(dims)
    for i in range(len(other)):
        if ones and draw(st.integers(0, 3)) == 0:
            other[i] = 1
        if draw(st.integers(0, 4 if ones else 24)) == 0:
            other[i] = draw(dims)
    kind = draw(st.integers(0, 19))
    if kind == 0 or (ones and kind < 6):
        other = other[draw(st.integers(0, len(other))) :]
    elif kind == 1:
        other = [draw(dims), *other]
    elif kind == 2:
        other = [0]
    return tuple(other)


@st.composite
def merge_case(draw: Draw, op: str) -> Case:
    rank = draw(st.sampled_from([0, 1, 1, 2, 3, 4, 4, 5]))
    shape = tuple(draw(st.lists(dims, min_size=rank, max_size=rank)))
    arguments: dict[str, Any] = {}
    free = None
    if op in ("Concat", "Stack"):
        maybe(
            draw,
            arguments,
            "dim",
            st.sampled_from([0, 0, 1, 1, 2, -1, -2]) | st.integers(-7, 6),
        )
        free = arguments.get("dim", 1) if op == "Concat" else None
    count = (
        2
        if op in BINARY
        else draw(st.sampled_from([2, 2, 3, 4] + [1] * (op in ("Concat", "Stack"))))
    )
    others = [
        related(draw, shape, free, ones=op not in ("Concat", "Stack")) for _ in range(count - 1)
    ]
    return Case(op, arguments, tuple(draw(st.permutations([shape, *others]))))


@st.composite
def matmul_case(draw: Draw) -> Case:
    n, k, m = draw(dims), draw(dims), draw(dims)
    batch = tuple(draw(st.lists(dims, max_size=3)))
    a = draw(st.sampled_from([(k,), (*batch, n, k), (*batch, n, k), (n, k)]))
    b = draw(
        st.sampled_from(
            [(k,), (*related(draw, batch, None, ones=True), k, m), (k, m), (*batch, k, m)]
        )
    )
    wrong = draw(st.integers(0, 9))
    if wrong == 0:
        a, b = (), b
    elif wrong == 1:
        b = draw(st.sampled_from([(), (draw(dims),), (draw(dims), m)]))
    return Case("MatMul", {}, tuple(draw(st.sampled_from([(a, b), (a, b), (a, b), (b, a)]))))


@st.composite
def aligned_case(draw: Draw, op: str, align: str) -> Case:
    """Inputs whose spatial sizes differ, mostly in the direction that the alignment bridges."""
    arguments: dict[str, Any] = {"align": align}
    unbatched = op == "Concat" and draw(st.integers(0, 2)) == 0
    if unbatched:
        arguments["dim"] = 0
    elif op in ("Concat", "Stack"):
        maybe(draw, arguments, "dim", st.integers(-5, 4), often=4)
    axes = draw(st.sampled_from([0, 1, 2, 2, 2, 3, 3, 4]))
    head = (draw(dims),) if unbatched else (draw(st.sampled_from([0, 1, 2, 2])), draw(dims))
    small = tuple(
        draw(st.lists(st.sampled_from([0, 1, 2, 3, 4]), min_size=axes, max_size=axes))
    )
    large = tuple(n + draw(st.sampled_from([0, 0, 1, 2, 3])) for n in small)
    first, rest = (
        (large, small) if align != "pad" and draw(st.integers(0, 5)) == 0 else (small, large)
    )
    count = (
        2
        if op in BINARY
        else draw(st.sampled_from([1, 2, 2, 3] if op in ("Concat", "Stack") else [2, 2, 3]))
    )
    shapes = [(*head, *first)]
    for _ in range(count - 1):
        spatial = tuple(n + draw(st.sampled_from([0] * 12 + [1, 2, -1])) for n in rest)
        lead = list(head)
        if op == "Concat" and draw(st.booleans()):
            lead[-1] = draw(dims)
        shape = (*lead, *(max(n, 0) for n in spatial))
        shapes.append(shape if draw(st.integers(0, 19)) else shape[1:])

    own = draw(st.integers(0, len(shapes) - 1))
    if own:
        arguments["decoder"] = own
        shapes.insert(own, shapes.pop(0))
    return Case(op, arguments, tuple(shapes))


@pytest.mark.parametrize("op", ["Concat", "Stack", *(op for op in FUNCTION if op != "MatMul")])
def test_merge(op: str) -> None:
    @given(merge_case(op))
    def run(case: Case) -> None:
        agree(case, torch_merge)

    run()


@given(matmul_case())
def test_matmul(case: Case) -> None:
    """All rank rules of torch.matmul; MACs are half of FlopCounterMode's FLOPs.

    A row times matrices goes by bmm, which is counted, unless sizes of 1 let torch transpose it to an mv for free.
    """
    agree(case, torch_merge)
    a, b = case.shapes
    if not isinstance(ours(case), Refused) and not (len(a) == 1 and len(b) > 2 and 1 in b):
        macs_agree(case, torch_merge)


@pytest.mark.parametrize("align", ALIGN)
@pytest.mark.parametrize("op", ["Concat", "Stack", "Add"])
def test_align(op: str, align: str) -> None:
    """``align`` is the crop, zero-pad or resize that a decoder's forward would write out."""

    @given(aligned_case(op, align))
    def run(case: Case) -> None:
        agree(case, torch_merge)

    run()


def refusal(op: str, arguments: dict[str, Any], *shapes: tuple[int, ...]) -> Refused:
    answer = ours(Case(op, arguments, shapes))
    assert isinstance(answer, Refused)
    return answer


def test_concat_names_both_sizes() -> None:
    """The message has the dim, the two sizes and the two inputs, numbered from 1."""
    code, message = refusal("Concat", {}, (1, 64, 88, 88), (1, 64, 88, 88), (1, 64, 89, 88))
    assert (code, message) == (
        "T301",
        "sizes differ in dim 2: 88 from input 1, 89 from input 3",
    )


def test_add_names_the_pair_that_differs() -> None:
    """Where input 1 broadcasts, the fault lies between the others; from the end where ranks differ."""
    code, message = refusal("Add", {}, (1, 1, 1, 8), (1, 4, 5, 8), (1, 4, 6, 8))
    assert (code, message) == ("T301", "sizes differ in dim 2: 5 from input 2, 6 from input 3")
    assert (
        refusal("Add", {}, (1, 4, 5, 8), (7,)).message
        == "sizes differ in dim -1: 8 from input 1, 7 from input 2"
    )


def test_matmul_names_the_inner_sizes() -> None:
    assert refusal("MatMul", {}, (2, 4, 3), (2, 5, 6)).message == (
        "inner sizes differ: 3 in the last dim of input 1 [2, 4, 3], 5 in dim -2 of input 2 [2, 5, 6]"
    )


def test_crop_does_not_enlarge() -> None:
    code, message = refusal("Concat", {"align": "crop"}, (1, 64, 90, 90), (1, 64, 89, 92))
    assert code == "T301"
    assert (
        message
        == "sizes differ in dim 2: 90 from input 1, 89 from input 2; align: crop does not enlarge"
    )


def test_an_uneven_crop_is_a_loss() -> None:
    """T502 where one row more is cut from one side; the U-Net of 2015 crops 64 to 56 evenly."""
    op = msgspec.convert({"align": "crop"}, registry["Concat"])
    assert all(r.holds for r in op.remarks((1, 512, 56, 56), (1, 512, 64, 64)))
    (bad,) = [r for r in op.remarks((1, 512, 56, 55), (1, 512, 64, 64)) if not r.holds]
    assert bad.code == "T502"
    assert callable(bad.message)
    assert bad.text() == "the crop from 64 to 55 in dim 3 is uneven: 4 before, one more after"


def test_a_gate_of_one_keeps_the_symbol() -> None:
    """[N, C, H, W] * [N, C, 1, 1] is the first shape itself, so that a later skip is proven."""
    from tracer.sizing.symbol import Space

    h, w = map(Space().symbol, "HW")
    op = msgspec.convert({}, registry["Mul"])
    assert (
        op.shape((1, 8, h, w), (1, 8, 1, 1))
        == op.shape((1, 8, 1, 1), (1, 8, h, w))
        == (1, 8, h, w)
    )


@pytest.mark.parametrize("op", ["Concat", "Stack"])
def test_one_input_is_enough(op: str) -> None:
    assert registry[op].arity == (1, None)


def test_arithmetic_needs_two() -> None:
    assert {op: registry[op].arity for op in FUNCTION} == {
        op: (2, 2) if op in BINARY else (2, None) for op in FUNCTION
    }  # fmt: skip
