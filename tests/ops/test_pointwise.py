"""Numbers, functions of each element, expansion, learned tensors and checks of sizes agree with torch."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tracer
from tests.drawn.arguments import Draw
from tests.drawn.oracle import Case, agree
from tracer.ops.pointwise import MASKS, PLACES, Function, Joining
from tracer.ops.rearrange import Floating

sizes = st.sampled_from([0, 1, 1, 1, 2, 3, 4])
shapes = st.lists(sizes, max_size=4).map(tuple)


@st.composite
def expand_case(draw: Draw) -> Case:
    """Mostly what torch takes: sizes of the input, -1, and others where there is 1."""
    shape = draw(shapes)
    before = (
        draw(st.lists(st.sampled_from([0, 1, 2, -1]), max_size=2))
        if draw(st.booleans())
        else []
    )
    asked = [
        draw(st.sampled_from([n, n, -1, 1, 3] if n != 1 else [1, -1, 2, 3, 0])) for n in shape
    ]
    kept = asked if draw(st.integers(0, 9)) else asked[1:]
    return Case("Expand", {"shape": [*before, *kept]}, (shape,))


@given(expand_case())
def test_expand(case: Case) -> None:
    """As torch.broadcast_to."""
    agree(case, lambda case: lambda x: torch.broadcast_to(x, case.arguments["shape"]))


@pytest.mark.parametrize("function", get_args(Function))
def test_functions(function: str) -> None:
    """They keep every shape, and torch has each of them."""

    @given(shapes)
    def run(shape: tuple[int, ...]) -> None:
        agree(
            Case("Pointwise", {"function": function}, (shape,)),
            lambda case: lambda x: getattr(torch, function)(as_taken(function, x)),
        )

    run()


ONLY_WHOLE = ("bitwise_not", "bitwise_and", "bitwise_or", "bitwise_xor")
"""Functions that take no floating tensor."""


def as_taken(function: str, x: torch.Tensor) -> torch.Tensor:
    """A tensor of a type that the function takes."""
    return x.long() if function in ONLY_WHOLE else x


@st.composite
def numbers_among(draw: Draw, function: str) -> list[float | int | None]:
    """Arguments with numbers in some places, now and then too many or too few."""
    count = len(PLACES[function]) + draw(st.sampled_from([0, 0, 0, 0, 0, 1, -1]))
    one = 1 if function in ONLY_WHOLE else 0.5
    return [draw(st.sampled_from([None, None, one])) for _ in range(count)]


@pytest.mark.parametrize("function", get_args(Joining))
def test_functions_of_several(function: str) -> None:
    """They broadcast, and take numbers where torch does."""

    def build(case: Case) -> Callable[..., Any]:
        given = case.arguments.get("arguments", [None] * len(PLACES[function]))

        def run(*tensors: torch.Tensor) -> Any:
            left = [as_taken(function, x) for x in tensors]
            mask = MASKS.get(function)
            arguments = [left.pop(0) if n is None else n for n in given]
            assert not left
            if mask is not None and isinstance(arguments[mask], torch.Tensor):
                arguments[mask] = arguments[mask].bool()
            return getattr(torch, function)(*arguments)

        return run

    @given(numbers_among(function), st.lists(shapes, min_size=3, max_size=3))
    def run(numbers: list[float | int | None], x: list[tuple[int, ...]]) -> None:
        count = numbers.count(None)
        op = "Pointwise" if count == 1 else "Broadcast"
        case = Case(op, {"function": function, "arguments": numbers}, tuple(x[:count]))
        # torch takes a tensor of no dims for the number, and no other.
        is_odd = function == "masked_fill" and numbers[2:] == [None]
        if 1 <= count <= 3 and not is_odd:
            agree(case, build)
        if len(PLACES[function]) == count == len(numbers) and not is_odd:
            agree(case._replace(arguments={"function": function}), build)

    run()


@pytest.mark.parametrize("dtype", [*get_args(Floating), "int64", "bool"])
def test_types(dtype: str) -> None:
    """A type keeps every shape."""
    case = Case("To", {"dtype": dtype}, ((2, 3),))
    agree(case, lambda case: lambda x: x.to(getattr(torch, dtype)))


@given(
    shapes,
    st.floats(width=32) | st.sampled_from([1.0, 0.0, math.inf, 1e39]),
    st.floats(width=32),
)
def test_scale(shape: tuple[int, ...], factor: float, offset: float) -> None:
    """x · factor + offset, where both are float32."""

    def build(case: Case) -> Callable[..., Any]:
        for number in case.arguments.values():
            if not abs(number) <= torch.finfo(torch.float32).max and math.isfinite(number):
                raise ValueError("no float32")
        return lambda x: x * factor + offset

    agree(Case("Scale", {"factor": factor, "offset": offset}, (shape,)), build)


@given(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=4).map(tuple), st.data())
def test_require(shape: tuple[int, ...], data: st.DataObject) -> None:
    """It refuses every other size than those given."""
    wanted = [data.draw(st.sampled_from([n, n, -1, 4 - n, n + 1])) for n in shape]

    def build(case: Case) -> Callable[..., Any]:
        def run(x: torch.Tensor) -> torch.Tensor:
            assert all(n in (-1, have) for n, have in zip(wanted, x.shape))
            return x

        return run

    agree(Case("Require", {"shape": wanted}, (shape,)), build)


TEXT = """
input: [N, 3, H, W]
sizes: {N: 2, H: 8, W: 6}
layers:
  checked: {op: Require, shape: [-1, 3, 4*(H // 4), W]}
  scale: {op: Parameter, shape: [3, 1, 1]}
  scaled: {op: Mul, from: [checked, scale]}
  shifted: {op: Scale, factor: 2, offset: -1}
  squares: {op: Pointwise, function: square}
  most: {op: Amax, dim: [2, 3], keepdim: true}
  wide: {op: Expand, shape: [-1, -1, H, "2*W if W > 4 else W"]}
  mean: {op: Parameter, shape: [1], learned: false}
  last: {op: Sub, from: [wide, mean]}
"""


def test_built_they_are_torchs() -> None:
    """One network of all of them: values, parameters, and the sizes that are refused."""
    net = tracer.loads(TEXT)
    module: Any = tracer.build(net)
    assert {name: tuple(p.shape) for name, p in module.named_parameters()} == {
        "scale": (3, 1, 1)
    }
    assert [name for name, _ in module.named_buffers()] == ["mean"]
    x = torch.randn(2, 3, 8, 6)
    want = ((x * module.scale * 2 - 1) ** 2).amax((2, 3), True).expand(
        2, 3, 8, 12
    ) - module.mean
    assert torch.equal(module(x), want)
    runs = tracer.sizes(net).axes["H"].runs
    for n in range(1, 20):
        shape = None
        with contextlib.suppress(RuntimeError):
            shape = tuple(module(torch.zeros(1, 3, n, 5)).shape)
        assert (n in runs) == (shape is not None) == (n % 4 == 0)
        assert shape is None or shape == net.trace(N=1, H=n, W=5).outputs["last"]
    assert tracer.build(net)(torch.zeros(1, 3, 4, 3)).shape == (1, 3, 4, 3)
    assert [d.code for d in net.trace(H=7).diagnostics] == ["T302"]
    text = TEXT.replace(
        "{op: Parameter, shape: [3, 1, 1]}", "{op: Parameter, shape: [3, 1, 1], from: input}"
    )
    assert [d.message for d in tracer.checks(text)] == ["Parameter takes 0 inputs, not 1"]
